//! Builds from stand-in media (`tests/standin/README.md`): keys, arguments,
//! serving, evidence, power-off, pack and contract. Media with a changed menu or
//! argument fail, each for its own reason.
//!
//! `cargo test -p xtask --test standin -- --ignored`: QEMU, OVMF and Debian's
//! mirror by apt; some seven minutes in emulation.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes a medium and builds `target` from it. Returns success and all output.
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn build(dir: &Path, target: &str, family: &str, mutation: &str) -> (bool, String) {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR"));
    let iso = dir.join(format!("{family}-{mutation}.iso"));
    let made = Command::new(tree.join("tests/standin/make"))
        .args([iso.as_os_str(), family.as_ref(), mutation.as_ref()])
        .status()
        .unwrap();
    assert!(made.success(), "no stand-in medium: {family} {mutation}");
    let built = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["build", target, "--engine", "builtin", "--iso"])
        .arg(&iso)
        .arg("--out")
        .arg(out(dir))
        .current_dir(tree.join(".."))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr) + String::from_utf8_lossy(&built.stdout);
    (built.status.success(), said.into_owned())
}

/// A short path: QEMU's sockets have room for 107 bytes.
fn out(dir: &Path) -> PathBuf {
    dir.join("o")
}

#[test]
#[ignore = "runs virtual machines"]
fn a_stand_in_of_el9_installs_and_mutated_ones_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let (ok, said) = build(dir.path(), "rocky9-amd64", "el9", "none");
    assert!(ok, "{said}");
    let artifact = out(dir.path()).join("rocky9-amd64/rocky9-amd64.tar.gz");
    assert!(artifact.is_file(), "{said}");
    // Where the keys went astray the console says little: it was their argument.
    for (mutation, reason) in [
        ("line", "fetched   nothing"),
        ("menu", "fetched   nothing"),
        ("argument", "no inst.kickstart on the command line"),
    ] {
        let (ok, said) = build(dir.path(), "rocky9-amd64", "el9", mutation);
        assert!(!ok, "{mutation}: {said}");
        assert!(said.contains(reason), "{mutation}: {said}");
    }
}
