//! Go's regular expressions (RE2) by Rust's engine.
//!
//! Both search alike: leftmost match, first alternative, linear time. The
//! languages differ, so patterns are read here by Go's rules and written anew:
//! `\d`, `\w`, `\s` and `\b` are ASCII in Go; `\Q…\E`, octal escapes and
//! escaped punctuation exist only there; set operations (`&&`, `--`), nested
//! classes, `(?x)` and stacked repetitions (`a**`) only in Rust. Two groups
//! may have the same name in Go. What is left: names of Unicode classes may be
//! written more loosely than in Go, limits on size differ, and a repeated group
//! that can match nothing may stop one round earlier or later.

use regex::{Regex, RegexBuilder};

use super::go_class;

/// Most repetitions that `{n,m}` may ask for.
const MAX_REPEAT: u32 = 1000;

/// Why a pattern is refused: Go's words, and the part they are about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PatternError {
    pub(super) code: &'static str,
    pub(super) expression: String,
}

impl PatternError {
    pub(super) fn new(code: &'static str, expression: &str) -> Self {
        Self { code, expression: expression.to_owned() }
    }
}

/// A compiled pattern and the names of its groups, without the whole match.
#[derive(Debug)]
pub(super) struct GoRegex {
    pub(super) regex: Regex,
    pub(super) groups: Vec<Option<String>>,
}

impl GoRegex {
    /// Compiles a pattern in Go's syntax.
    pub(super) fn new(pattern: &str) -> Result<Self, PatternError> {
        let mut parser = Parser { pattern, ..Parser::default() };
        parser.run()?;
        let regex = RegexBuilder::new(&parser.output).build();
        let regex = regex.map_err(|_error| PatternError::new("expression too large", pattern))?;
        Ok(Self { regex, groups: parser.groups })
    }
}

/// Reads Go's syntax and writes Rust's.
#[derive(Default)]
struct Parser<'a> {
    pattern: &'a str,
    position: usize,
    output: String,
    /// Flags that were read; a repetition may come before they count.
    flags: String,
    groups: Vec<Option<String>>,
    depth: usize,
    /// Whether there is something that a repetition can apply to.
    repeatable: bool,
    /// Where the repetition that was just read began.
    last_repeat: Option<usize>,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.pattern.get(self.position..).unwrap_or("")
    }

    fn run(&mut self) -> Result<(), PatternError> {
        while let Some(character) = self.rest().chars().next() {
            let last_repeat = self.last_repeat.take();
            match character {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.position += 1;
                    self.write("|");
                    self.repeatable = false;
                }
                '^' | '$' | '.' => {
                    self.position += 1;
                    self.atom(&format!("(?:{character})"));
                }
                '[' => {
                    let (class, length) = go_class::bracket(self.rest())?;
                    self.position += length;
                    self.atom(&class);
                }
                '*' | '+' | '?' => self.repeat(&character.to_string(), 1, last_repeat)?,
                '{' => match self.counted()? {
                    Some((operator, length)) => self.repeat(&operator, length, last_repeat)?,
                    None => self.literal(character),
                },
                '\\' => self.escape()?,
                other => self.literal(other),
            }
        }
        if self.depth > 0 {
            return Err(PatternError::new("missing closing )", self.pattern));
        }
        Ok(())
    }

    /// Writes what flags apply to.
    fn write(&mut self, text: &str) {
        self.output.push_str(&std::mem::take(&mut self.flags));
        self.output.push_str(text);
    }

    fn atom(&mut self, text: &str) {
        self.write(text);
        self.repeatable = true;
    }

    /// Takes one character as it is.
    fn literal(&mut self, character: char) {
        self.position += character.len_utf8();
        self.atom(&go_class::literal(character));
    }

    fn close(&mut self) -> Result<(), PatternError> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(PatternError::new("unexpected )", self.pattern));
        };
        self.depth = depth;
        self.position += 1;
        self.atom(")");
        Ok(())
    }

    fn open(&mut self) -> Result<(), PatternError> {
        let rest = self.rest();
        let named = rest.strip_prefix("(?P<").or_else(|| rest.strip_prefix("(?<"));
        if let Some(named) = named {
            let invalid = |text| PatternError::new("invalid named capture", text);
            let (name, after) = named.split_once('>').ok_or_else(|| invalid(rest))?;
            let consumed = rest.len() - after.len();
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(word) {
                return Err(invalid(rest.get(..consumed).unwrap_or(rest)));
            }
            self.groups.push(Some(name.to_owned()));
            self.begin_group("(", consumed);
        } else if rest.starts_with("(?") {
            self.flags()?;
        } else {
            self.groups.push(None);
            self.begin_group("(", 1);
        }
        Ok(())
    }

    fn begin_group(&mut self, text: &str, consumed: usize) {
        self.position += consumed;
        self.write(text);
        self.depth += 1;
        self.repeatable = false;
    }

    /// `(?i-s)` for the rest of the group, or `(?i-s:…)`.
    fn flags(&mut self) -> Result<(), PatternError> {
        let rest = self.rest();
        let (mut negative, mut flag_seen) = (false, false);
        for (index, character) in rest.char_indices().skip(2) {
            let end = index + character.len_utf8();
            match character {
                'i' | 'm' | 's' | 'U' => flag_seen = true,
                '-' if !negative => (negative, flag_seen) = (true, false),
                ':' | ')' if !negative || flag_seen => {
                    let text = rest.get(..end).unwrap_or("");
                    if character == ':' {
                        self.begin_group(text, end);
                    } else {
                        self.position += end;
                        // Rust does not know empty flags.
                        self.flags.push_str(if text == "(?)" { "" } else { text });
                    }
                    return Ok(());
                }
                _ => {
                    let text = rest.get(..end).unwrap_or(rest);
                    return Err(PatternError::new("invalid or unsupported Perl syntax", text));
                }
            }
        }
        Err(PatternError::new("invalid or unsupported Perl syntax", rest))
    }

    /// A repetition operator that is `length` bytes long.
    fn repeat(
        &mut self,
        operator: &str,
        length: usize,
        last_repeat: Option<usize>,
    ) -> Result<(), PatternError> {
        let start = self.position;
        self.position += length;
        let lazy = self.rest().starts_with('?');
        self.position += usize::from(lazy);
        let written = |from: usize| self.pattern.get(from..self.position).unwrap_or("");
        if !self.repeatable {
            let code = "missing argument to repetition operator";
            return Err(PatternError::new(code, written(start)));
        }
        if let Some(last) = last_repeat {
            return Err(PatternError::new("invalid nested repetition operator", written(last)));
        }
        self.output.push_str(operator);
        self.output.push_str(if lazy { "?" } else { "" });
        self.last_repeat = Some(start);
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}` and its length; `None` if the brace is an
    /// ordinary character.
    fn counted(&self) -> Result<Option<(String, usize)>, PatternError> {
        let Some((inside, _)) = self.rest().get(1..).and_then(|rest| rest.split_once('}')) else {
            return Ok(None);
        };
        let (min, max) = match inside.split_once(',') {
            Some((min, "")) => (min, None),
            Some((min, max)) => (min, Some(max)),
            None => (inside, Some(inside)),
        };
        let plain = |count: &str| {
            let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
            digits && (count.len() == 1 || !count.starts_with('0'))
        };
        if !plain(min) || !max.is_none_or(plain) {
            return Ok(None);
        }
        let length = inside.len() + 2;
        let count = |text: &str| text.parse::<u32>().ok().filter(|count| *count <= MAX_REPEAT);
        let valid = match (count(min), max.map(count)) {
            (Some(min), Some(Some(max))) => min <= max,
            (min, max) => min.is_some() && max.is_none(),
        };
        if !valid {
            let text = self.rest().get(..length).unwrap_or("");
            return Err(PatternError::new("invalid repeat count", text));
        }
        Ok(Some((format!("{{{inside}}}"), length)))
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        let rest = self.rest();
        match rest.chars().nth(1) {
            // A boundary of ASCII words, as in Go.
            Some(letter @ ('b' | 'B')) => {
                self.position += 2;
                self.atom(&format!("(?-u:\\{letter})"));
            }
            Some(letter @ ('A' | 'z')) => {
                self.position += 2;
                self.atom(&format!("(?:\\{letter})"));
            }
            Some('Q') => {
                let inside = rest.get(2..).unwrap_or("");
                let (inside, length) = match inside.split_once("\\E") {
                    Some((inside, _)) => (inside, inside.len() + 4),
                    None => (inside, rest.len()),
                };
                for character in inside.chars() {
                    self.atom(&go_class::literal(character));
                }
                self.position += length;
            }
            _ => {
                let (text, length) = go_class::escape(rest)?;
                self.position += length;
                self.atom(&text);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::GoRegex;

    #[test]
    fn translated_patterns_compile() {
        for pattern in [
            "",
            "a*?b+?c??",
            "^*$+",
            "(?i)[[:^alpha:]\\D\\x{41}-\\]]{2,3}",
            "\\Qa.b",
            "[]a]",
            "[^]]",
            "[-a]",
            "[a-]",
            "a{,2}",
            "a{2",
            "{",
            "(?i:a)(?s-i:b)(?U)",
            "\\B\\b\\A\\z",
            "[\\pL\\P{Greek}]",
            "\\p{^Greek}",
            "\\0\\07\\177",
            "(?)a",
            "x{0}",
            "a|b||",
            "()|(|)",
            "\\x{10FFFF}",
            "[[a]",
        ] {
            assert!(GoRegex::new(pattern).is_ok(), "{pattern}: {:?}", GoRegex::new(pattern).err());
        }
    }

    #[test]
    fn wrong_patterns_are_errors() {
        for (pattern, code, expression) in [
            ("a\\", "trailing backslash at end of expression", ""),
            ("(?", "invalid or unsupported Perl syntax", "(?"),
            ("(?P<n", "invalid named capture", "(?P<n"),
            ("(?P<a b>x)", "invalid named capture", "(?P<a b>"),
            ("(?i", "invalid or unsupported Perl syntax", "(?i"),
            ("(?i-:a)", "invalid or unsupported Perl syntax", "(?i-:"),
            ("a+*", "invalid nested repetition operator", "+*"),
            ("(|*)", "missing argument to repetition operator", "*"),
            ("[b-a]", "invalid character class range", "b-a"),
            ("[[:nope:]]", "invalid character class range", "[:nope:]"),
            ("\\8", "invalid escape sequence", "\\8"),
            ("\\xg", "invalid escape sequence", "\\xg"),
            ("(((((((((x{1000}){1000}){1000}){9}){9}){9}){9}){9}){9})", "expression too large", ""),
        ] {
            let error = GoRegex::new(pattern).expect_err(pattern);
            assert_eq!(error.code, code, "{pattern}");
            if !expression.is_empty() {
                assert_eq!(error.expression, expression, "{pattern}");
            }
        }
    }
}
