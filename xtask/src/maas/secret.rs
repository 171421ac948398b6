//! An API key that no output can show.

use std::fmt;

/// `consumer:token:secret`, as MAAS prints it on the page of a user.
///
/// Whoever has it has the rights of that user. `Debug` shows nothing of it;
/// there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    consumer: String,
    token: String,
    secret: String,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

/// What replaces a part of the key in texts of others.
const MASK: &str = "***";

impl ApiKey {
    /// Takes a key apart.
    ///
    /// # Errors
    /// It has not three parts of letters and digits. The text itself is not shown.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.trim().split(':').collect();
        match parts.as_slice() {
            [c, t, s] => Self::new(c, t, s),
            other => Err(format!(
                "an API key has 3 parts separated by `:`, this has {}\n  hint: copy it whole from \
                 MAAS: your name, API keys; or `sudo maas apikey --username NAME`",
                other.len()
            )),
        }
    }

    /// A key from its parts.
    ///
    /// # Errors
    /// A part is empty or has characters that cannot be in a key.
    pub fn new(consumer: &str, token: &str, secret: &str) -> Result<Self, String> {
        for (name, part) in [("first", consumer), ("second", token), ("third", secret)] {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(format!("the {name} part of the API key is not letters and digits"));
            }
        }
        Ok(Self { consumer: consumer.into(), token: token.into(), secret: secret.into() })
    }

    /// Consumer key, token key, token secret: for the one place that signs.
    pub(super) fn parts(&self) -> (&str, &str, &str) {
        (&self.consumer, &self.token, &self.secret)
    }

    /// `text` without any part of the key. MAAS itself writes the secret into
    /// the answer to a wrong signature.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        [&self.secret, &self.token, &self.consumer]
            .into_iter()
            .fold(text.to_owned(), |text, part| text.replace(part.as_str(), MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows() {
        let key = ApiKey::parse(" ckckck:tktktk:tststs\n").unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey(***)");
        assert_eq!(key.scrub("base string: &tststs, tktktk"), "base string: &***, ***");
    }

    #[test]
    fn broken_keys_are_named_but_not_shown() {
        for bad in ["", "hunter2", "hunter2:x", "hunter2:b:c:d", "hunter2::c", "hunter2:b:c d"] {
            let error = ApiKey::parse(bad).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
