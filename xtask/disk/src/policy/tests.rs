use std::collections::HashSet;

use super::*;
use crate::fs::Timestamp;

fn meta(kind: FileKind, size: u64) -> Metadata {
    let zero = Timestamp::default();
    Metadata {
        kind,
        mode: 0o644,
        uid: 0,
        gid: 0,
        size,
        links: 1,
        atime: zero,
        mtime: zero,
        ctime: zero,
    }
}

fn decide(family: Family, kind: Kind, path: &str, node: FileKind) -> Option<&'static str> {
    let policy = Policy::standard(family, kind);
    policy.decide(path.as_bytes(), &meta(node, 10)).map(|rule| rule.id)
}

#[test]
fn what_goes_and_what_stays() {
    use FileKind::{Directory, Regular, Symlink};
    for (path, kind, rule) in [
        ("etc/machine-id", Regular, Some("machine-id")),
        ("var/lib/dbus/machine-id", Symlink, None),
        ("etc/fstab", Regular, Some("fstab")),
        ("etc/ssh/ssh_host_ed25519_key", Regular, Some("host-keys")),
        ("etc/ssh/sshd_config", Regular, None),
        ("root/.ssh", Directory, None),
        ("root/.ssh/authorized_keys", Regular, Some("authorized-keys")),
        ("root/.bash_history", Regular, Some("histories")),
        ("root/.bashrc", Regular, None),
        ("var/lib/cloud", Directory, Some("cloud-init-state")),
        ("var/log/cloud-init-output.log", Regular, Some("cloud-init-status")),
        ("var/log", Directory, None),
        ("var/log/apt", Directory, None),
        ("var/log/apt/term.log", Regular, Some("logs")),
        ("var/log/apt/term.log.1.gz", Regular, Some("old-logs")),
        ("var/log/dmesg.0", Regular, Some("old-logs")),
        ("var/log/messages-20260101", Regular, Some("old-logs")),
        ("var/log/journal", Directory, None),
        ("var/log/journal/4b1d", Directory, Some("old-logs")),
        ("var/log/anaconda", Directory, Some("installer-answers")),
        ("etc/netplan/50-cloud-init.yaml", Regular, Some("network-config")),
        ("var/lib/apt/lists", Directory, Some("apt-lists")),
        ("var/lib/apt/extended_states", Regular, None),
        ("etc/apt/apt.conf.d/90curtin-aptproxy", Regular, Some("apt-proxy")),
        ("etc/apt/apt.conf.d/auto-apt-proxy.conf", Regular, None),
        ("etc/apt/apt.conf.d/01autoremove", Regular, None),
        ("packer_backup", Directory, Some("packer-leftovers")),
        ("tmp", Directory, Some("temporary-files")),
        ("var/cache/dnf", Directory, None),
        ("etc/shadow", Regular, None),
        ("etc/iscsi/initiatorname.iscsi", Regular, Some("iscsi-name")),
        ("etc/shadow-", Regular, Some("password-backups")),
        ("curtin/curtin-hooks", Regular, None),
        ("", Directory, None),
    ] {
        assert_eq!(decide(Family::Debian, Kind::Tgz, path, kind), rule, "{path}");
    }
}

#[test]
fn families_and_kinds_narrow_the_rules() {
    use FileKind::{Directory, Regular};
    let red_hat = |path, kind| decide(Family::RedHat, Kind::Tgz, path, kind);
    assert_eq!(red_hat("var/cache/dnf", Directory), Some("dnf-cache"));
    assert_eq!(red_hat("var/lib/apt/lists", Directory), None);
    assert_eq!(red_hat("etc/iscsi/initiatorname.iscsi", Regular), Some("network-identity"));
    assert_eq!(red_hat("boot/efi/EFI/redhat/grub.cfg", Regular), Some("efi-grub-config"));
    assert_eq!(decide(Family::Debian, Kind::Ddgz, "etc/fstab", Regular), None);
}

#[test]
fn an_empty_file_is_no_change() {
    let policy = Policy::standard(Family::Debian, Kind::Tgz);
    assert!(policy.decide(b"etc/machine-id", &meta(FileKind::Regular, 0)).is_none());
}

#[test]
fn rules_can_be_removed_and_added() {
    let mine = Rule { id: "mine", paths: &["/etc/motd"], ..STANDARD[0].clone() };
    let policy = Policy::standard(Family::Debian, Kind::Tgz).without(&["fstab"]).with(mine);
    let id = |path: &[u8]| policy.decide(path, &meta(FileKind::Regular, 1)).map(|rule| rule.id);
    assert_eq!(id(b"etc/fstab"), None);
    assert_eq!(id(b"etc/motd"), Some("mine"));
}

#[test]
fn ids_are_unique_and_every_rule_says_why() {
    let ids: HashSet<_> = STANDARD.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), STANDARD.len());
    for rule in STANDARD {
        assert!(rule.why.len() > 15, "{}", rule.id);
        assert!(rule.paths.iter().all(|path| path.starts_with('/')), "{}", rule.id);
    }
}

#[test]
fn families_come_from_os_release() {
    for (id, like, family) in [
        ("debian", "", Family::Debian),
        ("ubuntu", "debian", Family::Debian),
        ("linuxmint", "ubuntu debian", Family::Debian),
        ("rocky", "rhel centos fedora", Family::RedHat),
        ("opensuse-leap", "suse opensuse", Family::Suse),
        ("sles", "suse", Family::Suse),
        ("arch", "", Family::Other),
        ("", "", Family::Other),
    ] {
        assert_eq!(Family::of(id, like), family, "{id}");
    }
}
