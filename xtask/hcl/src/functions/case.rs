//! Upper, lower and title case as Go does it: character by character, with
//! Unicode's simple mappings (`ß` stays `ß`, a final sigma is an ordinary one).

/// Go's `strings.ToUpper`.
pub(super) fn upper(text: &str) -> String {
    text.chars().map(upper_char).collect()
}

/// Go's `strings.ToLower`.
pub(super) fn lower(text: &str) -> String {
    text.chars().map(lower_char).collect()
}

/// Go's `strings.Title`: title case after everything that is not a letter,
/// digit or underscore.
pub(super) fn title(text: &str) -> String {
    let mut previous = ' ';
    let convert = |character| {
        let starts = is_separator(previous);
        previous = character;
        if starts { title_char(character) } else { character }
    };
    text.chars().map(convert).collect()
}

fn upper_char(character: char) -> char {
    single(character.to_uppercase()).unwrap_or_else(|| greek_iota(character))
}

fn lower_char(character: char) -> char {
    match character {
        // The full mapping adds a combining dot, the simple one does not.
        'İ' => 'i',
        _ => single(character.to_lowercase()).unwrap_or(character),
    }
}

fn title_char(character: char) -> char {
    match character {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        // Georgian has capitals, but no title case.
        'ა'..='ჿ' => character,
        _ => upper_char(character),
    }
}

/// The character, if the mapping has exactly one.
fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    if mapped.next().is_some() { None } else { first }
}

/// Greek letters with iota subscript: their full upper case is two letters,
/// the simple one is the letter with the iota beside it.
fn greek_iota(character: char) -> char {
    let code = u32::from(character);
    let capital = match code {
        0x1f80..=0x1faf if code & 8 == 0 => code + 8,
        0x1fb3 | 0x1fc3 | 0x1ff3 => code + 9,
        _ => code,
    };
    char::from_u32(capital).unwrap_or(character)
}

fn is_separator(character: char) -> bool {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => false,
        _ if character.is_ascii() => true,
        _ if character.is_alphanumeric() => false,
        _ => character.is_whitespace(),
    }
}

#[cfg(test)]
mod tests {
    use super::{lower, title, upper};

    #[test]
    fn simple_mappings() {
        for (given, want_upper, want_lower, want_title) in [
            ("straße", "STRAßE", "straße", "Straße"),
            ("ᾳ ᾀ", "ᾼ ᾈ", "ᾳ ᾀ", "ᾼ ᾈ"),
            ("ŉ ǰ", "ŉ ǰ", "ŉ ǰ", "ŉ ǰ"),
            ("ΑΣ", "ΑΣ", "ας".replace('ς', "σ").as_str(), "ΑΣ"),
            ("ა", "Ა", "ა", "ა"),
        ] {
            assert_eq!(upper(given), want_upper);
            assert_eq!(lower(given), want_lower);
            assert_eq!(title(given), want_title);
        }
    }
}
