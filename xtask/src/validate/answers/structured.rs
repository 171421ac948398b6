//! ANS006, ANS007: Agama's profile (JSON) and Ubuntu's autoinstall (YAML).

use serde_json::Value;

use super::Problem;

/// Keys of Agama's profile: `rust/share/profile.schema.json` of
/// github.com/agama-project/agama at f0b1e9c1d.
const AGAMA: [&str; 22] = [
    "$schema",
    "access",
    "bootloader",
    "dasd",
    "files",
    "hostname",
    "iscsi",
    "l10n",
    "legacyAutoyastStorage",
    "localization",
    "network",
    "ntp",
    "product",
    "proxy",
    "questions",
    "root",
    "scripts",
    "security",
    "software",
    "storage",
    "user",
    "zfcp",
];

/// Stages of Agama's scripts, from the same file.
const STAGES: [&str; 4] = ["pre", "postPartitioning", "post", "init"];

/// Keys of an autoinstall: `autoinstall-schema.json` of
/// github.com/canonical/subiquity at 44e42fc6.
const AUTOINSTALL: [&str; 32] = [
    "active-directory",
    "apt",
    "codecs",
    "debconf-selections",
    "drivers",
    "early-commands",
    "error-commands",
    "identity",
    "interactive-sections",
    "kernel",
    "kernel-crash-dumps",
    "keyboard",
    "late-commands",
    "locale",
    "network",
    "oem",
    "packages",
    "proxy",
    "refresh-installer",
    "reporting",
    "shutdown",
    "snaps",
    "source",
    "ssh",
    "storage",
    "timezone",
    "ubuntu-advantage",
    "ubuntu-pro",
    "updates",
    "user-data",
    "version",
    "zdevs",
];

/// Whether a JSON document is a profile of Agama.
#[must_use]
pub fn is_agama(profile: &Value) -> bool {
    let has = |key| profile.get(key).is_some();
    has("product") || (has("root") && has("software"))
}

/// ANS006.
#[must_use]
pub fn agama(text: &str, profile: &Value) -> Vec<Problem> {
    let mut found = unknown(text, profile, &AGAMA, "Agama");
    if profile.pointer("/product/id").and_then(Value::as_str).is_none_or(str::is_empty) {
        found.push((
            key_line(text, "product"),
            "Agama does not know what to install: product.id".into(),
        ));
    }
    let login = ["/root/password", "/root/sshPublicKey", "/root/sshPublicKeys", "/user"];
    if !login.iter().any(|path| profile.pointer(path).is_some()) {
        found.push((1, "Agama waits for a login to be set: neither root nor user".into()));
    }
    let scripts = profile.get("scripts").and_then(Value::as_object).into_iter().flatten();
    for (stage, list) in scripts {
        if !STAGES.contains(&stage.as_str()) {
            found.push((key_line(text, stage), format!("Agama has no scripts `{stage}`")));
        }
        for script in list.as_array().into_iter().flatten() {
            let has = |key| script.get(key).is_some_and(Value::is_string);
            if !has("name") || !(has("content") || has("url")) {
                let message = format!("a script of `{stage}` needs name and content or url");
                found.push((key_line(text, stage), message));
            }
        }
    }
    found
}

/// ANS007.
#[must_use]
pub fn autoinstall(text: &str, answers: &Value) -> Vec<Problem> {
    let mut found = unknown(text, answers, &AUTOINSTALL, "autoinstall");
    if answers.get("version").and_then(Value::as_i64) != Some(1) {
        found.push((key_line(text, "autoinstall"), "the installer demands `version: 1`".into()));
    }
    if answers.get("identity").is_none() && answers.get("user-data").is_none() {
        let message = "the installer stops without `identity` or `user-data`";
        found.push((key_line(text, "autoinstall"), message.into()));
    }
    for (key, allowed) in [("shutdown", ["reboot", "poweroff"]), ("updates", ["security", "all"])] {
        let value = answers.get(key).map(|v| v.as_str().unwrap_or("(no text)"));
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            let message = format!("`{key}` is {} or {}, not `{value}`", allowed[0], allowed[1]);
            found.push((key_line(text, key), message));
        }
    }
    found
}

fn unknown(text: &str, value: &Value, known: &[&str], whose: &str) -> Vec<Problem> {
    let keys = value.as_object().into_iter().flat_map(|object| object.keys());
    keys.filter(|key| !known.contains(&key.as_str()))
        .map(|key| (key_line(text, key), format!("{whose} has no key `{key}`")))
        .collect()
}

/// The first line that has a key, in JSON or YAML.
#[must_use]
pub fn key_line(text: &str, key: &str) -> usize {
    let (quoted, plain) = (format!("\"{key}\""), format!("{key}:"));
    let has = |line: &str| {
        line.contains(&quoted) || line.trim_start().trim_start_matches("- ").starts_with(&plain)
    };
    text.lines().position(has).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agamas_mistakes_have_their_line() {
        for (text, lines) in [
            ("{\"product\":{\"id\":\"SLES\"},\n\"root\":{\"password\":\"!\"}}", vec![]),
            ("{\"product\":{\"id\":\"SLES\"},\"user\":{},\n\"softwares\":{}}", vec![2]),
            ("{\"root\":{\"password\":\"!\"},\n\"product\":{}}", vec![2]),
            ("{\"product\":{\"id\":\"S\"}}", vec![1]),
            ("{\"product\":{\"id\":\"S\"},\"user\":{},\"scripts\":{\n\"late\":[]}}", vec![2]),
            (
                "{\"product\":{\"id\":\"S\"},\"user\":{},\"scripts\":{\n\"post\":[{\"name\":\"x\"}]}}",
                vec![2],
            ),
        ] {
            let found = agama(text, &serde_json::from_str(text).unwrap());
            assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), lines, "{text}");
        }
    }

    #[test]
    fn autoinstalls_mistakes_have_their_line() {
        for (text, lines) in [
            ("version: 1\nuser-data: {}\n", vec![]),
            ("user-data: {}\nversion: 2\n", vec![1]),
            ("version: 1\n", vec![1]),
            ("version: 1\nuser-data: {}\npackage_update: true\n", vec![3]),
            ("version: 1\nuser-data: {}\nshutdown: halt\n", vec![3]),
        ] {
            let answers = packer_hcl::yaml::read(text).unwrap().to_plan_json();
            let found = autoinstall(text, &answers);
            assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), lines, "{text}");
        }
    }
}
