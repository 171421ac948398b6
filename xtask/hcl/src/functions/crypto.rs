//! Hashes, passwords, keys and UUIDs.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::args::{number, string, text, whole};
use super::encoding::decode_base64;
use super::rsa;
use crate::function::{
    Body, Context, Function, FunctionError, Impure, Kind, PLACEHOLDER_UUID, Param, Returns,
};
use crate::quote::quote;
use crate::value::Value;

const fn function(name: &'static str, params: &'static [Param], body: Body) -> Function {
    let returns = Returns::Always(Kind::String);
    Function { name, params, variadic: None, returns, not_null: false, body }
}

const STR: &[Param] = &[string("str")];

pub(super) static MD5: Function =
    function("md5", STR, |_, args, _| digest::<md5::Md5>(text(args, 0)?));
pub(super) static SHA1: Function =
    function("sha1", STR, |_, args, _| digest::<Sha1>(text(args, 0)?));
pub(super) static SHA256: Function =
    function("sha256", STR, |_, args, _| digest::<Sha256>(text(args, 0)?));
pub(super) static SHA512: Function =
    function("sha512", STR, |_, args, _| digest::<Sha512>(text(args, 0)?));

fn digest<D: Digest>(text: &str) -> Result<Value, FunctionError> {
    Ok(Value::string(hex(&D::digest(text.as_bytes()))))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that nobody can guess; zeros if results must be the same every time.
fn random<const N: usize>(context: &Context<'_>) -> Result<[u8; N], FunctionError> {
    let mut bytes = [0; N];
    if let Impure::Real { .. } = context.impure {
        getrandom::fill(&mut bytes).map_err(|error| {
            FunctionError::new(format!("the system has no random numbers: {error}"))
        })?;
    }
    Ok(bytes)
}

pub(super) static BCRYPT: Function = Function {
    variadic: Some(number("cost")),
    ..function("bcrypt", STR, |context, args, _| {
        let cost = if args.len() > 1 { whole(args, 1)? } else { BCRYPT_COST };
        if args.len() > 2 {
            return Err(FunctionError::new("bcrypt() takes no more than two arguments"));
        }
        bcrypt_hash(context, text(args, 0)?, cost).map(Value::string)
    })
};

/// The cost if none is asked for, or one that is too low.
const BCRYPT_COST: i64 = 10;

/// The hash in the `$2a$` form.
fn bcrypt_hash(context: &Context<'_>, password: &str, cost: i64) -> Result<String, FunctionError> {
    const MAX_LENGTH: usize = 72;
    let fail =
        |reason: String| FunctionError::new(format!("error occured generating password {reason}"));
    if password.len() > MAX_LENGTH {
        return Err(fail(format!("bcrypt: password length exceeds {MAX_LENGTH} bytes")));
    }
    let cost = if cost < 4 { BCRYPT_COST } else { cost };
    let Some(rounds) = u32::try_from(cost).ok().filter(|rounds| *rounds <= 31) else {
        let message =
            format!("crypto/bcrypt: cost {cost} is outside allowed inclusive range 4..31");
        return Err(fail(message));
    };
    let hash = bcrypt::hash_with_salt(password, rounds, random::<16>(context)?)
        .map_err(|error| fail(error.to_string()))?;
    Ok(hash.format_for_version(bcrypt::Version::TwoA))
}

pub(super) static RSADECRYPT: Function =
    function("rsadecrypt", &[string("ciphertext"), string("privatekey")], |_, args, _| {
        let (given, key) = (text(args, 0)?, text(args, 1)?);
        let ciphertext = decode_base64(given).map_err(|_offset| {
            let given = quote(given);
            FunctionError::new(format!(
                "failed to decode input {given}: cipher text must be base64-encoded"
            ))
        })?;
        let key = rsa::PrivateKey::from_pem(key).map_err(FunctionError::new)?;
        let plain = key
            .decrypt(&ciphertext)
            .ok_or_else(|| FunctionError::new("crypto/rsa: decryption error"))?;
        Ok(Value::string(String::from_utf8_lossy(&plain)))
    });

pub(super) static UUIDV4: Function = function("uuidv4", &[], |context, _, _| {
    Ok(Value::string(match context.impure {
        Impure::Placeholder => PLACEHOLDER_UUID.to_owned(),
        Impure::Real { .. } => show_uuid(random::<16>(context)?, 4),
    }))
});

pub(super) static UUIDV5: Function =
    function("uuidv5", &[string("namespace"), string("name")], |_, args, _| {
        let (namespace, name) = (text(args, 0)?, text(args, 1)?);
        let id = namespace_id(namespace).map_err(|reason| {
            let message = format!("uuidv5() doesn't support namespace {namespace} ({reason})");
            FunctionError::new(message)
        })?;
        let digest = Sha1::new().chain_update(id).chain_update(name.as_bytes()).finalize();
        let (bytes, _) = digest
            .as_slice()
            .split_first_chunk::<16>()
            .ok_or_else(|| FunctionError::new("SHA-1 is shorter than a UUID"))?;
        Ok(Value::string(show_uuid(*bytes, 5)))
    });

/// The text of a UUID after its version and variant are set (RFC 9562).
fn show_uuid(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex(&bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("").to_owned();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// A well-known namespace of RFC 9562, appendix A, or any UUID.
fn namespace_id(namespace: &str) -> Result<[u8; 16], String> {
    match namespace {
        "dns" => parse_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        "url" => parse_uuid("6ba7b811-9dad-11d1-80b4-00c04fd430c8"),
        "oid" => parse_uuid("6ba7b812-9dad-11d1-80b4-00c04fd430c8"),
        "x500" => parse_uuid("6ba7b814-9dad-11d1-80b4-00c04fd430c8"),
        other => parse_uuid(other),
    }
}

/// Reads a UUID: plain, with `urn:uuid:`, in any brackets, or without hyphens.
fn parse_uuid(text: &str) -> Result<[u8; 16], String> {
    let bytes = text.as_bytes();
    let plain = match bytes.len() {
        36 | 32 => bytes,
        45 => match bytes.split_at(9) {
            (prefix, rest) if prefix.eq_ignore_ascii_case(b"urn:uuid:") => rest,
            (prefix, _) => {
                let prefix = quote(&String::from_utf8_lossy(prefix));
                return Err(format!("invalid urn prefix: {prefix}"));
            }
        },
        38 => bytes.get(1..37).unwrap_or(bytes),
        length => return Err(format!("invalid UUID length: {length}")),
    };
    let hyphens = [8, 13, 18, 23];
    let in_place = |index: usize| plain.get(index) == Some(&b'-');
    let digits: Vec<u8> = if plain.len() == 32 {
        plain.to_vec()
    } else if hyphens.into_iter().all(in_place) {
        let digit = |(index, _): &(usize, &u8)| !hyphens.contains(index);
        plain.iter().enumerate().filter(digit).map(|(_, byte)| *byte).collect()
    } else {
        return Err("invalid UUID format".to_owned());
    };
    let value = std::str::from_utf8(&digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|digits| u128::from_str_radix(digits, 16).ok());
    value.map(u128::to_be_bytes).ok_or_else(|| "invalid UUID format".to_owned())
}
