//! `cargo xtask validate`: find mistakes before a build does.

mod sarif;

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::plan::PlanFlags;
use super::{Context, print, selected};
use crate::build;
use crate::catalog::{Image, Target};
use crate::changed::Changed;
use crate::cli::Targets;
use crate::date;
use crate::exit::{Coded, Exit};
use crate::finding::{Finding, Severity};
use crate::records::{self, Proof, Record};
use crate::table::count;
use crate::validate::{self, Report};

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum FindingFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// GitHub annotations.
    Github,
    /// SARIF 2.1.0, for code hosts.
    Sarif,
}

/// Which targets, and how strictly.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask validate\n  cargo xtask validate debian-12 --var release=99\n  cargo xtask validate --changed-since origin/main --strict --format github\n  cargo xtask validate --native\n  cargo xtask validate --record"
)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    flags: PlanFlags,
    /// Warnings and skipped checks are errors; only a missing Packer is not
    #[arg(long)]
    strict: bool,
    /// Only images that differ from this git revision, uncommitted changes included
    #[arg(long, value_name = "REV")]
    changed_since: Option<String>,
    /// Leave out `packer validate` and `packer fmt`, which take a second per target
    #[arg(long)]
    no_packer: bool,
    /// Our own rules only: start no other program
    #[arg(long)]
    native: bool,
    /// Note the date of targets without an error in records/, if Packer checked them too
    #[arg(long, conflicts_with_all = ["no_packer", "native"])]
    record: bool,
    /// How to print findings
    #[arg(long, value_enum, default_value_t)]
    format: FindingFormat,
}

/// Validates; without a target, everything (end-of-life releases too: their
/// templates are still read by people).
///
/// # Errors
/// A broken catalog or an unknown target.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let started = Instant::now();
    let catalog = context.repo.catalog()?;
    let everything = args.targets.targets.is_empty() && !args.targets.all;
    if catalog.images.is_empty() {
        return foreign(args, context, everything, started);
    }
    let mut targets: Vec<&Target> = match everything {
        true => catalog.targets().collect(),
        false => selected(&catalog, &args.targets)?,
    };
    let whole = everything && args.changed_since.is_none();
    if let Some(revision) = &args.changed_since {
        let changed = Changed::since(&context.repo.root, revision)?;
        targets = changed.only(&context.repo, &catalog.images, targets);
    }
    let images: Vec<&Image> = catalog
        .images
        .iter()
        .filter(|i| whole || targets.iter().any(|t| t.image == i.name))
        .collect();
    let options = args.flags.options()?;
    let mut report = match args.native {
        true => validate::native(&context.repo, &images, &targets, &options).0,
        false => validate::validate(&context.repo, &images, &targets, &options),
    };
    if args.native {
        report.skipped.push("validators of other languages, and Packer (--native)".into());
    } else if !args.no_packer {
        report.ask_packer(&context.repo, &images, &targets)?;
    }
    if args.record {
        record(context, &targets, &report)?;
    }
    finish(args, &report, started)
}

/// Notes that targets were valid today. Only a whole check counts.
fn record(context: &Context, targets: &[&Target], report: &Report) -> Result<()> {
    if let Some(skip) = report.skipped.first() {
        return Err(Coded::host(format!(
            "--record: a check was skipped: {skip}\n  hint: `cargo xtask setup --validators`, and a Packer on PATH"
        )));
    }
    if report.count(Severity::Error) > 0 {
        eprintln!("nothing is recorded: there are errors");
        return Ok(());
    }
    let commit = build::commit(&context.repo.root);
    let line = |target: &&Target| Record {
        target: target.id.clone(),
        date: date::today(),
        commit: commit.clone(),
        proof: Proof::Validated,
        media: String::new(),
        artifact: String::new(),
        how: "validate: own checks, packer fmt and packer validate".into(),
    };
    let all = targets.iter().map(line).collect();
    let path = records::validated(&context.repo.root.join("records"), all)?;
    let number = count(targets.len(), "target");
    eprintln!("{number} recorded in {}", context.repo.show(&path));
    Ok(())
}

/// A tree without `image.toml`: all of it, as it is.
fn foreign(args: &Args, context: &Context, everything: bool, started: Instant) -> Result<Exit> {
    let root = &context.repo.root;
    if !everything {
        return Err(Coded::nothing(format!(
            "{} has no image.toml, so there are no targets\n  hint: leave the target out to check every template directory",
            root.display()
        )));
    }
    let report = validate::foreign::validate(root);
    if report.targets == 0 {
        return Err(Coded::nothing(format!(
            "there is no *.pkr.hcl below {}\n  hint: --root names another tree",
            root.display()
        )));
    }
    finish(args, &report, started)
}

fn finish(args: &Args, report: &Report, started: Instant) -> Result<Exit> {
    show(report, args.format, started)?;
    let skipped = report.skipped.iter().any(|skip| skip != validate::NO_PACKER);
    let strict = args.strict && (skipped || !report.findings.is_empty());
    let failed = strict || report.count(Severity::Error) > 0;
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

fn show(report: &Report, format: FindingFormat, started: Instant) -> Result<()> {
    match format {
        FindingFormat::Json => {
            let document = json!({
                "version": 1,
                "findings": report.findings,
                "targets": report.targets,
                "skipped": report.skipped,
            });
            print(&format!("{document:#}\n"))?;
        }
        FindingFormat::Github => {
            print(&report.findings.iter().map(annotation).collect::<String>())?;
        }
        FindingFormat::Sarif => print(&format!("{:#}\n", sarif::log(report)))?,
        FindingFormat::Text => {
            for finding in &report.findings {
                print(&format!("{finding}\n  = explain: cargo xtask explain {}\n\n", finding.id))?;
            }
        }
    }
    for skip in &report.skipped {
        eprintln!("skipped: {skip}");
    }
    eprintln!(
        "{}, {}, {} in {}, {} ms",
        count(report.count(Severity::Error), "error"),
        count(report.count(Severity::Warning), "warning"),
        count(report.skipped.len(), "skipped check"),
        count(report.targets, "target"),
        started.elapsed().as_millis()
    );
    Ok(())
}

/// GitHub's workflow command; its data may hold no newline or percent sign.
fn annotation(finding: &Finding) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let help = finding.help.as_ref().map_or_else(String::new, |h| format!("\nhelp: {h}"));
    format!(
        "::{} file={},line={},col={},title={}::{}\n",
        finding.severity,
        finding.place.file.display(),
        finding.place.line.max(1),
        finding.place.column.max(1),
        finding.id,
        escape(&format!("{}{help}", finding.message)),
    )
}
