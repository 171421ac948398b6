//! What the last deploy test of an artifact said: one that failed is not uploaded
//! by accident.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// The result that `deploy-test` leaves in `out/TARGET/` or `out/deploy-test/FILE/`.
const RESULT: &str = "deploy-test.json";
/// Directories below `out` that are searched.
const DEPTH: usize = 3;

/// A deploy test, as far as uploads go. Fields that later versions add are fine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tested {
    /// SHA-256 of the artifact that was deployed.
    sha256: String,
    /// It deployed, booted and held.
    pub passed: bool,
    /// `2026-11-23T14:09:00Z`.
    pub date: String,
    /// What it was deployed on.
    #[serde(default)]
    machine: BTreeMap<String, String>,
    /// Why it did not get to the checks.
    failure: Option<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Failure {
    stage: String,
    reason: String,
}

impl Tested {
    /// Why it failed, in a few words.
    #[must_use]
    pub fn why(&self) -> String {
        let checks = || "a check inside the deployed system failed".to_owned();
        let why = self.failure.as_ref();
        let why = why.map_or_else(checks, |f| format!("{}: {}", f.stage, f.reason));
        let machine: Vec<&str> = self.machine.values().map(String::as_str).collect();
        if machine.is_empty() { why } else { format!("{why} ({})", machine.join(", ")) }
    }
}

/// The newest deploy test below `out` of the artifact with this SHA-256.
#[must_use]
pub fn last(out: &Path, sha256: &str) -> Option<Tested> {
    let walk = walkdir::WalkDir::new(out).max_depth(DEPTH).into_iter().flatten();
    let files = walk.filter(|entry| entry.file_name() == RESULT);
    let all = files.filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok());
    let ours = all.filter(|test: &Tested| test.sha256.eq_ignore_ascii_case(sha256));
    ours.max_by(|a, b| a.date.cmp(&b.date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_test_of_these_bytes_counts() {
        let out = tempfile::tempdir().unwrap();
        let write = |dir: &str, text: &str| {
            let dir = out.path().join(dir);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(RESULT), text).unwrap();
        };
        assert_eq!(last(out.path(), "aa"), None);
        write(
            "a",
            r#"{"version":2,"sha256":"aa","passed":true,"date":"2026-01-01","failure":null}"#,
        );
        assert!(last(out.path(), "AA").unwrap().passed);
        write(
            "deploy-test/b",
            r#"{"sha256":"aa","passed":false,"date":"2026-01-02","machine":{"disk":"nvme","firmware":"bios"},"failure":{"stage":"boot","reason":"panic"}}"#,
        );
        write("c", r#"{"sha256":"bb","passed":false,"date":"2026-01-03","failure":null}"#);
        write("d", "{");
        assert_eq!(last(out.path(), "aa").unwrap().why(), "boot: panic (nvme, bios)");
        assert!(last(out.path(), "bb").unwrap().why().contains("a check inside"));
        assert_eq!(last(out.path(), "cc"), None);
    }
}
