//! `cargo xtask fuzz`: hostile input for everything that reads foreign bytes.

mod engine;

use std::time::Duration;

use anyhow::Result;

use self::engine::{Ended, Engine};
use super::{Context, print};
use crate::exit::{Coded, Exit};
use crate::finding::suggest;
use crate::fuzz::{self, Record, Target};
use crate::{build, date, table};

/// Time that `--smoke` has for all targets together.
const SMOKE: Duration = Duration::from_secs(20);

/// Which target, how long.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "Examples:\n  cargo xtask fuzz --list\n  cargo xtask fuzz xfs --time 10m --record\n  \
                  cargo xtask fuzz xfs --input out/fuzz/xfs/crash-1234   run one input again\n  \
                  cargo xtask fuzz --smoke                             a step of `test --all`\n\n\
                  A panic, an input that takes over 20 s or more than 512 MiB of memory is a \
                  finding: the run ends, says where the input is, and the exit code is 1. Once it \
                  is fixed, put the input into xtask/fuzz/regressions/TARGET/: `cargo test` runs \
                  it from then on."
)]
pub struct Args {
    /// What to feed, see --list
    #[arg(group = "what", value_name = "TARGET")]
    target: Option<String>,
    /// Show the targets, and how long each has run in total (records/fuzz.jsonl)
    #[arg(long, group = "what")]
    list: bool,
    /// All targets, 20 seconds together
    #[arg(long, group = "what")]
    smoke: bool,
    /// How long: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    time: Duration,
    /// Run this file once and nothing else
    #[arg(long, value_name = "FILE", requires = "target", conflicts_with_all = ["record", "time"])]
    input: Option<std::path::PathBuf>,
    /// Add the run to records/fuzz.jsonl
    #[arg(long, requires = "target")]
    record: bool,
}

fn time(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..) {
        Some("s") => 1,
        Some("m") => 60,
        Some("h") => 3600,
        _ => return Err("give a number and a unit: 90s, 10m, 2h".into()),
    };
    let number: u64 = number.parse().map_err(|_| "not a number, a unit: 90s, 10m, 2h")?;
    let seconds = number.checked_mul(unit).filter(|s| (1..=1_000_000).contains(s));
    seconds.map(Duration::from_secs).ok_or_else(|| "between 1s and 277h".into())
}

/// Runs one target, or a little of each.
///
/// # Errors
/// No such target (exit 4), no C++ compiler (exit 3), or the targets do not
/// build. A finding is no error but exit code 1.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let records = context.repo.root.join("records/fuzz.jsonl");
    if args.list {
        print(&list(&fuzz::records(&records)?))?;
        return Ok(Exit::Ok);
    }
    if args.smoke {
        return smoke(context);
    }
    let name = args.target.as_deref().unwrap_or_default();
    let target = fuzz::named(name).ok_or_else(|| {
        let near = suggest(name, fuzz::TARGETS.iter().map(|target| target.name));
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        Coded::nothing(format!("no fuzz target `{name}`\n  hint: {near}cargo xtask fuzz --list"))
    })?;
    if !engine::has_compiler() {
        return Err(Coded::host(
            "no C++ compiler: the fuzzing engine is C++\n  hint: apt-get install g++",
        ));
    }
    let engine = Engine::build(context)?;
    if let Some(input) = &args.input {
        return engine.once(target, input);
    }
    let ended = engine.run(target, args.time)?;
    print(&format!("{}\n", said(target, &ended)))?;
    if args.record {
        fuzz::append(&records, record(target, &ended, context))?;
    }
    Ok(if ended.finding.is_some() { Exit::Failed } else { Exit::Ok })
}

fn smoke(context: &Context) -> Result<Exit> {
    if !engine::has_compiler() {
        let count = fuzz::TARGETS.len();
        print(&format!(
            "{count} targets skipped: no C++ compiler for the engine\n  hint: apt-get install g++; \
             `cargo test -p xtask-fuzz` runs the seeds and some mutations without it\n"
        ))?;
        return Ok(Exit::Ok);
    }
    let engine = Engine::build(context)?;
    let count = u32::try_from(fuzz::TARGETS.len()).unwrap_or(u32::MAX).max(1);
    let each = (SMOKE / count).max(Duration::from_secs(1));
    let mut findings = 0;
    for target in fuzz::TARGETS {
        let ended = engine.run(target, each)?;
        print(&format!("{}\n", said(target, &ended)))?;
        findings += usize::from(ended.finding.is_some());
    }
    print(&format!("{count} targets, {findings} findings\n"))?;
    Ok(if findings > 0 { Exit::Failed } else { Exit::Ok })
}

fn record(target: &Target, ended: &Ended, context: &Context) -> Record {
    Record {
        target: target.name.into(),
        date: date::today(),
        commit: build::commit(&context.repo.root),
        seconds: ended.took.as_secs(),
        executions: ended.seen.executions,
        coverage: ended.seen.coverage,
        findings: u64::from(ended.finding.is_some()),
    }
}

fn said(target: &Target, ended: &Ended) -> String {
    let (name, seen, time) = (target.name, ended.seen, table::minutes(ended.took));
    let figures = format!("{} inputs, {} edges, {time}", seen.executions, seen.coverage);
    match &ended.finding {
        None => format!("{name:<11} ok    {figures}"),
        Some(finding) => format!(
            "{name:<11} FAIL  {figures}\n  {}\n  input: {}\n  again: cargo xtask fuzz {name} --input {}",
            finding.what,
            finding.input.display(),
            finding.input.display()
        ),
    }
}

fn list(records: &[Record]) -> String {
    let totals = fuzz::totals(records);
    let rows: Vec<Vec<String>> = fuzz::TARGETS
        .iter()
        .map(|target| {
            let (seconds, executions, findings) =
                totals.get(target.name).copied().unwrap_or_default();
            let hours = format!("{}.{:02} h", seconds / 3600, seconds % 3600 * 100 / 3600);
            let figures = [executions.to_string(), findings.to_string()];
            [&[target.name.to_owned(), hours][..], &figures, &[target.about.to_owned()]].concat()
        })
        .collect();
    table::render(&["TARGET", "TIME", "INPUTS", "FINDINGS", "WHAT"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("2h", 7200)] {
            assert_eq!(time(text).unwrap().as_secs(), seconds);
        }
        for text in ["", "10", "m", "-1s", "1d", "0s", "99999999999999999999h", "1 m", "999999h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_target_is_listed_with_its_time() {
        let record = Record {
            target: "xfs".into(),
            date: "2026-01-01".into(),
            commit: "0".into(),
            seconds: 5400,
            executions: 7,
            coverage: 1,
            findings: 2,
        };
        let text = list(&[record]);
        assert_eq!(text.lines().count(), fuzz::TARGETS.len() + 1);
        let line = text.lines().find(|line| line.starts_with("xfs")).unwrap();
        assert_eq!(
            line.split_whitespace().take(5).collect::<Vec<_>>(),
            ["xfs", "1.50", "h", "7", "2"]
        );
    }
}
