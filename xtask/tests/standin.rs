//! Builds from stand-in media (`tests/standin/README.md`), one for each family and
//! way to start: keys, arguments, serving, evidence, power-off, pack and contract.
//! Media with a changed menu or argument fail, each for its own reason.
//!
//! `cargo test -p xtask --test standin -- --ignored`: QEMU, OVMF, AAVMF for arm64,
//! and Debian's mirror by apt. `STANDIN=sles` runs those whose target begins so;
//! `--nocapture` says how long each took. `XTASK_TEST_BASE` names the base disk
//! that artifacts are deployed from; `STANDIN_ENGINE=packer` builds with a real
//! Packer on `PATH`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The table of media; its first column is the target.
const FAMILIES: &str = include_str!("standin/families");

/// Where the keys went astray the console says little: nothing was fetched.
const NOTHING: &str = "fetched   nothing";

/// Mutations and what their failure says, for the one medium that gets them all.
const EVERY: [(&str, &str); 3] =
    [("line", NOTHING), ("menu", NOTHING), ("argument", "no inst.kickstart on the command line")];

fn targets() -> impl Iterator<Item = &'static str> {
    let lines = FAMILIES.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next())
}

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Makes a medium of `target` in `dir`.
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn medium(dir: &Path, target: &str, mutation: &str) -> PathBuf {
    let iso = dir.join(format!("{target}-{mutation}.iso"));
    let made = Command::new(tree().join("tests/standin/make"))
        .args([iso.as_os_str(), target.as_ref(), mutation.as_ref()])
        .status()
        .unwrap();
    assert!(made.success(), "no stand-in medium: {target} {mutation}");
    iso
}

/// Builds `target` from a medium. Returns success and all output.
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn build(dir: &Path, target: &str, mutation: &str) -> (bool, String) {
    let iso = medium(dir, target, mutation);
    let engine = std::env::var("STANDIN_ENGINE").unwrap_or_else(|_| "builtin".into());
    let mut xtask = Command::new(binary());
    // Keys need no pauses of 100 ms here: it saves a third of the time.
    xtask
        .args(["build", target, "--engine", engine.as_str(), "--iso"])
        .args([iso.as_os_str(), "--out".as_ref(), out(dir).as_os_str()])
        .env("PACKER_KEY_INTERVAL", "20ms")
        .current_dir(tree().join(".."));
    if target.starts_with("sles16") {
        // Without a source of cloud-init this installation ends before it begins.
        xtask.args(["--var", "mirror=http://mirror.example/sles16"]);
    }
    let start = Instant::now();
    let built = xtask.output().unwrap();
    let said = String::from_utf8_lossy(&built.stderr) + String::from_utf8_lossy(&built.stdout);
    let took = start.elapsed().as_secs();
    println!("{target} {mutation}: {} after {took} s", built.status);
    (built.status.success(), said.into_owned())
}

/// Told before the first of many VMs, not at the end of half an hour.
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn assert_emulator(target: &str) {
    let arm = target.ends_with("-arm64");
    let program = if arm { "qemu-system-aarch64" } else { "qemu-system-x86_64" };
    let found = Command::new(program).arg("--version").output();
    assert!(found.is_ok(), "{target} needs {program}: cargo xtask setup --arch amd64 --arch arm64");
}

/// A short path: QEMU's sockets have room for 107 bytes.
fn out(dir: &Path) -> PathBuf {
    dir.join("o")
}

#[test]
#[ignore = "runs virtual machines"]
fn stand_ins_install_and_mutated_ones_do_not() {
    let only = std::env::var("STANDIN").unwrap_or_default();
    let wanted = || targets().filter(|target| target.starts_with(&only));
    wanted().for_each(assert_emulator);
    let mut built = 0;
    for target in wanted() {
        let dir = tempfile::tempdir().unwrap();
        let (ok, said) = build(dir.path(), target, "none");
        assert!(ok, "{target}: {said}");
        let artifact = out(dir.path()).join(target).join(format!("{target}.tar.gz"));
        assert!(artifact.is_file(), "{said}");
        let mutations = if target == "rocky9-amd64" { &EVERY[..] } else { &[("menu", NOTHING)] };
        for (mutation, reason) in mutations {
            let (ok, said) = build(dir.path(), target, mutation);
            assert!(!ok, "{target} {mutation}: {said}");
            assert!(said.contains(reason), "{target} {mutation}: {said}");
        }
        built += 1;
    }
    assert!(built > 0, "no medium begins with {only:?}");
}

/// Artifacts that are deployed, on which machines, what MAAS takes them for and who
/// deploys: the image's hook, or the built-in steps where it needs none.
const DEPLOYED: [(&str, &str, &str, bool); 7] = [
    ("rocky9-amd64", "--firmware uefi", "custom on rhel", false),
    ("rocky9-amd64", "--firmware bios --layout lvm", "custom on rhel", false),
    ("alma10-amd64", "--firmware uefi --disk nvme", "custom on rhel", true),
    ("fedora-server-44-amd64", "--firmware uefi --layout lvm", "custom on rhel", true),
    ("fedora-server-44-amd64", "--firmware bios", "custom on rhel", true),
    ("sles15-amd64", "--firmware uefi --layout lvm", "suse", true),
    ("sles15-amd64", "--firmware bios --disk sata", "suse", true),
];

/// Deploys a target that a stand-in built, or a file, up to its first start. Returns
/// the report, and asserts what holds for all of them.
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn deploy(dir: &Path, target: &str, machine: &str) -> serde_json::Value {
    let base = std::env::var_os("XTASK_TEST_BASE")
        .unwrap_or_else(|| panic!("XTASK_TEST_BASE names a base disk"));
    let start = Instant::now();
    let done = Command::new(binary())
        .args(["deploy-test", target, "--no-boot", "--format", "json", "--ephemeral"])
        .args([base.as_os_str(), "--out".as_ref(), out(dir).as_os_str()])
        .args(machine.split(' '))
        .current_dir(tree().join(".."))
        .output()
        .unwrap();
    let took = start.elapsed().as_secs();
    println!("{target} {machine}: {} after {took} s", done.status);
    let report: serde_json::Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&done.stderr)));
    assert!(report["passed"] == true, "{target} {machine}: {report:#}");
    assert!(report["not_run"].as_str().unwrap().contains("--no-boot"), "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    let ids = checks.iter().map(|check| check["id"].as_str().unwrap());
    assert!(ids.clone().all(|id| id.starts_with("disk-")) && ids.count() > 10, "{report:#}");
    report
}

/// Hours of VMs outlive the next compilation: `STANDIN_XTASK` names a copy.
fn binary() -> OsString {
    std::env::var_os("STANDIN_XTASK").unwrap_or_else(|| env!("CARGO_BIN_EXE_xtask").into())
}

/// The artifact of each family goes through MAAS's storage, curtin's unpacking,
/// the image's own hook (or the built-in steps) and the late commands; the deployed
/// disk is looked at from outside. What hooks call in there is simulated; nothing
/// of the system itself runs, and the report says so.
#[test]
#[ignore = "runs virtual machines"]
fn stand_ins_deploy_up_to_their_first_start() {
    let only = std::env::var("STANDIN").unwrap_or_default();
    let rows = DEPLOYED.iter().filter(|(target, ..)| target.starts_with(&only));
    let targets: BTreeSet<&str> = rows.clone().map(|(target, ..)| *target).collect();
    assert!(!targets.is_empty(), "nothing begins with {only:?}");
    for target in targets {
        let dir = tempfile::tempdir().unwrap();
        let (ok, said) = build(dir.path(), target, "none");
        assert!(ok, "{target}: {said}");
        for (_, machine, sent_as, hook) in rows.clone().filter(|(of, ..)| *of == target) {
            let report = deploy(dir.path(), target, machine);
            assert_eq!(report["machine"]["sent as"], *sent_as, "{target}");
            assert_eq!(report["facts"]["image_hook"], *hook, "{target}");
        }
    }
}

/// The same of a disk as Ubuntu's installer leaves it: its packed root, by the hook
/// that Debian and Ubuntu share.
#[test]
#[ignore = "runs virtual machines"]
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn a_disk_of_ubuntu_deploys_up_to_its_first_start() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("ubuntu.raw");
    assert!(Command::new(tree().join("tests/standin/disk")).arg(&disk).status().unwrap().success());
    let archive = dir.path().join("ubuntu.tar.gz");
    let packed = Command::new(binary())
        .args(["pack", "--target", "ubuntu-noble-flat-amd64", "--output"])
        .args([&archive, &disk])
        .current_dir(tree().join(".."))
        .status();
    assert!(packed.unwrap().success());
    for machine in ["--firmware uefi --layout lvm --disk nvme", "--firmware bios --disk scsi"] {
        let machine = format!("--target ubuntu-noble-flat-amd64 {machine}");
        let report = deploy(dir.path(), archive.to_str().unwrap(), &machine);
        assert_eq!(report["machine"]["sent as"], "custom on ubuntu");
        assert_eq!(report["facts"]["os_id"], "ubuntu");
    }
}

/// What asks for everything must have everything that this table needs.
#[test]
fn every_line_of_the_table_is_a_target_with_a_menu_and_a_policy() {
    let catalog = xtask::catalog::Catalog::load(&tree().join("..")).unwrap();
    for line in FAMILIES.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<_> = line.split_whitespace().collect();
        let [target, _, menu, _, _, installer, _, os, _] = columns[..] else {
            unreachable!("not nine columns: {line}")
        };
        assert!(catalog.targets().any(|known| known.id == target), "{target}");
        let menu = menu.trim_end_matches("-fips");
        for file in [format!("menus/{menu}.cfg"), format!("policy/{installer}")] {
            assert!(tree().join("tests/standin").join(&file).is_file(), "{target}: {file}");
        }
        assert_eq!(os.split(':').count(), 3, "{target}: {os}");
    }
}
