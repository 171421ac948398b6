//! Boot commands: Packer's notation to key events of a US keyboard.
//!
//! `<enter>`, `<f6>`, `<wait>`, `<wait5>`, `<wait1m30s>`, `<leftCtrlOn>`,
//! `<leftCtrlOff>`, `<aOn>`, plain characters. What looks like a tag but is none
//! is typed as it stands, as by Packer.

use std::fmt;
use std::time::Duration;

use super::duration;

/// Something to do at the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Press and release.
    Press(Stroke),
    /// Press and hold.
    Down(Stroke),
    /// Release.
    Up(Stroke),
    /// Do nothing for this time.
    Wait(Duration),
}

/// A key by QEMU's name (`QKeyCode`), with shift if the character needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// Name in QEMU's QAPI schema, such as `ret`.
    pub qcode: &'static str,
    /// Whether the left shift key is held meanwhile.
    pub shift: bool,
}

/// A boot command that cannot be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyError(String);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

/// Names in `<...>` and the key they mean. Upper and lower case are the same.
const SPECIAL: &[(&str, &str)] = &[
    ("bs", "backspace"),
    ("del", "delete"),
    ("down", "down"),
    ("end", "end"),
    ("enter", "ret"),
    ("esc", "esc"),
    ("f1", "f1"),
    ("f10", "f10"),
    ("f11", "f11"),
    ("f12", "f12"),
    ("f2", "f2"),
    ("f3", "f3"),
    ("f4", "f4"),
    ("f5", "f5"),
    ("f6", "f6"),
    ("f7", "f7"),
    ("f8", "f8"),
    ("f9", "f9"),
    ("home", "home"),
    ("insert", "insert"),
    ("left", "left"),
    ("leftalt", "alt"),
    // Packer sends these four by the names of an Apple keyboard; on a PC they
    // are Alt and the Windows key.
    ("leftcommand", "alt"),
    ("leftctrl", "ctrl"),
    ("leftoption", "meta_l"),
    ("leftshift", "shift"),
    ("leftsuper", "meta_l"),
    ("menu", "menu"),
    ("pagedown", "pgdn"),
    ("pageup", "pgup"),
    ("return", "ret"),
    ("right", "right"),
    ("rightalt", "alt_r"),
    ("rightcommand", "alt_r"),
    ("rightctrl", "ctrl_r"),
    ("rightoption", "meta_r"),
    ("rightshift", "shift_r"),
    ("rightsuper", "meta_r"),
    ("spacebar", "spc"),
    ("tab", "tab"),
    ("up", "up"),
];

/// Characters of a US keyboard that are neither letters nor digits: plain,
/// shifted, key.
const SYMBOLS: &[(char, char, &str)] = &[
    (' ', ' ', "spc"),
    ('-', '_', "minus"),
    ('=', '+', "equal"),
    ('[', '{', "bracket_left"),
    (']', '}', "bracket_right"),
    (';', ':', "semicolon"),
    ('\'', '"', "apostrophe"),
    ('`', '~', "grave_accent"),
    ('\\', '|', "backslash"),
    (',', '<', "comma"),
    ('.', '>', "dot"),
    ('/', '?', "slash"),
    ('\t', '\t', "tab"),
    ('\n', '\n', "ret"),
];

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const LETTERS: [&str; 26] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s",
    "t", "u", "v", "w", "x", "y", "z",
];
/// What shift makes of the digits 0 to 9.
const SHIFTED_DIGITS: &str = ")!@#$%^&*(";

/// Reads a boot command, already rendered.
///
/// # Errors
/// A character that is not on a US keyboard, a wait that is not positive.
pub fn parse(text: &str) -> Result<Vec<Key>, KeyError> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((key, after)) = tag(rest)? {
            keys.push(key);
            rest = after;
        } else {
            keys.push(Key::Press(stroke(first)?));
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    Ok(keys)
}

/// Reads `<...>` at the start, if it is one.
fn tag(text: &str) -> Result<Option<(Key, &str)>, KeyError> {
    let Some((inner, after)) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
        return Ok(None);
    };
    if let Some(key) = wait(inner)?.or_else(|| special(inner)) {
        return Ok(Some((key, after)));
    }
    // `<>On>`: the character between may be `>` itself.
    let mut characters = text.strip_prefix('<').unwrap_or_default().chars();
    let Some(character) = characters.next() else { return Ok(None) };
    for (suffix, make) in [("on>", Key::Down as fn(Stroke) -> Key), ("off>", Key::Up)] {
        let tail = characters.as_str();
        if let Some(after) = strip_prefix_ignoring_case(tail, suffix) {
            return Ok(Some((make(stroke(character)?), after)));
        }
    }
    Ok(None)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(tail)
}

/// `wait`, `wait5` (seconds) or `wait1m30s`.
fn wait(inner: &str) -> Result<Option<Key>, KeyError> {
    let Some(time) = inner.strip_prefix("wait") else { return Ok(None) };
    let time = match time {
        "" => Duration::from_secs(1),
        _ => match time.parse().map(Duration::from_secs).ok().or_else(|| duration::parse(time)) {
            Some(time) => time,
            None => return Ok(None),
        },
    };
    if time.is_zero() {
        return Err(KeyError(format!("`<{inner}>` must wait for more than no time")));
    }
    Ok(Some(Key::Wait(time)))
}

fn special(inner: &str) -> Option<Key> {
    let name = inner.to_ascii_lowercase();
    let find = |name: &str| {
        let found = SPECIAL.iter().find(|(known, _)| *known == name)?;
        Some(Stroke { qcode: found.1, shift: false })
    };
    let held = || Some(Key::Down(find(name.strip_suffix("on")?)?));
    let released = || Some(Key::Up(find(name.strip_suffix("off")?)?));
    find(&name).map(Key::Press).or_else(held).or_else(released)
}

/// The key for a character.
fn stroke(character: char) -> Result<Stroke, KeyError> {
    let at = |names: &[&'static str], first: char, shift| {
        let index = usize::try_from(u32::from(character).checked_sub(u32::from(first))?).ok()?;
        names.get(index).map(|qcode| Stroke { qcode, shift })
    };
    let shifted_digit = || {
        let index = SHIFTED_DIGITS.chars().position(|known| known == character)?;
        DIGITS.get(index).map(|qcode| Stroke { qcode, shift: true })
    };
    let symbol = || {
        let is = |(plain, shifted, _): &&(char, char, _)| [*plain, *shifted].contains(&character);
        let (plain, _, qcode) = SYMBOLS.iter().find(is)?;
        Some(Stroke { qcode, shift: *plain != character })
    };
    let found = match character {
        '0'..='9' => at(&DIGITS, '0', false),
        'a'..='z' => at(&LETTERS, 'a', false),
        'A'..='Z' => at(&LETTERS, 'A', true),
        _ => shifted_digit().or_else(symbol),
    };
    found.ok_or_else(|| KeyError(format!("{character:?} is not on a US keyboard")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(qcode: &'static str, shift: bool) -> Key {
        Key::Press(Stroke { qcode, shift })
    }

    #[test]
    fn tags_and_characters() {
        let plain = |qcode| Stroke { qcode, shift: false };
        let cases: Vec<(&str, Vec<Key>)> = vec![
            (
                "aZ0 /",
                vec![
                    press("a", false),
                    press("z", true),
                    press("0", false),
                    press("spc", false),
                    press("slash", false),
                ],
            ),
            (
                "<enter><ESC><pageUp>",
                vec![press("ret", false), press("esc", false), press("pgup", false)],
            ),
            ("<f1><f12>", vec![press("f1", false), press("f12", false)]),
            (
                "<wait><wait5><wait1m30s><wait100ms>",
                vec![
                    Key::Wait(Duration::from_secs(1)),
                    Key::Wait(Duration::from_secs(5)),
                    Key::Wait(Duration::from_secs(90)),
                    Key::Wait(Duration::from_millis(100)),
                ],
            ),
            (
                "<leftCtrlOn>x<leftCtrlOff>",
                vec![Key::Down(plain("ctrl")), press("x", false), Key::Up(plain("ctrl"))],
            ),
            (
                "<aOn><aOff><>on>",
                vec![
                    Key::Down(plain("a")),
                    Key::Up(plain("a")),
                    Key::Down(Stroke { qcode: "dot", shift: true }),
                ],
            ),
            // Not tags, so they are typed.
            ("<x", vec![press("comma", true), press("x", false)]),
            (
                "<no>",
                vec![
                    press("comma", true),
                    press("n", false),
                    press("o", false),
                    press("dot", true),
                ],
            ),
        ];
        for (text, keys) in cases {
            assert_eq!(parse(text), Ok(keys), "{text}");
        }
    }

    #[test]
    fn every_printable_ascii_character_has_its_own_stroke() {
        let mut seen = std::collections::HashSet::new();
        for character in ' '..='~' {
            let stroke = stroke(character).unwrap();
            assert!(seen.insert((stroke.qcode, stroke.shift)), "{character}");
        }
        assert_eq!(stroke('*').unwrap(), Stroke { qcode: "8", shift: true });
        assert_eq!(stroke('"').unwrap(), Stroke { qcode: "apostrophe", shift: true });
    }

    #[test]
    fn what_cannot_be_typed_is_named() {
        assert_eq!(parse("a\u{e9}").unwrap_err().to_string(), "'é' is not on a US keyboard");
        assert!(parse("<wait0>").is_err());
    }

    #[test]
    fn special_names_are_sorted_and_complete() {
        assert!(SPECIAL.is_sorted());
        // 12 function keys, 15 modifiers with both sides, 14 others.
        assert_eq!(SPECIAL.len(), 41);
    }
}
