//! Texts to and from MAAS: forms, and answers as people may see them.

/// What MAAS says to a request that it has seen before.
pub(super) const NONCE_USED: &str = "Nonce already used";

/// MAAS answers a wrong secret with the right one: its text is never shown.
pub(super) fn unauthorized(text: &str, clock: Option<i64>) -> String {
    let hint = "\n  hint: make a new key in MAAS (your name, API keys), or `maas login` again";
    if clock.is_some() || text.contains("Expired timestamp") {
        return "this host's clock and MAAS's differ by more than 300 s\n  hint: set the clock"
            .into();
    }
    let known = [
        (NONCE_USED, "something on the way sent the request twice"),
        ("Invalid API key", "it does not know the first part of the API key"),
        ("Invalid access token", "it does not know the second part of the API key"),
        ("Invalid signature", "the third part of the API key is wrong"),
    ];
    match known.iter().find(|(words, _)| text.contains(words)) {
        Some((_, meaning)) => format!("{meaning}{hint}"),
        None => format!("the API key is not accepted{hint}"),
    }
}

/// The server's time in `Expired timestamp: given 1 and now 2 has …`.
pub(super) fn clock_of(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("Expired timestamp")?.1.split_once("now ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// One line of an answer, without control characters.
pub(super) fn shorten(text: &str) -> String {
    const MOST: usize = 600;
    let clean: String =
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    let text =
        if clean.to_ascii_lowercase().contains("<html") { strip_tags(&clean) } else { clean };
    if text.is_empty() { "(no text)".into() } else { text }
}

/// The words of a proxy's error page.
fn strip_tags(html: &str) -> String {
    let words =
        html.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
    let mut words: Vec<&str> = words.filter(|w| !w.is_empty()).collect();
    words.dedup();
    words.join(", ")
}

/// `a=1&b=x%20y`.
pub(super) fn encode_form(fields: &[(String, String)]) -> String {
    let pairs = fields.iter().map(|(k, v)| format!("{}={}", percent(k), percent(v)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encodes everything but letters, digits and `-._~`.
#[must_use]
pub fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        let fields = [("na me".to_owned(), "a&b=\u{e4}/~".to_owned()), ("x".into(), String::new())];
        assert_eq!(encode_form(&fields), "na%20me=a%26b%3D%C3%A4%2F~&x=");
    }

    #[test]
    fn what_401_means_without_its_text() {
        // The texts were seen on MAAS 3.4 to 3.8; the values are synthetic.
        let secret =
            "Authorization Error: 'Invalid signature. Expected signature base string: &hunter2'";
        for (text, expected) in [
            (secret, "third part"),
            ("Authorization Error: 'Invalid access token: hunter2'", "second part"),
            ("Authorization Error: Invalid API key.", "first part"),
            ("Forbidden", "not accepted"),
            ("Nonce already used: hunter2", "twice"),
        ] {
            let shown = unauthorized(text, None);
            assert!(shown.contains(expected) && !shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn the_clock_of_the_server() {
        let text = "Expired timestamp: given 100 and now 1700000000 has a greater difference than threshold 300";
        assert_eq!(clock_of(text), Some(1_700_000_000));
        for text in ["Forbidden", "Expired timestamp: now x", "now 5"] {
            assert_eq!(clock_of(text), None, "{text}");
        }
    }

    #[test]
    fn error_pages_become_a_line() {
        let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<h1>502 Bad Gateway</h1><hr>nginx</body></html>";
        assert_eq!(shorten(page), "502 Bad Gateway, nginx");
        assert_eq!(shorten(" \n"), "(no text)");
        assert_eq!(shorten("a\x1b[31mb"), "a [31mb");
    }
}
