//! Committed proof: one JSON line per thing shown, in `records/<target>.jsonl`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::build::output::write_atomic;

/// What was shown, from weak to strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The image was built from a stand-in medium; never counts as built.
    StandIn,
    /// Built from its real media.
    Built,
    /// Built, deployed in emulation and checked from inside.
    DeployTested,
    /// Deployed by a MAAS.
    MaasDeployed,
}

/// One line of proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Target id.
    pub target: String,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Commit of this repository, with `-dirty` if it was.
    pub commit: String,
    /// What was shown.
    pub proof: Proof,
    /// SHA-256 of the medium, or of the mirror's InRelease.
    pub media: String,
    /// SHA-256 of the artifact.
    pub artifact: String,
    /// Free words: firmware, engine, versions, times.
    pub how: String,
}

/// All records of a target, oldest first.
///
/// # Errors
/// A line that is no record, with file and line.
pub fn read(dir: &Path, target: &str) -> anyhow::Result<Vec<Record>> {
    let path = dir.join(format!("{target}.jsonl"));
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => anyhow::bail!("{}: {e}", path.display()),
    };
    let parse = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| anyhow::anyhow!("{}:{}: {e}", path.display(), i + 1))
    };
    text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(parse).collect()
}

/// Adds a line to the records of its target and returns their file.
///
/// # Errors
/// The old lines cannot be read, or the file cannot be written.
pub fn append(dir: &Path, record: &Record) -> anyhow::Result<PathBuf> {
    let mut all = read(dir, &record.target)?;
    all.push(record.clone());
    let lines: Result<Vec<String>, _> = all.iter().map(serde_json::to_string).collect();
    let path = dir.join(format!("{}.jsonl", record.target));
    fs::create_dir_all(dir)?;
    write_atomic(&path, (lines?.join("\n") + "\n").as_bytes())?;
    Ok(path)
}

/// The strongest record, the newest of equals.
#[must_use]
pub fn best(records: &[Record]) -> Option<&Record> {
    records.iter().max_by(|a, b| (a.proof, &a.date).cmp(&(b.proof, &b.date)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(proof: Proof, date: &str) -> Record {
        let text = |text: &str| text.to_owned();
        Record {
            target: text("debian-12-mirror-amd64"),
            date: text(date),
            commit: text("0123"),
            proof,
            media: text("aa"),
            artifact: text("bb"),
            how: text("uefi"),
        }
    }

    #[test]
    fn lines_are_added_and_the_strongest_is_best() {
        let dir = tempfile::tempdir().unwrap();
        let all = [
            record(Proof::DeployTested, "2026-01-01"),
            record(Proof::DeployTested, "2026-02-01"),
            record(Proof::Built, "2026-03-01"),
        ];
        let paths: Vec<PathBuf> = all.iter().map(|r| append(dir.path(), r).unwrap()).collect();
        let read = read(dir.path(), &all[0].target).unwrap();
        assert_eq!(read, all);
        assert_eq!(best(&read), Some(&all[1]));
        assert_eq!(paths[0].file_name().unwrap(), "debian-12-mirror-amd64.jsonl");
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x.jsonl"), "\n{\"target\":1}\n").unwrap();
        let error = read(dir.path(), "x").unwrap_err().to_string();
        assert!(error.contains("x.jsonl:2: "), "{error}");
    }
}
