//! A whole disk whose root is a logical volume: packed, inspected, deployed.
//!
//! Needs root, LVM's tools and a base disk of `media bootstrap` (XTASK_TEST_BASE):
//! `cargo xtask test --all --only deploy-dd`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]

use std::path::Path;
use std::process::Command;

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success(), "{command:?}: {status}");
}

#[test]
#[ignore = "runs two VMs and needs root"]
fn an_lvm_disk_is_packed_and_deploys_without_a_network() {
    let base = std::env::var_os("XTASK_TEST_BASE").expect("XTASK_TEST_BASE names a base disk");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let xtask = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.current_dir(dir.path()).args(["--root".as_ref(), root.as_os_str()]);
        command.args(["--out", "out"]).args(args).env("XTASK_EPHEMERAL", &base);
        run(&mut command);
    };
    run(Command::new(root.join("xtask/deploy/tests/lvm-disk.sh"))
        .arg(&base)
        .arg(root.join("common/linux/curtin/curtin-hooks"))
        .arg(dir.path().join("lvm.raw")));
    xtask(&["pack", "lvm.raw", "-o", "lvm.dd.gz", "--kind", "ddgz"]);
    std::fs::remove_file(dir.path().join("lvm.raw")).unwrap();
    xtask(&["inspect", "lvm.dd.gz"]);
    xtask(&["deploy-test", "lvm.dd.gz", "--air-gap", "--disk", "nvme"]);
}
