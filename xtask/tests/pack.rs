//! `pack` and `inspect` as people type them, on disks that mke2fs makes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    /// A disk without partitions whose root has these files.
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        for (path, content) in [("etc/hostname", "x\n"), ("usr/x", "x\n")].iter().chain(files) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let status = Command::new("/sbin/mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .arg(&root)
            .arg(dir.path().join("disk.raw"))
            .arg("32M")
            .status()
            .unwrap();
        assert!(status.success());
        Self { dir }
    }

    fn xtask(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .current_dir(self.dir.path())
            .env("XTASK_ROOT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/catalog"))
            .args(args)
            .output()
            .unwrap()
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_bad_artifact_is_kept_as_rejected_with_the_reasons() {
    let bench = Bench::new(&[]);
    let output = bench.xtask(&["pack", "disk.raw", "-o", "x.tar.gz", "--force"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("error[C010]: /boot: there is no kernel"),
        "{}",
        stderr(&output)
    );
    assert!(stdout(&output).starts_with("x.tar.gz.rejected  "), "{}", stdout(&output));
    assert_eq!(bench.names(), ["disk.raw", "root", "x.tar.gz.rejected", "x.tar.gz.rejected.txt"]);
    let notes = fs::read_to_string(bench.dir.path().join("x.tar.gz.rejected.txt")).unwrap();
    assert!(notes.contains("C030"), "{notes}");
}

#[test]
fn what_was_packed_for_programs() {
    let bench = Bench::new(&[]);
    let pack = ["pack", "disk.raw", "-o", "x.tar.gz", "--force", "--format", "json"];
    let output = bench.xtask(&pack);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&json["version"], &json["deployable"]), (&1.into(), &false.into()));
    assert_eq!(json["artifact"]["file"], "x.tar.gz.rejected");
    assert_eq!(json["artifact"]["contract"]["breakages"][0]["id"], "C003");
    assert!(json["input_bytes"].as_u64() > Some(0), "{json:#}");
    // A program that reads one reads the other.
    let inspect = bench.xtask(&["inspect", "x.tar.gz.rejected", "--format", "json"]);
    let same: serde_json::Value = serde_json::from_str(&stdout(&inspect)).unwrap();
    assert_eq!(json["artifact"], same["artifact"]);
}

#[test]
fn what_cannot_be_packed_says_why_and_leaves_nothing() {
    let bench = Bench::new(&[]);
    fs::write(bench.dir.path().join("old.tar.gz"), "old").unwrap();
    fs::write(bench.dir.path().join("empty.raw"), "").unwrap();
    let before = bench.names();
    for (args, code, says) in [
        (&["disk.raw", "-o", "x.tar.gz"][..], 1, "too small to be an operating system"),
        (&["disk.raw", "-o", "old.tar.gz"], 2, "--force replaces it"),
        (&["disk.raw", "-o", "no/such/x.tar.gz"], 2, "no directory no/such"),
        (&["none.raw", "-o", "x.tar.gz"], 2, "none.raw"),
        (&["empty.raw", "-o", "x.tar.gz"], 1, "empty.raw"),
        (&["disk.raw", "-o", "x.tar.gz", "--keep", "fstap"], 2, "no such rule"),
        (&["disk.raw", "-o", "x.tar.gz", "--root-partition", "sda1"], 2, "neither a number nor"),
        (&["disk.raw", "-o", "x.tar.gz", "--root-partition", "3", "--force"], 2, "partition 3"),
        (&["disk.raw", "-o", "x.tar.gz", "--target", "debain"], 4, "no target"),
        (&["disk.raw", "-o", "x.dd.gz", "--curtin", "root"], 2, "nothing can be added"),
    ] {
        let output = bench.xtask(&[&["pack"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
        assert_eq!(bench.names(), before, "{args:?}");
    }
}

#[test]
fn foreign_disks_are_converted_and_said_to_be() {
    let bench = Bench::new(&[]);
    let before = bench.names();
    assert_eq!(before, ["disk.raw", "root"]);
    for (format, option) in [
        ("vmdk", "compat6=off"),
        ("vhdx", "subformat=dynamic"),
        ("vdi", "static=off"),
        ("vpc", "subformat=dynamic"),
        ("qcow2", "extended_l2=on"),
    ] {
        let disk = format!("disk.{format}");
        let args = ["convert", "-f", "raw", "-O", format, "-o", option, "disk.raw", &disk];
        let status = Command::new("qemu-img").args(args).current_dir(bench.dir.path()).status();
        assert!(status.unwrap().success());
        let output = bench.xtask(&["pack", &disk, "-o", "x.tar.gz", "--force"]);
        let said = stderr(&output);
        assert!(said.contains("converting it to a temporary raw disk"), "{format}: {said}");
        assert!(said.contains("error[C010]"), "{format}: {said}");
        // Damaged: no temporary disk stays behind.
        fs::write(bench.dir.path().join(&disk), {
            let mut bytes = fs::read(bench.dir.path().join(&disk)).unwrap();
            bytes.truncate(4096);
            bytes
        })
        .unwrap();
        bench.xtask(&["pack", &disk, "-o", "x.tar.gz", "--force"]);
        fs::remove_file(bench.dir.path().join(&disk)).unwrap();
        assert_eq!(
            bench.names(),
            ["disk.raw", "root", "x.tar.gz.rejected", "x.tar.gz.rejected.txt"],
            "{format}"
        );
    }
}

#[test]
fn inspect_judges_one_and_compares_two() {
    let bench = Bench::new(&[("etc/motd", "one"), ("etc/gone", "x")]);
    bench.xtask(&["pack", "disk.raw", "-o", "a.tar.gz", "--force"]);
    let other = Bench::new(&[("etc/motd", "two"), ("etc/new", "x")]);
    fs::copy(other.dir.path().join("disk.raw"), bench.dir.path().join("b.raw")).unwrap();
    bench.xtask(&["pack", "b.raw", "-o", "b.tar.gz", "--force"]);
    let (a, b) = ("a.tar.gz.rejected", "b.tar.gz.rejected");

    let one = bench.xtask(&["inspect", a, "--format", "json"]);
    assert_eq!(one.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_str(&stdout(&one)).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["artifact"]["kind"], "tgz");
    assert_eq!(json["artifact"]["contract"]["breakages"][0]["id"], "C003");

    let two = bench.xtask(&["inspect", a, b]);
    assert_eq!(two.status.code(), Some(1));
    let text = stdout(&two);
    let expected = "files added: 1\n  /etc/new\nfiles removed: 1\n  /etc/gone\n\
        files changed: 1\n  /etc/motd: content\n";
    assert!(text.ends_with(expected), "{text}");
    let same = bench.xtask(&["inspect", a, a]);
    assert_eq!((same.status.code(), stdout(&same).ends_with("no difference\n")), (Some(0), true));
}

#[test]
fn inspect_names_what_is_no_artifact() {
    let bench = Bench::new(&[]);
    for (file, code, says) in
        [("disk.raw", 1, "not a gzip file"), ("root/usr/x", 1, "not a gzip"), ("none", 2, "none")]
    {
        let output = bench.xtask(&["inspect", file]);
        assert_eq!(output.status.code(), Some(code), "{file}");
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}

#[test]
fn contract_rules_can_be_explained() {
    let bench = Bench::new(&[]);
    let output = bench.xtask(&["explain", "c041"]);
    assert!(stdout(&output).contains("Why: curtin takes the partition"), "{}", stdout(&output));
    assert!(Path::new(&bench.dir.path()).exists());
}

/// Needs a file system that can be filled, so root.
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let bench = Bench::new(&[]);
    let full = bench.dir.path().join("full");
    fs::create_dir(&full).unwrap();
    let noise: Vec<u8> =
        (0u32..200_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    fs::write(bench.dir.path().join("root/usr/noise"), noise).unwrap();
    let image = bench.dir.path().join("disk.raw");
    fs::remove_file(&image).unwrap();
    let mke2fs = ["-q", "-t", "ext4", "-d", "root", "disk.raw", "32M"];
    let status = Command::new("/sbin/mke2fs").args(mke2fs).current_dir(bench.dir.path()).status();
    assert!(status.unwrap().success());
    let mount = ["-t", "tmpfs", "-o", "size=128k", "tmpfs", "full"];
    let mounted = Command::new("mount").args(mount).current_dir(bench.dir.path()).status().unwrap();
    if !mounted.success() {
        eprintln!("not root: a full disk is tested only by the gzip writer's own test");
        return;
    }
    let output = bench.xtask(&["pack", "disk.raw", "-o", "full/x.tar.gz", "--force"]);
    let left = fs::read_dir(&full).unwrap().count();
    assert!(Command::new("umount").arg(&full).status().unwrap().success());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("No space left"), "{}", stderr(&output));
    assert!(stderr(&output).contains("free some space"), "{}", stderr(&output));
    assert_eq!(left, 0);
}
