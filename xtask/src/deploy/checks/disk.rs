//! What must hold on the deployed disk before it starts: seen from the system
//! that deployed it, in the directory where the root is mounted. For systems
//! that cannot run here this is all there is.

use super::table::{check, is};
use super::{Check, Expect};
use crate::deploy::machine::{Firmware, GUEST_ADDRESS};

/// Every check; of a whole disk, which brings its own loaders, those of the root.
#[must_use]
pub fn disk(firmware: Firmware, efi_boot_file: &str, whole: bool) -> Vec<Check> {
    let mut checks = [identity(), maas(), root()].concat();
    if !whole {
        checks.extend(written());
        checks.extend(match firmware {
            Firmware::Uefi => esp(efi_boot_file),
            Firmware::Bios => vec![boot_sector()],
        });
    }
    checks
}

fn identity() -> Vec<Check> {
    vec![
        check(
            "disk-machine-id",
            "cat etc/machine-id 2>/dev/null",
            Expect::OneOf(vec![String::new(), "uninitialized".into()]),
            "each machine makes its own at its first start, if the image brings none",
        ),
        check(
            "disk-host-keys",
            "ls etc/ssh/ssh_host_*_key 2>/dev/null",
            Expect::Nothing,
            "host keys that several machines share identify none of them",
        ),
        check(
            "disk-hook",
            "ls -d curtin 2>/dev/null",
            Expect::Nothing,
            "the deploy hook removes itself",
        ),
    ]
}

fn maas() -> Vec<Check> {
    vec![
        check(
            "disk-datasource",
            "grep -hs '^datasource_list:' etc/cloud/cloud.cfg.d/*.cfg | tail -n 1 | tr -d ' '",
            is("datasource_list:[MAAS]"),
            "cloud-init must look for MAAS and for nothing else",
        ),
        check(
            "disk-credentials",
            "grep -rlsE 'consumer_key' etc/cloud/cloud.cfg.d | wc -l",
            Expect::AtLeast(1),
            "without its credentials the machine gets no user-data, and MAAS gives up on it",
        ),
        check(
            "disk-network",
            format!(
                "cat etc/cloud/cloud.cfg.d/50-curtin-networking.cfg etc/netplan/*.yaml \
                 etc/network/interfaces etc/sysconfig/network*/ifcfg-* 2>/dev/null \
                 | grep -cwF {GUEST_ADDRESS}"
            ),
            Expect::AtLeast(1),
            "the machine must get the address that MAAS configured",
        ),
    ]
}

fn root() -> Vec<Check> {
    vec![
        check(
            "disk-fstab-root",
            "awk '!/^#/ && $2 == \"/\"' etc/fstab | wc -l",
            is("1"),
            "the root must be in fstab once",
        ),
        check(
            "disk-fstab-devices",
            "awk '!/^#/ && NF {print $1}' etc/fstab | while read -r s; do \
             case $s in UUID=*) s=/dev/disk/by-uuid/${s#UUID=} ;; esac; \
             case $s in /dev/*) [ -e \"$s\" ] || echo \"$s\" ;; esac; done",
            Expect::Nothing,
            "a file system of the build machine stops the boot for 90 s or for good",
        ),
        check(
            "disk-kernel",
            "n=0; for k in boot/vmlinu[xz]-* boot/Image-*; do [ -s \"$k\" ] || continue; \
             v=${k#boot/*-}; case $v in *rescue*) continue ;; esac; n=$((n + 1)); \
             [ -d \"lib/modules/$v\" ] || [ -d \"usr/lib/modules/$v\" ] || echo \"no modules of $v\"; \
             [ -s \"boot/initrd.img-$v\" ] || [ -s \"boot/initramfs-$v.img\" ] \
             || [ -s \"boot/initrd-$v\" ] || echo \"no initrd of $v\"; done; \
             [ $n -gt 0 ] || echo 'no kernel'",
            Expect::Nothing,
            "a kernel needs its modules and its initrd",
        ),
        check(
            "disk-menu",
            "find boot \\( -name grub.cfg -o -name grub.conf \\) -size +0 2>/dev/null | wc -l",
            Expect::AtLeast(1),
            "without a menu GRUB stops at its prompt",
        ),
        check(
            "disk-menu-root",
            "grep -rhosIE '[[:space:]]root=(UUID=|/dev/)[^[:space:]\"]+' boot/grub boot/grub2 boot/loader boot/efi \
             | tr -d ' \\t' | sort -u | while read -r r; do s=${r#root=}; \
             case $s in UUID=*) s=/dev/disk/by-uuid/${s#UUID=} ;; esac; \
             [ -e \"$s\" ] || echo \"$r\"; done",
            Expect::Nothing,
            "a kernel's line that names the build machine's disk finds no root",
        ),
    ]
}

/// Of an archive that was unpacked, where the installer writes from outside.
fn written() -> Vec<Check> {
    vec![check(
        "disk-labels",
        "grep -qsE '^SELINUX=(enforcing|permissive)' etc/selinux/config || exit 0; \
         ls .autorelabel etc/selinux/.autorelabel 2>/dev/null | grep -q . \
         || echo 'no /.autorelabel'",
        Expect::Nothing,
        "files written at deployment have no SELinux label before a relabel",
    )]
}

fn esp(efi_boot_file: &str) -> Vec<Check> {
    vec![
        check(
            "disk-loader",
            format!("ls boot/efi/EFI/BOOT/{efi_boot_file}"),
            is(format!("boot/efi/EFI/BOOT/{efi_boot_file}")),
            "MAAS and firmware without an entry start this file",
        ),
        check(
            "disk-vendor",
            "find boot/efi/EFI -mindepth 1 -maxdepth 1 -not -iname BOOT | wc -l",
            is("1"),
            "MAAS and NVRAM entries want one vendor directory",
        ),
    ]
}

fn boot_sector() -> Check {
    check(
        "disk-boot-sector",
        "root=$(findmnt -n -o SOURCE -M \"$PWD\"); \
         for disk in $(lsblk -s -n -l -p -o NAME,TYPE \"$root\" | awk '$2 == \"disk\" {print $1}'); do \
         head -c 446 \"$disk\" | grep -acF GRUB; done | sort -u",
        is("1"),
        "BIOS starts what is in the first sector",
    )
}
