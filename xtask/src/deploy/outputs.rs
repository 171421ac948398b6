//! A report where other programs and commands look for it: JSON of the last
//! test of an artifact, JUnit, a page.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checks::Outcome;
use super::report::{Report, clock};
use super::run::NOT_ASKED;
use crate::build::output::write_atomic;
use crate::build::summary::escaped;

/// The last test of what a directory holds.
pub const LAST: &str = "deploy-test.json";
/// The same as a page, beside the logs.
const PAGE: &str = "report.html";
const STYLE: &str = include_str!("../../data/report.css");

/// Writes the last test of a directory and the page beside the logs.
///
/// # Errors
/// What the system says.
pub fn store(dir: &Path, report: &Report) -> Result<PathBuf> {
    if !last(dir).is_some_and(|old| outweighs(&old, report)) {
        let text = serde_json::to_string_pretty(report)?;
        write_atomic(&dir.join(LAST), text.as_bytes())?;
    }
    let page = report.logs.join(PAGE);
    write_atomic(&page, html_page(report).as_bytes())?;
    Ok(page)
}

/// A failure stays what is known of an artifact until the same machine passes,
/// first start included: the next of several machines must not hide it.
fn outweighs(old: &Report, new: &Report) -> bool {
    let left_out = |report: &Report| report.not_run.as_deref() == Some(NOT_ASKED);
    let answered = old.machine == new.machine && (left_out(old) || !left_out(new));
    old.sha256 == new.sha256 && !old.passed && new.passed && !answered
}

/// The last test in a directory, if there was one of this version.
#[must_use]
pub fn last(dir: &Path) -> Option<Report> {
    let text = fs::read(dir.join(LAST)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// JUnit: a case for the deployment, one for each check inside.
#[must_use]
pub fn junit(report: &Report) -> String {
    let name = report.artifact.file_name().unwrap_or_default().to_string_lossy();
    let machine: Vec<&str> = report.machine.values().map(String::as_str).collect();
    let total: f64 = report.phases.iter().map(|phase| phase.seconds).sum();
    let failures = usize::from(report.failure.is_some()) + report.failed().count();
    // Writing to a String cannot fail.
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuites>\n<testsuite name=\"deploy-test {} ({})\" tests=\"{}\" failures=\"{failures}\" \
         skipped=\"{}\" time=\"{total:.3}\" timestamp=\"{}\">",
        escaped(&name),
        escaped(&machine.join(", ")),
        report.checks.len() + 1 + usize::from(report.not_run.is_some()),
        usize::from(report.not_run.is_some()),
        report.date.trim_end_matches('Z'),
    );
    let failure = report.failure.as_ref().map(|f| {
        let help = [f.cause.as_deref(), f.fix.as_deref()].into_iter().flatten();
        let text: Vec<&str> = help.chain(f.console.iter().map(String::as_str)).collect();
        failed(&format!("{}: {}", f.stage, f.reason), &text.join("\n"))
    });
    let case = |name: &str, time: f64, inner: &str| {
        format!(
            "<testcase classname=\"deploy-test\" name=\"{}\" time=\"{time:.3}\">{inner}</testcase>\n",
            escaped(name)
        )
    };
    xml += &case("deployment", total, &failure.unwrap_or_default());
    for check in &report.checks {
        let inner = if check.passed { String::new() } else { failed(&expected(check), &check.got) };
        xml += &case(&check.id, 0.0, &inner);
    }
    if let Some(why) = &report.not_run {
        xml += &case("first start", 0.0, &format!("<skipped message=\"{}\"/>", escaped(why)));
    }
    xml + "</testsuite>\n</testsuites>\n"
}

fn expected(check: &Outcome) -> String {
    format!("{}: expected {} ({})", check.id, check.expected, check.why)
}

fn failed(message: &str, text: &str) -> String {
    format!("<failure message=\"{}\">{}</failure>", escaped(message), escaped(text))
}

fn html_page(report: &Report) -> String {
    let word = if report.passed { "passed" } else { "failed" };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>deploy-test {word}</title>\
         <style>{STYLE}</style></head><body>\n<h2>{}</h2><p>sha256 <code>{}</code></p>\n{}</body></html>\n",
        escaped(&report.artifact.to_string_lossy()),
        escaped(&report.sha256),
        html_section(report)
    )
}

/// What a page about an artifact says about its last deploy test.
#[must_use]
pub fn html_section(report: &Report) -> String {
    let (class, word) = if report.passed { ("good", "passed") } else { ("bad", "failed") };
    let machine: Vec<&str> = report.machine.values().map(String::as_str).collect();
    let mut html = format!(
        "<section class=\"{class}\"><h3>deploy-test <small>{word}</small></h3><p>{} · {}</p>\n",
        escaped(&report.date),
        escaped(&machine.join(" · "))
    );
    if !report.passed || report.not_run.is_some() || !report.notes.is_empty() {
        let _ = writeln!(html, "<pre class=\"why\">{}</pre>", escaped(&report.to_string()));
    }
    html.push_str("<ol class=\"key\">");
    for phase in &report.phases {
        let _ = write!(html, "<li>{} <b>{}</b></li>", escaped(&phase.name), clock(phase.seconds));
    }
    html.push_str("</ol>\n");
    if !report.checks.is_empty() {
        let held = report.checks.len() - report.failed().count();
        let _ = write!(
            html,
            "<details><summary>{held} of {} checks hold</summary><table>",
            report.checks.len()
        );
        for check in &report.checks {
            let (class, word) = if check.passed { ("good", "ok") } else { ("bad", "FAIL") };
            let _ = write!(
                html,
                "<tr class=\"{class}\"><td>{}<td>{word}<td>{}<td><code>{}</code></tr>",
                escaped(&check.id),
                escaped(&check.why),
                escaped(check.got.lines().next().unwrap_or_default())
            );
        }
        html.push_str("</table></details>\n");
    }
    let failure = report.failure.as_ref().and_then(|failure| failure.screen.as_ref());
    for path in report.pictures.iter().chain(failure) {
        html.push_str(&picture(path));
    }
    html + "</section>\n"
}

fn picture(path: &Path) -> String {
    let Ok(bytes) = fs::read(path) else { return String::new() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "<figure><img alt=\"screen of the deployed machine\" src=\"data:image/png;base64,{}\">\
         <figcaption>{}</figcaption></figure>\n",
        STANDARD.encode(bytes),
        escaped(&name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::report::Failure;

    fn report(dir: &Path, sha256: &str, date: &str, passed: bool) -> Report {
        let check = |id: &str, passed| Outcome {
            id: id.into(),
            expected: "`a`".into(),
            got: "<b>\u{1b}[1m".into(),
            why: "c & d".into(),
            passed,
        };
        Report {
            version: crate::deploy::report::VERSION,
            passed,
            date: date.into(),
            artifact: "out/x/debian.tar.gz".into(),
            sha256: sha256.into(),
            arch: "amd64".into(),
            machine: [("firmware".to_owned(), "uefi".to_owned())].into(),
            facts: Default::default(),
            phases: vec![],
            failure: None,
            not_run: None,
            notes: vec![],
            checks: vec![check("hostname", true), check("swap", passed)],
            pictures: vec![dir.join("grub.png")],
            logs: dir.into(),
        }
    }

    #[test]
    fn the_newest_test_of_an_artifact_is_found_by_its_hash() {
        let out = tempfile::tempdir().unwrap();
        for (place, sha, date, passed) in [
            ("debian-12", "aa", "2026-01-01T00:00:00Z", true),
            ("deploy-test/file", "aa", "2026-01-02T00:00:00Z", false),
            ("debian-13", "bb", "2026-01-03T00:00:00Z", true),
        ] {
            let dir = out.path().join(place);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("grub.png"), "picture").unwrap();
            let report = report(&dir, sha, date, passed);
            store(&dir, &report).unwrap();
            assert_eq!(last(&dir), Some(report));
        }
        // What `upload` looks for.
        let newest = |sha| crate::maas::tested::last(out.path(), sha).map(|t| t.passed);
        assert_eq!([newest("aa"), newest("bb"), newest("cc")], [Some(false), Some(true), None]);
        let page = fs::read_to_string(out.path().join("debian-13/report.html")).unwrap();
        assert!(page.contains("data:image/png;base64,cGljdHVyZQ=="), "{page}");
    }

    #[test]
    fn another_machine_or_a_test_without_a_start_does_not_hide_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let whole = |passed| report(dir.path(), "aa", "d", passed);
        let bios = [("firmware".to_owned(), "bios".to_owned())].into();
        let bios = Report { machine: bios, ..whole(true) };
        let part = Report { not_run: Some(NOT_ASKED.into()), ..whole(true) };
        for (first, second, stays) in [
            (whole(false), part.clone(), false),
            (whole(false), bios.clone(), false),
            (whole(true), Report { passed: false, ..bios }, false),
            (whole(true), part.clone(), true),
            (whole(false), whole(true), true),
            (part.clone(), whole(false), false),
            (whole(false), Report { sha256: "bb".into(), ..part }, true),
        ] {
            fs::remove_file(dir.path().join(LAST)).ok();
            store(dir.path(), &first).unwrap();
            store(dir.path(), &second).unwrap();
            assert_eq!(last(dir.path()).unwrap().passed, stays);
        }
    }

    #[test]
    fn junit_and_page_are_well_formed_whatever_a_machine_says() {
        let dir = tempfile::tempdir().unwrap();
        let failure = Failure {
            stage: "boot".into(),
            reason: "a < b".into(),
            fix: Some("do \"it\"".into()),
            ..Failure::default()
        };
        let bad = Report { failure: Some(failure), ..report(dir.path(), "aa", "d", false) };
        let xml = junit(&bad);
        assert!(xml.contains("tests=\"3\" failures=\"2\" skipped=\"0\""), "{xml}");
        assert!(xml.contains("message=\"boot: a &lt; b\">do &quot;it&quot;"), "{xml}");
        let html = html_page(&bad);
        // A page that lies alone must say what it is about.
        assert!(
            html.contains(&*bad.artifact.to_string_lossy()) && html.contains("<code>aa</code>")
        );
        for text in [&xml, &html] {
            assert!(!text.contains('\x1b') && !text.contains("<b>\u{fffd}"), "{text}");
        }
        let windows = Report { not_run: Some("no Linux".into()), checks: vec![], ..bad };
        assert!(junit(&windows).contains("skipped=\"1\""));
    }
}
