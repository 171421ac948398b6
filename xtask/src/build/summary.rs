//! How a run of builds ended: lines for people, JUnit XML, a table for GitHub,
//! and the list that `--rerun-failed` reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::history;
use super::manifest::Manifest;
use super::many::Ended;
use super::output;
use super::run::Outcome;
use crate::catalog::Target;
use crate::repo::Repo;
use crate::table;

/// The line, or block, about one target.
#[must_use]
pub fn line(repo: &Repo, target: &Target, ended: &Ended) -> String {
    let path = repo.out_dir(&target.id).join(target.artifact_name());
    let path = repo.show(&path).to_string();
    match &ended.result {
        None => format!("  skip  {}  not started: another build failed", target.id),
        Some(Ok(Outcome::UpToDate(manifest))) => format!(
            "  up to date  {path}  sources last checked {}  ({} ms)",
            manifest.sources_checked,
            ended.time.as_millis()
        ),
        Some(Ok(Outcome::Built { manifest, times })) => format!(
            "  ok    {path}  {}  sha256 {}…  {times}{}",
            table::size(manifest.artifact.size),
            manifest.artifact.sha256.get(..12).unwrap_or_default(),
            slower(ended, manifest).map_or_else(String::new, |why| format!("  {why}")),
        ),
        Some(Err(error)) => {
            let text = message(error);
            // Findings say for themselves how grave they are.
            let prefix = if text.starts_with("error") { "" } else { "error: " };
            format!("  FAIL  {}  after {}\n{prefix}{text}", target.id, table::minutes(ended.time))
        }
    }
}

/// `slower than usual (4:21)`, if it was.
#[must_use]
pub fn slower(ended: &Ended, manifest: &Manifest) -> Option<String> {
    let usual = ended.usual?;
    let took = Duration::try_from_secs_f64(manifest.work_seconds()).ok()?;
    let slow = history::is_slow(took, usual);
    slow.then(|| format!("slower than usual ({})", table::minutes(usual)))
}

/// What is left to do after a run of many: lines that tell about the failures
/// are far above by then.
#[must_use]
pub fn left(ids: &[&str], ended: &[Ended]) -> String {
    let mut text = String::new();
    for wanted in ["failed", SKIPPED] {
        let these = ended.iter().filter(|e| word(e) == wanted);
        let these: Vec<&str> = these.filter_map(|e| ids.get(e.index)).copied().collect();
        if !these.is_empty() {
            let _ = writeln!(text, "  {wanted}: {}", these.join(" "));
        }
    }
    if !text.is_empty() {
        text.push_str("  hint: `cargo xtask build --rerun-failed` builds these\n");
    }
    text
}

/// The same for programs.
#[must_use]
pub fn event(ended: &Ended) -> Value {
    let mut event = json!({
        "result": word(ended), "seconds": ended.time.as_secs_f64(), "phases": ended.phases,
    });
    match &ended.result {
        Some(Ok(Outcome::Built { manifest, .. } | Outcome::UpToDate(manifest))) => {
            event["artifact"] = json!(manifest.artifact);
        }
        Some(Err(error)) => event["error"] = json!(message(error)),
        None => {}
    }
    event
}

/// An error with everything behind it.
#[must_use]
pub fn message(error: &anyhow::Error) -> String {
    crate::exit::text(error)
}

/// How a target ended, in one word.
#[must_use]
pub const fn word(ended: &Ended) -> &'static str {
    match &ended.result {
        None => SKIPPED,
        Some(Ok(Outcome::UpToDate(_))) => "up to date",
        Some(Ok(Outcome::Built { .. })) => "built",
        Some(Err(_)) => "failed",
    }
}

/// Text for XML and HTML.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no other control characters, not even escaped.
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// JUnit XML as CI systems read it: one test case per target.
#[must_use]
pub fn junit(targets: &[&Target], ended: &[Ended]) -> String {
    let count = |w: &str| ended.iter().filter(|e| word(e) == w).count();
    let seconds: f64 = ended.iter().map(|e| e.time.as_secs_f64()).sum();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        xml,
        "<testsuites>\n<testsuite name=\"build\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\">",
        ended.len(),
        count("failed"),
        count("skipped"),
    );
    for e in ended {
        let name = targets.get(e.index).map_or("", |t| t.id.as_str());
        let time = e.time.as_secs_f64();
        let inner = match &e.result {
            None => "<skipped message=\"another build failed\"/>".to_owned(),
            Some(Ok(_)) => String::new(),
            Some(Err(error)) => {
                let text = message(error);
                let first = text.lines().next().unwrap_or_default();
                format!("<failure message=\"{}\">{}</failure>", escaped(first), escaped(&text))
            }
        };
        let _ = writeln!(
            xml,
            "<testcase classname=\"build\" name=\"{}\" time=\"{time:.3}\">{inner}</testcase>",
            escaped(name)
        );
    }
    xml + "</testsuite>\n</testsuites>\n"
}

/// Markdown for the summary page of a GitHub job.
#[must_use]
pub fn markdown(targets: &[&Target], ended: &[Ended]) -> String {
    let mut text = String::from("| target | result | time | artifact |\n|---|---|---|---|\n");
    for e in ended {
        let name = targets.get(e.index).map_or("", |t| t.id.as_str());
        let artifact = match &e.result {
            Some(Ok(Outcome::Built { manifest, .. } | Outcome::UpToDate(manifest))) => format!(
                "{} {}, sha256 `{}`",
                manifest.artifact.file,
                table::size(manifest.artifact.size),
                manifest.artifact.sha256
            ),
            Some(Err(error)) => {
                message(error).lines().next().unwrap_or_default().replace('|', "\\|")
            }
            None => String::new(),
        };
        let time = table::minutes(e.time);
        let _ = writeln!(text, "| {name} | {} | {time} | {artifact} |", word(e));
    }
    for e in ended {
        if let Some(Err(error)) = &e.result {
            let name = targets.get(e.index).map_or("", |t| t.id.as_str());
            // Longer than any run of them in a log, so that none ends the block.
            let _ =
                writeln!(text, "\n### {name}\n\n~~~~~~~~~~text\n{}\n~~~~~~~~~~", message(error));
        }
    }
    text
}

/// Adds the table to the file that GitHub names, if it does.
///
/// # Errors
/// The file cannot be written.
pub fn tell_github(targets: &[&Target], ended: &[Ended]) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|p| !p.is_empty()) else {
        return Ok(());
    };
    let path = Path::new(&path);
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(markdown(targets, ended).as_bytes()))
        .with_context(|| format!("cannot write GITHUB_STEP_SUMMARY {}", path.display()))
}

/// What the last run left undone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LastRun {
    /// Target id to result.
    pub results: BTreeMap<String, String>,
}

const LAST_RUN: &str = ".last-run.json";

const SKIPPED: &str = "skipped";

impl LastRun {
    /// Adds results by target id to what is known, also by another process.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(out: &Path, results: impl IntoIterator<Item = (String, String)>) -> Result<()> {
        // Read and write are one step for all processes.
        let _door = output::door(out, LAST_RUN)?;
        let mut all = Self::read(out);
        all.results.extend(results);
        output::replace(&out.join(LAST_RUN), serde_json::to_string_pretty(&all)?.as_bytes())
    }

    /// Says that these are to be built: what a killed run did not get to counts
    /// as not started.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(out: &Path, targets: &[&Target]) -> Result<()> {
        Self::add(out, targets.iter().map(|target| (target.id.clone(), SKIPPED.to_owned())))
    }

    /// What is known; nothing if the file is missing or of another version.
    #[must_use]
    pub fn read(out: &Path) -> Self {
        let text = fs::read_to_string(out.join(LAST_RUN)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Targets that failed or were not started.
    #[must_use]
    pub fn unfinished(&self) -> Vec<String> {
        let undone = |result: &str| result == "failed" || result == SKIPPED;
        self.results.iter().filter(|(_, r)| undone(r)).map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(index: usize, result: Option<Result<Outcome>>) -> Ended {
        let time = Duration::from_millis(1500);
        Ended { index, time, usual: None, phases: vec![], result }
    }

    #[test]
    fn junit_is_well_formed_whatever_an_error_says() {
        let error = anyhow::anyhow!("a < b & \"c\"\n\x1b[1mbold");
        let all = [ended(0, Some(Err(error))), ended(1, None)];
        let xml = junit(&[], &all);
        assert!(xml.contains("tests=\"2\" failures=\"1\" skipped=\"1\" time=\"3.000\""), "{xml}");
        assert!(xml.contains("<failure message=\"a &lt; b &amp; &quot;c&quot;\">"), "{xml}");
        assert!(xml.contains("\u{fffd}[1mbold") && !xml.contains('\x1b'), "{xml}");
    }

    #[test]
    fn what_failed_or_never_ran_is_run_again() {
        let results = [("a", "built"), ("b", "failed"), ("c", "skipped"), ("d", "up to date")];
        let last = LastRun { results: results.map(|(id, r)| (id.to_owned(), r.to_owned())).into() };
        assert_eq!(last.unfinished(), ["b", "c"]);
        assert!(LastRun::read(Path::new("/nonexistent")).unfinished().is_empty());
    }

    #[test]
    fn the_end_names_what_is_left() {
        let error = || Some(Err(anyhow::anyhow!("no")));
        let all = [ended(0, error()), ended(1, None), ended(2, error())];
        let text = left(&["a", "b", "c"], &all);
        assert!(text.starts_with("  failed: a c\n  skipped: b\n  hint: "), "{text}");
        assert_eq!(left(&[], &[]), "");
    }

    #[test]
    fn a_table_cell_holds_one_line_without_bars() {
        let error = anyhow::anyhow!("a | b\nmore");
        let text = markdown(&[], &[ended(0, Some(Err(error)))]);
        assert!(text.contains("| failed | 0:01 | a \\| b |"), "{text}");
    }
}
