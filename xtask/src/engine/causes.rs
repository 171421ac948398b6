//! Named causes: what the console says when a build is lost.

use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;

const TABLE: &str = include_str!("../../data/console-causes.toml");

/// A known failure of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Stable name.
    pub id: String,
    /// Regular expression for one line.
    pub pattern: String,
    /// The guest cannot recover.
    pub fatal: bool,
    /// What is behind it.
    pub cause: String,
    /// What to do.
    pub fix: String,
    /// A line that matches.
    pub sample: String,
    /// Where the sample comes from.
    pub origin: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cause: Vec<Cause>,
}

/// All causes with their compiled patterns, in order. A test keeps the table
/// readable, so that it cannot be empty in practice.
pub fn all() -> &'static [(Cause, Regex)] {
    static CAUSES: OnceLock<Vec<(Cause, Regex)>> = OnceLock::new();
    CAUSES.get_or_init(|| {
        let table = toml::from_str(TABLE).unwrap_or(Table { cause: Vec::new() });
        let compile = |cause: Cause| Regex::new(&cause.pattern).ok().map(|regex| (cause, regex));
        table.cause.into_iter().filter_map(compile).collect()
    })
}

/// The cause that explains a line.
pub fn find(line: &str) -> Option<&'static Cause> {
    all().iter().find(|(_, regex)| regex.is_match(line)).map(|(cause, _)| cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_each_sample_finds_its_own_entry() {
        let table: Table = toml::from_str(TABLE).unwrap();
        assert_eq!(all().len(), table.cause.len());
        assert!(table.cause.len() >= 15);
        for cause in &table.cause {
            let found = find(&cause.sample).map(|found| found.id.as_str());
            assert_eq!(found, Some(cause.id.as_str()), "{}", cause.sample);
            let origins = ["own run: ", "https://", "synthetic"];
            assert!(origins.iter().any(|origin| cause.origin.starts_with(origin)), "{}", cause.id);
        }
    }

    #[test]
    fn ordinary_lines_are_no_causes() {
        for line in [
            "[    0.000000] Kernel command line: root=/dev/vda1 panic=-1",
            "[  OK  ] Reached target emergency.target - Emergency Mode.",
            "Begin: Mounting root file system ... Begin: Running /scripts/local-top ... done.",
            "Booting `Debian GNU/Linux'",
            "GNU GRUB  version 2.06-13+deb12u1",
        ] {
            assert_eq!(find(line), None, "{line}");
        }
    }
}
