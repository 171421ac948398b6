//! Go's quoted form of a string (`%q`), which HCL's messages use.

use std::fmt::Write;

/// The string in double quotes with Go's escapes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        push_escaped(&mut quoted, character);
    }
    quoted.push('"');
    quoted
}

fn push_escaped(quoted: &mut String, character: char) {
    let code = u32::from(character);
    // Writing to a String cannot fail.
    let _infallible = match character {
        '"' | '\\' => write!(quoted, "\\{character}"),
        '\u{7}' => write!(quoted, "\\a"),
        '\u{8}' => write!(quoted, "\\b"),
        '\u{c}' => write!(quoted, "\\f"),
        '\n' => write!(quoted, "\\n"),
        '\r' => write!(quoted, "\\r"),
        '\t' => write!(quoted, "\\t"),
        '\u{b}' => write!(quoted, "\\v"),
        _ if is_printable(character) => write!(quoted, "{character}"),
        _ if code < 0x20 || code == 0x7f => write!(quoted, "\\x{code:02x}"),
        _ if code > 0xffff => write!(quoted, "\\U{code:08x}"),
        _ => write!(quoted, "\\u{code:04x}"),
    };
}

/// Go's idea of printable, without its tables: everything but controls,
/// spaces other than the ASCII one, invisible formatting and private use.
fn is_printable(character: char) -> bool {
    if character == ' ' {
        return true;
    }
    let invisible = matches!(
        u32::from(character),
        0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xd800..=0xf8ff | 0xfeff
            | 0xfff0..=0xfffb | 0xfffe..=0xffff | 0xe0000..
    );
    !character.is_control() && !character.is_whitespace() && !invisible
}
