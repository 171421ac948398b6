//! Committed proof: one JSON line per thing shown, in `records/<target>.jsonl`.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

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

/// The strongest record, the newest of equals.
#[must_use]
pub fn best(records: &[Record]) -> Option<&Record> {
    records.iter().max_by(|a, b| (a.proof, &a.date).cmp(&(b.proof, &b.date)))
}
