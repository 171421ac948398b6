//! Committed proof: one JSON line per thing shown, in `records/<target>.jsonl`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::build::output::write_atomic;

/// What was shown, from weak to strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The template was checked, with Packer where it says so; nothing was built.
    Validated,
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

/// The latest validation of every target, one line each.
const VALIDATED: &str = "validated.jsonl";

/// All records of a target, weak ones first, then oldest first.
///
/// # Errors
/// A line that is no record, with file and line.
pub fn read(dir: &Path, target: &str) -> anyhow::Result<Vec<Record>> {
    let mut all = read_file(&dir.join(VALIDATED))?;
    all.retain(|record| record.target == target);
    all.extend(read_file(&of_target(dir, target))?);
    Ok(all)
}

fn of_target(dir: &Path, target: &str) -> PathBuf {
    dir.join(format!("{target}.jsonl"))
}

/// A line that is no record: they are written by xtask, one JSON object a line.
pub(crate) fn damaged(path: &Path, line: usize, error: &serde_json::Error) -> anyhow::Error {
    let place = format!("{}:{line}", path.display());
    anyhow::anyhow!("{place}: the line is no record: {error}\n  hint: git diff {}", path.display())
}

fn read_file(path: &Path) -> anyhow::Result<Vec<Record>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => {
            return Err(e).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let parse =
        |(i, line): (usize, &str)| serde_json::from_str(line).map_err(|e| damaged(path, i + 1, &e));
    text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).map(parse).collect()
}

/// Adds a line to the records of its target and returns their file.
///
/// # Errors
/// The old lines cannot be read, or the file cannot be written.
pub fn append(dir: &Path, record: &Record) -> anyhow::Result<PathBuf> {
    let path = of_target(dir, &record.target);
    let mut all = read_file(&path)?;
    all.push(record.clone());
    write(&path, &all)?;
    Ok(path)
}

/// Replaces the validations of these targets and returns their file.
///
/// # Errors
/// As [`append`].
pub fn validated(dir: &Path, records: Vec<Record>) -> anyhow::Result<PathBuf> {
    let path = dir.join(VALIDATED);
    let mut all = read_file(&path)?;
    all.retain(|old| records.iter().all(|new| new.target != old.target));
    all.extend(records);
    all.sort_by(|a, b| a.target.cmp(&b.target));
    write(&path, &all)?;
    Ok(path)
}

fn write(path: &Path, records: &[Record]) -> anyhow::Result<()> {
    let lines: Result<Vec<String>, _> = records.iter().map(serde_json::to_string).collect();
    let lines = lines.with_context(|| format!("cannot write {}", path.display()))?;
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    write_atomic(path, (lines.join("\n") + "\n").as_bytes())
        .context("the proof is not recorded; the result itself is kept in out/")
}

/// When each thing was last shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Last {
    /// The template was checked.
    pub validated: Option<String>,
    /// An image was built from its real media.
    pub built: Option<String>,
    /// It was deployed in emulation.
    pub deploy_tested: Option<String>,
    /// It was deployed by a MAAS.
    pub maas_deployed: Option<String>,
}

/// The newest dates of some records. What was deployed was built.
#[must_use]
pub fn last(records: &[Record]) -> Last {
    let newest = |proofs: &[Proof]| {
        let fitting = records.iter().filter(|record| proofs.contains(&record.proof));
        fitting.map(|record| record.date.clone()).max()
    };
    Last {
        validated: newest(&[Proof::Validated]),
        built: newest(&[Proof::Built, Proof::DeployTested, Proof::MaasDeployed]),
        deploy_tested: newest(&[Proof::DeployTested]),
        maas_deployed: newest(&[Proof::MaasDeployed]),
    }
}

/// How much an image has earned. CONTRIBUTING.md says what each asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Maturity {
    /// Past the end of life that `image.toml` names, whatever was shown before.
    EndOfLife,
    /// Never built from its real media.
    Alpha,
    /// Built from its real media, or deployed in emulation.
    Beta,
    /// Deployed by a MAAS.
    Stable,
}

impl Maturity {
    /// What some records earn a target that is alive.
    #[must_use]
    pub fn earned(records: &[Record]) -> Self {
        match best(records).map(|record| record.proof) {
            Some(Proof::MaasDeployed) => Self::Stable,
            Some(Proof::Built | Proof::DeployTested) => Self::Beta,
            Some(Proof::Validated | Proof::StandIn) | None => Self::Alpha,
        }
    }

    /// As tables show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EndOfLife => "end of life",
            Self::Alpha => "alpha",
            Self::Beta => "beta",
            Self::Stable => "stable",
        }
    }
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
    fn the_latest_validation_replaces_the_one_before_and_dates_are_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let other = Record { target: "a".into(), ..record(Proof::Validated, "2026-01-01") };
        for date in ["2026-04-01", "2026-05-01"] {
            validated(dir.path(), vec![record(Proof::Validated, date), other.clone()]).unwrap();
        }
        append(dir.path(), &record(Proof::DeployTested, "2026-02-01")).unwrap();
        append(dir.path(), &record(Proof::Built, "2026-03-01")).unwrap();
        let all = read(dir.path(), "debian-12-mirror-amd64").unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(best(&all).unwrap().proof, Proof::DeployTested);
        let expected = Last {
            validated: Some("2026-05-01".into()),
            built: Some("2026-03-01".into()),
            deploy_tested: Some("2026-02-01".into()),
            maas_deployed: None,
        };
        assert_eq!(last(&all), expected);
        assert_eq!(read(dir.path(), "a").unwrap(), [other]);
    }

    #[test]
    fn a_stand_in_earns_nothing_and_a_deployment_by_maas_everything() {
        let mut all = vec![];
        for (proof, earned) in [
            (Proof::Validated, Maturity::Alpha),
            (Proof::StandIn, Maturity::Alpha),
            (Proof::Built, Maturity::Beta),
            (Proof::DeployTested, Maturity::Beta),
            (Proof::MaasDeployed, Maturity::Stable),
            // What was shown stays shown.
            (Proof::Built, Maturity::Stable),
        ] {
            all.push(record(proof, "2026-01-01"));
            assert_eq!(Maturity::earned(&all), earned, "{proof:?}");
        }
        assert_eq!(Maturity::earned(&[]), Maturity::Alpha);
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("records");
        fs::write(&file, "in the way").unwrap();
        let error = append(&file, &record(Proof::Built, "2026-01-01")).unwrap_err();
        assert!(format!("{error:#}").contains("records"), "{error:#}");
        let blocked = dir.path().join("blocked");
        fs::create_dir_all(blocked.join("debian-12-mirror-amd64.jsonl")).unwrap();
        let error = append(&blocked, &record(Proof::Built, "2026-01-01")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("cannot read") && text.contains("blocked"), "{text}");
        let error = write(&blocked.join("debian-12-mirror-amd64.jsonl"), &[]).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("not recorded") && text.contains("cannot write"), "{text}");
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("x.jsonl"), "\n{\"target\":1}\n").unwrap();
        let error = read(dir.path(), "x").unwrap_err().to_string();
        assert!(error.contains("x.jsonl:2: "), "{error}");
    }
}
