//! What a build says while it runs and when it ended: one line per event.

use std::sync::Mutex;
use std::time::Instant;

use crate::table::minutes;

/// Writes progress lines to stderr, each with target and elapsed time.
#[derive(Debug)]
pub struct Reporter {
    target: String,
    started: Instant,
    verbose: u8,
    phase: Mutex<String>,
}

impl Reporter {
    /// A reporter for one target.
    #[must_use]
    pub fn new(target: &str, verbose: u8) -> Self {
        Self {
            target: target.to_owned(),
            started: Instant::now(),
            verbose,
            phase: Mutex::new(String::new()),
        }
    }

    /// A new phase began.
    pub fn phase(&self, phase: &str, detail: &str) {
        if let Ok(mut current) = self.phase.lock() {
            phase.clone_into(&mut current);
        }
        self.say(&format!("{phase:<10} {detail}"));
    }

    /// Something worth a line.
    pub fn say(&self, text: &str) {
        eprintln!("  {}  {:>5}  {}", self.target, minutes(self.started.elapsed()), text.trim_end());
    }

    /// Something only `-v` wants to see.
    pub fn detail(&self, text: &str) {
        if self.verbose > 0 {
            self.say(&format!("  {text}"));
        }
    }

    /// Output of tools and guests: only with `-vv`.
    pub fn noise(&self, text: &str) {
        if self.verbose > 1 {
            self.say(&format!("    {text}"));
        }
    }

    /// The phase that is running, for error messages.
    #[must_use]
    pub fn current_phase(&self) -> String {
        self.phase.lock().map(|p| p.clone()).unwrap_or_default()
    }
}
