//! How long builds took on this host: what a build is expected to take, what the
//! schedule goes by, and what the report compares with.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::manifest::{self, Manifest};
use super::output;

const FILE: &str = ".times.json";

/// Version of the file; another one counts as no history.
const VERSION: u32 = 1;

/// Builds kept per target.
const KEPT: usize = 10;

/// The newest of them that say what is usual: a host changes.
const COUNTED: usize = 5;

/// A build that ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// When it ended, ISO 8601, UTC.
    pub date: String,
    /// Who ran its VM.
    pub engine: String,
    /// How long it took by itself, without waiting for others.
    pub seconds: f64,
    /// Seconds per phase, in order.
    pub phases: Vec<(String, f64)>,
}

/// All builds that are known, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    version: u32,
    builds: BTreeMap<String, Vec<Build>>,
}

impl History {
    /// What is known; nothing if the file is missing or of another version.
    #[must_use]
    pub fn read(out: &Path) -> Self {
        let text = fs::read_to_string(out.join(FILE)).unwrap_or_default();
        let read: Self = serde_json::from_str(&text).unwrap_or_default();
        if read.version == VERSION { read } else { Self::default() }
    }

    /// Adds a build, also beside other processes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(out: &Path, manifest: &Manifest) -> Result<()> {
        // Read and write are one step for all processes.
        let _door = output::door(out, FILE)?;
        let mut all = Self { version: VERSION, ..Self::read(out) };
        let builds = all.builds.entry(manifest.target.clone()).or_default();
        builds.push(Build {
            date: manifest.date.clone(),
            engine: manifest.engine.clone(),
            seconds: manifest.work_seconds(),
            phases: manifest.phases.clone(),
        });
        builds.drain(..builds.len().saturating_sub(KEPT));
        output::replace(&out.join(FILE), serde_json::to_string_pretty(&all)?.as_bytes())
    }

    /// What a build with this engine usually takes: the median of the last ones,
    /// of other engines if this one never built it.
    #[must_use]
    pub fn usual(&self, target: &str, engine: &str) -> Option<Duration> {
        let all = self.builds.get(target)?;
        let own: Vec<&Build> = all.iter().filter(|build| build.engine == engine).collect();
        let counted = if own.is_empty() { all.iter().collect() } else { own };
        let mut seconds: Vec<f64> =
            counted.iter().rev().take(COUNTED).map(|build| build.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let median = *seconds.get(seconds.len() / 2)?;
        Duration::try_from_secs_f64(median).ok()
    }
}

/// What a target is expected to take: as usual, or as its artifact took that was
/// built before there was a history.
#[must_use]
pub fn expected(history: &History, out: &Path, target: &str, engine: &str) -> Option<Duration> {
    history.usual(target, engine).or_else(|| {
        let seconds = manifest::read(&out.join(target))?.work_seconds();
        Duration::try_from_secs_f64(seconds).ok()
    })
}

/// Whether a build took so much longer than usual that somebody should look.
#[must_use]
pub fn is_slow(time: Duration, usual: Duration) -> bool {
    time > usual.mul_f64(1.3) && time.saturating_sub(usual) > Duration::from_secs(30)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn built(engine: &str, seconds: f64) -> Manifest {
        serde_json::from_value(json!({
            "version": 1, "target": "t", "title": "", "date": "2026-11-30T00:00:00Z",
            "commit": "", "engine": engine, "fingerprint": "", "sources_checked": "", "media": {},
            "artifact": { "file": "", "kind": "", "size": 0, "sha256": "", "mtime_ns": 0 },
            "phases": [["wait", 100.0], ["boot", seconds]], "contents": null,
        }))
        .unwrap()
    }

    #[test]
    fn usual_is_the_median_of_the_last_builds_with_the_same_engine() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(History::read(dir.path()).usual("t", "a"), None);
        for seconds in [900.0, 900.0, 900.0, 60.0, 62.0, 500.0, 61.0, 63.0] {
            History::add(dir.path(), &built("a", seconds)).unwrap();
        }
        let history = History::read(dir.path());
        assert_eq!(history.usual("t", "a"), Some(Duration::from_secs(62)));
        assert_eq!(history.usual("t", "b"), Some(Duration::from_secs(62)));
        assert_eq!(history.usual("other", "a"), None);
        History::add(dir.path(), &built("b", 7.0)).unwrap();
        assert_eq!(History::read(dir.path()).usual("t", "b"), Some(Duration::from_secs(7)));
        for _ in 0..20 {
            History::add(dir.path(), &built("b", 7.0)).unwrap();
        }
        assert_eq!(History::read(dir.path()).builds["t"].len(), KEPT);
    }

    #[test]
    fn a_spoiled_file_is_no_history() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", "{\"version\":99,\"builds\":{}}"] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert!(History::read(dir.path()).builds.is_empty(), "{text}");
        }
        History::add(dir.path(), &built("a", 1.0)).unwrap();
        assert_eq!(History::read(dir.path()).builds.len(), 1);
    }

    #[test]
    fn slow_is_a_third_more_and_half_a_minute() {
        let of = Duration::from_secs;
        assert!(!is_slow(of(70), of(60)) && !is_slow(of(29), of(10)));
        assert!(is_slow(of(200), of(120)) && !is_slow(of(100), of(120)));
    }
}
