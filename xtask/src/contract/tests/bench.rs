//! An artifact that deploys, and how it is spoilt.

use disk_image::artifact::{Node, NodeKind};
use disk_image::fs::Timestamp;

use super::*;

/// An artifact to spoil.
pub(super) struct Bench {
    pub(super) artifact: Artifact,
    pub(super) expect: Expectations,
}

fn node(kind: NodeKind, mode: u16, size: u64) -> Node {
    let mtime = Timestamp::default();
    Node { kind, mode, uid: 0, gid: 0, size, mtime, xattrs: Vec::new(), fingerprint: None }
}

impl Bench {
    pub(super) fn add(&mut self, path: &str, node: Node) {
        self.artifact.index.insert(path.trim_start_matches('/').into(), node);
    }

    pub(super) fn dir(&mut self, path: &str) {
        self.add(path, node(NodeKind::Directory, 0o755, 0));
    }

    pub(super) fn file(&mut self, path: &str, size: u64) {
        self.add(path, node(NodeKind::File, 0o644, size));
    }

    pub(super) fn text(&mut self, path: &str, text: &str) {
        self.script(path, text, 0o644);
    }

    pub(super) fn script(&mut self, path: &str, text: &str, mode: u16) {
        let size = u64::try_from(text.len()).unwrap();
        self.add(path, node(NodeKind::File, mode, size));
        let bytes = text.as_bytes().to_vec();
        self.artifact.index.insert_content(path.trim_start_matches('/').into(), bytes);
    }

    pub(super) fn initrd(&mut self, path: &str, names: &[&str]) {
        let mut bytes = Vec::new();
        for name in names.iter().chain(&["TRAILER!!!"]) {
            let mut fields = [0; 13];
            fields[11] = name.len() + 1;
            bytes.extend(b"070701");
            fields.iter().for_each(|field| bytes.extend(format!("{field:08x}").bytes()));
            bytes.extend(name.bytes().chain([0]));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.file(path, 30 << 20);
        self.artifact.index.insert_content(path.into(), bytes);
    }

    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.add(path, node(NodeKind::Symlink(target.into()), 0o777, 0));
    }

    /// Takes a file or a whole directory out.
    pub(super) fn remove(&mut self, path: &str) {
        let path = path.trim_start_matches('/').as_bytes();
        let old = std::mem::take(&mut self.artifact.index);
        let below = [path, b"/"].concat();
        for (kept, node) in old.iter().filter(|(p, _)| *p != path && !p.starts_with(&below)) {
            self.artifact.index.insert(kept.to_vec(), node.clone());
            let absolute = format!("/{}", String::from_utf8_lossy(kept));
            if let (NodeKind::File, Some(bytes)) = (&node.kind, old.content(&absolute)) {
                self.artifact.index.insert_content(kept.to_vec(), bytes.to_vec());
            }
        }
    }

    pub(super) fn make_disk(&mut self) {
        self.artifact.kind = Kind::Ddgz;
        self.expect.kind = Kind::Ddgz;
    }

    pub(super) fn set_family(&mut self, id: &str, family: Family) {
        self.text("/usr/lib/os-release", &format!("ID={id}\nVERSION_ID=\"9.4\"\n"));
        self.expect.family = Some(family);
    }

    pub(super) fn broken(&self) -> Vec<(&'static str, Option<String>)> {
        let verdict = check(&self.artifact, &self.expect);
        verdict.breakages.into_iter().map(|b| (b.id, b.path)).collect()
    }
}

/// What a Debian 12 that deploys looks like (synthetic, names as its packages
/// install them).
pub(super) fn good() -> Bench {
    let artifact = Artifact {
        kind: Kind::Tgz,
        bytes: 400_000_000,
        sha256: [0; 32],
        index: Index::default(),
        root: Ok("archive".into()),
        unpacked: 0,
        warnings: Vec::new(),
    };
    let expect = Expectations {
        family: Some(Family::Debian),
        arch: Some(Arch::Amd64),
        needs_hook: true,
        bios: true,
        ..Expectations::unknown(Kind::Tgz)
    };
    let mut bench = Bench { artifact, expect };
    fill_tree(&mut bench);
    fill_boot(&mut bench);
    fill_config(&mut bench);
    bench
}

fn fill_tree(bench: &mut Bench) {
    for dir in
        ["", "boot", "curtin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"]
    {
        bench.dir(dir);
    }
    for dir in ["usr/bin", "usr/sbin", "usr/lib", "usr/share/doc", "var/lib/cloud", "var/lib/dpkg"]
    {
        bench.dir(dir);
    }
    for link in ["bin", "sbin", "lib"] {
        bench.link(link, &format!("usr/{link}"));
    }
    for number in 0..3000 {
        bench.file(&format!("usr/share/doc/{number}"), 50_000);
    }
    for program in ["cloud-init", "efibootmgr", "lsb_release"] {
        bench.file(&format!("usr/bin/{program}"), 1000);
    }
    bench.dir("usr/lib/python3/dist-packages/oauthlib");
}

fn fill_boot(bench: &mut Bench) {
    bench.file("boot/vmlinuz-6.1.0-28-amd64", 8 << 20);
    let modules = ["nvme", "ahci", "virtio_blk"].map(|name| format!("lib/modules/6.1/{name}.ko"));
    bench.initrd("boot/initrd.img-6.1.0-28-amd64", &modules.each_ref().map(String::as_str));
    bench.dir("usr/lib/modules");
    bench.dir("usr/lib/modules/6.1.0-28-amd64");
    bench.file("usr/lib/modules/6.1.0-28-amd64/modules.dep", 100_000);
    bench.file("usr/lib/grub/i386-pc/normal.mod", 1000);
    bench.file("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", 1 << 20);
    bench.text("etc/default/grub", "GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n");
    bench.text("etc/initramfs-tools/conf.d/resume", "RESUME=none\n");
}

fn fill_config(bench: &mut Bench) {
    bench.link("etc/os-release", "../usr/lib/os-release");
    bench.text("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    for empty in ["etc/fstab", "etc/machine-id", "root/.bash_history"] {
        bench.text(empty, "");
    }
    bench.text("etc/shadow", "root:*:20000:0:99999:7:::\ndebian:!:20000:0:99999:7:::\n");
    bench.text("etc/sudoers", "root ALL=(ALL:ALL) ALL\n%sudo ALL=(ALL:ALL) ALL\n");
    bench.text("etc/sudoers.d/group", "%admins ALL=(ALL) NOPASSWD: ALL\n");
    bench.text("etc/ssh/sshd_config", "#PermitRootLogin yes\nPermitRootLogin prohibit-password\n");
    bench.text("etc/default/locale", "LANG=C.UTF-8\n");
    bench.text("etc/apt/apt.conf.d/01auto", "APT::NeverAutoRemove \"x\";\n");
    bench.text("etc/apt/sources.list", "deb https://deb.debian.org/debian bookworm main\n");
    bench.text("etc/cloud/cloud.cfg.d/90_dpkg.cfg", "datasource_list: [ NoCloud, MAAS, None ]\n");
    bench.script("curtin/curtin-hooks", "#!/usr/bin/env python3\n# kernel-package\n", 0o755);
    bench.text("curtin/kernel-package", "linux-image-amd64\n");
    let status = "Package: linux-image-amd64\nStatus: install ok installed\n\n\
        Package: old\nStatus: deinstall ok config-files\n";
    bench.text("var/lib/dpkg/status", status);
}
