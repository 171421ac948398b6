//! `cargo xtask explain ID`: why a rule matters, what a named cause means.

use anyhow::Result;

use super::{Context, print};
use crate::contract;
use crate::engine::causes;
use crate::exit::{Coded, Exit};
use crate::finding::suggest;
use crate::rules::{RULES, Rule, find, threads};

/// Which rule.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask explain\n  cargo xtask explain LNK005\n  cargo xtask explain panic-no-root"
)]
pub struct Args {
    /// Id of a rule or a cause, as a finding or a failure shows it; none lists all
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
            let all = RULES.iter().map(|r| (r.id, r.title));
            let all = all.chain(contract::RULES.iter().map(|r| (r.id, r.title)));
            let causes = causes::all().iter().map(|(c, _)| (c.id.as_str(), c.cause.as_str()));
            let all = all.chain(causes);
            print(&all.map(|(id, title)| format!("{id}  {title}\n")).collect::<String>())?
        }
        Some(id) => match find(id) {
            Some(rule) => print(&of_validate(rule))?,
            None => print(&of_cause(id).map_or_else(|| of_contract(id), Ok)?)?,
        },
    }
    Ok(Exit::Ok)
}

/// Why, and who has met it.
fn of_validate(rule: &Rule) -> String {
    let threads = threads(rule.id);
    let seen: String = threads.iter().map(|thread| format!("Seen: {thread}\n")).collect();
    let seen = if threads.is_empty() { "Seen: no public report that we know\n" } else { &seen };
    format!("{}: {}\n\nWhy: {}\n{seen}", rule.id, rule.title, rule.why)
}

/// What a console that shows it means.
fn of_cause(id: &str) -> Option<String> {
    let (cause, _) = causes::all().iter().find(|(cause, _)| cause.id == id)?;
    let end = match (cause.fatal, cause.transient) {
        (true, _) => "The build is stopped at once.",
        (_, true) => "`--retries` tries again.",
        _ => "It explains a build that failed otherwise.",
    };
    Some(format!(
        "{id}: {}\n\nWhy: a line of the console or of a script matches {}. {end}\nFix: {}\n",
        cause.cause, cause.pattern, cause.fix
    ))
}

/// Rules about artifacts also say what to do: there is no line to point at.
fn of_contract(id: &str) -> Result<String> {
    let rule = contract::find(id).ok_or_else(|| unknown(id))?;
    Ok(format!("{}: {}\n\nWhy: {}\nFix: {}\n", rule.id, rule.title, rule.why, rule.fix))
}

fn unknown(id: &str) -> anyhow::Error {
    let ids = RULES.iter().map(|r| r.id).chain(contract::RULES.iter().map(|r| r.id));
    let ids = ids.chain(causes::all().iter().map(|(cause, _)| cause.id.as_str()));
    let hint = suggest(id, ids).map_or_else(
        || "`cargo xtask explain` lists all".into(),
        |near| format!("did you mean {near}?"),
    );
    Coded::nothing(format!("no rule `{id}`\n  hint: {hint}"))
}
