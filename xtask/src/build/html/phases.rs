//! Times per phase as bars and lists. A phase has one colour on the whole page.

use std::fmt::Write as _;
use std::time::Duration;

use crate::build::summary::escaped;
use crate::table;

/// Colours of the style sheet; more phases than these share one.
const COLOURS: usize = 12;

/// All phases of both engines, in the order of a build.
const KNOWN: [&str; COLOURS - 1] = [
    "wait",
    "media",
    "prepare",
    "boot",
    "connect",
    "install",
    "provision",
    "shutdown",
    "finish",
    "pack",
    "check",
];

fn class(name: &str) -> String {
    let known = KNOWN.iter().position(|known| *known == name);
    format!("p{}", known.unwrap_or(COLOURS - 1))
}

fn minutes(seconds: f64) -> String {
    table::minutes(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// What took no time to speak of is not shown.
fn long(phases: &[(String, f64)]) -> impl Iterator<Item = (&str, f64)> {
    phases.iter().map(|(name, seconds)| (name.as_str(), *seconds)).filter(|(_, s)| *s >= 1.0)
}

/// A bar whose whole width is `longest` seconds; the last phase of a failure is
/// marked.
pub fn bar(phases: &[(String, f64)], longest: f64, failed: bool) -> String {
    let mut html = String::from("<span class=\"phases\">");
    let last = phases.last().map(|(name, _)| name.as_str());
    for (name, seconds) in long(phases) {
        let lost = if failed && last == Some(name) { " lost" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            html,
            "<i class=\"{}{lost}\" style=\"width:{:.2}%\" title=\"{} {}\"></i>",
            class(name),
            seconds * 100.0 / longest.max(1.0),
            escaped(name),
            minutes(seconds),
        );
    }
    html + "</span>"
}

/// Which colour is which.
pub fn legend<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = vec![];
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen.sort_by_key(|name| KNOWN.iter().position(|known| known == name).unwrap_or(COLOURS));
    let mut html = String::from("<ol class=\"legend\">");
    for name in seen {
        let _ = write!(html, "<li><i class=\"{}\"></i>{}</li>", class(name), escaped(name));
    }
    html + "</ol>\n"
}

/// Each phase with its time and share.
pub fn list(phases: &[(String, f64)], failed: bool) -> String {
    let total: f64 = phases.iter().map(|(_, seconds)| seconds).sum();
    if total <= 0.0 {
        return String::new();
    }
    let mut key = String::from("<ol class=\"key\">");
    for (name, seconds) in long(phases) {
        let _ = write!(
            key,
            "<li><i class=\"{}\"></i>{} <b>{}</b> {:.0} %</li>",
            class(name),
            escaped(name),
            minutes(seconds),
            seconds * 100.0 / total,
        );
    }
    format!("{}{key}</ol>\n", bar(phases, total, failed))
}
