//! What a deploy test found, for people and for programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::checks::Outcome;

/// Version of the JSON form.
pub const VERSION: u32 = 2;

/// A phase and how long it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Name, as in messages.
    pub name: String,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// Why a deployment did not get to the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Where it stopped.
    pub stage: String,
    /// What happened.
    pub reason: String,
    /// What it means, if the console named a known cause.
    pub cause: Option<String>,
    /// What to do.
    pub fix: Option<String>,
    /// Last lines of the console.
    pub console: Vec<String>,
    /// Picture of the screen.
    pub screen: Option<PathBuf>,
}

/// The whole result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Whether the image deploys, boots and holds; see [`Report::judged`].
    pub passed: bool,
    /// When, `2026-11-23T14:09:00Z`.
    pub date: String,
    /// The artifact.
    pub artifact: PathBuf,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
    /// Its architecture.
    pub arch: String,
    /// Firmware, layout, disk, and which curtin ran.
    pub machine: BTreeMap<String, String>,
    /// What the installer saw in the image.
    pub facts: BTreeMap<String, Value>,
    /// In order.
    pub phases: Vec<Phase>,
    /// Why it stopped early.
    pub failure: Option<Failure>,
    /// Why the deployed system was not started, where it cannot be.
    pub not_run: Option<String>,
    /// What did no harm here but should be known.
    pub notes: Vec<String>,
    /// Results of the checks inside.
    pub checks: Vec<Outcome>,
    /// Pictures of GRUB, of the login, of a failure.
    pub pictures: Vec<PathBuf>,
    /// Serial logs and this report.
    pub logs: PathBuf,
}

impl Report {
    /// Why the report proves nothing, if it does not: no record is made of it.
    #[must_use]
    pub fn no_proof(&self) -> Option<&'static str> {
        if !self.passed {
            Some("the test did not pass")
        } else if self.not_run.is_some() {
            Some("the system was not started, so nothing was seen of it")
        } else {
            None
        }
    }

    /// Sets [`Report::passed`]: deployed, booted, and every check holds.
    #[must_use]
    pub fn judged(mut self) -> Self {
        let held = !self.checks.is_empty() && self.failed().next().is_none();
        let held = held || (self.not_run.is_some() && self.checks.is_empty());
        self.passed = held && self.failure.is_none();
        self
    }

    /// Checks that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        self.checks.iter().filter(|outcome| !outcome.passed)
    }
}

/// The text form.
impl std::fmt::Display for Report {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let setting: Vec<&str> = self.machine.values().map(String::as_str).collect();
        let verdict = if self.passed { "ok  " } else { "FAIL" };
        writeln!(out, "{verdict}  {}  ({})", self.artifact.display(), setting.join(", "))?;
        let phases: Vec<String> =
            self.phases.iter().map(|p| format!("{} {}", p.name, clock(p.seconds))).collect();
        let total: f64 = self.phases.iter().map(|p| p.seconds).sum();
        writeln!(out, "      phases    | {} = {}", phases.join(", "), clock(total))?;
        if let Some(failure) = &self.failure {
            write_failure(out, failure)?;
        }
        for outcome in self.failed() {
            writeln!(out, "      {:<9} | expected {}", outcome.id, outcome.expected)?;
            for line in outcome.got.lines().take(12) {
                writeln!(out, "                | {line}")?;
            }
            writeln!(out, "      why       | {}", outcome.why)?;
        }
        let held = self.checks.len() - self.failed().count();
        if self.not_run.is_none() || !self.checks.is_empty() {
            writeln!(out, "      checks    | {held} of {} hold", self.checks.len())?;
        }
        if let Some(why) = &self.not_run {
            writeln!(out, "      not run   | {why}")?;
        }
        for note in &self.notes {
            writeln!(out, "      note      | {note}")?;
        }
        writeln!(out, "      logs      | {}", self.logs.display())
    }
}

fn write_failure(out: &mut std::fmt::Formatter<'_>, failure: &Failure) -> std::fmt::Result {
    writeln!(out, "      stage     | {}: {}", failure.stage, failure.reason)?;
    for (at, line) in failure.console.iter().enumerate() {
        writeln!(out, "      {:<9} | {line}", if at == 0 { "console" } else { "" })?;
    }
    if let Some(screen) = &failure.screen {
        writeln!(out, "      screen    | {}", screen.display())?;
    }
    if let Some(cause) = &failure.cause {
        writeln!(out, "      cause     | {cause}")?;
    }
    if let Some(fix) = &failure.fix {
        writeln!(out, "      try       | {fix}")?;
    }
    Ok(())
}

/// `1:23`.
#[must_use]
pub fn clock(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default().as_secs();
    format!("{}:{:02}", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            version: VERSION,
            passed: false,
            date: "2026-11-23T14:09:00Z".into(),
            artifact: "out/x/debian.tar.gz".into(),
            sha256: "ab".into(),
            arch: "amd64".into(),
            machine: [("firmware".to_owned(), "uefi".to_owned())].into(),
            facts: BTreeMap::new(),
            phases: vec![
                Phase { name: "ephemeral boot".into(), seconds: 61.4 },
                Phase { name: "extract".into(), seconds: 20.0 },
            ],
            failure: None,
            not_run: None,
            notes: vec![],
            checks: vec![],
            pictures: vec![],
            logs: "out/x/deploy-test-uefi".into(),
        }
    }

    fn outcome(passed: bool) -> Outcome {
        Outcome {
            id: "hostname".into(),
            expected: "`calm-heron`".into(),
            got: "debian".into(),
            why: "MAAS names machines".into(),
            passed,
        }
    }

    #[test]
    fn no_checks_is_no_pass() {
        assert!(report().judged().no_proof().unwrap().contains("did not pass"));
        let good = Report { checks: vec![outcome(true)], ..report() }.judged();
        assert!(good.passed && good.no_proof().is_none());
        let one_fails = vec![outcome(true), outcome(false)];
        assert!(!Report { checks: one_fails, ..report() }.judged().passed);
    }

    #[test]
    fn what_was_not_run_is_said_and_no_failure_hides_behind_it() {
        let windows = Report { not_run: Some("no Linux".into()), ..report() };
        let report = windows.clone().judged();
        assert!(report.passed && report.to_string().contains("not run   | no Linux"));
        assert!(report.no_proof().unwrap().contains("not started"));
        let failure = Failure { stage: "write disk".into(), ..Failure::default() };
        assert!(!Report { failure: Some(failure), ..windows.clone() }.judged().passed);
        assert!(!Report { checks: vec![outcome(false)], ..windows }.judged().passed);
    }

    #[test]
    fn a_failed_check_says_what_was_expected_and_why() {
        let text = Report { checks: vec![outcome(true), outcome(false)], ..report() }.to_string();
        for part in ["FAIL", "expected `calm-heron`", "| debian", "MAAS names machines", "1 of 2"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("ephemeral boot 1:01, extract 0:20 = 1:21"), "{text}");
    }

    #[test]
    fn a_failure_shows_stage_console_cause_and_fix() {
        let failure = Failure {
            stage: "boot".into(),
            reason: "the machine stopped".into(),
            cause: Some("no loader".into()),
            fix: Some("grub-install".into()),
            console: vec!["one".into(), "two".into()],
            screen: Some("boot.png".into()),
        };
        let text = Report { failure: Some(failure), ..report() }.to_string();
        let expected = "      stage     | boot: the machine stopped
      console   | one
                | two
      screen    | boot.png
      cause     | no loader
      try       | grub-install
";
        assert!(text.contains(expected), "{text}");
    }
}
