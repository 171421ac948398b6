//! Which files the contract looks into.

use crate::policy::matches;

/// Patterns of absolute paths and how many bytes are kept at most. A longer
/// file is kept up to there.
const KEPT: &[(&str, u64)] = &[
    ("/etc/os-release", SMALL),
    ("/usr/lib/os-release", SMALL),
    // Where older Fedoras link it to.
    ("/usr/lib/os.release.d/*", SMALL),
    ("/etc/*-release", SMALL),
    ("/etc/fstab", SMALL),
    ("/etc/crypttab", SMALL),
    ("/etc/machine-id", SMALL),
    ("/etc/hostname", SMALL),
    ("/etc/resolv.conf", SMALL),
    ("/etc/environment", SMALL),
    ("/etc/passwd", LIST),
    ("/etc/shadow", LIST),
    ("/etc/sudoers", LIST),
    ("/etc/sudoers.d/*", SMALL),
    ("/etc/ssh/sshd_config", SMALL),
    ("/etc/ssh/sshd_config.d/*", SMALL),
    ("/etc/profile.d/*", SMALL),
    ("/root/.ssh/authorized_keys", SMALL),
    ("/home/*/.ssh/authorized_keys", SMALL),
    ("/etc/default/grub", SMALL),
    ("/etc/default/grub.d/*", SMALL),
    ("/etc/default/locale", SMALL),
    // Where Debian 13 and later link /etc/default/locale to.
    ("/etc/locale.conf", SMALL),
    ("/etc/locale.gen", SMALL),
    ("/etc/kernel/cmdline", SMALL),
    ("/boot/grub/grub.cfg", LIST),
    ("/boot/grub2/grub.cfg", LIST),
    ("/boot/grub2/grubenv", SMALL),
    ("/boot/grub/menu.lst", SMALL),
    ("/boot/grub/device.map", SMALL),
    ("/boot/grub2/device.map", SMALL),
    ("/boot/loader/entries/*.conf", SMALL),
    ("/boot/efi/EFI/*/grub.cfg", LIST),
    ("/etc/initramfs-tools/initramfs.conf", SMALL),
    ("/etc/initramfs-tools/conf.d/*", SMALL),
    ("/etc/dracut.conf", SMALL),
    ("/etc/dracut.conf.d/*", SMALL),
    ("/lib/modules/*/modules.builtin", SMALL),
    ("/usr/lib/modules/*/modules.builtin", SMALL),
    ("/boot/initr*", INITRD),
    ("/etc/cloud/cloud.cfg", LIST),
    ("/etc/cloud/cloud.cfg.d/*", LIST),
    ("/etc/cloud/ds-identify.cfg", SMALL),
    ("/etc/netplan/*", SMALL),
    ("/etc/network/interfaces", SMALL),
    ("/etc/network/interfaces.d/*", SMALL),
    ("/curtin/*", LIST),
    ("/etc/apt/apt.conf", SMALL),
    ("/etc/apt/apt.conf.d/*", SMALL),
    ("/etc/apt/sources.list", SMALL),
    ("/etc/apt/sources.list.d/*", SMALL),
    ("/etc/yum.conf", SMALL),
    ("/etc/dnf/dnf.conf", SMALL),
    ("/etc/yum.repos.d/*", SMALL),
    ("/var/lib/dpkg/status", DATABASE),
    ("/var/lib/rpm/rpmdb.sqlite*", DATABASE),
    ("/var/lib/rpm/Packages.db", DATABASE),
    // Only to tell that it is there: BerkeleyDB is not read.
    ("/var/lib/rpm/Packages", MARK),
    ("/usr/lib/sysimage/rpm/rpmdb.sqlite*", DATABASE),
    ("/usr/lib/sysimage/rpm/Packages.db", DATABASE),
    // Distroless layouts keep one file per package.
    ("/var/lib/dpkg/status.d/*", SMALL),
];

const SMALL: u64 = 256 << 10;
const LIST: u64 = 4 << 20;
/// The status file of a full desktop has 5 MiB, the rpm database of one 60.
const DATABASE: u64 = 96 << 20;
const MARK: u64 = 16;
/// Debian's with all firmware has 59 MB; three times the largest one seen.
const INITRD: u64 = 256 << 20;

/// Whether only the names in it are kept.
pub(super) fn is_initrd(path: &[u8]) -> bool {
    matches(b"/boot/initr*", &[b"/", path].concat())
}

/// How much of the file at `path` (below the root) to keep.
pub(super) fn limit(path: &[u8]) -> Option<u64> {
    let absolute = [b"/", path].concat();
    let found = KEPT.iter().find(|(pattern, _)| matches(pattern.as_bytes(), &absolute));
    found.map(|(_, limit)| *limit)
}
