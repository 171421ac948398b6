//! The three flavors of Ubuntu's template, each built by the engine, inspected,
//! deployed and booted, on Debian base disks laid out like Ubuntu's: `cloudimg`
//! with a partition for `/boot` and every knob set, `flat` with an ESP and a
//! root, `lvm` as a whole disk that is written to a larger one.
//!
//! A stand-in: template, scripts, hook and layouts are Ubuntu's, packages and
//! kernel are Debian's, and no installer runs. It proves nothing about Ubuntu's
//! media, so it leaves no record of them.
//!
//! Needs root, LVM's tools, a mirror and a base disk of `media bootstrap`
//! (XTASK_TEST_BASE): `cargo xtask test --all --only flavors`. XTASK_TEST_SPLIT
//! names one with a partition for `/boot`, which is else made twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn base() -> OsString {
    std::env::var_os("XTASK_TEST_BASE")
        .unwrap_or_else(|| panic!("XTASK_TEST_BASE names a base disk"))
}

/// A copy of what Ubuntu's images are made from, and room for a build.
struct Bench {
    dir: tempfile::TempDir,
    flavor: &'static str,
}

impl Bench {
    fn new(flavor: &'static str) -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap(), flavor };
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        fs::create_dir(bench.path("tree")).unwrap();
        for name in ["ubuntu", "debian", "common", "README.md"] {
            run(Command::new("cp").arg("-a").arg(tree.join(name)).arg(bench.path("tree")));
        }
        bench.start_from_disks();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// In the copy, `flat` and `lvm` start from a disk: there is no installer.
    fn start_from_disks(&self) {
        let path = self.path("tree/ubuntu/ubuntu.pkr.hcl");
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replace(r#"{ site = "iso", artifact"#, r#"{ site = "cloud", artifact"#);
        assert_ne!(text, changed, "the table of flavors looks different");
        fs::write(path, changed).unwrap();
    }

    fn target(&self) -> String {
        format!("ubuntu-noble-{}-amd64", self.flavor)
    }

    fn xtask(&self, args: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.current_dir(self.dir.path()).args(["--root", "tree", "--media-dir", "media"]);
        command.args(["--out", "out"]).args(args).env("XTASK_EPHEMERAL", base());
        run(&mut command);
    }

    /// A base disk with a partition for `/boot`: XTASK_TEST_SPLIT, or a new one.
    fn split(&self) -> OsString {
        if let Some(disk) = std::env::var_os("XTASK_TEST_SPLIT") {
            return disk;
        }
        self.xtask(&["media", "bootstrap", "debian-12-mirror-amd64", "--boot", "partition"]);
        self.path("media/debian-12-amd64.qcow2").into()
    }

    fn laid_out(&self, base: &OsString) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts/layout-disk.sh");
        run(Command::new(script).arg(self.flavor).arg(base).arg(self.path("medium.qcow2")));
    }

    /// The script of the test, and behind it one of the examples.
    fn customize(&self, example: Option<&str>) {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts/customize.sh");
        let mut text = fs::read_to_string(own).unwrap();
        if let Some(name) = example {
            let path = self.path("tree/common/deb/examples").join(name);
            text += &fs::read_to_string(path).unwrap();
        }
        fs::write(self.path("customize.sh"), text).unwrap();
    }

    fn build(&self, more: &[&str]) {
        let target = self.target();
        let mut args = vec!["build", &target, "--engine", "builtin", "--iso", "medium.qcow2"];
        args.extend(["--customize", "customize.sh", "--var", "firmware_packages=[]"]);
        args.extend(more);
        self.xtask(&args);
        let artifact = if self.flavor == "lvm" { "dd.gz" } else { "tar.gz" };
        self.xtask(&["inspect", &format!("out/{target}/{target}.{artifact}")]);
    }

    fn archive(&self) -> PathBuf {
        self.path(&format!("out/{0}/{0}.tar.gz", self.target()))
    }

    /// Paths of the archive, without `./`.
    fn files(&self) -> BTreeSet<String> {
        let output = Command::new("tar").arg("-tzf").arg(self.archive()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_start_matches("./").to_owned()).collect()
    }
}

/// The text of a file of an archive.
fn text(archive: &Path, path: &str) -> String {
    let output =
        Command::new("tar").arg("-xzOf").arg(archive).arg(format!("./{path}")).output().unwrap();
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const KERNEL: [&str; 2] = ["--var", "kernel=linux-image-amd64"];

#[test]
#[ignore = "bootstraps a disk and runs two VMs"]
fn cloudimg_with_a_boot_partition_and_every_knob() {
    let bench = Bench::new("cloudimg");
    let base = bench.split();
    bench.laid_out(&base);
    let kernel = pinned(&bench, &base);
    bench.customize(Some("hardened-ssh.sh"));
    local_package(&bench);
    let seed = fs::read_to_string(bench.path("tree/ubuntu/http/user-data.pkrtpl.hcl")).unwrap();
    let own = "runcmd:\n  - \"echo own >/usr/local/share/own-user-data\"\n";
    fs::write(bench.path("own.pkrtpl.hcl"), seed + own).unwrap();
    let seed = format!("user_data={}", bench.path("own.pkrtpl.hcl").display());
    let packages = format!("package_directory={}", bench.path("debs").display());
    let kernel_knob = format!("kernel={kernel}");
    let knobs: [&str; 8] = [
        "upgrade=false",
        "kernel_policy=pinned",
        &kernel_knob,
        "extra_packages=[\"tree\"]",
        &packages,
        &seed,
        "locale=de_DE.UTF-8",
        "timezone=Europe/Berlin",
    ];
    bench.build(&knobs.map(|knob| ["--var", knob]).concat());

    let files = bench.files();
    assert!(files.iter().any(|path| path.starts_with("boot/vmlinuz-")), "/boot was not found");
    assert!(files.iter().any(|path| path.starts_with("boot/grub/")), "/boot is not whole");
    for path in ["usr/bin/tree", "usr/bin/jq", "usr/share/image-knob-test/local"] {
        assert!(files.contains(path), "{path}");
    }
    assert!(!files.contains("etc/ssh/sshd_config.d/00-image-build.conf"));
    for (path, expected) in [
        ("curtin/kernel-package", kernel.as_str()),
        ("etc/timezone", "Europe/Berlin"),
        ("etc/default/locale", "LANG=de_DE.UTF-8"),
        ("usr/local/share/knobs/seen", "tree\npinned\ncloudimg"),
        ("usr/local/share/own-user-data", "own"),
    ] {
        assert_eq!(text(&bench.archive(), path).trim_end(), expected, "{path}");
    }
    let hardened = text(&bench.archive(), "etc/ssh/sshd_config.d/10-hardened.conf");
    assert!(hardened.contains("MaxAuthTries 3"));
    bench.xtask(&["deploy-test", &bench.target()]);
}

/// The kernel of the base disk with its version.
fn pinned(bench: &Bench, base: &OsString) -> String {
    let mut pack = Command::new(env!("CARGO_BIN_EXE_xtask"));
    pack.current_dir(bench.dir.path()).args(["--root", "tree", "pack", "--level", "fast"]);
    // A base disk breaks the contract: it has no hook.
    let status = pack.arg(base).args(["-o", "base.tar.gz"]).status().unwrap();
    assert_eq!(status.code(), Some(1));
    let archive = bench.path("base.tar.gz.rejected");
    let status = text(&archive, "var/lib/dpkg/status");
    fs::remove_file(archive).unwrap();
    let stanza = status.split("\n\n").find(|it| it.starts_with("Package: linux-image-amd64\n"));
    let version = stanza.unwrap().lines().find_map(|line| line.strip_prefix("Version: "));
    format!("linux-image-amd64={}", version.unwrap())
}

/// A package of nobody's, which needs one of the mirror's.
fn local_package(bench: &Bench) {
    let tree = bench.path("deb");
    let shared = tree.join("usr/share/image-knob-test");
    fs::create_dir_all(&shared).unwrap();
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::create_dir(bench.path("debs")).unwrap();
    fs::write(shared.join("local"), "x\n").unwrap();
    let control = "Package: image-knob-test\nVersion: 1\nArchitecture: all\nDepends: jq\n\
                   Maintainer: test <test@example.org>\nDescription: shows a local package\n";
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let mut build = Command::new("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(tree);
    run(build.arg(bench.path("debs/image-knob-test_1_all.deb")));
}

/// With Docker as the example installs it, on a machine with BIOS.
#[test]
#[ignore = "runs two VMs and needs root"]
fn flat_with_docker_starts_by_bios() {
    let bench = Bench::new("flat");
    bench.laid_out(&base());
    bench.customize(Some("docker-host.sh"));
    bench.build(&KERNEL);
    let files = bench.files();
    assert!(files.contains("usr/sbin/dockerd") || files.contains("usr/bin/dockerd"));
    let docker = files.range("var/lib/docker/".to_owned()..);
    let docker = docker.take_while(|path| path.starts_with("var/lib/docker/"));
    assert_eq!(
        docker.filter(|path| *path != "var/lib/docker/").count(),
        0,
        "state of the build VM"
    );
    bench.xtask(&["deploy-test", &bench.target(), "--firmware", "bios"]);
}

#[test]
#[ignore = "bootstraps a disk, runs two VMs and needs root"]
fn lvm_grows_on_a_larger_disk_without_a_network() {
    let bench = Bench::new("lvm");
    bench.laid_out(&bench.split());
    bench.customize(None);
    bench.build(&[KERNEL, ["--var", "disk_size=4G"]].concat());
    bench.xtask(&[
        "deploy-test",
        &bench.target(),
        "--air-gap",
        "--disk",
        "nvme",
        "--disk-size",
        "8",
    ]);
}
