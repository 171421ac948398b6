//! Findings as SARIF 2.1.0, which code hosts show beside the line.

use std::path::Path;

use serde_json::{Value, json};

use crate::finding::{Finding, Place, Severity};
use crate::rules::{self, Rule};
use crate::validate::Report;

/// The report as one SARIF log.
#[must_use]
pub fn log(report: &Report) -> Value {
    let mut used: Vec<&Rule> = report.findings.iter().filter_map(|f| rules::find(f.id)).collect();
    used.sort_by_key(|rule| rule.id);
    used.dedup_by_key(|rule| rule.id);
    let results: Vec<Value> = report.findings.iter().map(|f| result(f, &used)).collect();
    let notes: Vec<Value> = report
        .skipped
        .iter()
        .map(|skip| json!({ "level": "note", "message": { "text": format!("skipped: {skip}") } }))
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cargo xtask validate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": used.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notes }],
            "results": results,
        }],
    })
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.title },
        "fullDescription": { "text": rule.why },
    })
}

fn result(finding: &Finding, rules: &[&Rule]) -> Value {
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!("\n{help}"));
    let affects = match finding.targets.as_slice() {
        [] => String::new(),
        targets => format!("\naffects {}", targets.join(", ")),
    };
    let mut value = json!({
        "ruleId": finding.id,
        "level": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": format!("{}{help}{affects}", finding.message) },
        "locations": [location(&finding.place)],
    });
    if let Some(index) = rules.iter().position(|rule| rule.id == finding.id) {
        value["ruleIndex"] = json!(index);
    }
    value
}

fn location(place: &Place) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&place.file) } });
    if place.line > 0 {
        physical["region"] = json!({
            "startLine": place.line,
            "startColumn": place.column.max(1),
            "endColumn": place.column.max(1) + place.width,
            "snippet": { "text": place.text },
        });
    }
    json!({ "physicalLocation": physical })
}

/// A path as a relative reference: everything but unreserved characters and
/// slashes is encoded.
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for byte in path.to_string_lossy().bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if plain {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_places() {
        let text = "a = 1\nb = \"ü\"\n";
        let place = Place::bytes(Path::new("one dir/x.pkr.hcl"), text, 10..13);
        let line = Finding::error("VNC001", place, "open").help("close it");
        let file = Finding::warning("DOC002", Place::file(Path::new("README.md")), "missing");
        let report =
            Report { findings: vec![line, file], targets: 1, skipped: vec!["no tool".into()] };
        let log = log(&report);
        let run = &log["runs"][0];
        let ids: Vec<&str> = run["tool"]["driver"]["rules"]
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["DOC002", "VNC001"]);
        let first = &run["results"][0];
        assert_eq!(first["ruleIndex"], 1);
        let physical = &first["locations"][0]["physicalLocation"];
        assert_eq!(physical["artifactLocation"]["uri"], "one%20dir/x.pkr.hcl");
        assert_eq!(physical["region"]["startLine"], 2);
        assert_eq!(physical["region"]["startColumn"], 5);
        let whole = &run["results"][1]["locations"][0]["physicalLocation"];
        assert_eq!(whole.get("region"), None);
        assert_eq!(run["invocations"][0]["toolExecutionNotifications"][0]["level"], "note");
    }
}
