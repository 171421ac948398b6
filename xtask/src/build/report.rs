//! What one build says while it runs.

use std::sync::{Arc, Mutex};

use super::board::Board;

/// Tells the board about one target.
#[derive(Debug)]
pub struct Reporter {
    target: String,
    verbose: u8,
    board: Arc<Board>,
    phase: Mutex<String>,
}

impl Reporter {
    /// A reporter for one target.
    #[must_use]
    pub fn new(target: &str, verbose: u8, board: Arc<Board>) -> Self {
        Self { target: target.to_owned(), verbose, board, phase: Mutex::new(String::new()) }
    }

    /// A new phase began.
    pub fn phase(&self, phase: &str, detail: &str) {
        if let Ok(mut current) = self.phase.lock() {
            phase.clone_into(&mut current);
        }
        self.board.phase(&self.target, phase, detail);
    }

    /// Something worth a line.
    pub fn say(&self, text: &str) {
        self.board.say(&self.target, text);
    }

    /// Something only `-v` wants to see.
    pub fn detail(&self, text: &str) {
        self.board.console(&self.target, text);
        if self.verbose > 0 {
            self.say(&format!("  {text}"));
        }
    }

    /// Output of tools and guests: only with `-vv`.
    pub fn noise(&self, text: &str) {
        self.board.console(&self.target, text);
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
