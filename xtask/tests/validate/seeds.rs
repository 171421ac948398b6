//! Mistakes as data: each is found on its line, and nothing else is.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use xtask::finding::{Finding, Findings};
use xtask::host::tools;
use xtask::rules::RULES;

use super::tree::{Tree, own_root};

/// One mistake.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    /// The rule that must find it.
    rule: String,
    /// What is changed.
    file: String,
    /// Images to copy; without them the one that `file` is in.
    #[serde(default)]
    images: Vec<String>,
    /// What is done: `replace`, `write`, `bytes`, `remove`, `chmod`,
    /// `link`, `unlink`.
    #[serde(default = "replace", rename = "do")]
    act: String,
    /// The text that is replaced.
    #[serde(default)]
    old: String,
    /// What stands there then: the text, the link's target, the mode.
    #[serde(default)]
    new: String,
    /// A part of the line that must be shown. Empty: the file as a whole, or
    /// any line.
    #[serde(default)]
    line: String,
    /// The file that must be shown, if it is another.
    at: Option<String>,
    /// Rules that rightly find it as well.
    #[serde(default)]
    also: Vec<String>,
    /// The program that finds it.
    tool: Option<String>,
}

#[derive(Deserialize)]
struct Seeds {
    seed: Vec<Seed>,
}

fn replace() -> String {
    "replace".into()
}

fn seeds(text: &str) -> Vec<Seed> {
    toml::from_str::<Seeds>(text).unwrap().seed
}

fn own() -> Vec<Seed> {
    seeds(include_str!("own.toml"))
}

fn small() -> Vec<Seed> {
    seeds(include_str!("small.toml"))
}

impl Seed {
    fn spoil(&self, tree: &Tree) {
        let path = tree.root.join(&self.file);
        match self.act.as_str() {
            "replace" => tree.replace(&self.file, &self.old, &self.new),
            "write" => tree.write(&self.file, &self.new),
            "bytes" => fs::write(&path, [u8::from_str_radix(&self.new, 16).unwrap()]).unwrap(),
            "remove" => fs::remove_file(&path).unwrap(),
            "chmod" => tree.mode(&self.file, u32::from_str_radix(&self.new, 8).unwrap()),
            "link" => {
                drop(fs::remove_file(&path));
                symlink(&self.new, &path).unwrap();
            }
            // A checkout without symbolic links.
            "unlink" => {
                let target = fs::read_link(&path).unwrap();
                fs::remove_file(&path).unwrap();
                fs::write(&path, target.to_string_lossy().as_bytes()).unwrap();
            }
            other => assert_eq!(other, "", "no such act"),
        }
    }

    fn images(&self) -> Vec<&str> {
        let first = self.file.split('/').next().unwrap();
        match self.images.as_slice() {
            [] => vec![first],
            images => images.iter().map(String::as_str).collect(),
        }
    }

    /// What is wrong with the findings.
    fn judge(&self, findings: &[Finding]) -> Option<String> {
        let file = self.at.as_ref().unwrap_or(&self.file);
        let mine: Vec<&Finding> = findings.iter().filter(|f| f.id == self.rule).collect();
        let here = |f: &&Finding| self.at.is_none() || f.place.file == Path::new(file);
        let on_line = |f: &&Finding| {
            self.line.is_empty() || (f.place.line > 0 && f.place.text.contains(&self.line))
        };
        // Alignment is lost with the line that was the longest.
        let rightly = |f: &Finding| {
            f.id == self.rule || f.id == "FMT001" || self.also.iter().any(|id| id == f.id)
        };
        let what = if mine.is_empty() {
            "is silent"
        } else if !mine.iter().any(|f| here(f) && on_line(f)) {
            "shows another place"
        } else if !findings.iter().all(rightly) {
            "is not alone"
        // What another program found is in its words, with its own id to look up.
        } else if self.tool.is_none() && mine.iter().any(|f| f.help.is_none()) {
            "does not say what to do"
        } else {
            return None;
        };
        let shown = Findings(findings.to_vec());
        Some(format!("{} {what}, {} `{}`:\n{shown}", self.rule, self.file, self.new))
    }
}

fn misses(seeds: &[Seed], tree: impl Fn(&Seed) -> Tree + Sync) -> Vec<String> {
    let miss = |seed: &Seed| {
        if seed.tool.as_ref().is_some_and(|tool| tools::find(tool).is_none()) {
            eprintln!("skipped: {}, which needs {}", seed.rule, seed.tool.as_ref().unwrap());
            return None;
        }
        let tree = tree(seed);
        seed.spoil(&tree);
        let findings = match tree.report(seed.tool.is_some()) {
            Ok(report) => report.findings,
            Err(findings) => findings,
        };
        seed.judge(&findings)
    };
    seeds.par_iter().filter_map(miss).collect()
}

fn assert_found(missed: &[String], of: usize) {
    assert!(missed.is_empty(), "{} of {of}:\n{}", missed.len(), missed.join("\n\n"));
}

#[test]
fn mistakes_in_our_own_tree_are_found_on_their_line() {
    let seeds = own();
    assert!(seeds.len() >= 60, "{}", seeds.len());
    assert_found(&misses(&seeds, |seed| Tree::own(&seed.images())), seeds.len());
}

#[test]
fn mistakes_in_the_small_tree_are_found_on_their_line() {
    let mut seeds = small();
    for seed in &mut seeds {
        let also = ALSO.iter().find(|(id, _)| *id == seed.rule).map_or(&[][..], |(_, also)| also);
        seed.also.extend(also.iter().map(|id| (*id).to_owned()));
    }
    assert_found(&misses(&seeds, |_| Tree::small()), seeds.len());
}

/// Rules whose case in the small tree spoils what others look at as well.
const ALSO: &[(&str, &[&str])] = &[
    // A script that is gone is not used either.
    ("REF001", &["REF002"]),
    // The name of the artifact and the upload line follow from it.
    ("MAA001", &["DOC004"]),
    ("MAA002", &["DOC004"]),
    // Without its interpreter line nothing says that it is a shell script.
    ("RUN001", &["RUN002"]),
    ("SRC004", &["SRC002", "REF002"]),
    ("SRC003", &["SRC002"]),
    ("CAT001", &["CAT007"]),
    // What is written out is not taken from the variable.
    ("FW001", &["VAR001"]),
    ("ACC001", &["VAR001"]),
];

/// Everything at once: what the seeds find is not there before.
#[test]
fn clean_trees_have_no_findings() {
    let findings = Tree::small().findings();
    assert!(findings.is_empty(), "{}", Findings(findings));
    let images: Vec<String> = fs::read_dir(own_root())
        .unwrap()
        .flatten()
        .filter(|e| e.path().join("image.toml").exists())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(images.len() >= 25, "{images:?}");
    let names: Vec<&str> = images.iter().map(String::as_str).collect();
    let findings = Tree::own(&names).findings();
    assert!(findings.is_empty(), "{}", Findings(findings));
}

/// Every rule that `explain` knows is spoiled in our own tree, or listed with
/// what tests it.
#[test]
fn every_rule_has_a_seed() {
    let elsewhere = [
        "DOC001", // verbs/docs.rs
        "PKR001", "PKR002", // real Packer: tests/packer.rs
    ];
    let own = own();
    let spoiled: BTreeSet<&str> = own.iter().map(|seed| seed.rule.as_str()).collect();
    let missing: Vec<&str> = RULES
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !spoiled.contains(id) && !elsewhere.contains(id))
        .collect();
    assert!(missing.is_empty(), "no seed for {missing:?}");
}
