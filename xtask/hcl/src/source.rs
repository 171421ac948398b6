//! Source texts and places in them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A piece of a source text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// First byte.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
}

impl Range {
    /// From the start of this range to the end of the other.
    #[must_use]
    pub fn to(self, other: Range) -> Self {
        Self { start: self.start, end: other.end.max(self.start) }
    }

    /// The empty range at the end of this one.
    #[must_use]
    pub fn at_end(self) -> Self {
        Self { start: self.end, end: self.end }
    }
}

/// A text that expressions come from: a file or a command-line value.
pub struct Source {
    path: PathBuf,
    text: String,
    lines: OnceLock<Vec<u32>>,
}

/// Sources are at most this long (bytes), so that places fit 32 bits and a
/// stray disk image beside the templates is not read into memory.
pub const MAX_SOURCE_BYTES: u64 = 16 << 20;

impl Source {
    /// A text and the name it goes by in messages: a path or `<-var name>`.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), lines: OnceLock::new() })
    }

    /// Path or other name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a range; empty if it does not lie in this source.
    pub fn slice(&self, range: Range) -> &str {
        let bounds = (usize::try_from(range.start), usize::try_from(range.end));
        let (Ok(start), Ok(end)) = bounds else { return "" };
        self.text.get(start..end).unwrap_or("")
    }

    fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let newlines = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            let starts = newlines.filter_map(|(index, _)| u32::try_from(index + 1).ok());
            std::iter::once(0).chain(starts).collect()
        })
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub fn position(&self, byte: u32) -> Position {
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start <= byte).max(1);
        let start = starts.get(line - 1).copied().unwrap_or(0);
        let before = self.slice(Range { start, end: self.floor(byte) });
        Position { line, column: before.chars().count() + 1 }
    }

    /// The nearest character boundary at or before a byte.
    fn floor(&self, byte: u32) -> u32 {
        let mut index = usize::try_from(byte).unwrap_or(usize::MAX).min(self.text.len());
        while !self.text.is_char_boundary(index) {
            index -= 1;
        }
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    /// The text of a line (from 1) without its line end.
    pub fn line(&self, line: usize) -> &str {
        let starts = self.line_starts();
        let Some(start) = line.checked_sub(1).and_then(|index| starts.get(index)).copied() else {
            return "";
        };
        let length = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let end = starts.get(line).copied().unwrap_or(length);
        self.slice(Range { start, end }).trim_end_matches(['\n', '\r'])
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.path.display())
    }
}

/// Line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
}

/// A place in a source.
#[derive(Clone)]
pub struct Span {
    /// The text it lies in.
    pub source: Arc<Source>,
    /// Where in the text.
    pub range: Range,
}

impl Span {
    /// A place in a source.
    pub fn new(source: &Arc<Source>, range: Range) -> Self {
        Self { source: source.clone(), range }
    }

    /// Path of the source.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Where it starts.
    pub fn start(&self) -> Position {
        self.source.position(self.range.start)
    }

    /// Where it ends (the place after the last character).
    pub fn end(&self) -> Position {
        self.source.position(self.range.end)
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        self.source.slice(self.range)
    }
}

impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        self.range == other.range && self.path() == other.path()
    }
}

impl Eq for Span {}

/// `file:line:column`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.start();
        write!(f, "{}:{line}:{column}", self.path().display())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
