//! File name patterns of `fileset`: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for
//! any number of directories. Names that begin with a point are not special.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Why a pattern is refused, in the words of Packer.
type Refusal = &'static str;

const SYNTAX: Refusal = "syntax error in pattern";

/// Most patterns that braces may expand to, and deepest directory of a `**`.
const MAX_ALTERNATIVES: usize = 4096;
const MAX_DEPTH: usize = 64;

/// The paths that match, in order; relative patterns start from `root`.
/// Symbolic links are not followed by `**`.
pub(super) fn find(root: &Path, pattern: &str) -> Result<BTreeSet<String>, Refusal> {
    let mut found = BTreeSet::new();
    for pattern in expand_braces(pattern)? {
        let (start, rest) = match pattern.strip_prefix('/') {
            Some(rest) => ("/", rest),
            None => ("", pattern.as_str()),
        };
        let parts: Vec<&str> = rest.split('/').collect();
        for part in &parts {
            check(part)?;
        }
        walk(root, start, &parts, 0, &mut found);
    }
    Ok(found)
}

fn walk(root: &Path, at: &str, parts: &[&str], depth: usize, found: &mut BTreeSet<String>) {
    let Some((part, rest)) = parts.split_first() else {
        if !at.is_empty() {
            found.insert(at.to_owned());
        }
        return;
    };
    let below = |name: &str| match at {
        "" | "/" => format!("{at}{name}"),
        at => format!("{at}/{name}"),
    };
    let here = if at.is_empty() { root.to_owned() } else { root.join(at) };
    if *part == "**" {
        if rest.is_empty() {
            found.extend((!at.is_empty()).then(|| at.to_owned()));
        } else {
            walk(root, at, rest, depth, found);
        }
        for (name, is_directory) in entries(&here) {
            if is_directory && depth < MAX_DEPTH {
                walk(root, &below(&name), parts, depth + 1, found);
            } else if rest.is_empty() {
                found.insert(below(&name));
            }
        }
    } else if let Some(name) = literal(part) {
        let next = below(&name);
        if fs::symlink_metadata(root.join(&next)).is_ok() {
            walk(root, &next, rest, depth, found);
        }
    } else {
        for (name, _) in entries(&here) {
            if matches(part, &name) {
                walk(root, &below(&name), rest, depth, found);
            }
        }
    }
}

/// Names in a directory, and which are directories themselves; none if it
/// cannot be read. Names that are not UTF-8 cannot be the result of a template.
fn entries(directory: &Path) -> Vec<(String, bool)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let describe = |entry: fs::DirEntry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        Some((entry.file_name().into_string().ok()?, is_directory))
    };
    entries.filter_map(|entry| entry.ok().and_then(describe)).collect()
}

/// The name that a part without wildcards stands for.
fn literal(part: &str) -> Option<String> {
    let mut name = String::new();
    let mut rest = part.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' | '?' | '[' => return None,
            '\\' => name.extend(rest.next()),
            other => name.push(other),
        }
    }
    Some(name)
}

/// Finds syntax errors, also in parts that no name is compared with.
fn check(part: &str) -> Result<(), Refusal> {
    let mut rest = part;
    while let Some(character) = rest.chars().next() {
        rest = rest.get(character.len_utf8()..).unwrap_or("");
        match character {
            '\\' => {
                let escaped = rest.chars().next().ok_or(SYNTAX)?;
                rest = rest.get(escaped.len_utf8()..).unwrap_or("");
            }
            '[' => rest = Class::parse(rest).ok_or(SYNTAX)?.1,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a name matches a part of a pattern.
fn matches(part: &str, name: &str) -> bool {
    // Where to continue after the latest `*`, if what follows did not match.
    let mut retry: Option<(&str, &str)> = None;
    let (mut pattern, mut text) = (part, name);
    loop {
        if let Some(rest) = pattern.strip_prefix('*') {
            retry = Some((rest, text));
            pattern = rest;
            continue;
        }
        if pattern.is_empty() && text.is_empty() {
            return true;
        }
        if let Some(after) = step(pattern, text) {
            (pattern, text) = after;
            continue;
        }
        let Some((rest, from)) = retry else { return false };
        let Some(skipped) = from.chars().next() else { return false };
        text = from.get(skipped.len_utf8()..).unwrap_or("");
        pattern = rest;
        retry = Some((rest, text));
    }
}

/// Matches one character.
fn step<'a>(pattern: &'a str, text: &'a str) -> Option<(&'a str, &'a str)> {
    let (first, character) = (pattern.chars().next()?, text.chars().next()?);
    let rest = pattern.get(first.len_utf8()..)?;
    let text = text.get(character.len_utf8()..)?;
    let (matched, rest) = match first {
        '?' => (true, rest),
        '[' => {
            let (class, rest) = Class::parse(rest)?;
            (class.contains(character), rest)
        }
        '\\' => {
            let escaped = rest.chars().next()?;
            (escaped == character, rest.get(escaped.len_utf8()..)?)
        }
        other => (other == character, rest),
    };
    matched.then_some((rest, text))
}

/// Characters in brackets.
struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    /// Reads what follows the opening bracket; also returns what follows the
    /// closing one.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (negated, mut rest) = match text.strip_prefix(['^', '!']) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut ranges = Vec::new();
        while ranges.is_empty() || !rest.starts_with(']') {
            let (first, after) = Self::character(rest)?;
            let (last, after) = match after.strip_prefix('-') {
                Some(after) if !after.starts_with(']') => Self::character(after)?,
                _ => (first, after),
            };
            ranges.push((first, last));
            rest = after;
        }
        Some((Self { negated, ranges }, rest.strip_prefix(']')?))
    }

    fn character(text: &str) -> Option<(char, &str)> {
        let text = text.strip_prefix('\\').unwrap_or(text);
        let first = text.chars().next().filter(|c| *c != ']')?;
        Some((first, text.get(first.len_utf8()..)?))
    }

    fn contains(&self, character: char) -> bool {
        let inside = |(first, last): &(char, char)| (*first..=*last).contains(&character);
        self.ranges.iter().any(inside) != self.negated
    }
}

/// All patterns that the alternatives in braces stand for.
fn expand_braces(pattern: &str) -> Result<Vec<String>, Refusal> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        let Some(start) = find_outside(&pattern, 0, '{') else {
            done.push(pattern);
            continue;
        };
        let (before, inside) = pattern.split_at_checked(start).ok_or(SYNTAX)?;
        let (alternatives, after) = split_alternatives(inside.get(1..).unwrap_or(""))?;
        open.extend(alternatives.iter().map(|inner| format!("{before}{inner}{after}")));
        if open.len() + done.len() > MAX_ALTERNATIVES {
            return Err("too many alternatives in braces");
        }
    }
    Ok(done)
}

/// Splits at the commas of the outermost braces, up to the closing one.
fn split_alternatives(text: &str) -> Result<(Vec<&str>, &str), Refusal> {
    let (mut depth, mut start, mut escaped) = (0usize, 0, false);
    let mut alternatives = Vec::new();
    for (index, character) in text.char_indices() {
        let alternative = text.get(start..index).unwrap_or("");
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            ',' if depth == 0 => {
                alternatives.push(alternative);
                start = index + 1;
            }
            '}' if depth == 0 => {
                alternatives.push(alternative);
                return Ok((alternatives, text.get(index + 1..).unwrap_or("")));
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err(SYNTAX)
}

/// The first such character that is not escaped.
fn find_outside(text: &str, from: usize, wanted: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().skip_while(|(index, _)| *index < from).find_map(|(index, character)| {
        let plain = !escaped;
        escaped = plain && character == '\\';
        (plain && character == wanted).then_some(index)
    })
}

#[cfg(test)]
mod tests {
    use super::{check, expand_braces, matches};

    #[test]
    fn parts() {
        for (pattern, name, want) in [
            ("*", ".hidden", true),
            ("*.txt", "a.txt", true),
            ("*.txt", "a.txt.bak", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("?", "é", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[!a]", "b", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
        for wrong in ["[a", "[", "a\\", "[a-"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn braces() {
        let mut expanded = expand_braces("a{b,c{d,}}\\{e").expect("valid");
        expanded.sort();
        assert_eq!(expanded, ["ab\\{e", "ac\\{e", "acd\\{e"]);
        assert!(expand_braces("{a").is_err());
        assert!(expand_braces(&"{a,b}".repeat(20)).is_err());
    }
}
