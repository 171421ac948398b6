//! Escapes and bracket classes of Go's regular expressions.

use super::go_regex::PatternError;

/// The character as a pattern that matches just it.
pub(super) fn literal(character: char) -> String {
    if character.is_ascii_alphanumeric() || !character.is_ascii() {
        return character.to_string();
    }
    format!("\\x{{{:x}}}", u32::from(character))
}

/// Go's Perl classes are ASCII.
fn perl(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => "[\\t\\n\\x0c\\r ]",
        'S' => "[^\\t\\n\\x0c\\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// The escape at the front, written for Rust, and its length.
pub(super) fn escape(text: &str) -> Result<(String, usize), PatternError> {
    match text.chars().nth(1) {
        Some('p' | 'P') => unicode(text),
        Some(letter) if perl(letter).is_some() => {
            Ok((perl(letter).unwrap_or_default().to_owned(), 2))
        }
        _ => {
            let (character, length) = character(text)?;
            Ok((literal(character), length))
        }
    }
}

/// `\pL`, `\p{Greek}`, `\P{Greek}` or `\p{^Greek}`.
fn unicode(text: &str) -> Result<(String, usize), PatternError> {
    const INVALID: &str = "invalid character class range";
    let rest = text.get(2..).unwrap_or("");
    let (name, length) = match rest.strip_prefix('{') {
        Some(inside) => {
            let (name, _) =
                inside.split_once('}').ok_or_else(|| PatternError::new(INVALID, text))?;
            (name.to_owned(), name.len() + 4)
        }
        None => {
            let letter = rest.chars().next().ok_or_else(|| PatternError::new(INVALID, text))?;
            (letter.to_string(), letter.len_utf8() + 2)
        }
    };
    let written = text.get(..length).unwrap_or(text);
    let (name, inverted) = match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let letter = if text.starts_with("\\P") != inverted { 'P' } else { 'p' };
    let class = format!("\\{letter}{{{name}}}");
    let known = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !known || regex::Regex::new(&class).is_err() {
        return Err(PatternError::new(INVALID, written));
    }
    Ok((class, length))
}

/// The escape of a single character, and its length.
fn character(text: &str) -> Result<(char, usize), PatternError> {
    let mut rest = text.chars().skip(1);
    let Some(first) = rest.next() else {
        return Err(PatternError::new("trailing backslash at end of expression", ""));
    };
    let invalid = |length: usize| {
        let written = text.get(..length).unwrap_or(text);
        PatternError::new("invalid escape sequence", written)
    };
    let simple = match first {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        'x' => return hexadecimal(text).ok_or_else(|| invalid(3)),
        // A single digit that is not zero would be a back reference.
        '0'..='7' => {
            let digits = text.get(1..).unwrap_or("");
            let count = digits.bytes().take(3).take_while(|b| matches!(b, b'0'..=b'7')).count();
            let value = digits.get(..count).and_then(|digits| u32::from_str_radix(digits, 8).ok());
            let character = value.and_then(char::from_u32).filter(|_| first == '0' || count > 1);
            return character.map(|c| (c, count + 1)).ok_or_else(|| invalid(2));
        }
        punctuation if punctuation.is_ascii() && !punctuation.is_ascii_alphanumeric() => {
            punctuation
        }
        other => return Err(invalid(1 + other.len_utf8())),
    };
    Ok((simple, 1 + first.len_utf8()))
}

/// `\x7f` or `\x{10ffff}`.
fn hexadecimal(text: &str) -> Option<(char, usize)> {
    let rest = text.get(2..)?;
    let (digits, length) = match rest.strip_prefix('{') {
        Some(inside) => {
            let (digits, _) = inside.split_once('}')?;
            (digits, digits.len() + 4)
        }
        None => (rest.get(..2)?, 4),
    };
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| valid)?;
    Some((char::from_u32(code)?, length))
}

/// The class in brackets at the front, written for Rust, and its length.
pub(super) fn bracket(text: &str) -> Result<(String, usize), PatternError> {
    let missing = || PatternError::new("missing closing ]", text);
    let mut output = String::from("[");
    let mut position = 1;
    if text.get(1..).is_some_and(|rest| rest.starts_with('^')) {
        output.push('^');
        position += 1;
    }
    let mut first = true;
    loop {
        let rest = text.get(position..).filter(|rest| !rest.is_empty()).ok_or_else(missing)?;
        if rest.starts_with(']') && !first {
            output.push(']');
            return Ok((output, position + 1));
        }
        first = false;
        let (item, length) = item(rest, &missing)?;
        output.push_str(&item);
        position += length;
    }
}

/// One member of a class: a named class, an escape, a character or a range.
fn item(text: &str, missing: &dyn Fn() -> PatternError) -> Result<(String, usize), PatternError> {
    const POSIX: [&str; 14] = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
        "space", "upper", "word", "xdigit",
    ];
    if let Some((name, _)) = text.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
        let written = text.get(..name.len() + 4).unwrap_or(text);
        if POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Ok((written.to_owned(), written.len()));
        }
        return Err(PatternError::new("invalid character class range", written));
    }
    let letter = text.strip_prefix('\\').and_then(|rest| rest.chars().next());
    if letter.is_some_and(|letter| matches!(letter, 'p' | 'P') || perl(letter).is_some()) {
        return escape(text);
    }
    let (low, length) = member(text, missing)?;
    let rest = text.get(length..).unwrap_or("");
    let Some(upper) =
        rest.strip_prefix('-').filter(|rest| !rest.is_empty() && !rest.starts_with(']'))
    else {
        return Ok((literal(low), length));
    };
    let (high, more) = member(upper, missing)?;
    let length = length + 1 + more;
    if high < low {
        let written = text.get(..length).unwrap_or(text);
        return Err(PatternError::new("invalid character class range", written));
    }
    Ok((format!("{}-{}", literal(low), literal(high)), length))
}

/// A single character of a class.
fn member(text: &str, missing: &dyn Fn() -> PatternError) -> Result<(char, usize), PatternError> {
    match text.chars().next() {
        None => Err(missing()),
        Some('\\') => character(text),
        Some(other) => Ok((other, other.len_utf8())),
    }
}
