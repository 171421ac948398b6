//! The text form of LVM's metadata: nested sections of assignments.

use std::collections::BTreeMap;

use crate::{Error, Result};

/// Deepest nesting of sections; LVM needs four.
const MAX_DEPTH: usize = 8;
/// Most values in all of one text.
const MAX_VALUES: usize = 1 << 20;

/// What stands behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    Text(String),
    List(Vec<Value>),
    Section(Section),
}

/// Names and values between braces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section(pub BTreeMap<String, Value>);

impl Section {
    /// The section of this name.
    pub fn section(&self, name: &str) -> Result<&Self> {
        match self.0.get(name) {
            Some(Value::Section(section)) => Ok(section),
            _ => Err(bad(&format!("there is no section `{name}`"))),
        }
    }

    /// All sections in it, by name.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.0.iter().filter_map(|(name, value)| match value {
            Value::Section(section) => Some((name.as_str(), section)),
            _ => None,
        })
    }

    /// The number of this name.
    pub fn number(&self, name: &str) -> Result<u64> {
        match self.0.get(name) {
            Some(Value::Number(number)) => Ok(*number),
            _ => Err(bad(&format!("there is no number `{name}`"))),
        }
    }

    /// The text of this name.
    pub fn text(&self, name: &str) -> Result<&str> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(bad(&format!("there is no text `{name}`"))),
        }
    }

    /// The list of this name; empty if there is none.
    pub fn list(&self, name: &str) -> &[Value] {
        match self.0.get(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }
}

/// Parses a whole text.
pub(super) fn parse(text: &str) -> Result<Section> {
    let mut parser = Parser { rest: text, values: 0 };
    let section = parser.section(0)?;
    match parser.rest.is_empty() {
        true => Ok(section),
        false => Err(bad("a closing brace too many")),
    }
}

fn bad(reason: &str) -> Error {
    Error::damaged("LVM metadata", reason)
}

struct Parser<'a> {
    rest: &'a str,
    values: usize,
}

impl<'a> Parser<'a> {
    /// Skips white space and comments.
    fn blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            let Some(comment) = self.rest.strip_prefix('#') else { return };
            self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }

    fn take(&mut self, symbol: char) -> bool {
        self.blank();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> Result<&'a str> {
        self.blank();
        let in_word = |c: char| c.is_ascii_alphanumeric() || "_-.+/".contains(c);
        let end = self.rest.find(|c| !in_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(bad("a name or a number is missing"));
        }
        self.rest = rest;
        Ok(word)
    }

    /// Up to the closing brace, or the end of the text at the top.
    fn section(&mut self, depth: usize) -> Result<Section> {
        if depth > MAX_DEPTH {
            return Err(bad("its sections are nested too deep"));
        }
        let mut section = Section::default();
        loop {
            self.blank();
            if self.rest.is_empty() || self.rest.starts_with('}') {
                if depth > 0 && !self.take('}') {
                    return Err(bad("a section has no end"));
                }
                return Ok(section);
            }
            let name = self.word()?.to_owned();
            let value = match self.take('{') {
                true => Value::Section(self.section(depth + 1)?),
                false if self.take('=') => self.value()?,
                false => return Err(bad(&format!("`{name}` has neither a value nor a section"))),
            };
            self.count()?;
            section.0.insert(name, value);
        }
    }

    fn count(&mut self) -> Result<()> {
        self.values += 1;
        if self.values > MAX_VALUES { Err(bad("it has too many values")) } else { Ok(()) }
    }

    fn value(&mut self) -> Result<Value> {
        if !self.take('[') {
            return self.scalar();
        }
        let mut list = Vec::new();
        while !self.take(']') {
            list.push(self.scalar()?);
            self.count()?;
            if !self.take(',') && !self.rest.starts_with(']') {
                return Err(bad("a list has no end"));
            }
        }
        Ok(Value::List(list))
    }

    fn scalar(&mut self) -> Result<Value> {
        if self.take('"') {
            return self.string();
        }
        let word = self.word()?;
        // Negative numbers and fractions occur in nothing that is read here.
        Ok(word.parse().map_or_else(|_| Value::Text(word.to_owned()), Value::Number))
    }

    fn string(&mut self) -> Result<Value> {
        let mut text = String::new();
        let mut letters = self.rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(Value::Text(text));
                }
                '\\' => text.extend(letters.next().map(|(_, escaped)| escaped)),
                other => text.push(other),
            }
        }
        Err(bad("a quotation mark is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_lists_and_comments() {
        let text = "vg {\n id = \"a\\\"b\"\n size=8192\n status = [\"READ\", \"WRITE\"]\n empty = []\n\n\
                    sub-1 { n = 1 # comment }\n }\n}\n# the end\nversion = 1\n";
        let top = parse(text).unwrap();
        let vg = top.section("vg").unwrap();
        assert_eq!((vg.text("id").unwrap(), vg.number("size").unwrap()), ("a\"b", 8192));
        assert_eq!(vg.list("status").len(), 2);
        assert_eq!(vg.list("empty"), []);
        assert_eq!(vg.sections().map(|(name, _)| name).collect::<Vec<_>>(), ["sub-1"]);
        assert_eq!(top.number("version").unwrap(), 1);
        assert!(vg.number("id").is_err() && vg.section("none").is_err());
    }

    #[test]
    fn what_is_malformed_is_an_error() {
        let deep = "a {".repeat(20);
        for text in ["a {", "a }", "a", "a =", "a = [1", "a = [1 2]", "a = \"x", "= 1", &deep, "}"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    /// Every answer is fine but a panic or a hang.
    #[test]
    fn random_changes_do_no_harm() {
        let text = "vg {\nid = \"x\"\nflags = [\"A\", 5, -1]\nsub { n = 1 # c\n }\n}\n# end\n";
        let mut state = 1u32;
        let mut next = |limit: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(state >> 8).unwrap() % limit
        };
        let mut refused = 0;
        for _ in 0..20_000 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                bytes[at] = b"{}[]=\"#\\,x9 \n\xff"[next(14)];
            }
            refused += usize::from(parse(&String::from_utf8_lossy(&bytes)).is_err());
        }
        assert!(refused > 1000, "{refused}");
    }
}
