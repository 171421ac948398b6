//! Runs the unit tests of the deploy hooks and of the preseed: `python3 -m unittest`
//! in the `tests` directory of each image and each part of `common/` that has one.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn test_directories() -> Vec<PathBuf> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let inside = |dir: &Path| std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    let images = inside(&tree).filter(|dir| dir.join("image.toml").exists());
    images
        .chain(inside(&tree.join("common")))
        .chain([tree.join("preseeds")])
        .map(|dir| dir.join("tests"))
        .filter(|dir| dir.is_dir() && has_test(dir))
        .collect()
}

/// Some directories only hold what tests of several images share.
fn has_test(dir: &Path) -> bool {
    let mut names = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.file_name());
    names.any(|name| name.to_string_lossy().starts_with("test_"))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn hooks_pass_their_unit_tests() {
    let directories = test_directories();
    assert!(!directories.is_empty(), "no image has tests of its hook");
    for dir in directories {
        let out = Command::new("python3")
            .args(["-B", "-m", "unittest", "discover", "--start-directory"])
            .arg(&dir)
            // Some tests look at answer files as `plan` renders them.
            .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
            .output()
            .expect("python3 is needed to test the deploy hooks");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{}:\n{said}", dir.display());
        assert!(!said.contains("Ran 0 tests"), "{} has no test", dir.display());
    }
}

/// Needs `XTASK_TEST_CURTIN`, a clone of curtin with its tags, and fails without it.
#[test]
#[ignore = "needs a clone of curtin: XTASK_TEST_CURTIN"]
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn hooks_deploy_with_four_real_curtins() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let script = tree.join("common/curtin/tests/real_curtin.py");
    let out = Command::new("python3").arg("-B").arg(script).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert_eq!(said.matches("Ran 4 tests").count(), 4, "{said}");
}
