//! RSA decryption for `rsadecrypt`: PKCS #1 v1.5 with an unencrypted PKCS #1
//! key (RFC 8017), all that Packer supports.
//!
//! Not constant in time: whoever evaluates a template holds the key anyway.

use num_bigint::BigUint;

use super::encoding::decode_base64;

/// Longest modulus, in bits; Go's limit is the same.
const MAX_MODULUS: u64 = 16384;

/// The parts of a private key that are needed to decrypt.
pub(super) struct PrivateKey {
    modulus: BigUint,
    exponent: BigUint,
}

impl PrivateKey {
    /// Reads the first PEM block of the text. The error is for the user.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        let block = Pem::find(text).ok_or("failed to parse key: no key found")?;
        if block.encrypted {
            return Err("failed to parse key: password protected keys are not supported. Please decrypt the key prior to use".to_owned());
        }
        Self::from_der(&block.bytes).ok_or_else(|| {
            match is_pkcs8(&block.bytes) {
                true => "x509: failed to parse private key (use ParsePKCS8PrivateKey instead for this key format)",
                false => "x509: failed to parse private key: it is not a PKCS #1 RSA key",
            }
            .to_owned()
        })
    }

    /// `RSAPrivateKey`: version, modulus, public exponent, private exponent, …
    fn from_der(bytes: &[u8]) -> Option<Self> {
        let (mut fields, _) = element(bytes, SEQUENCE)?;
        let mut integers = Vec::new();
        while integers.len() < 4 {
            let (content, rest) = element(fields, INTEGER)?;
            integers.push(BigUint::from_bytes_be(content));
            fields = rest;
        }
        let [version, modulus, _, exponent]: [BigUint; 4] = integers.try_into().ok()?;
        let valid = version == BigUint::ZERO
            && modulus.bit(0)
            && modulus.bits() <= MAX_MODULUS
            && exponent < modulus;
        valid.then_some(Self { modulus, exponent })
    }

    /// The message; `None` if the padding shows that it was not meant for this
    /// key.
    pub(super) fn decrypt(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let size = usize::try_from(self.modulus.bits().div_ceil(8)).ok()?;
        let number = BigUint::from_bytes_be(ciphertext);
        if ciphertext.len() > size || number >= self.modulus {
            return None;
        }
        let plain = number.modpow(&self.exponent, &self.modulus).to_bytes_be();
        // 00 02, at least eight bytes of padding, 00, message; the leading
        // zero is not in the number.
        let (head, padded) = plain.split_first()?;
        let end = padded.iter().position(|byte| *byte == 0)?;
        let complete = plain.len() + 1 == size && *head == 2 && end >= 8;
        if complete { padded.get(end + 1..).map(<[u8]>::to_vec) } else { None }
    }
}

const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// The content of the DER element at the front, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match head[1] {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let count = usize::from(long & 0x7f);
            let (digits, rest) = rest.split_at_checked(count)?;
            // Four bytes of length are more than any key has.
            if count > 4 {
                return None;
            }
            (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
        }
    };
    (head[0] == tag).then(|| rest.split_at_checked(length)).flatten()
}

/// Whether this is a `PrivateKeyInfo`: version, then a sequence.
fn is_pkcs8(bytes: &[u8]) -> bool {
    let inner = element(bytes, SEQUENCE).and_then(|(fields, _)| element(fields, INTEGER));
    inner.is_some_and(|(_, rest)| rest.first() == Some(&SEQUENCE))
}

/// A block of PEM text.
struct Pem {
    encrypted: bool,
    bytes: Vec<u8>,
}

impl Pem {
    fn find(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once("-----BEGIN ")?;
        let (label, rest) = rest.split_once("-----")?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        // Headers, if there are any, end with an empty line.
        let body = body.trim_start().replace("\r\n", "\n");
        let (headers, data) = match body.split_once("\n\n") {
            Some((headers, data)) if headers.contains(':') => (headers, data),
            _ => ("", body.as_str()),
        };
        let data: String = data.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let encrypted = headers.lines().any(|line| line.trim() == "Proc-Type: 4,ENCRYPTED");
        Some(Self { encrypted, bytes: decode_base64(&data).ok()? })
    }
}
