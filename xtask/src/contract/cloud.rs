//! cloud-init: is it there, and does it reach MAAS?

use super::{Breach, Input, breach, breach_of_all};

pub(super) fn installed(input: &Input<'_>) -> Vec<Breach> {
    let places = ["/usr/bin/cloud-init", "/usr/local/bin/cloud-init", "/bin/cloud-init"];
    if places.iter().any(|place| input.index.exists(place)) {
        return Vec::new();
    }
    vec![breach("/usr/bin/cloud-init", "cloud-init is not installed")]
}

pub(super) fn enabled(input: &Input<'_>) -> Vec<Breach> {
    let mut found = Vec::new();
    if input.index.exists("/etc/cloud/cloud-init.disabled") {
        found.push(breach("/etc/cloud/cloud-init.disabled", "this file switches it off"));
    }
    let identify = "/etc/cloud/ds-identify.cfg";
    let off = |line: &String| line.replace(' ', "").starts_with("policy:disabled");
    if input.lines(identify).iter().any(off) {
        found.push(breach(identify, "its policy switches cloud-init off"));
    }
    for file in ["/etc/default/grub", "/etc/kernel/cmdline"] {
        if input.lines(file).iter().any(|line| line.contains("cloud-init=disabled")) {
            found.push(breach(file, "cloud-init=disabled is on the kernel's command line"));
        }
    }
    found
}

/// The file that curtin writes at deployment sorts here; a later one wins.
const CURTIN: &str = "/etc/cloud/cloud.cfg.d/95-cloudconfig-";

pub(super) fn datasource(input: &Input<'_>) -> Vec<Breach> {
    let mut files = vec!["/etc/cloud/cloud.cfg".to_string()];
    files.extend(input.paths("/etc/cloud/cloud.cfg.d/*.cfg"));
    let mut lists = files.into_iter().filter_map(|file| {
        let text = input.index.text(&file)?;
        datasource_list(&text).map(|list| (file, list))
    });
    let Some((file, list)) = lists.next_back() else { return Vec::new() };
    if list.iter().any(|name| name == "MAAS") {
        return Vec::new();
    }
    let found = breach(&file, format!("the last datasource_list has no MAAS: {}", list.join(", ")));
    // curtin's own list comes after this one and names MAAS.
    let overridden = file.as_str() < CURTIN || !file.starts_with("/etc/cloud/cloud.cfg.d/");
    vec![if overridden { found.only_a_warning() } else { found }]
}

/// The names in `datasource_list`, in YAML's flow or block form.
fn datasource_list(text: &str) -> Option<Vec<String>> {
    let mut lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let first = lines.find_map(|line| line.strip_prefix("datasource_list:"))?;
    let mut items = first.to_string();
    for line in lines {
        let item = line.trim();
        if items.contains(']') || !(item.is_empty() || line.starts_with([' ', '-'])) {
            break;
        }
        items.push(' ');
        items.push_str(item.trim_start_matches('-'));
    }
    let names = items.split([' ', ',', '[', ']', '"', '\'', '\t']);
    Some(names.filter(|name| !name.is_empty()).map(str::to_string).collect())
}

pub(super) fn oauth(input: &Input<'_>) -> Vec<Breach> {
    let places = ["dist-packages", "site-packages"];
    let found = places.iter().any(|place| {
        let lib = format!("/usr/lib/python3*/{place}/oauthlib");
        let lib64 = format!("/usr/lib/python2*/{place}/oauthlib");
        [lib, lib64].iter().any(|pattern| !input.paths(pattern).is_empty())
    });
    if found || !installed(input).is_empty() {
        return Vec::new();
    }
    vec![breach_of_all("Python's oauthlib is not installed")]
}

pub(super) fn state(input: &Input<'_>) -> Vec<Breach> {
    let left = input.index.names("/var/lib/cloud");
    let mut found = Vec::new();
    for name in ["instance", "instances", "data", "sem", "seed"] {
        let path = format!("/var/lib/cloud/{name}");
        let empty = input.index.names(&path).is_empty();
        if left.iter().any(|left| left == name) && !(empty && name != "instance") {
            found.push(breach(path, "state of the build"));
        }
    }
    found
}

/// What cloud-init sets on Debian where the image sets nothing.
const DEFAULT_LOCALE: &str = "en_US.UTF-8";

/// Ubuntu's locale-gen makes what it is told, Debian's what `locale.gen` lists.
pub(super) fn locale(input: &Input<'_>) -> Vec<Breach> {
    let debian = input.os.0.get("ID").is_some_and(|id| id == "debian");
    if !debian || !installed(input).is_empty() {
        return Vec::new();
    }
    let file = "/etc/default/locale";
    let set = |line: &String| {
        line.strip_prefix("LANG=").is_some_and(|name| !name.trim_matches(['"', '\'']).is_empty())
    };
    let listed = |line: &String| line.starts_with(DEFAULT_LOCALE);
    let said = |path: &String| input.lines(path).iter().any(|line| line.starts_with("locale:"));
    let mut settings = vec!["/etc/cloud/cloud.cfg".to_string()];
    settings.extend(input.paths("/etc/cloud/cloud.cfg.d/*.cfg"));
    if input.lines(file).iter().any(set)
        || input.lines("/etc/locale.gen").iter().any(listed)
        || settings.iter().any(said)
    {
        return Vec::new();
    }
    vec![breach(file, format!("no LANG, and cloud-init cannot make {DEFAULT_LOCALE}"))]
}

#[cfg(test)]
mod tests {
    use super::datasource_list;

    #[test]
    fn both_forms_of_a_list() {
        for (text, expected) in [
            ("datasource_list: [ MAAS ]\n", Some("MAAS")),
            (
                "# x\ndatasource_list: [NoCloud, MAAS, None]  # why\nother: 1\n",
                Some("NoCloud MAAS None"),
            ),
            ("datasource_list:\n  - NoCloud\n  - 'None'\nusers:\n - x\n", Some("NoCloud None")),
            ("datasource_list:\n- MAAS\n", Some("MAAS")),
            ("datasource_list: [\n  MAAS,\n  None\n]\nx: y\n", Some("MAAS None")),
            ("#datasource_list: [ MAAS ]\n", None),
            ("datasource:\n  MAAS: {}\n", None),
        ] {
            let found = datasource_list(text).map(|names| names.join(" "));
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
