//! What is read from the output of steps. Pure.

use std::fmt;

/// Lines of `cargo test` that nobody needs to see go by.
#[must_use]
pub fn is_noise(line: &str) -> bool {
    let line = line.trim_end();
    let passed =
        line.starts_with("test ") && (line.ends_with("... ok") || line.ends_with("... ignored"));
    let header =
        line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test"));
    line.is_empty() || passed || header
}

/// Tests that ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passed.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
    /// Ignored by cargo, steps left out, tests without what they need.
    pub skipped: u64,
    /// Tests that said `skipped: …`; cargo counts them as passed.
    pub told: u64,
    /// There was a result of `cargo test`.
    pub results: bool,
}

impl Counts {
    /// Adds what a line of `cargo test` says, if it is a result:
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`; or a
    /// test's own word that it could not run.
    pub fn add_line(&mut self, line: &str) {
        self.told += u64::from(line.starts_with("skipped: "));
        let Some(result) = line.trim().strip_prefix("test result: ") else { return };
        let number = |word: &str| -> u64 {
            let part = result.split([';', '.']).find(|part| part.trim().ends_with(word));
            let digits = part.and_then(|part| part.split_whitespace().next());
            digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        self.passed += number(" passed");
        self.failed += number(" failed");
        self.skipped += number(" ignored");
        self.results = true;
    }

    /// The same without the tests that only said why they could not run. They
    /// say so on another pipe than cargo: at the end, not line by line.
    #[must_use]
    pub fn settled(mut self) -> Self {
        let told = std::mem::take(&mut self.told);
        self.skipped += told;
        self.passed = self.passed.saturating_sub(told);
        self
    }
}

impl fmt::Display for Counts {
    /// The closing line that CI systems read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Own run of `cargo test` with cargo 1.95.
    const OUTPUT: &str = "\nrunning 2 tests\ntest a::b ... ok\ntest a::c ... ignored\n\ntest result: \
        ok. 1 passed; 0 failed; 1 ignored; 0 measured; 83 filtered out; finished in 0.11s\n\
        test result: FAILED. 7 passed; 4 failed; 0 ignored; 0 measured; 83 filtered out; \
        finished in 0.35s\n";

    #[test]
    fn results_add_up_and_noise_is_dropped() {
        let mut counts = Counts::default();
        OUTPUT.lines().for_each(|line| counts.add_line(line));
        assert_eq!(counts.to_string(), "8 passed, 4 failed, 1 skipped");
        let shown = OUTPUT.lines().filter(|line| !is_noise(line)).count();
        assert_eq!(shown, 2);
        assert!(!is_noise("test a::d ... FAILED"));
    }

    #[test]
    fn a_test_that_could_not_run_is_skipped_and_shown() {
        let line = "skipped: ntfs-3g is not installed (apt install ntfs-3g)\n";
        assert!(!is_noise(line));
        let mut counts = Counts::default();
        counts.add_line(line);
        OUTPUT.lines().for_each(|line| counts.add_line(line));
        assert_eq!(counts.settled().to_string(), "7 passed, 4 failed, 2 skipped");
    }
}
