//! One thing that is wrong in a file, and how it is shown.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A build from this would fail or not deploy.
    Error,
    /// Works, but will bite.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// Where in a file; lines and columns from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// File, relative to the repository where possible.
    pub file: PathBuf,
    /// Line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// Characters to underline.
    pub width: usize,
    /// The line itself.
    pub text: String,
}

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn file(file: &Path) -> Self {
        Self { file: file.into(), line: 0, column: 0, width: 0, text: String::new() }
    }

    /// A byte range of `text`, which is the content of `file`.
    #[must_use]
    pub fn bytes(file: &Path, text: &str, range: std::ops::Range<usize>) -> Self {
        let start = floor_char(text, range.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let line_text = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or("");
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let end = floor_char(text, range.end.min(line_start + line_text.len()));
        let width = text.get(start..end.max(start)).unwrap_or_default().chars().count().max(1);
        let line = before.matches('\n').count() + 1;
        Self { file: file.into(), line, column, width, text: shorten(line_text) }
    }

    /// A byte range of the line with that number.
    #[must_use]
    pub fn bytes_of_line(
        file: &Path,
        line: usize,
        text: &str,
        range: std::ops::Range<usize>,
    ) -> Self {
        Self { line, ..Self::bytes(file, text, range) }
    }
}

/// The nearest character boundary at or before `index`.
fn floor_char(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

/// A source line fit for a terminal: a 1 MB line is not shown whole.
fn shorten(line: &str) -> String {
    line.chars().take(400).collect()
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Stable id, see `cargo xtask explain`.
    pub id: &'static str,
    /// How bad.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Targets it affects; empty when that was not asked.
    pub targets: Vec<String>,
}

impl Finding {
    /// An error at a place.
    pub fn error(id: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            id,
            severity: Severity::Error,
            place,
            message: message.into(),
            help: None,
            targets: vec![],
        }
    }

    /// A warning at a place.
    pub fn warning(id: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(id, place, message) }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column, width, text } = &self.place;
        writeln!(f, "{}[{}]: {}", self.severity, self.id, self.message)?;
        if *line == 0 {
            write!(f, "  --> {}", file.display())?;
        } else {
            let gutter = line.to_string().len();
            writeln!(f, "{:gutter$}--> {}:{line}:{column}", "", file.display())?;
            writeln!(f, "{:gutter$} |", "")?;
            writeln!(f, "{line} | {text}")?;
            let pad: String =
                text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let carets = "^".repeat((*width).min(text.chars().count().max(1)));
            write!(f, "{:gutter$} | {pad}{carets}", "")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        if !self.targets.is_empty() {
            write!(f, "\n  = affects {}", affected(&self.targets))?;
        }
        Ok(())
    }
}

/// At most four names, then a count.
fn affected(targets: &[String]) -> String {
    let shown = targets.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    match targets.len().saturating_sub(4) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Findings that stop a command, shown one after the other.
#[derive(Debug)]
pub struct Findings(pub Vec<Finding>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, finding) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// The closest of `candidates` to `word`, if it is close enough to be meant.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(word, c), strsim::damerau_levenshtein(word, c), c))
        .filter(|(score, distance, _)| *score > 0.85 || *distance <= 2)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, _, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_place_caret_and_help() {
        let text = "a = 1\n  ks_proxi = \"x\"\n";
        let place = Place::bytes(Path::new("rocky9/image.toml"), text, 8..16);
        let finding = Finding::error("CAT001", place, "unknown key `ks_proxi`").help("remove it");
        let expected = "error[CAT001]: unknown key `ks_proxi`
 --> rocky9/image.toml:2:3
  |
2 |   ks_proxi = \"x\"
  |   ^^^^^^^^
  = help: remove it";
        assert_eq!(finding.to_string(), expected);
    }

    #[test]
    fn survives_any_range() {
        let text = "äöü";
        for start in 0..10 {
            for end in 0..10 {
                let _place: Place = Place::bytes(Path::new("f"), text, start..end);
            }
        }
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(suggest("rokcy9", ["rocky8", "rocky9", "debian"]), Some("rocky9"));
        assert_eq!(suggest("zzz", ["rocky9"]), None);
    }
}
