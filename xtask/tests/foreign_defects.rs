//! Defects of older templates for Windows, ESXi and XenServer, each brought back
//! by one change and named by its guard. The table is `foreign_defects.toml`.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use rayon::prelude::*;
use serde::Deserialize;

#[expect(dead_code, reason = "shared with the tests of validate")]
#[path = "validate/tree.rs"]
mod tree;

use tree::Tree;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defect {
    id: String,
    what: String,
    /// What is changed, and what stands there then.
    #[serde(default)]
    file: String,
    #[serde(default)]
    old: String,
    #[serde(default)]
    new: String,
    /// What must fail.
    #[serde(default)]
    guard: String,
    /// Why there is nothing to change.
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Table {
    defect: Vec<Defect>,
}

fn table() -> Vec<Defect> {
    toml::from_str::<Table>(include_str!("foreign_defects.toml")).unwrap().defect
}

/// The numbers of each table of the specification.
const TABLES: [(char, u8); 3] = [('W', 23), ('E', 24), ('X', 16)];

#[test]
fn every_defect_has_a_guard_or_a_reason() {
    let defects = table();
    let known: BTreeSet<&str> = defects.iter().map(|d| d.id.as_str()).collect();
    let all = TABLES.iter().flat_map(|(c, last)| (1..=*last).map(move |n| format!("{c}{n}")));
    let all: BTreeSet<String> = all.collect();
    assert_eq!(known, all.iter().map(String::as_str).collect());
    for defect in &defects {
        assert!(defect.guard.is_empty() != defect.reason.is_empty(), "{defect:?}");
        let changed = !defect.file.is_empty();
        let changes = changed && defect.old != defect.new;
        assert!(
            changes || defect.reason.len() > 20 || defect.guard.starts_with("rust "),
            "{defect:?}"
        );
    }
    let reasons: Vec<&str> =
        defects.iter().filter(|d| !d.reason.is_empty()).map(|d| d.id.as_str()).collect();
    assert_eq!(reasons, ["W1", "W20", "X14"], "a defect without a guard has to be argued");
}

/// How a guard took it: its words if it was content.
enum Verdict {
    Fails,
    Passes(String),
    /// A tool or a right is missing: why.
    Skips(String),
}

/// Runs Python tests of an image's copy.
fn python(root: &Path, image: &str, test: &str) -> Verdict {
    let output = Command::new("python3")
        .args(["-B", "-m", "unittest", "-v", test])
        .current_dir(root.join(image).join("tests"))
        .env("XTASK", env!("CARGO_BIN_EXE_xtask"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let skip = said.lines().find_map(|line| line.split_once("... skipped "));
    if let Some((_, why)) = skip {
        return Verdict::Skips(why.to_owned());
    }
    // A test that cannot be loaded would fail as well.
    assert!(!said.contains("_FailedTest") && said.contains("Ran 1 test"), "{test}: {said}");
    if output.status.success() { Verdict::Passes(said) } else { Verdict::Fails }
}

fn rule(tree: &Tree, id: &str) -> Verdict {
    let findings = tree.findings();
    match findings.iter().any(|finding| finding.id == id) {
        true => Verdict::Fails,
        false => Verdict::Passes(format!("no {id} among {} findings", findings.len())),
    }
}

fn verdict(tree: &Tree, guard: &str) -> Verdict {
    match guard.split_whitespace().collect::<Vec<_>>()[..] {
        ["validate", _, id] => rule(tree, id),
        ["rust", file, name] => {
            let text = fs::read_to_string(tree::own_root().join(file)).unwrap();
            assert!(text.contains(&format!("fn {name}(")), "{file} has no test {name}");
            Verdict::Fails
        }
        [image, test] => python(&tree.root, image, test),
        _ => panic!("no guard: {guard}"),
    }
}

fn image(guard: &str) -> &str {
    let mut words = guard.split_whitespace();
    match words.next() {
        Some("validate") => words.next().unwrap(),
        Some("rust") | None => "windows",
        Some(image) => image,
    }
}

fn told(skips: BTreeMap<String, String>) {
    for (guard, why) in skips {
        // Past the capture of tests that pass.
        let _ = writeln!(std::io::stderr(), "skipped: {guard}: {why}");
    }
}

#[test]
fn each_defect_that_comes_back_is_named_by_its_guard() {
    let defects = table();
    let run = |defect: &Defect| {
        let tree = Tree::own(&[image(&defect.guard)]);
        if !defect.file.is_empty() {
            tree.replace(&defect.file, &defect.old, &defect.new);
        }
        (
            defect.id.clone(),
            defect.what.clone(),
            defect.guard.clone(),
            verdict(&tree, &defect.guard),
        )
    };
    let guarded: Vec<&Defect> = defects.iter().filter(|d| !d.guard.is_empty()).collect();
    let results: Vec<_> = guarded.par_iter().map(|defect| run(defect)).collect();
    let (mut missed, mut skips) = (vec![], BTreeMap::new());
    for (id, what, guard, verdict) in results {
        match verdict {
            Verdict::Fails => println!("{id:<4} {guard:<90} {what}"),
            Verdict::Passes(said) => {
                missed.push(format!("{id} {what}: {guard} is content\n{said}"))
            }
            Verdict::Skips(why) => drop(skips.insert(guard, why)),
        }
    }
    told(skips);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// Without the change each guard is content: it is the change that it names.
#[test]
fn guards_are_content_with_what_we_have() {
    let defects = table();
    let guards: BTreeSet<&str> =
        defects.iter().map(|d| d.guard.as_str()).filter(|g| !g.is_empty()).collect();
    let quiet = |guard: &&&str| !guard.starts_with("rust ");
    let complaints: Vec<&&str> = guards
        .iter()
        .filter(quiet)
        .collect::<Vec<_>>()
        .into_par_iter()
        .filter(|guard| matches!(verdict(&Tree::own(&[image(guard)]), guard), Verdict::Fails))
        .collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}
