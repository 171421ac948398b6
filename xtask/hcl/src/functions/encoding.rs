//! Base64, URL and text encodings.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use flate2::{Compress, Compression, Crc, FlushCompress};

use super::args::{string, text};
use super::charset::Charset;
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns};
use crate::quote::quote;
use crate::value::Value;

/// Go's standard encoding does not look at the unused bits of the last symbol.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

const fn function(name: &'static str, params: &'static [Param], body: Body) -> Function {
    let returns = Returns::Always(Kind::String);
    Function { name, params, variadic: None, returns, not_null: false, body }
}

/// Decodes padded base64; line breaks are allowed anywhere, as in Go. The error
/// is the offset of the first wrong symbol.
pub(super) fn decode_base64(text: &str) -> Result<Vec<u8>, usize> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    LENIENT.decode(&symbols).map_err(|_reason| corrupt_offset(text))
}

/// Where Go's decoder reports the error: at the first byte that cannot stand
/// there, or at the end of an incomplete group.
fn corrupt_offset(text: &str) -> usize {
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let (mut count, mut padding) = (0usize, 0usize);
    for (offset, byte) in text.bytes().enumerate() {
        match byte {
            b'\r' | b'\n' => continue,
            b'=' if count % 4 >= 2 => padding += 1,
            _ if padding > 0 || !in_alphabet(byte) => return offset,
            _ => {}
        }
        count += 1;
        if padding > 0 && count % 4 == 0 {
            // Nothing but line breaks may follow the padding.
            let tail = text.as_bytes().get(offset + 1..).unwrap_or(&[]);
            let extra = tail.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
            return offset + 1 + extra.unwrap_or(0);
        }
    }
    text.len().saturating_sub(count % 4)
}

pub(super) static BASE64ENCODE: Function =
    function("base64encode", &[string("str")], |_, args, _| {
        Ok(Value::string(STANDARD.encode(text(args, 0)?)))
    });

pub(super) static BASE64DECODE: Function =
    function("base64decode", &[string("str")], |_, args, _| {
        let given = text(args, 0)?;
        let bytes = decode_base64(given).map_err(|_offset| {
            FunctionError::new(format!("failed to decode base64 data '{given}'"))
        })?;
        String::from_utf8(bytes).map(Value::string).map_err(|_invalid| {
            FunctionError::new("the result of decoding the the provided string is not valid UTF-8")
        })
    });

pub(super) static BASE64GZIP: Function = function("base64gzip", &[string("str")], |_, args, _| {
    let bytes = gzip(text(args, 0)?.as_bytes()).ok_or_else(|| {
        FunctionError::new("failed to write gzip raw data: the compressor gave up")
    })?;
    Ok(Value::string(STANDARD.encode(bytes)))
});

/// A gzip member as Packer writes it: no name, no time, "unknown system"; the
/// data is flushed, then an empty stored block ends it.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    const LAST_BLOCK: &[u8] = &[1, 0, 0, 0xff, 0xff];
    let mut deflate = Compress::new(Compression::default(), false);
    let mut output = HEADER.to_vec();
    let mut rest = bytes;
    loop {
        // Room for the flush marker and for data that does not compress.
        output.reserve(rest.len() + 4096);
        let (read, written) = (deflate.total_in(), deflate.total_out());
        deflate.compress_vec(rest, &mut output, FlushCompress::Sync).ok()?;
        let consumed = usize::try_from(deflate.total_in() - read).ok()?;
        rest = rest.get(consumed..)?;
        if rest.is_empty() && output.len() < output.capacity() {
            break;
        }
        if consumed == 0 && deflate.total_out() == written {
            return None;
        }
    }
    output.extend_from_slice(LAST_BLOCK);
    let mut crc = Crc::new();
    crc.update(bytes);
    output.extend_from_slice(&crc.sum().to_le_bytes());
    output.extend_from_slice(&crc.amount().to_le_bytes());
    Some(output)
}

pub(super) static URLENCODE: Function = function("urlencode", &[string("str")], |_, args, _| {
    let mut encoded = String::new();
    for byte in text(args, 0)?.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(Value::string(encoded))
});

/// The encoding named by the second argument.
fn charset(args: &[Value]) -> Result<Charset, FunctionError> {
    let name = text(args, 1)?;
    Charset::named(name).ok_or_else(|| {
        let name = quote(name);
        let message = format!("{name} is not a supported IANA encoding name or alias");
        FunctionError::arg(1, message)
    })
}

pub(super) static TEXTENCODEBASE64: Function = Function {
    not_null: true,
    ..function("textencodebase64", &[string("string"), string("encoding")], |_, args, _| {
        let charset = charset(args)?;
        let bytes = charset.encode(text(args, 0)?).ok_or_else(|| {
            let name = charset.name();
            let message = format!(
                "the given string contains characters that cannot be represented in {name}"
            );
            FunctionError::arg(0, message)
        })?;
        Ok(Value::string(STANDARD.encode(bytes)))
    })
};

pub(super) static TEXTDECODEBASE64: Function = Function {
    not_null: true,
    ..function("textdecodebase64", &[string("source"), string("encoding")], |_, args, _| {
        let charset = charset(args)?;
        let bytes = decode_base64(text(args, 0)?).map_err(|offset| {
            let message =
                format!("the given value is has an invalid base64 symbol at offset {offset}");
            FunctionError::arg(0, message)
        })?;
        charset.decode(&bytes).map(Value::string).ok_or_else(|| {
            let name = charset.name();
            let message =
                format!("the given string contains symbols that are not defined for {name}");
            FunctionError::arg(0, message)
        })
    })
};
