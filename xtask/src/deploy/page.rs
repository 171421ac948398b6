//! A report as HTML: a page of its own, and a section of a build's page. Pure but
//! for the pictures, which become part of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checks::Outcome;
use super::report::{Failure, Report, clock};
use crate::build::summary::escaped;

const STYLE: &str = include_str!("../../data/report.css");
/// Colours that it has: `p0` and so on.
const COLOURS: usize = 12;

/// A page that can be mailed: everything is in it.
#[must_use]
pub fn html_page(report: &Report) -> String {
    let word = if report.passed { "passed" } else { "failed" };
    let name = report.artifact.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{} {word}: deploy-test</title>\
         <style>{STYLE}</style></head><body>\n<h2>{}</h2>\
         <p class=\"sum\">{}<br>sha256 <code>{}</code></p>\n{}</body></html>\n",
        escaped(&name),
        escaped(&name),
        escaped(&report.artifact.to_string_lossy()),
        escaped(&report.sha256),
        html_section(report)
    )
}

/// What a page about an artifact says about its last deploy test.
#[must_use]
pub fn html_section(report: &Report) -> String {
    let (class, word) = if report.passed { ("good", "passed") } else { ("bad", "failed") };
    let mut html = format!(
        "<section class=\"{class}\"><h3>deploy-test <small>{word}</small></h3>\n{}",
        machine(report)
    );
    if let Some(failure) = &report.failure {
        html.push_str(&why(failure));
    }
    for said in report.not_run.iter().chain(&report.notes) {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", escaped(said));
    }
    html.push_str(&phases(report));
    html.push_str(&checks(report));
    html.push_str("<div class=\"screens\">");
    let failure = report.failure.as_ref().and_then(|failure| failure.screen.as_ref());
    for path in report.pictures.iter().chain(failure) {
        html.push_str(&picture(path, failure == Some(path)));
    }
    html + "</div></section>\n"
}

/// When and on what, each value with its name.
fn machine(report: &Report) -> String {
    let mut html = format!("<ul class=\"key\"><li>{}</li>", escaped(&report.date));
    for (name, value) in &report.machine {
        let _ = write!(html, "<li>{} <b>{}</b></li>", escaped(name), escaped(value));
    }
    html + "</ul>\n"
}

/// Stage, cause and what to do before the console: that is read first.
fn why(failure: &Failure) -> String {
    let mut html = String::from("<dl class=\"why\">");
    let stage = format!("{}: {}", failure.stage, failure.reason);
    let rows =
        [("stage", Some(&stage)), ("cause", failure.cause.as_ref()), ("try", failure.fix.as_ref())];
    for (name, text) in rows {
        if let Some(text) = text {
            let _ = write!(html, "<dt>{name}</dt><dd>{}</dd>", escaped(text));
        }
    }
    html + "</dl>\n<pre>" + &escaped(&failure.console.join("\n")) + "</pre>\n"
}

/// A bar whose parts are as wide as they took, and the times.
fn phases(report: &Report) -> String {
    let total: f64 = report.phases.iter().map(|phase| phase.seconds).sum();
    let mut bar = String::from("<div class=\"phases\">");
    let mut key = format!("<ol class=\"key\"><li>in all <b>{}</b></li>", clock(total));
    for (at, phase) in report.phases.iter().enumerate() {
        let (name, time) = (escaped(&phase.name), clock(phase.seconds));
        let colour = at % COLOURS;
        let _ = write!(
            bar,
            "<i class=\"p{colour}\" style=\"flex:{:.1}\" title=\"{name} {time}\"></i>",
            phase.seconds
        );
        let _ = write!(key, "<li><i class=\"p{colour}\"></i>{name} <b>{time}</b></li>");
    }
    bar + "</div>" + &key + "</ol>\n"
}

/// Those that do not hold are open and in full, the others folded.
fn checks(report: &Report) -> String {
    let failed: Vec<&Outcome> = report.failed().collect();
    let held: Vec<&Outcome> = report.checks.iter().filter(|check| check.passed).collect();
    let mut html = String::new();
    if !failed.is_empty() {
        html.push_str("<table><tr><th>check<th><th>expected<th>found<th>why</tr>");
        for check in failed {
            let _ = write!(
                html,
                "<tr class=\"bad\"><td>{}<td>FAIL<td>{}<td><code>{}</code><td>{}</tr>",
                escaped(&check.id),
                escaped(&check.expected),
                escaped(&check.got).replace('\n', "<br>"),
                escaped(&check.why),
            );
        }
        html.push_str("</table>\n");
    }
    if report.checks.is_empty() {
        return html;
    }
    let _ = write!(
        html,
        "<details><summary>{} of {} checks hold</summary><table>",
        held.len(),
        report.checks.len()
    );
    for check in held {
        let _ = write!(
            html,
            "<tr class=\"good\"><td>{}<td>ok<td>{}<td><code>{}</code></tr>",
            escaped(&check.id),
            escaped(&check.why),
            escaped(check.got.lines().next().unwrap_or_default())
        );
    }
    html + "</table></details>\n"
}

fn picture(path: &Path, failed: bool) -> String {
    let Ok(bytes) = fs::read(path) else { return String::new() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let what = match (&*name, failed) {
        (_, true) => "the screen when it failed",
        ("grub.png", _) => "GRUB",
        _ => "the login",
    };
    format!(
        "<figure><img alt=\"{what}\" src=\"data:image/png;base64,{}\">\
         <figcaption>{what} ({})</figcaption></figure>\n",
        STANDARD.encode(bytes),
        escaped(&name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::report::{Phase, VERSION};

    fn outcome(id: &str, got: &str, passed: bool) -> Outcome {
        let (expected, why) = ("nothing".into(), "because".into());
        Outcome { id: id.into(), expected, got: got.into(), why, passed }
    }

    #[test]
    fn what_failed_is_open_and_in_full() {
        let failure = Failure {
            stage: "boot".into(),
            reason: "it stopped".into(),
            cause: Some("no <root>".into()),
            fix: Some("make an initrd".into()),
            console: vec!["one".into(), "panic & end".into()],
            screen: Some("/nosuch/boot.png".into()),
        };
        let report = Report {
            version: VERSION,
            passed: false,
            date: "2026-11-30T15:00:00Z".into(),
            artifact: "out/x/debian.tar.gz".into(),
            sha256: "ab".into(),
            arch: "amd64".into(),
            machine: [("firmware".to_owned(), "uefi".to_owned())].into(),
            facts: Default::default(),
            phases: vec![Phase { name: "extract".into(), seconds: 61.0 }],
            failure: Some(failure),
            not_run: None,
            notes: vec!["the clock was off".into()],
            checks: vec![outcome("disk-menu", "1\n2", false), outcome("swap", "", true)],
            pictures: vec![],
            logs: "logs".into(),
        };
        let html = html_page(&report);
        for part in [
            "firmware <b>uefi</b>",
            "<dt>cause</dt><dd>no &lt;root&gt;</dd><dt>try</dt><dd>make an initrd</dd>",
            "one\npanic &amp; end",
            "<p class=\"note\">the clock was off</p>",
            "<i class=\"p0\" style=\"flex:61.0\" title=\"extract 1:01\">",
            "<i class=\"p0\"></i>extract <b>1:01</b>",
            "<td>disk-menu<td>FAIL<td>nothing<td><code>1<br>2</code>",
            "<summary>1 of 2 checks hold</summary>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(html.find("disk-menu") < html.find("<details>"), "{html}");
        // A part of the bar without one would not be seen.
        for at in 0..COLOURS {
            assert!(STYLE.contains(&format!(".p{at} {{ background:")), "{at}");
        }
    }
}
