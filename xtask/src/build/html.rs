//! `out/report.html`: a run of builds on one page, in one file, without a
//! network: results, time per phase, screenshots, the ends of the logs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::manifest::Manifest;
use super::many::Ended;
use super::output::FAILED;
use super::run::Outcome;
use super::summary;
use crate::catalog::Target;
use crate::deploy::{outputs, page};
use crate::repo::Repo;
use crate::{date, table};

/// Lines of a log that are shown: what a screen holds, twice.
const TAIL: usize = 60;

/// Bytes read from the end of a log for them.
const TAIL_BYTES: usize = 64 << 10;

/// Pictures per build, the newest: with `--screenshots`, minutes of work.
const PICTURES: usize = 24;

const STYLE: &str = include_str!("../../data/report.css");

/// The page.
#[must_use]
pub fn page(repo: &Repo, targets: &[&Target], ended: &[Ended], engine: &str) -> String {
    let good = ended.iter().filter(|e| matches!(e.result, Some(Ok(_)))).count();
    let stamp = date::stamp(std::time::SystemTime::now());
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>{good} of {} built</title><style>{STYLE}</style></head><body>\n\
         <header><h1>{good} of {} built</h1><p>{stamp} · {}</p></header>\n",
        ended.len(),
        ended.len(),
        escaped(engine),
    );
    html.push_str(&overview(targets, ended));
    for e in ended {
        if let Some(target) = targets.get(e.index) {
            html.push_str(&section(repo, target, e));
        }
    }
    html + "</body></html>\n"
}

fn overview(targets: &[&Target], ended: &[Ended]) -> String {
    let longest = ended.iter().map(|e| e.time.as_secs_f64()).fold(1.0, f64::max);
    let mut html = String::from(
        "<table class=\"runs\"><thead><tr><th>target<th>result<th>time<th><th>artifact</tr></thead><tbody>\n",
    );
    for e in ended {
        let id = targets.get(e.index).map_or("", |t| t.id.as_str());
        let word = summary::word(e);
        let artifact = manifest(e).map_or_else(String::new, |m| {
            let (file, size) = (escaped(&m.artifact.file), table::size(m.artifact.size));
            // The page lies in `out/`, beside the directories of the targets.
            format!("<a href=\"{id}/{file}\">{file}</a> · {size}")
        });
        // Writing to a String cannot fail.
        let _ = writeln!(
            html,
            "<tr class=\"{}\"><td><a href=\"#{id}\">{id}</a><td>{word}<td class=\"n\">{}<td class=\"bar\">\
             <i style=\"width:{:.1}%\"></i><td>{artifact}</tr>",
            class(word),
            table::minutes(e.time),
            e.time.as_secs_f64() * 100.0 / longest,
        );
    }
    html + "</tbody></table>\n"
}

fn class(word: &str) -> &'static str {
    match word {
        "failed" => "bad",
        "skipped" => "none",
        _ => "good",
    }
}

fn manifest(ended: &Ended) -> Option<&Manifest> {
    match &ended.result {
        Some(Ok(Outcome::Built { manifest, .. } | Outcome::UpToDate(manifest))) => Some(manifest),
        _ => None,
    }
}

fn section(repo: &Repo, target: &Target, ended: &Ended) -> String {
    let word = summary::word(ended);
    let mut html = format!(
        "<section id=\"{}\" class=\"{}\"><h2>{} <small>{word}</small></h2><p>{}</p>\n",
        target.id,
        class(word),
        target.id,
        escaped(&target.facts.title),
    );
    let dir = repo.out_dir(&target.id);
    match &ended.result {
        Some(Err(error)) => {
            let _ =
                writeln!(html, "<pre class=\"why\">{}</pre>", escaped(&summary::message(error)));
            html.push_str(&evidence(&dir.join(FAILED), true));
        }
        Some(Ok(_)) => {
            if let Some(manifest) = manifest(ended) {
                html.push_str(&phases(manifest));
                let _ = writeln!(
                    html,
                    "<p class=\"sum\">sha256 <code>{}</code> · {} · commit <code>{}</code></p>",
                    escaped(&manifest.artifact.sha256),
                    escaped(&manifest.engine),
                    escaped(&manifest.commit),
                );
            }
            html.push_str(&evidence(&dir, false));
            html.push_str(&deploy_test(&dir, manifest(ended)));
        }
        None => html.push_str("<p>Not started: another build failed.</p>\n"),
    }
    html + "</section>\n"
}

/// The last deploy test, if it was of this artifact.
fn deploy_test(dir: &Path, manifest: Option<&Manifest>) -> String {
    let last = outputs::last(dir);
    let own = last.filter(|last| manifest.is_some_and(|m| m.artifact.sha256 == last.sha256));
    own.map_or_else(String::new, |report| page::html_section(&report))
}

/// One bar, divided by phases.
fn phases(manifest: &Manifest) -> String {
    let total: f64 = manifest.phases.iter().map(|(_, seconds)| seconds).sum();
    let mut bar = String::from("<div class=\"phases\">");
    let mut key = String::from("<ol class=\"key\">");
    for (name, seconds) in manifest.phases.iter().filter(|(_, seconds)| *seconds >= 1.0) {
        let time = std::time::Duration::try_from_secs_f64(*seconds).unwrap_or_default();
        let name = escaped(name);
        let time = table::minutes(time);
        let _ = write!(bar, "<i style=\"flex-grow:{seconds:.1}\" title=\"{name} {time}\"></i>");
        let share = if total > 0.0 { seconds * 100.0 / total } else { 0.0 };
        let _ = write!(key, "<li>{name} <b>{time}</b> {share:.0} %</li>");
    }
    format!("{bar}</div>{key}</ol>\n")
}

/// Pictures and the ends of logs.
fn evidence(dir: &Path, open: bool) -> String {
    let mut html = String::from("<div class=\"screens\">");
    let mut pictures = files(dir, "png");
    let surplus = pictures.len().saturating_sub(PICTURES);
    for path in pictures.drain(..).skip(surplus) {
        let Ok(bytes) = fs::read(&path) else { continue };
        let name = escaped(&name(&path));
        let data = STANDARD.encode(bytes);
        let _ = writeln!(
            html,
            "<figure><img alt=\"screen of the guest\" src=\"data:image/png;base64,{data}\">\
             <figcaption>{name}</figcaption></figure>"
        );
    }
    html.push_str("</div>\n");
    for path in files(dir, "log") {
        let tail = tail(&path);
        if tail.trim().is_empty() {
            continue;
        }
        let open = if open && name(&path) == "serial.log" { " open" } else { "" };
        let _ = writeln!(
            html,
            "<details{open}><summary>{}</summary><pre>{}</pre></details>",
            escaped(&name(&path)),
            escaped(&tail)
        );
    }
    html
}

/// Files with an extension, by name.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    all.sort();
    all
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let end = bytes.get(bytes.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
    let lines: Vec<String> =
        end.split(|b| *b == b'\n').map(crate::engine::console::plain).collect();
    let lines = lines.strip_suffix(&[String::new()]).unwrap_or(&lines);
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}

fn escaped(text: &str) -> String {
    summary::escaped(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_inside_the_page_and_cannot_break_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("failed.png"), b"\x89PNG").unwrap();
        let console =
            "first\n".repeat(100) + "</pre><script>alert(1)</script>\n\x1b[31mpanic\x1b[0m\n";
        fs::write(dir.path().join("serial.log"), console).unwrap();
        fs::write(dir.path().join("empty.log"), "").unwrap();
        let html = evidence(dir.path(), true);
        assert!(html.contains("src=\"data:image/png;base64,iVBORw==\""), "{html}");
        assert!(html.contains("<details open><summary>serial.log"), "{html}");
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script"), "{html}");
        assert!(html.contains("panic") && !html.contains('\x1b'), "{html}");
        assert_eq!(html.matches("first").count(), TAIL - 2);
        assert!(!html.contains("empty.log"));
    }
}
