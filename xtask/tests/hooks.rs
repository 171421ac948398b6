//! Runs the unit tests of the deploy hooks and of the preseed: `python3 -m unittest`
//! in the `tests` directory of each image and each part of `common/` that has one.
//! ESXi's helpers run on hosts with a Python of their own, so they are tested with
//! the oldest and the newest that is here.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rayon::prelude::*;

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn test_directories() -> Vec<PathBuf> {
    let tree = tree();
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

/// Runs the tests of a directory; says on standard error what is skipped.
fn pass(python: &Path, dir: &Path, pattern: &str) {
    let out = Command::new(python)
        .args(["-B", "-m", "unittest", "discover", "-v", "--pattern", pattern])
        .arg("--start-directory")
        .arg(dir)
        // Some tests look at answer files as `plan` renders them.
        .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
        .output()
        .unwrap_or_else(|e| panic!("{} is needed to test the deploy hooks: {e}", python.display()));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{} {}:\n{said}", python.display(), dir.display());
    assert!(!said.contains("Ran 0 tests"), "{} has no test", dir.display());
    for (test, why) in said.lines().filter_map(|line| line.split_once("... skipped ")) {
        let name = test.split_whitespace().next().unwrap_or(test);
        // Past the capture of tests that pass; cargo has not counted it.
        let _ = writeln!(std::io::stderr(), "skipped in {}: {name}: {why}", dir.display());
    }
}

#[test]
fn hooks_pass_their_unit_tests() {
    let directories = test_directories();
    assert!(!directories.is_empty(), "no image has tests of its hook");
    directories.par_iter().for_each(|dir| pass(Path::new("python3"), dir, "test*.py"));
}

/// Every Python 3 of this host by its version: in PATH, or made by pyenv.
fn pythons() -> BTreeMap<(u32, u32), PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), PathBuf::from);
    let made = std::fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path)
        .flat_map(|dir| (5..20).map(move |minor| dir.join(format!("python3.{minor}"))));
    let all = made.map(|entry| entry.path().join("bin/python3")).chain(named);
    all.chain(["python3".into()]).filter_map(|path| Some((version(&path)?, path))).collect()
}

fn version(python: &Path) -> Option<(u32, u32)> {
    let code = "import sys; print(*sys.version_info[:2])";
    let out = Command::new(python).args(["-c", code]).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    let version = (numbers.next()??, numbers.next()??);
    (out.status.success() && version.0 == 3).then_some(version)
}

#[test]
fn esxi_helpers_pass_with_the_oldest_and_the_newest_python() {
    let pythons = pythons();
    let (oldest, newest) = (pythons.first_key_value().unwrap(), pythons.last_key_value().unwrap());
    let dir = tree().join("vmware-esxi/tests");
    for ((major, minor), python) in [oldest, newest] {
        println!("Python {major}.{minor}: {}", python.display());
        for pattern in [
            "test_esxcli.py",
            "test_network.py",
            "test_python.py",
            "test_services.py",
            "test_storage.py",
        ] {
            pass(python, &dir, pattern);
        }
    }
    if oldest.0 >= &(3, 7) {
        let dir = dir.display();
        let _ =
            writeln!(std::io::stderr(), "skipped in {dir}: no Python older than 3.{}", oldest.0.1);
    }
}

/// Needs `XTASK_TEST_CURTIN`, a clone of curtin with its tags, and fails without it.
#[test]
#[ignore = "needs a clone of curtin: XTASK_TEST_CURTIN"]
fn hooks_deploy_with_four_real_curtins() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let script = tree.join("common/curtin/tests/real_curtin.py");
    let out = Command::new("python3").arg("-B").arg(script).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert_eq!(said.matches("Ran 4 tests").count(), 4, "{said}");
}
