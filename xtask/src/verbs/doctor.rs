//! `cargo xtask doctor`: can this machine build, and if not, what helps.

mod checks;
mod report;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use self::checks::Check;
use super::{Context, print, selected};
use crate::catalog::Target;
use crate::cli::{Format, Targets};
use crate::exit::Exit;
use crate::finding::Findings;
use crate::host::kvm::Freshness;
use crate::host::needs::{Level, Needs, Problem, missing};
use crate::host::{self, Host};
use crate::pipeline::Preparation;
use crate::plan;
use crate::table;

/// What to look at, and how it is printed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask doctor\n  cargo xtask doctor debian-12 rhel9\n  cargo \
                  xtask doctor --report > report.txt\n\nExit code 3 means that something required \
                  is missing. Without targets that is what builds for this host's architecture need."
)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Add what a ticket needs: versions, environment, rejected firmware; secrets masked
    #[arg(long, conflicts_with = "format")]
    report: bool,
}

/// What one target lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetReport {
    /// Target id.
    pub target: String,
    /// Empty if it can be built here.
    pub problems: Vec<Problem>,
}

/// Everything `doctor` found.
#[derive(Debug)]
pub struct Diagnosis {
    /// The machine.
    pub host: Host,
    /// What holds for every target.
    pub checks: Vec<Check>,
    /// What holds for some.
    pub targets: Vec<TargetReport>,
    /// The user named the targets: what they lack counts.
    pub chosen: bool,
}

impl Diagnosis {
    /// Whether everything required is there.
    #[must_use]
    pub fn ready(&self) -> bool {
        let targets = self.targets.iter().filter(|_| self.chosen).flat_map(|t| &t.problems);
        let mut levels = self.checks.iter().map(|check| check.level);
        levels.all(|level| level != Level::Bad) && targets.clone().all(|p| p.level != Level::Bad)
    }
}

/// Probes and prints; a target whose plan cannot be made is reported as such.
///
/// # Errors
/// An unknown target, or standard output that cannot be written.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let repo = &context.repo;
    let preparation = RefCell::new(Preparation::new(repo, None));
    let needs = |target: &Target| -> Result<Needs> {
        let options = plan::Options::default();
        let resolved = preparation.borrow_mut().canonical(target, &options);
        let resolved = resolved.map_err(|findings| anyhow::Error::from(Findings(findings)))?;
        Ok(plan::needs::needs(target, &resolved))
    };
    let options = host::Options::new(&repo.out, &repo.media, Some(Freshness::RecheckFailure));
    let host = host::probe(&options);
    let chosen = !args.targets.targets.is_empty() || args.targets.all;
    let targets = examine(args, context, &host, &needs)?;
    let checks = checks::general(&host);
    let diagnosis = Diagnosis { host, checks, targets, chosen };
    match (args.format, args.report) {
        (Format::Json, _) => print(&to_json(&diagnosis)?)?,
        (Format::Text, false) => {
            let text = to_text(&diagnosis, context.verbose);
            print(&narrow(&text, table::terminal().unwrap_or(usize::MAX)))?;
        }
        (Format::Text, true) => {
            let text = to_text(&diagnosis, 2);
            print(&report::render(&text, &diagnosis, &repo.root))?;
        }
    }
    Ok(if diagnosis.ready() { Exit::Ok } else { Exit::HostNotReady })
}

/// What each target lacks. Without targets on the command line: every target
/// that is not end of life, and a broken catalog is no reason not to look at
/// the host.
fn examine(
    args: &Args,
    context: &Context,
    host: &Host,
    needs: &dyn Fn(&Target) -> Result<Needs>,
) -> Result<Vec<TargetReport>> {
    let named = !args.targets.targets.is_empty();
    let catalog = match context.repo.catalog() {
        Err(error) if !named => {
            eprintln!("note: targets are left out, the catalog cannot be read: {error}");
            return Ok(vec![]);
        }
        other => other?,
    };
    let every = Targets { all: true, targets: vec![], arch: args.targets.arch };
    let chosen = match selected(&catalog, if named { &args.targets } else { &every }) {
        Err(_) if !named => vec![], // a tree without images has a host, too
        other => other?,
    };
    let report = |target: &&Target| TargetReport {
        target: target.id.clone(),
        problems: match needs(target) {
            Ok(needs) => missing(host, &needs),
            Err(error) => vec![Problem {
                level: Level::Bad,
                what: format!("its plan cannot be made: {error:#}"),
                fix: "cargo xtask validate".into(),
            }],
        },
    };
    Ok(chosen.iter().map(report).collect())
}

#[derive(Serialize)]
struct Row<'a> {
    level: Level,
    what: &'a str,
    note: &'a str,
}

fn to_json(diagnosis: &Diagnosis) -> Result<String> {
    let rows: Vec<Row<'_>> = diagnosis
        .checks
        .iter()
        .map(|check| Row { level: check.level, what: &check.what, note: &check.note })
        .collect();
    let value = json!({
        "version": 1,
        "ready": diagnosis.ready(),
        "checks": rows,
        "targets": diagnosis.targets,
        "host": diagnosis.host,
    });
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

/// Notes start here unless the finding before them is longer.
const NOTE_COLUMN: usize = 56;

fn to_text(diagnosis: &Diagnosis, verbose: u8) -> String {
    let mut text = String::new();
    for check in &diagnosis.checks {
        text.push_str(&line(check.level, &check.what, &check.note));
    }
    text.push_str(&targets_text(diagnosis));
    if verbose >= 2 {
        for rejected in &diagnosis.host.firmware.rejected {
            text.push_str(&format!("      firmware not used: {rejected}\n"));
        }
    }
    text
}

fn line(level: Level, what: &str, note: &str) -> String {
    let word = match level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Bad => "bad",
    };
    let mut lines = what.lines();
    let first = lines.next().unwrap_or_default();
    let mut text = format!(" {word:<4} {first:<NOTE_COLUMN$}  {note}").trim_end().to_owned() + "\n";
    for more in lines {
        text.push_str(&format!("      {}\n", more.trim_end()));
    }
    text
}

/// The text for a terminal: where a line is too long its note goes on below it,
/// and words that have no room in the next line.
fn narrow(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.split_at_checked(MARGIN.len()) {
            Some((head, rest)) if line.chars().count() > width => {
                let note = rest.trim_start().rsplit_once("  ");
                let (what, note) = note.unwrap_or((rest, ""));
                let indent = MARGIN.to_owned() + &" ".repeat(what.len() - what.trim_start().len());
                let mut lead = head.to_owned() + indent.get(MARGIN.len()..).unwrap_or_default();
                for (text, indent) in [(what, indent.as_str()), (note, MARGIN)] {
                    let limit = width.saturating_sub(indent.len()).max(20);
                    for more in table::wrap(text.trim(), limit).iter().filter(|l| !l.is_empty()) {
                        out += &format!("{lead}{more}\n");
                        indent.clone_into(&mut lead);
                    }
                    MARGIN.clone_into(&mut lead);
                }
            }
            _ => out += &format!("{line}\n"),
        }
    }
    out
}

/// Where the text of a line starts, behind its level.
const MARGIN: &str = "      ";

/// One line for all, then each problem once with the targets it concerns.
fn targets_text(diagnosis: &Diagnosis) -> String {
    let total = diagnosis.targets.len();
    if total == 0 {
        return String::new();
    }
    let bad = |report: &&TargetReport| report.problems.iter().any(|p| p.level == Level::Bad);
    let able = total - diagnosis.targets.iter().filter(bad).count();
    let level = if able == total { Level::Ok } else { Level::Warn };
    let mut text =
        line(level, &format!("{able} of {} can be built here", table::count(total, "target")), "");
    let mut grouped: BTreeMap<(&str, &str), (Level, Vec<&str>)> = BTreeMap::new();
    for report in &diagnosis.targets {
        for problem in &report.problems {
            let entry = grouped.entry((&problem.what, &problem.fix));
            entry.or_insert((problem.level, vec![])).1.push(&report.target);
        }
    }
    for ((what, fix), (level, targets)) in grouped {
        text.push_str(&line(level, &format!("{}: {what}", some_names(&targets)), fix));
    }
    text
}

/// `a`, `a, b`, or `a and 7 more`.
fn some_names(names: &[&str]) -> String {
    match names {
        [first, _, rest @ ..] if !rest.is_empty() => {
            format!("{first} and {} more", names.len() - 1)
        }
        _ => names.join(", "),
    }
}
