//! `cargo xtask explain ID`: why a rule matters.

use anyhow::Result;

use super::{Context, print};
use crate::exit::{Coded, Exit};
use crate::finding::suggest;
use crate::rules::{RULES, find};

/// Which rule.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask explain LNK005")]
pub struct Args {
    /// Rule id as a finding shows it; none lists all
    #[arg(value_name = "ID")]
    id: Option<String>,
}

/// Prints one rule, or all.
///
/// # Errors
/// No such rule.
pub fn run(args: &Args, _: &Context) -> Result<Exit> {
    match &args.id {
        None => {
            print(&RULES.iter().map(|r| format!("{}  {}\n", r.id, r.title)).collect::<String>())?
        }
        Some(id) => match find(id) {
            Some(rule) => print(&format!("{}: {}\n\nWhy: {}\n", rule.id, rule.title, rule.why))?,
            None => return Err(unknown(id)),
        },
    }
    Ok(Exit::Ok)
}

fn unknown(id: &str) -> anyhow::Error {
    let hint = suggest(id, RULES.iter().map(|r| r.id)).map_or_else(
        || "`cargo xtask explain` lists all".into(),
        |near| format!("did you mean {near}?"),
    );
    Coded::nothing(format!("no rule `{id}`\n  hint: {hint}"))
}
