//! What is wrong, where, and what to do: the findings of parsing and
//! evaluation, and their plain-text form.

use std::fmt;

use crate::source::Span;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The result can be used.
    Warning,
    /// There is no usable result.
    Error,
}

/// A finding about a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The finding in a few words, as HCL and Packer name it.
    pub summary: String,
    /// Whole sentences: why, and what to do.
    pub detail: String,
    /// Where; `None` if it belongs to no text.
    pub span: Option<Span>,
    /// A short remark right below the marked text, such as a suggestion.
    pub label: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(summary: impl Into<String>, detail: impl Into<String>, span: Span) -> Self {
        Self { span: Some(span), ..Self::unplaced(summary, detail) }
    }

    /// An error that belongs to no text.
    pub fn unplaced(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            summary: summary.into(),
            detail: detail.into(),
            span: None,
            label: None,
        }
    }

    /// The same finding as a warning.
    #[must_use]
    pub fn warning(self) -> Self {
        Self { severity: Severity::Warning, ..self }
    }

    /// The same finding with a remark below the marked text.
    #[must_use]
    pub fn with_label(self, label: Option<String>) -> Self {
        Self { label, ..self }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Longest piece of a source line that is shown, in characters.
const MAX_SHOWN: usize = 160;

/// The plain-text form:
///
/// ```text
/// error: Unsupported attribute
///   --> rocky9/rocky9.pkr.hcl:41:18
///    |
/// 41 |       KS_PROXY = var.ks_proxi
///    |                      ^^^^^^^^ did you mean `ks_proxy`?
///    = This object does not have an attribute named "ks_proxi".
/// ```
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.summary)?;
        let mut margin = 2;
        if let Some(span) = &self.span {
            margin = write_place(f, span, self.label.as_deref())?;
        } else if let Some(label) = &self.label {
            write!(f, " ({label})")?;
        }
        for (index, line) in self.detail.lines().enumerate() {
            let mark = if index == 0 { "= " } else { "  " };
            write!(f, "\n{:margin$} {mark}{line}", "")?;
        }
        Ok(())
    }
}

/// Writes place, source line and marks; returns the width of the margin.
fn write_place(
    f: &mut fmt::Formatter<'_>,
    span: &Span,
    label: Option<&str>,
) -> Result<usize, fmt::Error> {
    let (start, end) = (span.start(), span.end());
    let number = start.line.to_string();
    let margin = number.len();
    write!(f, "\n{:margin$}--> {span}\n{:margin$} |", "", "")?;
    let line: Vec<char> = span.source.line(start.line).chars().collect();
    let (from, shown) = window(&line, start.column);
    write!(f, "\n{number} | {shown}")?;
    let last = if end.line == start.line { end.column } else { line.len() + 1 };
    let room = shown.chars().count().saturating_sub(start.column - 1 - from);
    let width = last.saturating_sub(start.column).clamp(1, room.max(1));
    let indent: String =
        line.iter().skip(from).take(start.column - 1 - from).map(|c| blank(*c)).collect();
    let label = label.map(|label| format!(" {label}")).unwrap_or_default();
    write!(f, "\n{:margin$} | {indent}{}{label}", "", "^".repeat(width))?;
    Ok(margin)
}

/// The part of a long line around a column, and where it starts.
fn window(line: &[char], column: usize) -> (usize, String) {
    let from = if line.len() > MAX_SHOWN { (column - 1).saturating_sub(MAX_SHOWN / 2) } else { 0 };
    let shown = line.iter().skip(from).take(MAX_SHOWN).map(|c| visible(*c)).collect();
    (from, shown)
}

/// Keeps tabs so that marks line up in a terminal.
fn blank(character: char) -> char {
    if character == '\t' { '\t' } else { ' ' }
}

/// Control characters must not reach a terminal.
fn visible(character: char) -> char {
    if character.is_control() && character != '\t' { '\u{fffd}' } else { character }
}

/// A remark about a name that is not known: the one that was probably meant, or
/// else what there is.
pub fn meant_or_known<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match suggest(given, known.iter().copied()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None => listed(&known),
    }
}

/// Some names, `None` if there are none or more than anybody reads.
pub fn listed(names: &[&str]) -> Option<String> {
    const MOST: usize = 12;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| short(name)).collect();
    (1..=MOST).contains(&names.len()).then(|| format!("known: {}", shown.join(", ")))
}

/// A name between backticks, fit for a terminal.
pub(crate) fn short(name: &str) -> String {
    let start: String = name.chars().take(MAX_SHOWN / 2).collect();
    format!("`{}`", start.escape_debug())
}

/// The known name that is closest to a mistyped one, if it is close at all.
pub fn suggest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = given.chars().count();
    // One letter says nothing; a longer name may have more mistakes.
    let limit = if length < 2 { 0 } else { (length / 3).clamp(1, 3) };
    let distance = |name: &'a str| (strsim::damerau_levenshtein(given, name), name);
    let (best, name) = known.into_iter().map(distance).min()?;
    (best <= limit).then_some(name)
}
