//! Which Debian or Ubuntu package brings a tool, for the hint in errors.

/// Tool and package, sorted by tool. Names are the same in Debian 12 and 13 and
/// Ubuntu 22.04 to 26.04 unless a comment says otherwise.
const PACKAGES: &[(&str, &str)] = &[
    ("cloud-init", "cloud-init"),
    ("fuser", "psmisc"),
    ("git", "git"),
    ("gpg", "gnupg"),
    ("gpgv", "gpgv"),
    ("guestfish", "libguestfs-tools"),
    ("mcopy", "mtools"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.vfat", "dosfstools"),
    ("mkfs.xfs", "xfsprogs"),
    ("mmdebstrap", "mmdebstrap"),
    ("newuidmap", "uidmap"),
    ("pvcreate", "lvm2"),
    ("python3", "python3"),
    ("qemu-img", "qemu-utils"),
    ("qemu-io", "qemu-utils"),
    ("qemu-system-aarch64", "qemu-system-arm"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("scp", "openssh-client"),
    ("sfdisk", "fdisk"),
    ("shellcheck", "shellcheck"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("swtpm", "swtpm"),
    ("tar", "tar"),
    ("unxz", "xz-utils"),
    ("xmllint", "libxml2-utils"),
    ("xorriso", "xorriso"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];

/// The package that brings `tool` (a name or a path), if we know it.
pub fn debian_package(tool: &str) -> Option<&'static str> {
    let name = tool.rsplit('/').next().unwrap_or(tool);
    PACKAGES.iter().find(|(known, _)| *known == name).map(|(_, package)| *package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_and_found_by_path() {
        assert!(PACKAGES.is_sorted_by_key(|(tool, _)| tool));
        assert_eq!(debian_package("/usr/bin/qemu-img"), Some("qemu-utils"));
        assert_eq!(debian_package("no-such-tool"), None);
    }
}
