//! What the build left behind.

use disk_image::artifact::NodeKind;

use super::{Breach, Input, breach};

pub(super) fn fstab(input: &Input<'_>) -> Vec<Breach> {
    let lines = input.lines("/etc/fstab");
    let Some(first) = lines.first() else { return Vec::new() };
    vec![breach("/etc/fstab", format!("it mounts file systems of the build VM: {first}"))]
}

pub(super) fn fstab_on_disk(input: &Input<'_>) -> Vec<Breach> {
    let lines = input.lines("/etc/fstab");
    let named =
        lines.iter().filter(|line| ["/dev/sd", "/dev/vd"].iter().any(|d| line.starts_with(d)));
    named
        .map(|line| breach("/etc/fstab", format!("it names a disk of the build VM: {line}")))
        .collect()
}

pub(super) fn machine_id(input: &Input<'_>) -> Vec<Breach> {
    let mut found = Vec::new();
    for path in ["/etc/machine-id", "/var/lib/dbus/machine-id"] {
        let text = input.index.text(path).unwrap_or_default();
        let filled = input.index.get(path).is_some_and(|node| {
            // The dbus copy is not kept, but a file of its own is wrong when filled.
            node.kind == NodeKind::File && node.size > 0 && text.trim() != "uninitialized"
        });
        if filled {
            found.push(breach(path, "every machine would have this id"));
        }
    }
    found
}

/// Words that set a proxy in files of apt, dnf and shells.
fn proxy_line(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let apt = lower.starts_with("acquire::") && lower.contains("proxy");
    let set = ["http_proxy=", "https_proxy=", "ftp_proxy=", "all_proxy=", "proxy=http"];
    let bare = lower.strip_prefix("export ").unwrap_or(&lower).replace(' ', "");
    let shell = set.iter().any(|name| bare.starts_with(name));
    (apt && !lower.contains("\"direct\"") && !lower.contains("proxy-auto-detect"))
        || (shell && !bare.ends_with('=') && !bare.ends_with("=\"\""))
}

pub(super) fn proxies(input: &Input<'_>) -> Vec<Breach> {
    let fixed = ["/etc/apt/apt.conf", "/etc/environment", "/etc/yum.conf", "/etc/dnf/dnf.conf"];
    let mut files: Vec<String> = fixed.map(str::to_string).into();
    files.extend(input.paths("/etc/apt/apt.conf.d/*"));
    files.extend(input.paths("/etc/profile.d/*"));
    let mut found = Vec::new();
    for file in files {
        if input.lines(&file).iter().any(|line| proxy_line(line)) {
            found.push(breach(file, "a proxy of the build"));
        }
    }
    found
}

pub(super) fn packer(input: &Input<'_>) -> Vec<Breach> {
    let patterns =
        ["/packer*", "/tmp/packer*", "/tmp/script_*.sh", "/var/tmp/packer*", "/root/packer*"];
    let paths = patterns.iter().flat_map(|pattern| input.paths(pattern));
    paths.map(|path| breach(path, "a file of the build")).collect()
}

pub(super) fn answers(input: &Input<'_>) -> Vec<Breach> {
    let patterns = [
        "/root/anaconda-ks.cfg",
        "/root/original-ks.cfg",
        "/root/autoinst.xml",
        "/var/log/installer/autoinstall-user-data",
        "/var/log/anaconda/*ks*",
        "/etc/cloud/cloud.cfg.d/99-installer.cfg",
    ];
    let paths = patterns.iter().flat_map(|pattern| input.paths(pattern));
    paths.map(|path| breach(path, "answers of the installation, with password hashes")).collect()
}

pub(super) fn network(input: &Input<'_>) -> Vec<Breach> {
    let patterns = [
        "/etc/netplan/50-cloud-init.yaml",
        "/etc/netplan/00-installer-config*.yaml",
        "/etc/network/interfaces.d/50-cloud-init*",
        "/etc/udev/rules.d/70-persistent-net.rules",
        "/etc/NetworkManager/system-connections/*.nmconnection",
        "/etc/sysconfig/network-scripts/ifcfg-e*",
        "/etc/sysconfig/network/ifcfg-e*",
    ];
    let paths = patterns.iter().flat_map(|pattern| input.paths(pattern));
    paths.map(|path| breach(path, "it is about the build VM's interface")).collect()
}

pub(super) fn resolver(input: &Input<'_>) -> Vec<Breach> {
    const PATH: &str = "/etc/resolv.conf";
    let regular = input.index.get(PATH).is_some_and(|node| node.kind == NodeKind::File);
    // QEMU's user network answers at 10.0.2.3.
    let builders = input.lines(PATH).iter().any(|line| line.contains("10.0.2.3"));
    if regular && builders {
        vec![breach(PATH, "it names the build VM's server")]
    } else {
        Vec::new()
    }
}

pub(super) fn histories(input: &Input<'_>) -> Vec<Breach> {
    let mut files = input.paths("/root/.*_history");
    files.extend(input.paths("/home/*/.*_history"));
    let filled = |file: &String| input.index.find(file).is_some_and(|(_, node)| node.size > 0);
    files.into_iter().filter(filled).map(|file| breach(file, "commands of the build")).collect()
}

pub(super) fn seeds(input: &Input<'_>) -> Vec<Breach> {
    let patterns = ["/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret"];
    let paths = patterns.iter().flat_map(|pattern| input.paths(pattern));
    paths.map(|path| breach(path, "a secret that machines must not share")).collect()
}

#[cfg(test)]
mod tests {
    use super::proxy_line;

    #[test]
    fn what_sets_a_proxy() {
        for (line, expected) in [
            ("Acquire::http::Proxy \"http://10.0.2.2:3128\";", true),
            ("acquire::https::proxy \"x\";", true),
            ("Acquire::http::Proxy \"DIRECT\";", false),
            ("Acquire::http::Proxy-Auto-Detect \"/usr/bin/auto-apt-proxy\";", false),
            ("Acquire::Retries \"3\";", false),
            ("export http_proxy=http://proxy:3128", true),
            ("HTTPS_PROXY=\"http://proxy\"", true),
            ("http_proxy=", false),
            ("proxy = http://proxy:3128", true),
            ("proxy_settings=1", false),
        ] {
            assert_eq!(proxy_line(line), expected, "{line}");
        }
    }
}
