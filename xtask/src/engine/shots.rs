//! `--screenshots`: the guest's screen every few seconds, for the report.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::qmp::Qmp;

/// Takes pictures; one that shows what the last one showed is not kept.
#[derive(Debug)]
pub struct Shots {
    every: Duration,
    start: Instant,
    next: Instant,
    last: Option<Vec<u8>>,
}

impl Shots {
    /// The first one is due after `every`; names count from now.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        let start = Instant::now();
        Self { every, start, next: start.checked_add(every).unwrap_or(start), last: None }
    }

    /// Whether it is time.
    #[must_use]
    pub fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    /// Writes `screen-MMSS.png` into `logs`, unless nothing has changed or QEMU
    /// cannot. A missing picture is no reason to stop a build.
    pub fn take(&mut self, qmp: &mut Qmp, logs: &Path) {
        let now = Instant::now();
        self.next = now.checked_add(self.every).unwrap_or(now);
        let Ok(file) = qmp.screendump(&logs.join(name(self.start.elapsed()))) else { return };
        self.keep(&file);
    }

    fn keep(&mut self, file: &PathBuf) {
        let bytes = fs::read(file).unwrap_or_default();
        if bytes.is_empty() || self.last.as_ref() == Some(&bytes) {
            drop(fs::remove_file(file));
        } else {
            self.last = Some(bytes);
        }
    }
}

/// `screen-MMSS`, by the time since the start.
#[must_use]
pub fn name(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("screen-{:02}{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut shots = Shots::new(Duration::from_secs(60));
        assert!(!shots.is_due());
        let mut kept = vec![];
        for (number, content) in ["a", "a", "b", "", "a"].iter().enumerate() {
            let file = dir.path().join(number.to_string());
            fs::write(&file, content).unwrap();
            shots.keep(&file);
            kept.push(file.exists());
        }
        assert_eq!(kept, [true, false, true, false, true]);
        assert_eq!(name(Duration::from_secs(3723)), "screen-6203");
    }
}
