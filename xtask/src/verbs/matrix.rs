//! `cargo xtask matrix`: the CI matrix, from the catalog.

use anyhow::Result;
use serde_json::json;

use super::{Context, print};
use crate::catalog::{self, MediaKind, Selection, Target};
use crate::changed::Changed;
use crate::cli::Targets;
use crate::date;
use crate::exit::{Coded, Exit};
use crate::table;

/// What the matrix is printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MatrixFormat {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// One line for `fromJSON` in a GitHub workflow.
    Github,
    /// Target ids, one a line, for shells.
    Ids,
}

/// Which targets, how printed, which part.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples, the last in a GitHub job:\n  cargo xtask matrix --format ids --shard 2/4\n  echo \"matrix=$(cargo xtask matrix --format github)\" >> \"$GITHUB_OUTPUT\""
)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: MatrixFormat,
    /// Only targets whose media come from there; may be repeated
    #[arg(long, value_parser = media_kind, value_name = "download|user|mirror")]
    media: Vec<MediaKind>,
    /// Only images that differ from this git revision, uncommitted changes included
    #[arg(long, value_name = "REV")]
    changed_since: Option<String>,
    /// Every n-th target, for example 2/4
    #[arg(long, value_parser = shard, value_name = "I/N")]
    shard: Option<(usize, usize)>,
}

fn media_kind(text: &str) -> Result<MediaKind, String> {
    match text {
        "download" => Ok(MediaKind::Download),
        "user" => Ok(MediaKind::User),
        "mirror" => Ok(MediaKind::Mirror),
        _ => Err("download, user or mirror".into()),
    }
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((i, n)) if (1..=n).contains(&i) => Ok((i, n)),
        _ => Err("I/N with 1 <= I <= N, for example 2/4".into()),
    }
}

/// Prints the matrix.
///
/// # Errors
/// A broken catalog, an unknown target, or nothing left (exit 4).
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let today = date::today();
    let patterns = &args.targets.targets;
    let selection = Selection {
        patterns,
        all: args.targets.all || patterns.is_empty(),
        arch: args.targets.arch,
        today: &today,
    };
    let chosen = catalog::select(&catalog, &selection).map_err(Coded::nothing)?;
    let wanted = chosen
        .into_iter()
        .filter(|t| args.media.is_empty() || args.media.contains(&t.facts.media.kind));
    let mut wanted: Vec<&Target> = wanted.collect();
    if let Some(revision) = &args.changed_since {
        let changed = Changed::since(&context.repo.root, revision)?;
        wanted = changed.only(&context.repo, &catalog.images, wanted);
    }
    let wanted = wanted.into_iter();
    let part: Vec<&Target> = match args.shard {
        Some((i, n)) => wanted.skip(i - 1).step_by(n).collect(),
        None => wanted.collect(),
    };
    if part.is_empty() {
        return Err(Coded::nothing(
            "no target is left in this matrix\n  hint: the filters (--media, --arch, --changed-since, --shard) leave nothing; `cargo xtask \
             matrix --all` shows what there is",
        ));
    }
    print(&render(&part, args.format))?;
    Ok(Exit::Ok)
}

fn render(targets: &[&Target], format: MatrixFormat) -> String {
    let rows: Vec<_> = targets
        .iter()
        .map(|t| json!({ "target": t.id, "image": t.image, "arch": t.arch, "runner": runner(t) }))
        .collect();
    match format {
        MatrixFormat::Table => {
            let cells: Vec<_> =
                targets.iter().map(|t| vec![t.id.clone(), runner(t).to_owned()]).collect();
            table::render(&["TARGET", "RUNNER"], &cells)
        }
        MatrixFormat::Json => format!("{:#}\n", json!({ "version": 1, "targets": rows })),
        MatrixFormat::Ids => targets.iter().map(|t| format!("{}\n", t.id)).collect(),
        MatrixFormat::Github => format!("{}\n", json!({ "include": rows })),
    }
}

/// GitHub's hosted runner of the architecture: emulating a foreign one would
/// run out of the job's time.
fn runner(target: &Target) -> &'static str {
    match target.arch {
        crate::arch::Arch::Amd64 => "ubuntu-24.04",
        crate::arch::Arch::Arm64 => "ubuntu-24.04-arm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_checked() {
        assert_eq!(shard("2/4"), Ok((2, 4)));
        for wrong in ["0/4", "5/4", "x", "1/0", "/"] {
            assert!(shard(wrong).is_err(), "{wrong}");
        }
    }
}
