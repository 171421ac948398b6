//! `cargo xtask docs`: the generated parts of READMEs.

mod image;
mod targets;
mod transcript;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Context;
use crate::build::output::write_atomic;
use crate::exit::{Coded, Exit};
use crate::finding::{Finding, Place};

/// Write, or only look.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask docs\n  cargo xtask docs --check")]
pub struct Args {
    /// Change nothing; exit 1 if something is out of date
    #[arg(long)]
    check: bool,
}

/// Regenerates every marked part, or reports what is out of date.
///
/// # Errors
/// A README that cannot be read or written, or a broken catalog.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let mut stale = vec![];
    for (path, text) in wanted(context)? {
        let current = fs::read_to_string(&path).unwrap_or_default();
        if current == text {
            continue;
        }
        if args.check {
            stale.push(finding(context, &path));
        } else {
            write_atomic(&path, text.as_bytes())?;
            eprintln!("wrote {}", context.repo.show(&path));
        }
    }
    for finding in &stale {
        eprintln!("{finding}");
    }
    Ok(if stale.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn finding(context: &Context, path: &Path) -> Finding {
    let shown = path.strip_prefix(&context.repo.root).unwrap_or(path);
    Finding::error("DOC001", Place::file(shown), "a generated part is out of date")
        .help("cargo xtask docs")
}

/// Where the generated part goes is not said.
fn unmarked(path: &Path, mark: &str) -> anyhow::Error {
    Coded::usage(format!(
        "{} lacks a marker of its generated part\n  hint: two lines, <!-- {mark}:begin --> and \
         <!-- {mark}:end -->, say where it goes",
        path.display()
    ))
}

/// Every file with generated parts, as it should be.
fn wanted(context: &Context) -> Result<Vec<(PathBuf, String)>> {
    let path = context.repo.root.join("README.md");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let catalog = context.repo.catalog()?;
    let table = super::list::markdown(&catalog, context)?;
    let text = replace(&text, "images", &table).ok_or_else(|| unmarked(&path, "images"))?;
    let shown = transcript::generated(&context.repo.root)?;
    let text = replace(&text, "transcript", &shown).unwrap_or(text);
    let mut files = vec![(path, text)];
    for image in &catalog.images {
        let path = image.dir.join("README.md");
        let mut text = fs::read_to_string(&path).unwrap_or_default();
        for (mark, part) in image::PARTS {
            // What has no marker is written by hand.
            if text.contains(&format!("<!-- {mark}:begin -->")) {
                let part = part(&context.repo, image)?;
                text = replace(&text, mark, &part).ok_or_else(|| unmarked(&path, mark))?;
            }
        }
        files.push((path, text));
    }
    Ok(files)
}

/// The text with what stands between `<!-- NAME:begin -->` and
/// `<!-- NAME:end -->` replaced; `None` without the markers.
fn replace(text: &str, name: &str, content: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->\n"), format!("<!-- {name}:end -->"));
    let start = text.find(&begin)? + begin.len();
    let stop = start + text.get(start..)?.find(&end)?;
    Some(format!("{}{content}{}", text.get(..start)?, text.get(stop..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_marked_changes() {
        let text = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n";
        let new = replace(text, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- x:begin -->\nnew\n<!-- x:end -->\nb\n");
        assert_eq!(replace(&new, "x", "new\n").unwrap(), new);
        assert_eq!(replace(text, "y", ""), None);
    }
}
