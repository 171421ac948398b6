//! Checksums in the forms that Packer's `iso_checksum` takes.

use std::fmt;
use std::str::FromStr;

use super::MediaError;

/// A hash function that Packer accepts and that still protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Name in Packer's prefix and in BSD checksum lines (there in upper case).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the digest in hexadecimal digits.
    const fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// By name in any case, with or without the dash that some tools write.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('-', "");
        [Self::Sha256, Self::Sha512].into_iter().find(|a| a.name() == name)
    }

    fn by_hex_len(len: usize) -> Option<Self> {
        [Self::Sha256, Self::Sha512].into_iter().find(|a| a.hex_len() == len)
    }
}

/// An algorithm and its value in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Hash function.
    pub algorithm: Algorithm,
    /// Value, lower case, of the algorithm's length.
    pub hex: String,
}

impl Digest {
    /// Checks length and digits.
    ///
    /// # Errors
    /// The value is not one of this algorithm.
    pub fn new(algorithm: Algorithm, hex: &str) -> Result<Self, MediaError> {
        let hex = hex.trim().to_ascii_lowercase();
        if hex.len() != algorithm.hex_len() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(MediaError::Form(format!(
                "`{hex}` is no {} value: that has {} hexadecimal digits",
                algorithm.name(),
                algorithm.hex_len()
            )));
        }
        Ok(Self { algorithm, hex })
    }

    /// The algorithm follows from the length, as in a `SHA512SUMS` line.
    #[must_use]
    pub fn by_length(hex: &str) -> Option<Self> {
        Self::new(Algorithm::by_hex_len(hex.len())?, hex).ok()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

/// What a medium is checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing; only for a medium the user brings. Its hash is recorded.
    None,
    /// This value.
    Known(Digest),
    /// The entry of the medium's file name in this list (URL or path).
    File(String),
}

impl FromStr for Checksum {
    type Err = MediaError;

    fn from_str(text: &str) -> Result<Self, MediaError> {
        let text = text.trim();
        if text == "none" {
            return Ok(Self::None);
        }
        let Some((kind, value)) = text.split_once(':') else {
            return Digest::by_length(text).map(Self::Known).ok_or_else(|| unknown(text));
        };
        if kind == "file" {
            return Ok(Self::File(value.to_owned()));
        }
        let algorithm = Algorithm::by_name(kind).ok_or_else(|| unknown(text))?;
        Digest::new(algorithm, value).map(Self::Known)
    }
}

fn unknown(text: &str) -> MediaError {
    let weak = ["md5", "sha1"].iter().any(|name| text.starts_with(&format!("{name}:")));
    let why = if weak { ": md5 and sha1 protect against nothing" } else { "" };
    MediaError::Form(format!(
        "checksum `{text}` is not understood{why}\n  hint: use sha256:..., sha512:..., file:<URL or path of a checksum list> or none"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let h256 = "AB".repeat(32);
        let h512 = "0f".repeat(64);
        let known = |a, h: &str| Checksum::Known(Digest { algorithm: a, hex: h.to_lowercase() });
        for (text, expected) in [
            ("none".to_owned(), Checksum::None),
            (format!("sha256:{h256}"), known(Algorithm::Sha256, &h256)),
            (format!(" SHA512:{h512} "), known(Algorithm::Sha512, &h512)),
            (h256.clone(), known(Algorithm::Sha256, &h256)),
            (h512.clone(), known(Algorithm::Sha512, &h512)),
            ("file:https://x/SHA512SUMS".into(), Checksum::File("https://x/SHA512SUMS".into())),
            ("file:/srv/SHA256SUMS".into(), Checksum::File("/srv/SHA256SUMS".into())),
        ] {
            assert_eq!(text.parse::<Checksum>().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refused_forms() {
        for (text, reason) in [
            ("", "not understood"),
            ("sha256:abc", "64 hexadecimal digits"),
            ("md5:d41d8cd98f00b204e9800998ecf8427e", "protect against nothing"),
            (
                "sha256:zz00000000000000000000000000000000000000000000000000000000000000",
                "no sha256",
            ),
            ("None", "not understood"),
        ] {
            let error = text.parse::<Checksum>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
