//! Each check holds in a root as it should be and fails when what it asks for is
//! not so. The root and the programs that look at a running system are synthetic;
//! the commands are the checks' own, with that root before their paths.

use std::collections::BTreeSet;
use std::path::Path;

use super::tests::known;
use super::*;
use crate::cmd::Cmd;
use crate::deploy::machine::Firmware;

/// Makes the root, in it.
const GOOD: &str = include_str!("violated/good.sh");
/// Check and what breaks it, in shell; a tab between them.
const WRONG: &str = include_str!("violated/wrong");

/// Directories whose names the checks' commands begin paths with.
const TOPS: [&str; 17] = [
    "boot",
    "curtin",
    "dev",
    "etc",
    "home",
    "lib",
    "opt",
    "packer",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "usr/local",
    "usr/sbin",
    "var",
];

fn sh(dir: &Path, text: &str) -> String {
    let done = Cmd::new("sh", "prepare a root").cwd(dir).arg("-s").stdin(text).output();
    done.unwrap_or_else(|e| panic!("{text}: {e}")).stdout_text()
}

/// A command whose absolute paths are below `root`.
fn moved(command: &str, root: &str) -> String {
    let mut text = command.to_owned();
    for (before, top) in " '\"=".chars().flat_map(|c| TOPS.iter().map(move |top| (c, top))) {
        text = text.replace(&format!("{before}/{top}"), &format!("{before}@ROOT@/{top}"));
    }
    text.replace("@ROOT@", root)
}

/// What a check says about a copy of the good root after some shell commands.
fn outcome(good: &Path, check: &Check, spoil: &str) -> Outcome {
    let copy = tempfile::tempdir().unwrap();
    let root = copy.path().to_str().unwrap();
    sh(good, &format!("cp -a . {root}"));
    // A deployed disk was not started yet.
    let fresh = "rm -r etc/ssh/*; : >etc/machine-id";
    let first = if check.id.starts_with("disk-") { fresh } else { "" };
    sh(copy.path(), &format!("{first}\n{spoil}"));
    let check = Check { command: moved(&check.command, root), ..check.clone() };
    let text = script(std::slice::from_ref(&check), "@@m", root);
    let text = text.replace("PATH=/usr/local/sbin", "PATH=bin:/usr/local/sbin");
    judge(&[check], "@@m", &sh(copy.path(), &text)).remove(0)
}

/// Every check, of all kinds of machines.
fn all() -> Vec<Check> {
    // What it says stands in the table alone.
    let inside = table(&known()).into_iter().filter(|check| check.id != "login-user");
    let disk = disk(Firmware::Uefi, "BOOTX64.EFI", false);
    let bios = super::disk(Firmware::Bios, "BOOTX64.EFI", false);
    let sector = bios.into_iter().filter(|check| check.id == "disk-boot-sector");
    inside.chain(disk).chain(sector).collect()
}

#[test]
fn a_login_user_that_operators_are_not_told_is_found() {
    let other = Known { login_user: Some("cloud-user".into()), ..known() };
    for (known, holds) in [(known(), true), (other, false)] {
        let checks: Vec<Check> =
            table(&known).into_iter().filter(|check| check.id == "login-user").collect();
        let said = sh(Path::new("/"), &script(&checks, "@@m", "/"));
        assert_eq!(judge(&checks, "@@m", &said)[0].passed, holds);
    }
}

#[test]
fn every_check_fails_when_it_is_violated() {
    let good = tempfile::tempdir().unwrap();
    sh(good.path(), GOOD);
    let checks = all();
    for check in &checks {
        let right = outcome(good.path(), check, "");
        assert!(right.passed, "{}: expected {}, got {}", check.id, right.expected, right.got);
    }
    let mut violated = BTreeSet::new();
    for line in WRONG.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (id, spoil) = line.split_once('\t').unwrap_or_else(|| panic!("no tab: {line}"));
        let check = checks.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("{id}"));
        let wrong = outcome(good.path(), check, spoil);
        assert!(!wrong.passed, "{id} holds after `{spoil}`: {}", wrong.got);
        violated.insert(check.id);
    }
    let missing: Vec<&str> =
        checks.iter().map(|check| check.id).filter(|id| !violated.contains(id)).collect();
    assert!(missing.is_empty(), "never violated: {missing:?}");
}
