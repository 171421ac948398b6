//! Lengths of names, numbers and literal text.

/// Whether a name can start with this character.
pub(crate) fn is_ident_start(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

/// Whether a name can go on with this character.
pub(crate) fn is_ident_continue(character: char) -> bool {
    matches!(character, '_' | '-') || character.is_alphanumeric() || is_combining(character)
}

/// Marks that may continue a name but not start one.
fn is_combining(character: char) -> bool {
    matches!(u32::from(character), 0xb7 | 0x300..=0x36f | 0x203f | 0x2040 | 0x20d0..=0x20f0 | 0xfe00..=0xfe0f)
}

/// Length of the name at the start of a text.
pub(crate) fn ident_length(text: &str) -> usize {
    text.find(|character| !is_ident_continue(character)).unwrap_or(text.len())
}

/// Length of a number: digits, points and exponents, not ending in a point.
pub(crate) fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_digit);
    let (mut at, mut end) = (0, 0);
    loop {
        at += match bytes.get(at) {
            Some(b'0'..=b'9') => 1,
            Some(b'.') => {
                at += 1;
                continue;
            }
            Some(b'e' | b'E') if digit(at + 1) => 2,
            Some(b'e' | b'E')
                if matches!(bytes.get(at + 1), Some(b'+' | b'-')) && digit(at + 2) =>
            {
                3
            }
            _ => return end,
        };
        end = at;
    }
}

/// Where literal text stops besides at a template sequence.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Before a quote or line end.
    Quote,
    /// After a line end.
    LineEnd,
}

/// Length of the literal text up to the next sequence, quote or line end.
/// `$${` and `%%{` are text.
pub(crate) fn text_length(text: &str, stop: Stop) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\n' | b'\r' if stop == Stop::Quote => return at,
            b'\n' => return at + 1,
            b'\\'
                if stop == Stop::Quote
                    && !matches!(bytes.get(at + 1), None | Some(b'\n' | b'\r')) =>
            {
                at += 2
            }
            b'$' | b'%' if bytes.get(at + 1) == Some(byte) && bytes.get(at + 2) == Some(&b'{') => {
                at += 3
            }
            b'$' | b'%' if bytes.get(at + 1) == Some(&b'{') => return at,
            b'$' | b'%' if stop == Stop::LineEnd => match before_line_end(text, at) {
                // HCL's scanner ends a literal here; it shows where `~` trims.
                Some(end) => return end,
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    // An escape may have stepped into a character of several bytes, never past
    // the end of one: sequence and quote bytes do not occur inside others.
    at.min(text.len())
}

/// The end of a lone `$` or `%` and the one ASCII character between it and the end
/// of its line.
fn before_line_end(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    let next = rest.chars().next().filter(|next| next.is_ascii() && *next != '\n')?;
    let after = rest.get(next.len_utf8()..)?;
    let line_end = after.starts_with('\n') || (next != '\r' && after.starts_with("\r\n"));
    line_end.then_some(at + 1 + next.len_utf8())
}
