//! The text that literal tokens stand for.

use crate::source::Range;
use crate::syntax::parser::Parser;
use crate::syntax::token::{Token, TokenKind};

/// Decodes a literal token of a template. Mistakes are noted; what could be
/// decoded is returned.
pub(crate) fn literal_text(parser: &mut Parser<'_>, token: Token) -> String {
    let raw = parser.text(token);
    if token.kind == TokenKind::QuotedText {
        return unescape(parser, token.range, raw);
    }
    raw.replace("$${", "${").replace("%%{", "%{")
}

/// Decodes a part of a block label.
pub(crate) fn label_text(parser: &mut Parser<'_>, token: Token) -> String {
    literal_text(parser, token)
}

fn unescape(parser: &mut Parser<'_>, range: Range, raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['\\', '$', '%']) {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let offset = raw.len() - escape.len();
        let (decoded, length) = decode(parser, range, offset, escape);
        text.push_str(&decoded);
        rest = escape.get(length..).unwrap_or("");
    }
    text.push_str(rest);
    text
}

/// Decodes the sequence at the start of `escape`; returns how long it is.
fn decode(parser: &mut Parser<'_>, range: Range, offset: usize, escape: &str) -> (String, usize) {
    if escape.starts_with("$${") || escape.starts_with("%%{") {
        return (escape.get(1..3).unwrap_or("").to_owned(), 3);
    }
    let mut characters = escape.chars();
    let first = characters.next().unwrap_or('\\');
    if first != '\\' {
        return (first.to_string(), first.len_utf8());
    }
    let simple = |text: &str| (text.to_owned(), 2);
    match characters.next() {
        Some('n') => simple("\n"),
        Some('r') => simple("\r"),
        Some('t') => simple("\t"),
        Some('"') => simple("\""),
        Some('\\') => simple("\\"),
        Some(selector @ ('u' | 'U')) => unicode(parser, range, offset, escape, selector),
        Some(other) => {
            let detail = format!(
                "The symbol {} is not a valid escape sequence selector.",
                crate::quote::quote(&other.to_string())
            );
            bad_escape(parser, range, offset, 1 + other.len_utf8(), detail);
            (other.to_string(), 1 + other.len_utf8())
        }
        None => {
            let detail = "Backslash must be followed by an escape sequence selector character.";
            bad_escape(parser, range, offset, 1, detail.to_owned());
            ("\\".to_owned(), 1)
        }
    }
}

fn unicode(
    parser: &mut Parser<'_>,
    range: Range,
    offset: usize,
    escape: &str,
    selector: char,
) -> (String, usize) {
    let (digits, word) = if selector == 'u' { (4, "four") } else { (8, "eight") };
    let hex = escape.get(2..2 + digits).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    let Some(hex) = hex else {
        let detail = format!(
            "The \\{selector} escape sequence must be followed by {word} hexadecimal digits."
        );
        bad_escape(parser, range, offset, 2, detail);
        return (format!("\\{selector}"), 2);
    };
    let code = u32::from_str_radix(hex, 16).unwrap_or(u32::MAX);
    match char::from_u32(code) {
        Some(character) => (character.to_string(), 2 + digits),
        None => {
            let detail = format!("Cannot encode character U+{code:04x} in UTF-8.");
            bad_escape(parser, range, offset, 2 + digits, detail);
            (String::new(), 2 + digits)
        }
    }
}

fn bad_escape(parser: &mut Parser<'_>, range: Range, offset: usize, length: usize, detail: String) {
    let fit = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let start = range.start.saturating_add(fit(offset));
    let range = Range { start, end: start.saturating_add(fit(length)) };
    parser.problem(range, "Invalid escape sequence", detail);
}
