//! `cargo xtask list`: images, or the targets of some.

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::{Context, print, selected};
use crate::arch::Arch;
use crate::catalog::{Catalog, Image, MediaKind, Target};
use crate::cli::{Format, Targets};
use crate::date;
use crate::exit::{Coded, Exit};
use crate::records::{self, Last, Maturity, Proof, Record};
use crate::table;

/// Which targets, and how they are printed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask list\n  cargo xtask list debian\n  cargo xtask list --format json | jq '.targets[].id'"
)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One target as `--format json` shows it.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    target: &'a Target,
    eol: bool,
    maturity: Maturity,
    proof: Option<Record>,
    last: Last,
    artifact: Option<std::path::PathBuf>,
}

/// Prints the table.
///
/// # Errors
/// A broken catalog or record, or an unknown target.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    if catalog.images.is_empty() {
        return Err(Coded::nothing(format!(
            "no directory in {} holds an image.toml\n  hint: work in a clone of the repository, or \
             name it with --root",
            context.repo.root.display()
        )));
    }
    let patterns = &args.targets.targets;
    let everything = patterns.is_empty() && !args.targets.all;
    match (args.format, everything) {
        (Format::Json, _) => print_json(&catalog, args, context)?,
        (Format::Text, true) => print(&images(&catalog, context)?)?,
        (Format::Text, false) => print(&targets(&chosen(&catalog, args)?, context)?)?,
    }
    Ok(Exit::Ok)
}

/// An image name lists all its targets here, not only the default one.
fn chosen<'c>(catalog: &'c Catalog, args: &Args) -> Result<Vec<&'c Target>> {
    let names = &args.targets.targets;
    if !names.is_empty() && names.iter().all(|n| catalog.image(n).is_some()) {
        return Ok(catalog.targets().filter(|t| names.contains(&t.image)).collect());
    }
    selected(catalog, &args.targets)
}

/// Columns of the table of images, and what a narrow terminal goes without,
/// first the first.
const IMAGES: [&str; 10] = [
    "IMAGE",
    "RELEASES",
    "MATURITY",
    "ARCH",
    "MEDIA",
    "ARTIFACT",
    "MAAS",
    "VALIDATED",
    "BUILT",
    "DEPLOYED",
];
const SPARE: [usize; 7] = [7, 4, 6, 5, 8, 3, 9];

fn images(catalog: &Catalog, context: &Context) -> Result<String> {
    let today = date::today();
    let rows: Result<Vec<_>> =
        catalog.images.iter().map(|i| image_row(i, context, &today)).collect();
    let targets = catalog.targets().count();
    Ok(format!(
        "{}\n{} images, {targets} targets. (…) end of life.\n`cargo xtask list IMAGE` shows its targets.\n",
        fitted(&IMAGES, &rows?, &SPARE),
        catalog.images.len(),
    ))
}

/// The table as wide as the terminal allows; what is missing is named.
fn fitted(header: &[&str], rows: &[Vec<String>], spare: &[usize]) -> String {
    let (text, gone) = table::fit(header, rows, table::terminal().unwrap_or(usize::MAX), spare);
    match gone.is_empty() {
        true => text,
        false => format!("{text}\nNo room here for {}.", gone.join(", ")),
    }
}

/// The table of the README. It does not depend on today's date: a document must
/// not go out of date by itself, so what is past its end of life is so on the
/// day of the newest record.
///
/// # Errors
/// A broken record.
pub fn markdown(catalog: &Catalog, context: &Context) -> Result<String> {
    let mut out = String::from(
        "| image | releases (end of life) | maturity | arch | media | artifact | MAAS | validated | built | deployed |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut newest = String::new();
    for image in &catalog.images {
        let dates = records_of(image, context)?.into_iter().map(|record| record.date);
        newest = dates.fold(newest, String::max);
    }
    for image in &catalog.images {
        let mut row = image_row(image, context, &newest)?;
        if let [name, releases, ..] = row.as_mut_slice() {
            *name = format!("[{}]({}/README.md)", image.title, image.name);
            *releases = releases_with_dates(image);
        }
        out.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    Ok(out)
}

fn image_row(image: &Image, context: &Context, today: &str) -> Result<Vec<String>> {
    let all = |get: &dyn Fn(&Target) -> String| {
        let mut words: Vec<String> = vec![];
        for word in image.targets.iter().map(get) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join(" ")
    };
    let mut row = vec![
        image.name.clone(),
        releases(image, today),
        maturity_of(image, context, today)?.name().into(),
        all(&|t| t.arch.name().into()),
        all(&|t| media(t.facts.media.kind).into()),
        all(&|t| t.facts.artifact.filetype().into()),
        all(&|t| format!(">= {}", t.facts.maas.min_version)),
    ];
    row.extend(dates(&records_of(image, context)?));
    Ok(row)
}

/// That of the target that has earned most.
fn maturity_of(image: &Image, context: &Context, today: &str) -> Result<Maturity> {
    let mut best = Maturity::EndOfLife;
    for target in &image.targets {
        let records = records::read(&context.repo.root.join("records"), &target.id)?;
        best = best.max(maturity(target, &records, today));
    }
    Ok(best)
}

fn maturity(target: &Target, records: &[Record], today: &str) -> Maturity {
    if target.is_eol(today) { Maturity::EndOfLife } else { Maturity::earned(records) }
}

/// `12 (2028-06-30), 13 (2030-06-30)`.
fn releases_with_dates(image: &Image) -> String {
    let mut all: Vec<String> = vec![];
    for target in &image.targets {
        let name = target.release.as_deref().unwrap_or("-");
        let date = target.facts.eol.as_deref().map_or_else(String::new, |d| format!(" ({d})"));
        let shown = format!("{name}{date}");
        if !all.contains(&shown) {
            all.push(shown);
        }
    }
    all.join(", ")
}

/// Live releases, then those at their end of life in brackets.
fn releases(image: &Image, today: &str) -> String {
    let mut live: Vec<&str> = vec![];
    let mut dead: Vec<&str> = vec![];
    for target in &image.targets {
        let name = target.release.as_deref().unwrap_or("-");
        let list = if target.is_eol(today) { &mut dead } else { &mut live };
        if !list.contains(&name) {
            list.push(name);
        }
    }
    match (live.is_empty(), dead.is_empty()) {
        _ if live == ["-"] || dead == ["-"] => "-".into(),
        (_, true) => live.join(" "),
        (true, false) => format!("({})", dead.join(" ")),
        (false, false) => format!("{} ({})", live.join(" "), dead.join(" ")),
    }
}

fn records_of(image: &Image, context: &Context) -> Result<Vec<Record>> {
    let mut all = vec![];
    for target in &image.targets {
        all.extend(records::read(&context.repo.root.join("records"), &target.id)?);
    }
    Ok(all)
}

/// When it was last validated, built from its real media, deployed; by MAAS
/// where that was shown.
fn dates(records: &[Record]) -> [String; 3] {
    let last = records::last(records);
    let stand_in = || records.iter().rev().find(|r| r.proof == Proof::StandIn);
    let never = || "never".to_owned();
    let built = last.built.or_else(|| stand_in().map(|r| format!("stand-in {}", r.date)));
    let deployed = match (last.maas_deployed, last.deploy_tested) {
        (Some(date), _) => Some(format!("by MAAS {date}")),
        (None, Some(date)) => Some(format!("emulated {date}")),
        (None, None) => None,
    };
    [last.validated, built, deployed].map(|date| date.unwrap_or_else(never))
}

fn targets(targets: &[&Target], context: &Context) -> Result<String> {
    let today = date::today();
    let rows: Result<Vec<_>> = targets.iter().map(|t| target_row(t, context, &today)).collect();
    let header = [
        "TARGET",
        "TITLE",
        "MATURITY",
        "MEDIA",
        "ARTIFACT",
        "MAAS NAME",
        "OUT",
        "VALIDATED",
        "BUILT",
        "DEPLOYED",
    ];
    let text = fitted(&header, &rows?, &[7, 4, 3, 1, 5, 8, 6, 9]);
    Ok(text.trim_end().to_owned() + "\n")
}

fn target_row(target: &Target, context: &Context, today: &str) -> Result<Vec<String>> {
    let records = records::read(&context.repo.root.join("records"), &target.id)?;
    let mut row = vec![
        target.id.clone(),
        target.facts.title.clone(),
        maturity(target, &records, today).name().into(),
        media(target.facts.media.kind).into(),
        target.facts.artifact.filetype().into(),
        target.facts.maas.name.clone(),
        if artifact_of(target, context).is_some() { "built" } else { "-" }.into(),
    ];
    row.extend(dates(&records));
    Ok(row)
}

/// The artifact in `out/`, if it is there.
fn artifact_of(target: &Target, context: &Context) -> Option<std::path::PathBuf> {
    let path = context.repo.out_dir(&target.id).join(target.artifact_name());
    path.is_file().then_some(path)
}

fn media(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Download => "download",
        MediaKind::User => "your ISO",
        MediaKind::Mirror => "mirror",
    }
}

fn print_json(catalog: &Catalog, args: &Args, context: &Context) -> Result<()> {
    let today = date::today();
    let listed = if args.targets.targets.is_empty() && !args.targets.all {
        catalog.targets().collect()
    } else {
        chosen(catalog, args)?
    };
    let row = |target: &'_ Target| -> Result<serde_json::Value> {
        let records = records::read(&context.repo.root.join("records"), &target.id)?;
        Ok(serde_json::to_value(Row {
            target,
            eol: target.is_eol(&today),
            maturity: maturity(target, &records, &today),
            proof: records::best(&records).cloned(),
            last: records::last(&records),
            artifact: artifact_of(target, context),
        })?)
    };
    let rows: Result<Vec<_>> = listed.into_iter().map(row).collect();
    let document = json!({ "version": 1, "host_arch": Arch::host(), "targets": rows? });
    print(&format!("{}\n", serde_json::to_string_pretty(&document)?))
}
