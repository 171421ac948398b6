//! A good artifact, and one bad artifact per rule.

mod bench;

use std::collections::BTreeSet;

use super::*;
use bench::{Bench, good};

#[test]
fn a_good_artifact_breaks_no_rule() {
    let bench = good();
    assert_eq!(bench.broken(), []);
    assert!(check(&bench.artifact, &bench.expect).checked > 35);
}

type Spoil = fn(&mut Bench);

/// Rule, the path it names, and what breaks it (and nothing else).
const BAD: &[(&str, &str, Spoil)] = &[
    ("C001", "", |b| b.expect.kind = Kind::Ddgz),
    ("C002", "", |b| b.artifact.root = Err("partition 2: LVM".into())),
    ("C003", "", |b| b.remove("/usr/share/doc")),
    ("C004", "/", |b| b.remove("/proc")),
    ("C005", "", |b| b.artifact.warnings.push("/x is in it twice".into())),
    ("C010", "/boot", |b| b.remove("/boot/vmlinuz-6.1.0-28-amd64")),
    ("C010", "/boot/vmlinuz-6.1.0-28-amd64", |b| b.file("boot/vmlinuz-6.1.0-28-amd64", 0)),
    ("C011", "/boot", |b| b.remove("/boot/initrd.img-6.1.0-28-amd64")),
    ("C011", "/boot/initrd.img-6.1.0-28-amd64", |b| b.file("boot/initrd.img-6.1.0-28-amd64", 9)),
    ("C012", "/lib/modules/6.1.0-28-amd64", |b| b.remove("/usr/lib/modules/6.1.0-28-amd64")),
    ("C013", "/boot", |b| {
        b.file("boot/vmlinuz-6.1.0-27-amd64", 8 << 20);
        b.file("boot/initrd.img-6.1.0-27-amd64", 8 << 20);
        b.file("usr/lib/modules/6.1.0-27-amd64/modules.dep", 1);
    }),
    ("C014", "", |b| b.remove("/usr/lib/grub/i386-pc")),
    ("C015", "", |b| b.remove("/usr/lib/grub/x86_64-efi-signed")),
    ("C015", "", |b| b.expect.arch = Some(Arch::Arm64)),
    ("C016", "/usr/bin/efibootmgr", |b| b.remove("/usr/bin/efibootmgr")),
    ("C017", "/etc/default/grub.d/x.cfg", |b| {
        b.text("etc/default/grub.d/x.cfg", "GRUB_CMDLINE_LINUX=\"root=/dev/vda1\"\n");
    }),
    ("C017", "/boot/grub/device.map", |b| b.text("boot/grub/device.map", "(hd0) /dev/sda\n")),
    ("C018", "/etc/default/grub", |b| {
        b.text("etc/default/grub", "GRUB_CMDLINE_LINUX=\"console=ttyS0,115200n8\"\n");
    }),
    ("C019", "/etc/default/grub", |b| {
        b.set_family("rhel", Family::El);
        b.text("boot/loader/entries/abc-5.14.conf", "options root=UUID=x\n");
    }),
    ("C020", "/boot/efi/EFI/redhat/grub.cfg", |b| {
        b.set_family("rhel", Family::El);
        b.text("boot/efi/EFI/redhat/grub.cfg", "search\n");
    }),
    ("C021", "/etc/initramfs-tools/conf.d/resume", |b| {
        b.text("etc/initramfs-tools/conf.d/resume", "RESUME=UUID=abc\n");
    }),
    ("C022", "/boot/initrd.img-6.1.0-28-amd64", |b| {
        // An early archive with microcode alone (synthetic, by cpio(5)).
        b.initrd("boot/initrd.img-6.1.0-28-amd64", &["kernel/x86/microcode/AuthenticAMD.bin"]);
    }),
    ("C022", "/etc/initramfs-tools/conf.d/driver", |b| {
        b.text("etc/initramfs-tools/conf.d/driver", "MODULES=dep\n");
    }),
    ("C023", "/boot/efi/EFI/redhat", |b| {
        b.file("boot/efi/EFI/redhat/grubx64.efi", 1 << 20);
    }),
    ("C030", "/usr/bin/cloud-init", |b| b.remove("/usr/bin/cloud-init")),
    ("C031", "/etc/cloud/cloud-init.disabled", |b| b.text("etc/cloud/cloud-init.disabled", "")),
    ("C031", "/etc/cloud/ds-identify.cfg", |b| {
        b.text("etc/cloud/ds-identify.cfg", "policy: disabled\n");
    }),
    ("C031", "/etc/default/grub", |b| {
        b.text("etc/default/grub", "GRUB_CMDLINE_LINUX=\"cloud-init=disabled\"\n");
    }),
    ("C032", "/etc/cloud/cloud.cfg.d/99-build.cfg", |b| {
        b.text("etc/cloud/cloud.cfg.d/99-build.cfg", "datasource_list: [ NoCloud ]\n");
    }),
    ("C033", "", |b| b.remove("/usr/lib/python3")),
    ("C034", "/var/lib/cloud/instance", |b| b.link("var/lib/cloud/instance", "instances/i-1")),
    ("C034", "/var/lib/cloud/seed", |b| b.file("var/lib/cloud/seed/nocloud/user-data", 10)),
    ("C035", "/etc/default/locale", |b| b.text("etc/default/locale", "LANG=\n")),
    ("C035", "/etc/default/locale", |b| b.remove("/etc/default/locale")),
    ("C040", "/curtin/curtin-hooks", |b| b.remove("/curtin/curtin-hooks")),
    ("C040", "/curtin/curtin-hooks", |b| b.script("curtin/curtin-hooks", "#!/bin/sh\n", 0o644)),
    ("C040", "/curtin/curtin-hooks", |b| b.script("curtin/curtin-hooks", "import os\n", 0o755)),
    ("C040", "/curtin/curtin-hooks", |b| b.script("curtin/curtin-hooks", "#!/bin/sh\r\n", 0o755)),
    ("C040", "/curtin/curtin-hooks", |b| {
        b.script(
            "curtin/curtin-hooks",
            "#!/usr/bin/env python3\nimport hooklib\n# kernel-package\n",
            0o755,
        );
    }),
    ("C040", "/curtin/curtin-hooks", |b| b.dir("curtin/curtin-hooks")),
    ("C041", "/curtin", |b| {
        b.make_disk();
        b.expect.needs_hook = false;
        b.remove("/curtin");
    }),
    ("C042", "/etc/os-release", |b| b.text("usr/lib/os-release", "NAME=x\n")),
    ("C042", "/etc/os-release", |b| b.text("usr/lib/os-release", "ID=debian\n")),
    ("C042", "/etc/os-release", |b| {
        b.text("usr/lib/os-release", "ID=openEuler\nVERSION_ID=\"24.03\"\n");
        b.expect.needs_hook = false;
        b.remove("/curtin/curtin-hooks");
    }),
    ("C043", "/usr/bin/lsb_release", |b| b.remove("/usr/bin/lsb_release")),
    ("C044", "/var/lib/dpkg/status", |b| {
        let half = "Package: grub\nStatus: install ok half-configured\n\n\
            Package: linux-image-amd64\nStatus: install ok installed\n";
        b.text("var/lib/dpkg/status", half);
    }),
    ("C044", "/var/lib/dpkg/status", |b| b.remove("/var/lib/dpkg/status")),
    ("C045", "/etc/apt/sources.list", |b| {
        b.text("etc/apt/sources.list", "deb http://10.0.2.2:3142/debian bookworm main\n");
    }),
    ("C045", "/etc/apt", |b| b.text("etc/apt/sources.list", "# none\n")),
    ("C046", "/curtin/kernel-package", |b| b.text("curtin/kernel-package", "linux-generic\n")),
    ("C046", "/curtin/kernel-package", |b| b.remove("/curtin/kernel-package")),
    ("C046", "/curtin/curtin-hooks", |b| {
        b.remove("/curtin");
        b.expect.needs_hook = false;
    }),
    ("C050", "/etc/fstab", |b| b.text("etc/fstab", "# x\nUUID=1 / ext4 defaults 0 1\n")),
    ("C051", "/etc/fstab", |b| {
        b.make_disk();
        b.text("etc/fstab", "UUID=1 / ext4 defaults 0 1\n/dev/vda15 /boot/efi vfat x 0 1\n");
    }),
    ("C052", "/etc/machine-id", |b| b.text("etc/machine-id", "0123456789abcdef\n")),
    ("C052", "/var/lib/dbus/machine-id", |b| b.file("var/lib/dbus/machine-id", 33)),
    ("C053", "/etc/ssh/ssh_host_rsa_key", |b| b.file("etc/ssh/ssh_host_rsa_key", 400)),
    ("C054", "/root/.ssh/authorized_keys", |b| b.text("root/.ssh/authorized_keys", "ssh-rsa A\n")),
    ("C054", "/home/me/.ssh/authorized_keys", |b| b.file("home/me/.ssh/authorized_keys", 9)),
    ("C055", "/etc/shadow", |b| b.text("etc/shadow", "root:$6$salt$hash:20000::::::\n")),
    ("C055", "/etc/shadow", |b| b.text("etc/shadow", "root:*:1::::::\nme::20000::::::\n")),
    ("C055", "/etc/shadow", |b| b.remove("/etc/shadow")),
    ("C056", "/etc/sudoers.d/90-cloud-init-users", |b| {
        b.text("etc/sudoers.d/90-cloud-init-users", "debian ALL=(ALL) NOPASSWD:ALL\n");
    }),
    ("C057", "/etc/ssh/sshd_config", |b| b.text("etc/ssh/sshd_config", "PermitRootLogin yes\n")),
    ("C060", "/etc/apt/apt.conf.d/90proxy", |b| {
        b.text("etc/apt/apt.conf.d/90proxy", "Acquire::http::Proxy \"http://10.0.2.2:3128\";\n");
    }),
    ("C060", "/etc/environment", |b| b.text("etc/environment", "http_proxy=http://proxy:1\n")),
    ("C061", "/packer_backup", |b| b.dir("packer_backup")),
    ("C062", "/root/anaconda-ks.cfg", |b| b.file("root/anaconda-ks.cfg", 1000)),
    ("C063", "/etc/netplan/50-cloud-init.yaml", |b| b.file("etc/netplan/50-cloud-init.yaml", 9)),
    ("C064", "/etc/resolv.conf", |b| b.text("etc/resolv.conf", "nameserver 10.0.2.3\n")),
    ("C065", "/root/.bash_history", |b| b.text("root/.bash_history", "curl -u me:secret\n")),
    ("C066", "/var/lib/systemd/random-seed", |b| b.file("var/lib/systemd/random-seed", 512)),
];

#[test]
fn each_bad_artifact_breaks_exactly_its_rule() {
    for (id, path, spoil) in BAD {
        let mut bench = good();
        spoil(&mut bench);
        let mut broken = bench.broken();
        // A directory that is no hook has no lines either; one rule, once or twice.
        broken.dedup_by_key(|(id, _)| *id);
        let path = Some((*path).to_string()).filter(|path| !path.is_empty());
        assert_eq!(broken, [(*id, path)], "{id}");
    }
}

#[test]
fn every_rule_has_a_bad_artifact_and_says_what_to_do() {
    let tested: BTreeSet<_> = BAD.iter().map(|(id, ..)| *id).collect();
    let ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(tested.into_iter().collect::<Vec<_>>(), ids, "sorted, unique and tested");
    for rule in RULES {
        assert!(rule.fix.len() > 15 && !rule.fix.ends_with('.'), "{}", rule.id);
    }
}

#[test]
fn an_exception_is_shown_but_is_no_error() {
    let mut bench = good();
    bench.text("etc/shadow", "root:$6$salt$hash:20000::::::\n");
    assert!(!check(&bench.artifact, &bench.expect).is_ok());
    bench.expect.exceptions.push(("c055".into(), "console login is wanted".into()));
    let verdict = check(&bench.artifact, &bench.expect);
    assert!(verdict.is_ok());
    assert_eq!(verdict.breakages.len(), 1);
    let shown = verdict.breakages[0].to_string();
    assert_eq!(shown, "accepted[C055]: /etc/shadow: root has a password (console login is wanted)");
}

#[test]
fn a_datasource_list_that_curtin_overrides_is_a_warning() {
    let mut bench = good();
    bench.remove("/etc/cloud/cloud.cfg.d/90_dpkg.cfg");
    bench.text("etc/cloud/cloud.cfg", "users: []\ndatasource_list: [ NoCloud, None ]\n");
    let verdict = check(&bench.artifact, &bench.expect);
    assert_eq!((verdict.errors(), verdict.warnings()), (0, 1));
    assert_eq!(verdict.breakages[0].id, "C032");
}

#[test]
fn a_locale_may_be_set_in_several_places() {
    let elsewhere: &[Spoil] = &[
        |b| b.text("etc/locale.gen", "en_US.UTF-8 UTF-8\n"),
        // Debian 13.
        |b| {
            b.link("etc/default/locale", "../locale.conf");
            b.text("etc/locale.conf", "LANG=C.UTF-8\n");
        },
        |b| b.text("etc/cloud/cloud.cfg", "locale: C.UTF-8\n"),
        |b| b.text("usr/lib/os-release", "ID=ubuntu\nVERSION_ID=\"24.04\"\n"),
    ];
    for set in elsewhere {
        let mut bench = good();
        bench.remove("/etc/default/locale");
        set(&mut bench);
        assert!(bench.broken().iter().all(|(id, _)| *id != "C035"));
    }
}

#[test]
fn windows_is_judged_by_its_hooks_alone() {
    let mut bench = good();
    bench.make_disk();
    bench.expect.family = Some(Family::Windows);
    bench.expect.needs_hook = true;
    bench.artifact.index = Index::default();
    bench.artifact.root = Err("partition 4 (ntfs) has no /etc and /usr".into());
    let missing =
        ["curtin-hooks", "finalize"].map(|name| ("C040", Some(format!("/curtin/{name}"))));
    assert_eq!(bench.broken(), missing);
    bench.script("/curtin/curtin-hooks", "#!/bin/sh\n", 0o755);
    bench.script("/curtin/finalize", "#!/usr/bin/env python3\n", 0o755);
    assert_eq!(bench.broken(), []);
    bench.script("/curtin/finalize", "#!/usr/bin/env python3\r\n", 0o755);
    assert_eq!(bench.broken(), missing[1..]);
}

#[test]
fn an_empty_archive_is_not_green() {
    let mut bench = good();
    bench.artifact.index = Index::default();
    let ids: Vec<_> = bench.broken().into_iter().map(|(id, _)| id).collect();
    for id in ["C003", "C004", "C010", "C030", "C040", "C042"] {
        assert!(ids.contains(&id), "{id} in {ids:?}");
    }
}
