//! Ten defects that made images build and then not deploy or boot, each seeded
//! into a good root and named by `inspect` alone.
//!
//! The roots are synthetic: the files that the contract looks at, as packages
//! of Debian 12 and Rocky Linux 9 install them, without the bulk of a system.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const KERNEL: &str = "6.1.0-28-amd64";

struct Root(PathBuf);

impl Root {
    fn text(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.0.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn sparse(&self, path: &str, size: u64) {
        self.text(path, "");
        fs::File::options().write(true).open(self.0.join(path)).unwrap().set_len(size).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.0.join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
    }

    /// A cpio archive (synthetic, by cpio(5)) with these modules.
    fn initrd(&self, path: &str, modules: &[&str]) {
        let names = modules.iter().map(|name| format!("usr/lib/modules/x/kernel/{name}.ko.xz"));
        let mut bytes = Vec::new();
        for name in names.chain(["init".to_owned(), "TRAILER!!!".to_owned()]) {
            let mut fields = [0; 13];
            fields[11] = name.len() + 1;
            bytes.extend(b"070701");
            fields.iter().for_each(|field| bytes.extend(format!("{field:08x}").bytes()));
            bytes.extend(name.bytes().chain([0]));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes.resize(2 << 20, 0);
        fs::write(self.0.join(path), bytes).unwrap();
    }

    fn any_system(&self) {
        for dir in
            "boot dev proc sys run tmp root var/lib/cloud usr/lib usr/sbin usr/bin".split(' ')
        {
            fs::create_dir_all(self.0.join(dir)).unwrap();
        }
        for link in ["bin", "sbin", "lib"] {
            symlink(format!("usr/{link}"), self.0.join(link)).unwrap();
        }
        for name in ["usr/bin/cloud-init", "usr/sbin/efibootmgr", "usr/bin/lsb_release"] {
            self.text(name, "#!/bin/sh\n");
        }
        self.text("etc/machine-id", "");
        self.text("etc/fstab", "");
        self.text("etc/shadow", "root:*:20000:0:99999:7:::\n");
        self.text("usr/lib/python3/dist-packages/oauthlib/__init__.py", "");
        self.text(&format!("usr/lib/modules/{KERNEL}/modules.dep"), "x");
        self.sparse(&format!("boot/vmlinuz-{KERNEL}"), 8 << 20);
        self.text("curtin/curtin-hooks", "#!/usr/bin/env python3\n# kernel-package\n");
        self.mode("curtin/curtin-hooks", 0o755);
    }

    fn debian(&self) {
        self.any_system();
        self.text("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
        self.initrd(&format!("boot/initrd.img-{KERNEL}"), &["nvme", "ahci", "virtio_blk"]);
        self.text("usr/lib/grub/i386-pc/normal.mod", "x");
        self.text("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", "x");
        self.text("curtin/kernel-package", "linux-image-amd64\n");
        self.text("etc/apt/sources.list", "deb https://deb.debian.org/debian bookworm main\n");
        self.text(
            "var/lib/dpkg/status",
            "Package: linux-image-amd64\nStatus: install ok installed\n",
        );
    }

    fn rocky(&self) {
        self.any_system();
        self.text(
            "etc/os-release",
            "ID=rocky\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.4\"\n",
        );
        self.initrd(&format!("boot/initramfs-{KERNEL}.img"), &["nvme", "ahci", "virtio_blk"]);
        self.text("usr/lib/grub/i386-pc/normal.mod", "x");
        self.text("usr/share/grub2/i386-pc/normal.mod", "x");
        for file in ["rocky/shimx64.efi", "rocky/grubx64.efi", "BOOT/BOOTX64.EFI"] {
            self.text(&format!("boot/efi/EFI/{file}"), "x");
        }
    }
}

#[derive(Clone, Copy)]
enum System {
    Debian,
    /// The same as a whole disk.
    DebianDisk,
    Rocky,
}

type Spoil = fn(&Root);

/// What it is, where, how it is made, the rule that must name it.
const DEFECTS: &[(&str, System, Spoil, &str)] = &[
    ("no kernel", System::Debian, |r| r.remove(&format!("boot/vmlinuz-{KERNEL}")), "C010"),
    ("no hook run bit", System::Debian, |r| r.mode("curtin/curtin-hooks", 0o644), "C040"),
    (
        "fstab with builder UUID",
        System::Debian,
        |r| r.text("etc/fstab", "UUID=7c240319-3fbd-8ad6-8127-b291b54b86ff / ext4 defaults 0 1\n"),
        "C050",
    ),
    ("missing BIOS loader", System::Debian, |r| r.remove("usr/lib/grub/i386-pc"), "C014"),
    (
        "BLS pointing at the build VM",
        System::Rocky,
        |r| {
            r.text(
                "boot/loader/entries/0-5.14.conf",
                "title Rocky\noptions root=/dev/vda2 ro console=ttyS0\n",
            );
        },
        "C019",
    ),
    (
        "host-only initrd without NVMe",
        System::Debian,
        |r| r.initrd(&format!("boot/initrd.img-{KERNEL}"), &["ahci", "virtio_blk"]),
        "C022",
    ),
    (
        "wrong ESP vendor directory",
        System::Rocky,
        |r| fs::rename(r.0.join("boot/efi/EFI/rocky"), r.0.join("boot/efi/EFI/redhat")).unwrap(),
        "C023",
    ),
    (
        "linux-generic kernel choice on Debian",
        System::Debian,
        |r| r.text("curtin/kernel-package", "linux-generic\n"),
        "C046",
    ),
    ("/curtin missing in a dd image", System::DebianDisk, |r| r.remove("curtin"), "C041"),
    (
        "machine-id kept",
        System::Debian,
        |r| r.text("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        "C052",
    ),
];

fn run(program: &str, dir: &Path, args: &[&str]) {
    let output = Command::new(program).current_dir(dir).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An artifact of a root, spoiled or not, and the rules that it breaks.
fn broken(system: System, spoil: Spoil) -> (BTreeSet<String>, Duration) {
    let dir = tempfile::tempdir().unwrap();
    let root = Root(dir.path().join("root"));
    fs::create_dir(&root.0).unwrap();
    match system {
        System::Debian | System::DebianDisk => root.debian(),
        System::Rocky => root.rocky(),
    }
    spoil(&root);
    let (file, target) = match system {
        System::Debian => ("x.tar.gz", Some("debian-12-mirror-amd64")),
        System::Rocky => ("x.tar.gz", Some("rocky9-amd64")),
        System::DebianDisk => ("x.dd.gz", None),
    };
    if matches!(system, System::DebianDisk) {
        // One MBR partition at 1 MiB; the table is written by hand.
        run(
            "/sbin/mke2fs",
            dir.path(),
            &["-q", "-t", "ext4", "-d", "root", "-E", "offset=1048576", "disk", "48M"],
        );
        run(
            "/bin/sh",
            dir.path(),
            &[
                "-c",
                "printf '2048,,83\\n' | /sbin/sfdisk -q --label dos --no-reread --no-tell-kernel disk && gzip -1 -c disk >x.dd.gz",
            ],
        );
    } else {
        run(
            "tar",
            dir.path(),
            &["--sparse", "-czf", file, "--owner=0", "--group=0", "-C", "root", "."],
        );
    }
    let mut inspect = Command::new(env!("CARGO_BIN_EXE_xtask"));
    inspect.current_dir(dir.path()).args(["inspect", file, "--format", "json"]);
    inspect.env("XTASK_ROOT", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    inspect.args(target.iter().flat_map(|id| ["--target", id]));
    let start = Instant::now();
    let output = inspect.output().unwrap();
    let time = start.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&output.stderr)));
    let list = report["artifact"]["contract"]["breakages"].as_array().unwrap();
    let errors = list.iter().filter(|b| b["severity"] == "error" && b["accepted"].is_null());
    (errors.map(|b| b["id"].as_str().unwrap().to_owned()).collect(), time)
}

#[test]
fn each_of_ten_defects_is_named_by_inspect_in_seconds() {
    let good: Vec<_> = [System::Debian, System::DebianDisk, System::Rocky]
        .map(|system| broken(system, |_| {}).0)
        .into_iter()
        .collect();
    for (name, system, spoil, rule) in DEFECTS {
        let (ids, time) = broken(*system, *spoil);
        let before = &good[*system as usize];
        let new: Vec<&String> = ids.difference(before).collect();
        println!("{rule}  {:>4} ms  {name}", time.as_millis());
        assert_eq!(new, [rule], "{name}: and without the defect {before:?}");
        assert!(time < Duration::from_secs(20), "{name}: {time:?}");
    }
    assert_eq!(DEFECTS.len(), 10);
}
