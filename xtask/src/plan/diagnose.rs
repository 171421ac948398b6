//! What the evaluator says, as findings.

use std::path::Path;

use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::source::Span;

use crate::finding::{Finding, Place, Severity};

/// Diagnostics of a template below `root` as findings of rule HCL001 (errors)
/// or HCL002 (warnings).
#[must_use]
pub fn findings(root: &Path, diagnostics: &[Diagnostic]) -> Vec<Finding> {
    diagnostics.iter().map(|d| finding(root, d)).collect()
}

fn finding(root: &Path, diagnostic: &Diagnostic) -> Finding {
    let (id, severity) = match diagnostic.is_error() {
        true => ("HCL001", Severity::Error),
        false => ("HCL002", Severity::Warning),
    };
    let help = match (&diagnostic.label, diagnostic.detail.as_str()) {
        (Some(label), "") => Some(label.clone()),
        (Some(label), detail) => Some(format!("{detail} {label}")),
        (None, "") => None,
        (None, detail) => Some(detail.to_owned()),
    };
    Finding { severity, help, ..Finding::error(id, place(root, diagnostic), &*diagnostic.summary) }
}

fn place(root: &Path, diagnostic: &Diagnostic) -> Place {
    match &diagnostic.span {
        Some(span) => self::span(root, span),
        None => Place::file(Path::new("(command line)")),
    }
}

/// A span of a template as a place below `root`.
#[must_use]
pub fn span(root: &Path, span: &Span) -> Place {
    let (start, end) = (span.start(), span.end());
    let file = span.path().strip_prefix(root).unwrap_or(span.path()).to_path_buf();
    let text: String = span.source.line(start.line).chars().take(400).collect();
    let width = match end.line == start.line {
        true => end.column.saturating_sub(start.column).max(1),
        false => text.chars().count().saturating_sub(start.column - 1).max(1),
    };
    Place { file, line: start.line, column: start.column, width, text }
}
