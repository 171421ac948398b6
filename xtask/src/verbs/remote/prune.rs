//! `remote prune`: old images go, after a look at the list.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use serde_json::json;

use super::super::print;
use super::{delete, listing};
use crate::catalog::glob;
use crate::cli::Format;
use crate::date;
use crate::exit::{Coded, Exit};
use crate::given;
use crate::maas::connect::Connection;
use crate::maas::credentials::ServerFlags;
use crate::maas::resource::{Resource, Set};

#[derive(Debug, clap::Args)]
pub(super) struct PruneArgs {
    /// Names in MAAS, a glob: 'custom/*-candidate'
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// Only images whose newest set is older than so many days
    #[arg(long, value_name = "DAYS", value_parser = given::number::<u64>)]
    older_than: u64,
    /// Delete what is shown
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only show what would go [default]
    #[arg(long)]
    dry_run: bool,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    server: ServerFlags,
}

/// Shows what is old, and deletes it with `--yes`.
pub(super) fn run(args: &PruneArgs) -> Result<Exit> {
    let connection = Connection::open(&args.server)?;
    let age = Duration::from_secs(args.older_than.saturating_mul(86_400));
    let before = SystemTime::now().checked_sub(age).map(date::stamp).unwrap_or_default();
    let all = listing::all(&connection)?;
    let old: Vec<Resource> =
        all.into_iter().filter(|r| is_old(r, &args.pattern, &before)).collect();
    if old.is_empty() {
        let (pattern, days) = (&args.pattern, args.older_than);
        return Err(Coded::nothing(format!(
            "no image `{pattern}` is older than {days} days\n  hint: `cargo xtask remote list` shows names and ages"
        )));
    }
    if args.format == Format::Json {
        return as_json(&connection, &old, args.yes);
    }
    print(&listing::text(&old))?;
    if !args.yes {
        print(&format!("{} would go; nothing was deleted (--yes deletes)\n", old.len()))?;
        return Ok(Exit::Ok);
    }
    for resource in &old {
        delete(&connection, resource)?;
    }
    Ok(Exit::Ok)
}

/// The document names what goes, and is written once it is gone.
pub(super) fn as_json(connection: &Connection, old: &[Resource], yes: bool) -> Result<Exit> {
    if yes {
        connection.require_admin()?;
        old.iter().try_for_each(|resource| connection.api.delete(resource.id))?;
    }
    let images: Vec<_> = old.iter().map(listing::document).collect();
    let all = json!({ "version": 1, "deleted": yes, "images": images });
    print(&format!("{all:#}\n"))?;
    Ok(Exit::Ok)
}

/// The name fits and the newest set is from before that day. A resource without a
/// date is never old: nobody knows.
fn is_old(resource: &Resource, pattern: &str, before: &str) -> bool {
    let fits = glob(pattern, &resource.full_name()) || glob(pattern, resource.bare_name());
    let newest = resource.newest_first().first().copied().and_then(Set::date);
    fits && newest.is_some_and(|day| before.get(..10).is_some_and(|limit| day.as_str() < limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_age_both_count() {
        let resource = |name: &str, versions: &[&str]| Resource {
            name: name.into(),
            sets: versions
                .iter()
                .map(|v| ((*v).to_owned(), Set { version: (*v).into(), ..Set::default() }))
                .collect(),
            ..Resource::default()
        };
        let limit = "2026-11-10T00:00:00Z";
        for (name, versions, pattern, expected) in [
            ("debian-12", &["20261109"][..], "custom/deb*", true),
            ("debian-12", &["20261109"], "debian-12", true),
            ("debian-12", &["20261109"], "custom/rhel*", false),
            ("debian-12", &["20261110"], "*", false),
            ("debian-12", &["20261101", "20261123.10"], "*", false),
            ("rhel/9", &["20250101"], "rhel/*", true),
            ("debian-12", &[], "*", false),
            ("debian-12", &["odd"], "*", false),
        ] {
            assert_eq!(
                is_old(&resource(name, versions), pattern, limit),
                expected,
                "{name} {versions:?}"
            );
        }
    }
}
