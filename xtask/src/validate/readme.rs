//! DOC002 to DOC004: README, catalog and template say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::catalog::{ArtifactKind, Image, Target};
use crate::finding::{Finding, Place};

/// Headings that every image's README has, in this order.
pub const HEADINGS: [&str; 8] = [
    "What",
    "Needs",
    "Build with packer",
    "Build with xtask",
    "Knobs",
    "Upload",
    "Log in",
    "Known limits",
];

/// What mends DOC003.
const TABLE: &str = "`cargo xtask docs` writes the table from the template";
/// What mends DOC004.
const UPLOAD: &str =
    "`cargo xtask docs` writes what it generates; names and kinds stand in image.toml";

/// Compares an image's README with the variables of its template and with all of
/// its targets: the README speaks of those that were not asked for as well.
#[must_use]
pub fn check(root: &Path, image: &Image, variables: &BTreeSet<String>) -> Vec<Finding> {
    let path = image.dir.join("README.md");
    let shown = path.strip_prefix(root).unwrap_or(&path);
    let Ok(text) = fs::read_to_string(&path) else {
        let help = format!("write one with the headings {}", HEADINGS.join(", "));
        let finding = Finding::warning("DOC002", Place::file(shown), "there is no README.md");
        return vec![finding.help(help)];
    };
    let readme = Readme { shown, text: &text };
    let mut findings = readme.headings();
    findings.extend(readme.knobs(variables));
    findings.extend(readme.names(&image.targets));
    findings
}

struct Readme<'a> {
    shown: &'a Path,
    text: &'a str,
}

impl Readme<'_> {
    fn at(&self, range: std::ops::Range<usize>) -> Place {
        Place::bytes(self.shown, self.text, range)
    }

    /// DOC002: other headings may stand between.
    fn headings(&self) -> Vec<Finding> {
        let mut have = self.text.lines().filter_map(|line| line.strip_prefix("## "));
        let missing: Vec<&str> =
            HEADINGS.into_iter().filter(|wanted| !have.any(|heading| heading == *wanted)).collect();
        match missing.first() {
            None => vec![],
            Some(first) => {
                let message = format!("the heading `## {first}` is missing or out of order");
                let help = format!("in this order: {}", HEADINGS.join(", "));
                vec![Finding::warning("DOC002", Place::file(self.shown), message).help(help)]
            }
        }
    }

    /// DOC003: the table of knobs lists what the template declares.
    fn knobs(&self, variables: &BTreeSet<String>) -> Vec<Finding> {
        let Some((start, section)) = self.section("## Knobs\n") else { return vec![] };
        let mut listed = BTreeSet::new();
        let mut findings = vec![];
        let mut at = start;
        for line in section.split_inclusive('\n') {
            for (offset, name) in first_cell_names(line) {
                if !variables.contains(name) {
                    let place = self.at(at + offset..at + offset + name.len());
                    let message = format!("the template declares no variable `{name}`");
                    findings.push(Finding::warning("DOC003", place, message).help(TABLE));
                }
                listed.insert(name);
            }
            at += line.len();
        }
        let missing = variables.iter().filter(|name| !listed.contains(name.as_str()));
        findings.extend(missing.map(|name| {
            let place = self.at(start.saturating_sub(9)..start.saturating_sub(1));
            let message = format!("variable `{name}` is not in the table of knobs");
            Finding::warning("DOC003", place, message).help(TABLE)
        }));
        findings
    }

    /// DOC004: upload lines use names of the catalog, and the artifact's file type.
    fn names(&self, targets: &[Target]) -> Vec<Finding> {
        let kind = |target: &Target| match target.facts.artifact {
            ArtifactKind::Tgz => "tgz",
            ArtifactKind::Ddgz => "ddgz",
        };
        let names = self.values("name", |name| targets.iter().any(|t| t.facts.maas.name == name));
        let kinds = self.values("filetype", |name| targets.iter().any(|t| kind(t) == name));
        let wrong_name = |name: &str| format!("image.toml names no target `{name}` in MAAS");
        let wrong_kind = |name: &str| format!("no target's artifact is a `{name}`");
        let names = names.into_iter().map(|(place, name)| (place, wrong_name(name)));
        let kinds = kinds.into_iter().map(|(place, name)| (place, wrong_kind(name)));
        let all = names.chain(kinds).map(|(at, text)| Finding::warning("DOC004", at, text));
        all.map(|finding| finding.help(UPLOAD)).collect()
    }

    /// Values of an upload line's `key='value'` that are not good.
    fn values(&self, key: &str, good: impl Fn(&str) -> bool) -> Vec<(Place, &str)> {
        let Some((start, section)) = self.section("## Upload\n") else { return vec![] };
        let key = format!(" {key}='");
        let lines = section.match_indices(&key).filter_map(|(at, _)| {
            let from = at + key.len();
            Some((from, section.get(from..)?.split('\'').next()?))
        });
        lines
            .filter(|(_, value)| !good(value))
            .map(|(from, value)| (self.at(start + from..start + from + value.len()), value))
            .collect()
    }

    /// Where a section's text starts, and the text up to the next heading.
    fn section(&self, heading: &str) -> Option<(usize, &str)> {
        let start = self.text.find(heading)? + heading.len();
        let rest = self.text.get(start..)?;
        Some((start, rest.get(..rest.find("\n## ").map_or(rest.len(), |i| i + 1))?))
    }
}

/// Names in backticks in the first cell of a table row, with their offsets.
fn first_cell_names(line: &str) -> Vec<(usize, &str)> {
    if !line.starts_with("| `") {
        return vec![];
    }
    let cell = line.get(2..).and_then(|rest| rest.split('|').next()).unwrap_or("");
    let mut names = vec![];
    let mut at = 2;
    for (index, part) in cell.split('`').enumerate() {
        if index % 2 == 1 {
            names.push((at, part));
        }
        at += part.len() + 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_row() {
        let names: Vec<&str> =
            first_cell_names("| `a` `b` | `c` | d |\n").into_iter().map(|(_, n)| n).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(first_cell_names("| variable | type |\n").is_empty());
    }
}
