//! One file per verb: its arguments and `run`. What they share is here.

pub mod bench;
pub mod build;
pub mod ci;
pub mod clean;
pub mod completions;
pub mod deploy_test;
pub mod docs;
pub mod doctor;
pub mod explain;
pub mod fmt;
pub mod fuzz;
pub mod inspect;
pub mod list;
pub mod man;
pub mod matrix;
pub mod media;
pub mod new;
pub mod pack;
pub mod plan;
pub mod remote;
pub mod schema;
pub mod setup;
pub mod ssh;
pub mod test;
pub mod upload;
pub mod validate;

use std::io::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::catalog::{self, Catalog, Selection, Target};
use crate::cli::Targets;
use crate::date;
use crate::exit::Coded;
use crate::given;
use crate::repo::Repo;

/// What every verb gets.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where things are.
    pub repo: Repo,
    /// Count of `-v`.
    pub verbose: u8,
}

/// The targets the command line means.
///
/// # Errors
/// Unknown name (exit 4), or nothing asked for (exit 2).
pub fn selected<'c>(catalog: &'c Catalog, targets: &Targets) -> Result<Vec<&'c Target>> {
    if targets.targets.is_empty() && !targets.all {
        return Err(Coded::usage(
            "no target given\n  hint: name one (`cargo xtask list` shows them) or use --all",
        ));
    }
    let today = date::today();
    let selection = Selection {
        patterns: &targets.targets,
        all: targets.all,
        arch: targets.arch,
        today: &today,
    };
    let chosen = catalog::select(catalog, &selection).map_err(Coded::nothing)?;
    if chosen.is_empty() {
        return Err(Coded::nothing(
            "the selection matches no target\n  hint: --all leaves out what is past its end of life; `cargo xtask list` shows everything",
        ));
    }
    Ok(chosen)
}

/// The one target that a word means, for verbs that take one.
///
/// # Errors
/// The word is a pattern that means several (exit 2); the first few are named.
pub fn only<'c>(word: &str, chosen: &[&'c Target]) -> Result<&'c Target> {
    if let [one] = chosen {
        return Ok(one);
    }
    let names: Vec<&str> = chosen.iter().take(5).map(|target| target.id.as_str()).collect();
    let more = if chosen.len() > names.len() { ", ..." } else { "" };
    Err(Coded::usage(format!(
        "`{word}` means {} targets, and this takes one\n  hint: {}{more}",
        chosen.len(),
        names.join(", ")
    )))
}

/// A target's name where a file is needed, which is not there.
///
/// # Errors
/// The word means a target (exit 2), with what to do instead.
fn no_target(path: &Path, context: &Context, hint: &str) -> Result<()> {
    let Some(word) = path.to_str().filter(|word| !path.exists() && !given::is_meant(word)) else {
        return Ok(());
    };
    let wanted = Targets { targets: vec![word.to_owned()], ..Targets::default() };
    let catalog = context.repo.catalog().ok();
    match catalog.is_some_and(|catalog| selected(&catalog, &wanted).is_ok()) {
        true => {
            Err(Coded::usage(format!("{word} is a target, and a file is needed\n  hint: {hint}")))
        }
        false => Ok(()),
    }
}

/// Prints data to stdout; a closed pipe (`| head`) ends quietly.
///
/// # Errors
/// Any other write error.
pub fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}
