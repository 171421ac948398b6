//! `manifest.json`: what was built from what, and how long it took.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Version of the format; raised when a key changes its meaning.
pub const VERSION: u32 = 1;

/// The whole document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// Target id.
    pub target: String,
    /// Full name of the release.
    pub title: String,
    /// When the build ended, ISO 8601, UTC.
    pub date: String,
    /// Commit of this repository, `-dirty` if the tree was.
    pub commit: String,
    /// Engine and versions.
    pub engine: String,
    /// Hash of everything the build depends on.
    pub fingerprint: String,
    /// When the sources were last looked at online, ISO 8601.
    pub sources_checked: String,
    /// What it started from: path or URL and hash.
    pub media: BTreeMap<String, String>,
    /// The artifact.
    pub artifact: Artifact,
    /// Seconds per phase, in order.
    pub phases: Vec<(String, f64)>,
    /// What is inside: OS release, kernels, package count.
    pub contents: serde_json::Value,
}

/// The file MAAS gets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Artifact {
    /// File name beside the manifest.
    pub file: String,
    /// `tgz` or `ddgz`.
    pub kind: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Modification time in nanoseconds since 1970, to notice a changed file
    /// without reading it.
    pub mtime_ns: u64,
}

/// Reads a manifest if there is one of this version.
#[must_use]
pub fn read(dir: &Path) -> Option<Manifest> {
    let text = std::fs::read_to_string(dir.join("manifest.json")).ok()?;
    serde_json::from_str(&text).ok().filter(|m: &Manifest| m.version == VERSION)
}

/// Modification time in nanoseconds since 1970.
///
/// # Errors
/// The file is not there.
pub fn mtime_ns(path: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let meta =
        std::fs::metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    let seconds = u64::try_from(meta.mtime()).unwrap_or(0);
    let nanos = u64::try_from(meta.mtime_nsec()).unwrap_or(0);
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

impl Manifest {
    /// The artifact is there, unchanged since it was packed.
    #[must_use]
    pub fn is_intact(&self, dir: &Path) -> bool {
        let path = dir.join(&self.artifact.file);
        let size = std::fs::metadata(&path).map(|m| m.len()).ok();
        size == Some(self.artifact.size) && mtime_ns(&path).ok() == Some(self.artifact.mtime_ns)
    }
}

/// The phase in which a build waits for room on the host.
const WAIT: &str = "wait";

impl Manifest {
    /// How long the build takes by itself: without waiting for others.
    #[must_use]
    pub fn work_seconds(&self) -> f64 {
        work_seconds(&self.phases)
    }
}

fn work_seconds(phases: &[(String, f64)]) -> f64 {
    phases.iter().filter(|(name, _)| name != WAIT).map(|(_, seconds)| seconds).sum()
}

/// Measures phases one after the other.
#[derive(Debug)]
pub struct Phases {
    started: Instant,
    done: Vec<(String, Duration)>,
}

impl Default for Phases {
    fn default() -> Self {
        Self { started: Instant::now(), done: vec![] }
    }
}

impl Phases {
    /// Ends the phase that ran since the last call.
    pub fn end(&mut self, name: &str) {
        let now = Instant::now();
        self.done.push((name.to_owned(), now.duration_since(self.started)));
        self.started = now;
    }

    /// Measures how long a build waits for others; less than a second is nothing.
    pub fn waiting<T>(&mut self, wait: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = wait();
        let time = start.elapsed();
        if time >= Duration::from_secs(1) {
            self.done.push((WAIT.to_owned(), time));
        }
        result
    }

    /// Adds phases measured elsewhere and starts the clock anew.
    pub fn extend(&mut self, phases: impl IntoIterator<Item = (String, Duration)>) {
        self.done.extend(phases);
        self.started = Instant::now();
    }

    /// In seconds, for the manifest.
    #[must_use]
    pub fn seconds(&self) -> Vec<(String, f64)> {
        self.done
            .iter()
            .map(|(n, d)| (n.clone(), (d.as_secs_f64() * 1000.0).round() / 1000.0))
            .collect()
    }

    /// `4:21 (media 0:48, boot 3:33)`: what took no time to speak of is not listed.
    #[must_use]
    pub fn summary(&self) -> String {
        let total: Duration = self.done.iter().map(|(_, d)| *d).sum();
        let long = self.done.iter().filter(|(_, d)| d.as_secs() > 0);
        let each: Vec<String> =
            long.map(|(n, d)| format!("{n} {}", crate::table::minutes(*d))).collect();
        let each = if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) };
        crate::table::minutes(total) + &each
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_others_is_told_but_no_work() {
        let mut phases = Phases::default();
        phases.waiting(|| ());
        assert_eq!(phases.summary(), "0:00");
        phases.waiting(|| std::thread::sleep(Duration::from_millis(1001)));
        let of = |name: &str, millis| (name.to_owned(), Duration::from_millis(millis));
        phases.extend([of("prepare", 200), of("boot", 61_000)]);
        assert_eq!(phases.summary(), "1:02 (wait 0:01, boot 1:01)");
        assert!((work_seconds(&phases.seconds()) - 61.2).abs() < 0.001);
    }
}
