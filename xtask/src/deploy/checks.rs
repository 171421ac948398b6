//! What must hold inside a deployed machine, as data: id, command, expectation,
//! reason. All commands run in one session, because a session costs seconds
//! under emulation.

mod disk;
mod table;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use disk::disk;
pub use table::{Known, table};

/// What a command's output, trimmed, must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Nothing,
    /// Exactly this.
    Is(String),
    /// One of these.
    OneOf(Vec<String>),
    /// This many digits in base 16, and none of these values.
    FreshHex(usize, Vec<String>),
    /// A line or word that contains this.
    Contains(String),
    /// A number of at least this.
    AtLeast(u64),
    /// At least one line, and none that contains one of these.
    LinesWithout(Vec<String>),
}

impl Expect {
    /// Whether an output is as expected.
    #[must_use]
    pub fn holds(&self, output: &str) -> bool {
        let output = output.trim();
        match self {
            Self::Nothing => output.is_empty(),
            Self::Is(text) => output == text,
            Self::OneOf(texts) => texts.iter().any(|text| text == output),
            Self::FreshHex(length, old) => {
                output.len() == *length
                    && output.bytes().all(|b| b.is_ascii_hexdigit())
                    && !old.iter().any(|o| o == output)
            }
            Self::Contains(text) => output.contains(text.as_str()),
            Self::AtLeast(least) => output.parse::<u64>().is_ok_and(|number| number >= *least),
            Self::LinesWithout(bad) => {
                !output.is_empty() && !bad.iter().any(|bad| output.contains(bad.as_str()))
            }
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Is(text) => write!(f, "`{text}`"),
            Self::OneOf(texts) => write!(f, "one of `{}`", texts.join("`, `")),
            Self::FreshHex(length, _) => {
                write!(f, "{length} hexadecimal digits that are not the image's")
            }
            Self::Contains(text) => write!(f, "something with `{text}`"),
            Self::AtLeast(least) => write!(f, "a number of at least {least}"),
            Self::LinesWithout(_) => f.write_str("lines, none of which the image brought"),
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Name in reports.
    pub id: &'static str,
    /// Shell commands; run as root with `sh`.
    pub command: String,
    /// What they must print.
    pub expect: Expect,
    /// Why that matters, one sentence.
    pub why: &'static str,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Name.
    pub id: String,
    /// In words.
    pub expected: String,
    /// Output, errors included.
    pub got: String,
    /// Why it matters.
    pub why: String,
    /// Whether it holds.
    pub passed: bool,
}

/// Longest output that is kept per check, in bytes.
const MAX_OUTPUT: usize = 4096;

/// One script that runs every check in a directory, which the shell may expand.
/// `mark` is a word that no output contains.
#[must_use]
pub fn script(checks: &[Check], mark: &str, dir: &str) -> String {
    let mut text = format!(
        "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         cd {dir} || exit 1\n"
    );
    for (at, check) in checks.iter().enumerate() {
        // A check must not read the script of the others from standard input,
        // and its exit code says nothing: what it prints is judged.
        let line =
            format!("printf '\\n%s\\n' '{mark} {at}'\n(\n{}\n) </dev/null 2>&1\n", check.command);
        text.push_str(&line);
    }
    text.push_str(&format!("printf '\\n%s\\n' '{mark} end'\n"));
    text
}

/// Judges the output of [`script`]. A check without output section failed: the
/// session broke off.
#[must_use]
pub fn judge(checks: &[Check], mark: &str, output: &str) -> Vec<Outcome> {
    let sections = sections(mark, output);
    let judged = checks.iter().enumerate().map(|(at, check)| {
        let section = sections.iter().find(|(name, _)| *name == at.to_string());
        let got = section.map(|(_, text)| text.trim().to_owned());
        let passed = got.as_deref().is_some_and(|got| check.expect.holds(got));
        let got = got.unwrap_or_else(|| "the session ended before this check".into());
        Outcome {
            id: check.id.into(),
            expected: check.expect.to_string(),
            got: shorten(&got),
            why: check.why.into(),
            passed,
        }
    });
    judged.collect()
}

/// Name and text of each section that has ended.
fn sections(mark: &str, output: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in output.lines() {
        match line.strip_prefix(mark).and_then(|rest| rest.strip_prefix(' ')) {
            Some(name) => found.push((name.trim().to_owned(), String::new())),
            None => {
                if let Some((_, text)) = found.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    // The last section has no end mark after it; it is `end` in a whole session.
    found.pop();
    found
}

fn shorten(text: &str) -> String {
    let end = (0..=MAX_OUTPUT.min(text.len())).rev().find(|i| text.is_char_boundary(*i));
    match end.and_then(|end| text.get(..end)) {
        Some(short) if short.len() < text.len() => format!("{short} ..."),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod violated;
