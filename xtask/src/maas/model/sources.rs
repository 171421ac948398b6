//! Where the model's behaviour comes from: one row for each thing it does, with
//! the section of docs/maas-protocol.md that describes the measurement and what
//! each release did.

use super::dialect::Dialect;

/// How a row was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Requests were sent to the server code of the release.
    Requests,
    /// The code or the shipped configuration was read; nothing was sent.
    Code,
}

/// One behaviour.
pub struct Row {
    /// Section of docs/maas-protocol.md.
    pub section: &'static str,
    /// What it is about.
    pub what: &'static str,
    /// How it was learnt.
    pub how: How,
    /// What was measured: for 3.4, 3.5, 3.6, 3.7, 3.8; one value is for all.
    pub measured: &'static [&'static str],
    /// The same from a dialect, if it differs between releases.
    pub of: Option<fn(&Dialect) -> String>,
}

impl Row {
    const fn all(
        section: &'static str,
        what: &'static str,
        value: &'static [&'static str],
    ) -> Self {
        Self { section, what, how: How::Requests, measured: value, of: None }
    }

    const fn per(
        section: &'static str,
        what: &'static str,
        measured: &'static [&'static str],
        of: fn(&Dialect) -> String,
    ) -> Self {
        Self { section, what, how: How::Requests, measured, of: Some(of) }
    }
}

/// The releases of the columns of [`ROWS`].
pub const RELEASES: [&str; 5] = ["3.4.10", "3.5.13", "3.6.5", "3.7.3", "3.8.0b6"];

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.into()
}

/// Everything the model does.
pub const ROWS: &[Row] = &[
    Row::all("1", "no slash at the end of a path", &["404"]),
    Row::all("1", "`version/` needs no key", &["yes"]),
    Row::all("1", "time stamp older than 300 s", &["401, with the server's time"]),
    Row::all("1", "nonce used before", &["401"]),
    Row::all("1", "wrong secret", &["401, and the text holds the right one"]),
    Row::per(
        "1",
        "change by a key that is no administrator's",
        &[
            "403 This method is reserved for admin users.",
            "403 This method is reserved for admin users.",
            "403 This method is reserved for admin users.",
            "403 This method is reserved for admin users.",
            "403 User does not have permission 'can_edit_boot_entities'",
        ],
        |d| format!("403 {}", d.forbidden),
    ),
    Row::per("2.3", "`custom/` is cut off", &["yes", "yes", "yes", "yes", "no"], |d| {
        yes(d.strips_custom)
    }),
    Row::per("2.3", "systems that differ", &["caringo", "ol", "ol", "ol", "ol onie"], |d| {
        let differ = ["caringo", "ol", "onie"];
        let has: Vec<&str> = differ.into_iter().filter(|s| d.systems.contains(s)).collect();
        has.join(" ")
    }),
    Row::all("2.3", "two slashes in a name", &["500"]),
    Row::all("2.3", "name of a synced image or half of it, of a system, `centosN`", &["400"]),
    Row::all("2.4", "file types", &["the same 11"]),
    Row::per("2.5", "`ol/…` as base image", &["no", "yes", "yes", "yes", "yes"], |d| {
        yes(d.bases.contains(&"ol"))
    }),
    Row::all("2.5", "base image of an image that exists", &["stays"]),
    Row::all("2.6", "architecture without a synced Ubuntu", &["400"]),
    Row::all("2.6", "create without `keep_old`", &["earlier files go at once"]),
    Row::all("2.6", "known SHA-256 with another size", &["400"]),
    Row::per(
        "3",
        "`base_image` and `filename_on_disk` in the JSON",
        &["no", "yes", "yes", "yes", "yes"],
        |d| yes(d.says_more),
    ),
    Row::all("3", "version of a set", &["date, then .1, .2 …"]),
    Row::all("3", "deletion of a missing image", &["500"]),
    Row {
        how: How::Code,
        ..Row::all("4.1", "largest body that nginx passes", &["10 MB, else 413"])
    },
    Row::all("4.2", "type of a piece that is not application/octet-stream", &["500 or 400"]),
    Row::all("4.2", "piece without Content-Length", &["500"]),
    Row::all("4.3", "empty piece, piece for a complete file", &["400"]),
    Row::per(
        "4.3",
        "hash wrong at the end",
        &[
            "400, counts as complete",
            "400, last piece does not count",
            "400, last piece does not count",
            "400, last piece does not count",
            "400, the next piece wipes it",
        ],
        |d| {
            use super::dialect::BadHash::{Complete, LastPieceAgain, Wiped};
            match d.bad_hash {
                Complete => "400, counts as complete",
                LastPieceAgain => "400, last piece does not count",
                Wiped => "400, the next piece wipes it",
            }
            .into()
        },
    ),
    Row::per(
        "4.3",
        "too long a piece removes what is stored",
        &["no", "no", "no", "no", "yes, the record stays"],
        |d| if d.oversize_unlinks { "yes, the record stays".into() } else { "no".into() },
    ),
    Row::per(
        "4.4",
        "`progress`",
        &["total / received", "percent", "percent", "percent", "percent"],
        |d| if d.inverted_progress { "total / received".into() } else { "percent".into() },
    ),
    Row::per(
        "4.5",
        "bytes that are there already",
        &[
            "shared, complete at once",
            "sent again, apart",
            "sent again, apart",
            "sent again, apart",
            "sent again, behind the old ones",
        ],
        |d| {
            use super::dialect::SameBytes::{Behind, Rewritten, Shared};
            match d.same_bytes {
                Shared => "shared, complete at once",
                Rewritten => "sent again, apart",
                Behind => "sent again, behind the old ones",
            }
            .into()
        },
    ),
    Row {
        how: How::Code,
        ..Row::all("4.8", "complete", &["from 3.5 on only when every region has the file"])
    },
];

/// The rows as a Markdown table, for docs/maas-protocol.md.
#[must_use]
pub fn table() -> String {
    let mut text = format!("| section | what | {} |\n", RELEASES.join(" | "));
    text += &format!("|{}\n", " --- |".repeat(2 + RELEASES.len()));
    for row in ROWS {
        let read = if row.how == How::Code { " (read, not sent)" } else { "" };
        // `=`: as the release before.
        let cell = |n: usize| match (row.measured.get(n), n.checked_sub(1)) {
            (Some(value), Some(before)) if row.measured.get(before) == Some(value) => "=",
            (Some(value), _) => value,
            (None, _) => "=",
        };
        let cells: Vec<&str> = (0..RELEASES.len()).map(cell).collect();
        text += &format!("| {} | {}{read} | {} |\n", row.section, row.what, cells.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::dialect::{ALL, V3_8};
    use super::*;

    const PAGE: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/maas-protocol.md"));

    #[test]
    fn the_dialects_do_what_was_measured() {
        for row in ROWS {
            let Some(of) = row.of else {
                assert_eq!(row.measured.len(), 1, "{}", row.what);
                continue;
            };
            let modelled: Vec<String> = ALL.iter().map(|d| of(d)).collect();
            assert_eq!(modelled, row.measured, "{}", row.what);
        }
        for (dialect, release) in ALL.iter().zip(RELEASES) {
            assert_eq!(dialect.version.replace('~', ""), release);
        }
    }

    /// Whoever adds a field has to come here, and to [`ROWS`].
    #[test]
    fn every_field_of_a_dialect_has_a_row() {
        let Dialect {
            version: _,
            inverted_progress: _,
            bad_hash: _,
            same_bytes: _,
            oversize_unlinks: _,
            strips_custom: _,
            says_more: _,
            systems: _,
            bases: _,
            forbidden: _,
        } = V3_8;
        assert_eq!(ROWS.iter().filter(|row| row.of.is_some()).count(), 9);
    }

    #[test]
    fn every_section_is_on_the_page() {
        for row in ROWS {
            let heading = format!("\n### {} ", row.section);
            let chapter = format!("\n## {} ", row.section);
            assert!(PAGE.contains(&heading) || PAGE.contains(&chapter), "{}", row.section);
        }
        assert!(PAGE.contains(&table()), "docs/maas-protocol.md needs\n{}", table());
    }
}
