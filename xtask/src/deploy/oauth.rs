//! OAuth 1 as MAAS's metadata service speaks it: PLAINTEXT signatures, the
//! consumer's secret empty.

use std::fs::File;
use std::io::{self, Read};

/// A machine's credentials.
#[derive(Clone)]
pub struct Credentials {
    /// Consumer key.
    pub consumer_key: String,
    /// Token.
    pub token_key: String,
    /// Secret of the token.
    pub token_secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(...)")
    }
}

/// Seconds that a request's clock may differ from ours, as in MAAS.
pub const MAX_SKEW: u64 = 300;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No OAuth header at all.
    Missing,
    /// A parameter is not what MAAS gave.
    Wrong(&'static str),
    /// The guest's clock is off by this many seconds.
    Skew(u64),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("no OAuth header"),
            Self::Wrong(name) => write!(f, "{name} is not the one that MAAS gave"),
            Self::Skew(by) => {
                write!(f, "the machine's clock is off by {by} s, MAAS accepts at most {MAX_SKEW} s")
            }
        }
    }
}

impl Credentials {
    /// Fresh random ones.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn random() -> io::Result<Self> {
        Ok(Self {
            consumer_key: random_word()?,
            token_key: random_word()?,
            token_secret: random_word()?,
        })
    }

    /// Checks an `Authorization` header at `now` (seconds since 1970).
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn check(&self, header: Option<&str>, now: u64) -> Result<(), Refusal> {
        let header = header.and_then(|h| h.strip_prefix("OAuth ")).ok_or(Refusal::Missing)?;
        let value = |name: &str| {
            header
                .split(',')
                .filter_map(|pair| pair.trim().split_once('='))
                .find_map(|(k, v)| (k == name).then(|| percent_decode(v.trim_matches('"'))))
        };
        let expected = [
            ("oauth_consumer_key", self.consumer_key.clone()),
            ("oauth_token", self.token_key.clone()),
            ("oauth_signature_method", "PLAINTEXT".to_owned()),
            ("oauth_signature", format!("&{}", self.token_secret)),
        ];
        for (name, right) in expected {
            if value(name).as_deref() != Some(&right) {
                return Err(Refusal::Wrong(name));
            }
        }
        let stamp = value("oauth_timestamp").and_then(|text| text.parse::<u64>().ok());
        let stamp = stamp.ok_or(Refusal::Wrong("oauth_timestamp"))?;
        let skew = stamp.abs_diff(now);
        if skew > MAX_SKEW { Err(Refusal::Skew(skew)) } else { Ok(()) }
    }
}

/// 18 letters and digits of 64 bits and more, as MAAS's own keys look.
pub fn random_word() -> io::Result<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyzACDEFG23";
    let mut bytes = [0_u8; 18];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    Ok(bytes.iter().map(letter).collect())
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |range: &[u8]| {
            std::str::from_utf8(range).ok().and_then(|h| u8::from_str_radix(h, 16).ok())
        };
        match (first, tail.get(..2).and_then(hex)) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials { consumer_key: "ck".into(), token_key: "tk".into(), token_secret: "ts".into() }
    }

    /// synthetic, in the form of Python's oauthlib, which cloud-init uses
    fn header(signature: &str, timestamp: u64) -> String {
        format!(
            "OAuth oauth_nonce=\"1\", oauth_timestamp=\"{timestamp}\", oauth_version=\"1.0\", \
             oauth_signature_method=\"PLAINTEXT\", oauth_consumer_key=\"ck\", oauth_token=\"tk\", \
             oauth_signature=\"{signature}\""
        )
    }

    #[test]
    fn accepts_the_right_header_only() {
        let check = |header: &str| credentials().check(Some(header), 1000);
        assert_eq!(check(&header("%26ts", 1000)), Ok(()));
        assert_eq!(check(&header("%26ts", 1300)), Ok(()));
        assert_eq!(check(&header("%26ts", 1301)), Err(Refusal::Skew(301)));
        assert_eq!(check(&header("%26xx", 1000)), Err(Refusal::Wrong("oauth_signature")));
        assert_eq!(check("OAuth "), Err(Refusal::Wrong("oauth_consumer_key")));
        assert_eq!(check("Basic x"), Err(Refusal::Missing));
        assert_eq!(credentials().check(None, 0), Err(Refusal::Missing));
    }

    #[test]
    fn decodes_any_percent_text() {
        for (text, expected) in [("%26a", "&a"), ("%", "%"), ("%2", "%2"), ("%zz", "%zz"), ("", "")]
        {
            assert_eq!(percent_decode(text), expected);
        }
    }

    #[test]
    fn words_differ_and_never_show_in_debug() {
        let one = Credentials::random().unwrap();
        assert_ne!(one.token_key, one.token_secret);
        assert!(!format!("{one:?}").contains(&one.token_secret));
    }
}
