//! Runs the unit tests of the deploy hooks: `python3 -m unittest` in the `tests`
//! directory of each image and each part of `common/` that has one.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn test_directories() -> Vec<PathBuf> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let inside = |dir: &Path| std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    let images = inside(&tree).filter(|dir| dir.join("image.toml").exists());
    images
        .chain(inside(&tree.join("common")))
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
