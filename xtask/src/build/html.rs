//! `out/report.html`: a run of builds on one page, in one file, without a
//! network: what failed and why first, results, time per phase, screenshots, the
//! ends of the logs.

mod evidence;
mod phases;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use self::evidence::Evidence;
use super::explained::Explained;
use super::manifest::Manifest;
use super::many::Ended;
use super::output::FAILED;
use super::run::Outcome;
use super::summary::{self, escaped};
use crate::catalog::Target;
use crate::deploy::{outputs, page};
use crate::repo::Repo;
use crate::{date, table};

const STYLE: &str = include_str!("../../data/report.css");

/// As many builds as fit on a screen with their details open.
const FEW: usize = 3;

/// A run, as the page tells it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The tree.
    pub repo: &'a Repo,
    /// What was asked for.
    pub targets: &'a [&'a Target],
    /// How each ended.
    pub ended: &'a [Ended],
    /// Who ran the VMs, and how fast.
    pub engine: &'a str,
    /// From the first start to the last end.
    pub wall: Duration,
}

/// A target and how it ended.
struct Row<'a> {
    target: &'a Target,
    ended: &'a Ended,
}

/// The page.
#[must_use]
pub fn page(run: &Run<'_>) -> String {
    let mut rows: Vec<Row<'_>> = run
        .ended
        .iter()
        .filter_map(|ended| Some(Row { target: run.targets.get(ended.index)?, ended }))
        .collect();
    // What needs somebody comes first; equals stay in their order.
    rows.sort_by_key(|row| match row.class() {
        "bad" => 0,
        "none" => 1,
        _ => 2,
    });
    let good = rows.iter().filter(|row| row.class() == "good").count();
    let title = format!("{good} of {} built", rows.len());
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body>\n<header><h1>{title}</h1>{}\
         <p>{} · {} · {}</p></header>\n",
        counts(&rows),
        date::stamp(SystemTime::now()).replace('T', " ").replace('Z', " UTC"),
        table::minutes(run.wall),
        escaped(run.engine),
    );
    html.push_str(&overview(&rows));
    for row in &rows {
        html.push_str(&section(run.repo, row, rows.len() <= FEW));
    }
    html + "</body></html>\n"
}

impl Row<'_> {
    fn class(&self) -> &'static str {
        match &self.ended.result {
            Some(Err(_)) => "bad",
            Some(Ok(_)) => "good",
            None => "none",
        }
    }

    fn manifest(&self) -> Option<&Manifest> {
        match &self.ended.result {
            Some(Ok(Outcome::Built { manifest, .. } | Outcome::UpToDate(manifest))) => {
                Some(manifest)
            }
            _ => None,
        }
    }

    /// As they were measured; of a failure as they were told.
    fn phases(&self) -> &[(String, f64)] {
        match &self.ended.result {
            Some(Ok(Outcome::Built { manifest, .. })) => &manifest.phases,
            Some(Err(_)) => &self.ended.phases,
            _ => &[],
        }
    }

    /// What there is to say in one line.
    fn gist(&self) -> String {
        match &self.ended.result {
            Some(Err(error)) => {
                let why = Explained::of(&summary::message(error));
                escaped(&why.cause.unwrap_or(why.headline))
            }
            Some(Ok(_)) => self.manifest().map_or_else(String::new, |m| {
                // The page lies in `out/`, beside the directories of the targets.
                format!(
                    "<a href=\"{}/{}\">{}</a> <b>{}</b>",
                    self.target.id,
                    escaped(&m.artifact.file),
                    table::size(m.artifact.size),
                    escaped(&m.artifact.kind),
                )
            }),
            None => "not started: another build failed".into(),
        }
    }

    fn time(&self) -> String {
        let time = table::minutes(self.ended.time);
        match (self.ended.usual, &self.ended.result) {
            (_, None) => String::new(),
            (Some(usual), Some(Ok(Outcome::Built { manifest, .. }))) => {
                let slow = summary::slower(self.ended, manifest).is_some();
                let mark = if slow { " class=\"slow\" title=\"slower than usual\"" } else { "" };
                format!("{time} <small{mark}>usually {}</small>", table::minutes(usual))
            }
            _ => time,
        }
    }
}

fn counts(rows: &[Row<'_>]) -> String {
    let mut html = String::from("<ul class=\"counts\">");
    for (word, class) in
        [("failed", "bad"), ("skipped", "none"), ("built", "good"), ("up to date", "good")]
    {
        let count = rows.iter().filter(|row| summary::word(row.ended) == word).count();
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = write!(html, "<li class=\"{class}\"><b>{count}</b> {word}</li>");
        }
    }
    html + "</ul>"
}

fn overview(rows: &[Row<'_>]) -> String {
    let total = |row: &Row<'_>| row.phases().iter().map(|(_, seconds)| seconds).sum::<f64>();
    let longest = rows.iter().map(total).fold(1.0, f64::max);
    let names = rows.iter().flat_map(|row| row.phases());
    let mut html = phases::legend(names.map(|(name, _)| name.as_str()));
    html.push_str(
        "<table class=\"runs\"><thead><tr><th>target<th>result<th><th>time<th>phases</tr></thead><tbody>\n",
    );
    for row in rows {
        let id = &row.target.id;
        let _ = writeln!(
            html,
            "<tr class=\"{}\"><td><a href=\"#{id}\">{id}</a><td class=\"word\">{}<td class=\"gist\">{}\
             <td class=\"time\">{}<td class=\"bar\">{}</tr>",
            row.class(),
            summary::word(row.ended),
            row.gist(),
            row.time(),
            phases::bar(row.phases(), longest, row.class() == "bad"),
        );
    }
    html + "</tbody></table>\n"
}

fn section(repo: &Repo, row: &Row<'_>, open: bool) -> String {
    let id = &row.target.id;
    let class = row.class();
    let head = format!(
        "<h2>{id}</h2> <span class=\"word\">{}</span> <span class=\"title\">{}</span>",
        summary::word(row.ended),
        escaped(&row.target.facts.title),
    );
    let dir = repo.out_dir(id);
    match &row.ended.result {
        Some(Err(error)) => format!(
            "<section id=\"{id}\" class=\"build {class}\"><header>{head}</header>\n{}</section>\n",
            failure(&summary::message(error), &dir.join(FAILED), &format!("{id}/{FAILED}"), row),
        ),
        None => String::new(),
        Some(Ok(_)) => {
            let open = if open { " open" } else { "" };
            format!(
                "<section id=\"{id}\" class=\"build {class}\"><details{open}><summary>{head}</summary>\n{}</details></section>\n",
                success(&dir, row)
            )
        }
    }
}

/// Left why, right what the guest's screen showed, below the logs.
fn failure(message: &str, dir: &Path, link: &str, row: &Row<'_>) -> String {
    let why = Explained::of(message);
    let evidence = Evidence::of(dir, link);
    let mut text = format!("<p class=\"headline\">{}</p>\n", escaped(&why.headline));
    if let Some(cause) = &why.cause {
        let _ = writeln!(text, "<p class=\"cause\"><b>cause</b> {}</p>", escaped(cause));
    }
    for fix in &why.fixes {
        let _ = writeln!(text, "<p class=\"fix\"><b>try</b> {}</p>", escaped(fix));
    }
    if !why.said.is_empty() {
        let _ = writeln!(text, "<pre>{}</pre>", evidence::marked(&why.said));
    }
    let picture = evidence.last_picture();
    let class = if picture.is_empty() { "why" } else { "why with-picture" };
    format!(
        "<div class=\"{class}\"><div>{text}</div>{picture}</div>\n{}{}{}\
         <details><summary>the whole message</summary><pre>{}</pre></details>\n",
        phases::list(row.phases(), true),
        evidence.other_pictures(),
        evidence.logs(),
        escaped(message),
    )
}

fn success(dir: &Path, row: &Row<'_>) -> String {
    let mut html = phases::list(row.phases(), false);
    if let Some(manifest) = row.manifest() {
        let _ = writeln!(
            html,
            "<p class=\"sum\"><a href=\"{0}/{1}\">{1}</a> · sha256 <code>{2}</code> · {3} · commit <code>{4}</code></p>",
            row.target.id,
            escaped(&manifest.artifact.file),
            escaped(&manifest.artifact.sha256),
            escaped(&manifest.engine),
            escaped(&manifest.commit),
        );
    }
    let evidence = Evidence::of(dir, &row.target.id);
    html + &evidence.all_pictures() + &evidence.logs() + &deploy_test(dir, row.manifest())
}

/// The last deploy test, if it was of this artifact.
fn deploy_test(dir: &Path, manifest: Option<&Manifest>) -> String {
    let last = outputs::last(dir);
    let own = last.filter(|last| manifest.is_some_and(|m| m.artifact.sha256 == last.sha256));
    own.map_or_else(String::new, |report| page::html_section(&report))
}

#[cfg(test)]
mod tests;
