//! `cargo xtask explain ID`: why a rule matters, what a named cause means.

use anyhow::Result;
use serde_json::{Value, json};

use super::{Context, print};
use crate::cli::Format;
use crate::contract;
use crate::engine::causes::{self, Cause};
use crate::exit::{Coded, Exit};
use crate::finding::suggest;
use crate::rules::{RULES, Rule, find, threads};

/// Which rule.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask explain\n  cargo xtask explain LNK005\n  cargo xtask explain panic-no-root\n  cargo xtask explain C010 --format json | jq -r '.rules[0].fix'"
)]
pub struct Args {
    /// Id of a rule or a cause, as a finding or a failure shows it; none lists all
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints one rule, or all.
///
/// # Errors
/// No such rule.
pub fn run(args: &Args, _: &Context) -> Result<Exit> {
    let chosen = args.id.as_deref().map(|id| Known::find(id).ok_or_else(|| unknown(id)));
    let chosen = chosen.transpose()?;
    match (args.format, chosen) {
        (Format::Text, Some(one)) => print(&one.text())?,
        (Format::Text, None) => {
            let lines = Known::all().map(|one| format!("{}  {}\n", one.id(), one.title()));
            print(&lines.collect::<String>())?;
        }
        (Format::Json, chosen) => {
            let shown: Vec<Value> = match chosen {
                Some(one) => vec![one.document()],
                None => Known::all().map(|one| one.document()).collect(),
            };
            print(&format!("{:#}\n", json!({ "version": 1, "rules": shown })))?;
        }
    }
    Ok(Exit::Ok)
}

/// What has an id.
#[derive(Clone, Copy)]
enum Known {
    /// A rule of `validate`.
    Template(&'static Rule),
    /// A rule of the contract.
    Artifact(&'static contract::Rule),
    /// A named cause of a failed build.
    Failure(&'static Cause),
}

impl Known {
    fn all() -> impl Iterator<Item = Self> {
        let rules = RULES.iter().map(Self::Template);
        let rules = rules.chain(contract::RULES.iter().map(Self::Artifact));
        rules.chain(causes::all().iter().map(|(cause, _)| Self::Failure(cause)))
    }

    fn find(id: &str) -> Option<Self> {
        let cause = || causes::all().iter().find(|(cause, _)| cause.id == id);
        let rule = find(id).map(Self::Template);
        let rule = rule.or_else(|| cause().map(|(cause, _)| Self::Failure(cause)));
        rule.or_else(|| contract::find(id).map(Self::Artifact))
    }

    fn id(self) -> &'static str {
        match self {
            Self::Template(rule) => rule.id,
            Self::Artifact(rule) => rule.id,
            Self::Failure(cause) => &cause.id,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Template(rule) => rule.title,
            Self::Artifact(rule) => rule.title,
            Self::Failure(cause) => &cause.cause,
        }
    }

    fn why(self) -> String {
        match self {
            Self::Template(rule) => rule.why.into(),
            Self::Artifact(rule) => rule.why.into(),
            Self::Failure(cause) => {
                let end = match (cause.fatal, cause.transient) {
                    (true, _) => "The build is stopped at once.",
                    (_, true) => "`--retries` tries again.",
                    _ => "It explains a build that failed otherwise.",
                };
                format!("a line of the console or of a script matches {}. {end}", cause.pattern)
            }
        }
    }

    /// Rules about artifacts and causes say what to do: there is no line to point
    /// at. Findings about templates bring their own.
    fn fix(self) -> Option<&'static str> {
        match self {
            Self::Template(_) => None,
            Self::Artifact(rule) => Some(rule.fix),
            Self::Failure(cause) => Some(&cause.fix),
        }
    }

    /// Why, and what to do or who has met it.
    fn text(self) -> String {
        let last = match (self, self.fix()) {
            (_, Some(fix)) => format!("Fix: {fix}\n"),
            (Self::Template(rule), None) if !threads(rule.id).is_empty() => {
                threads(rule.id).iter().map(|thread| format!("Seen: {thread}\n")).collect()
            }
            _ => "Seen: no public report that we know\n".into(),
        };
        format!("{}: {}\n\nWhy: {}\n{last}", self.id(), self.title(), self.why())
    }

    /// The same for programs.
    fn document(self) -> Value {
        let (kind, seen) = match self {
            Self::Template(rule) => ("template", threads(rule.id)),
            Self::Artifact(_) => ("artifact", &[][..]),
            Self::Failure(_) => ("failure", &[][..]),
        };
        json!({
            "id": self.id(),
            "kind": kind,
            "title": self.title(),
            "why": self.why(),
            "fix": self.fix(),
            "seen": seen,
        })
    }
}

fn unknown(id: &str) -> anyhow::Error {
    let hint = suggest(id, Known::all().map(Known::id)).map_or_else(
        || "`cargo xtask explain` lists all".into(),
        |near| format!("did you mean {near}?"),
    );
    Coded::nothing(format!("no rule `{id}`\n  hint: {hint}"))
}
