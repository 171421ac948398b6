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
    let help = help(&diagnostic.detail, diagnostic.label.as_deref());
    Finding { severity, help, ..Finding::error(id, place(root, diagnostic), &*diagnostic.summary) }
}

/// The sentences, and the remark as one more; some sentences end with it already.
fn help(detail: &str, label: Option<&str>) -> Option<String> {
    match label.filter(|_| !detail.contains("Did you mean")) {
        None => (!detail.is_empty()).then(|| detail.to_owned()),
        Some(label) if detail.is_empty() => Some(label.to_owned()),
        Some(label) => {
            let (first, rest) = label.split_at(label.chars().next().map_or(0, char::len_utf8));
            let stop = if detail.ends_with(['.', '?', '!', ':']) { "" } else { "." };
            Some(format!("{detail}{stop} {}{rest}", first.to_uppercase()))
        }
    }
}

fn place(root: &Path, diagnostic: &Diagnostic) -> Place {
    match &diagnostic.span {
        // It could not be read.
        Some(span) if span.source.text().is_empty() => {
            Place::file(span.path().strip_prefix(root).unwrap_or(span.path()))
        }
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

#[cfg(test)]
mod tests {
    use packer_hcl::source::{Range, Source};

    use super::*;

    #[test]
    fn a_remark_is_a_sentence_and_is_said_once() {
        for (detail, label, expected) in [
            ("", None, None),
            ("No such key.", None, Some("No such key.")),
            ("", Some("known: `a`"), Some("known: `a`")),
            ("x: no right (13)", Some("see x"), Some("x: no right (13). See x")),
            ("No such key.", Some("did you mean `a`?"), Some("No such key. Did you mean `a`?")),
            (
                "No name b. Did you mean \"a\"?",
                Some("did you mean `a`?"),
                Some("No name b. Did you mean \"a\"?"),
            ),
        ] {
            assert_eq!(help(detail, label).as_deref(), expected, "{detail} {label:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_the_place() {
        let span = Span::new(&Source::new("/tree/x/x.pkr.hcl", ""), Range::default());
        let problem = Diagnostic::error("Failed to read file", "x/x.pkr.hcl: no right", span);
        let found = findings(Path::new("/tree"), &[problem]);
        assert_eq!(found.first().unwrap().place, Place::file(Path::new("x/x.pkr.hcl")));
    }
}
