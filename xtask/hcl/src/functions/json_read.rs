//! Reads JSON into a value, with the messages of Go's decoder.

use std::collections::BTreeMap;

use super::args::Outcome;
use crate::function::FunctionError;
use crate::number::Number;
use crate::quote::quote;
use crate::types::{Str, Type};
use crate::value::Value;

/// Deepest nesting that is read: values are handled recursively.
pub(super) const MAX_DEPTH: usize = 200;

/// The value that the document describes.
pub(super) fn decode(text: &str) -> Outcome {
    let mut reader = Reader { bytes: text.as_bytes(), position: 0 };
    let value = reader.value(0)?;
    // Go's decoder asks whether there are more elements, so it overlooks a
    // stray closing bracket.
    match reader.peek() {
        None | Some(b']' | b'}') => Ok(value),
        Some(_) => Err(FunctionError::new("extraneous data after JSON object")),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Reader<'_> {
    /// The next byte that is not space, without taking it.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.bytes.get(self.position) {
            self.position += 1;
        }
        self.bytes.get(self.position).copied()
    }

    /// The next byte that is not space; the document must not end here.
    fn token(&mut self) -> Result<u8, FunctionError> {
        self.peek().ok_or_else(|| FunctionError::new("EOF"))
    }

    /// Takes the next byte of a string, number or literal.
    fn take(&mut self) -> Result<u8, FunctionError> {
        let byte = self.bytes.get(self.position).copied();
        self.position += 1;
        byte.ok_or_else(|| FunctionError::new("unexpected EOF"))
    }

    fn value(&mut self, depth: usize) -> Outcome {
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(FunctionError::new(message));
        }
        match self.token()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::string),
            b't' => self.literal("true", Value::bool(true)),
            b'f' => self.literal("false", Value::bool(false)),
            b'n' => self.literal("null", Value::null(Type::Dynamic)),
            b'-' | b'0'..=b'9' => self.number(),
            other => Err(unexpected(other, " looking for beginning of value")),
        }
    }

    fn object(&mut self, depth: usize) -> Outcome {
        self.position += 1;
        let mut values = BTreeMap::new();
        // Go says nothing more about the first key.
        let mut expected = "";
        loop {
            match self.token()? {
                b'"' => {}
                b'}' if expected.is_empty() => {
                    self.position += 1;
                    return Ok(Value::object(values));
                }
                other => return Err(unexpected(other, expected)),
            }
            let name = crate::value::normalize(&self.string()?);
            match self.token()? {
                b':' => self.position += 1,
                other => return Err(unexpected(other, " after object key")),
            }
            let value = self.value(depth + 1)?;
            values.insert(name, value);
            match self.token()? {
                b',' => self.position += 1,
                b'}' => {
                    self.position += 1;
                    return Ok(Value::object(values));
                }
                other => return Err(unexpected(other, " after object key:value pair")),
            }
            expected = " looking for beginning of object key string";
        }
    }

    fn array(&mut self, depth: usize) -> Outcome {
        self.position += 1;
        let mut values = Vec::new();
        if self.token()? == b']' {
            self.position += 1;
            return Ok(Value::tuple(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            match self.token()? {
                b',' => self.position += 1,
                b']' => {
                    self.position += 1;
                    return Ok(Value::tuple(values));
                }
                other => return Err(unexpected(other, " after array element")),
            }
        }
    }

    fn literal(&mut self, name: &str, value: Value) -> Outcome {
        for expected in name.bytes() {
            let given = self.take()?;
            if given != expected {
                let expected = quote_byte(expected);
                return Err(unexpected(
                    given,
                    &format!(" in literal {name} (expecting {expected})"),
                ));
            }
        }
        Ok(value)
    }

    fn number(&mut self) -> Outcome {
        let start = self.position;
        if self.bytes.get(start) == Some(&b'-') {
            self.position += 1;
        }
        if self.bytes.get(self.position) == Some(&b'0') {
            self.position += 1;
        } else {
            self.digits(" in numeric literal")?;
        }
        if self.bytes.get(self.position) == Some(&b'.') {
            self.position += 1;
            self.digits(" after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.position) {
            self.position += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.position) {
                self.position += 1;
            }
            self.digits(" in exponent of numeric literal")?;
        }
        let text = self.bytes.get(start..self.position).and_then(|b| std::str::from_utf8(b).ok());
        let number = text.and_then(Number::parse);
        number.map(Value::number).ok_or_else(|| FunctionError::new("a number is required"))
    }

    /// At least one digit.
    fn digits(&mut self, place: &str) -> Result<(), FunctionError> {
        let first = self.take()?;
        if !first.is_ascii_digit() {
            return Err(unexpected(first, place));
        }
        while self.bytes.get(self.position).is_some_and(u8::is_ascii_digit) {
            self.position += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<String, FunctionError> {
        self.position += 1;
        let mut bytes = Vec::new();
        loop {
            match self.take()? {
                b'"' => break,
                b'\\' => self.escape(&mut bytes)?,
                control @ 0..=0x1f => return Err(unexpected(control, " in string literal")),
                byte => bytes.push(byte),
            }
        }
        // Escapes are whole characters, so the bytes still are UTF-8.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), FunctionError> {
        let byte = match self.take()? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.unicode()?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            other => return Err(unexpected(other, " in string escape code")),
        };
        bytes.push(byte);
        Ok(())
    }

    /// The character of a `\u` escape, or of a pair of surrogates.
    fn unicode(&mut self) -> Result<char, FunctionError> {
        let first = self.hex4()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let after = self.position;
        let pair = self.bytes.get(after..after + 2) == Some(b"\\u".as_slice());
        if (0xd800..0xdc00).contains(&first) && pair {
            self.position += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.position = after;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, FunctionError> {
        let mut code = 0;
        for _ in 0..4 {
            let byte = self.take()?;
            let digit = char::from(byte).to_digit(16);
            code = code * 16
                + digit.ok_or_else(|| unexpected(byte, " in \\u hexadecimal character escape"))?;
        }
        Ok(code)
    }
}

fn unexpected(byte: u8, place: &str) -> FunctionError {
    FunctionError::new(format!("invalid character {}{place}", quote_byte(byte)))
}

/// Go's decoder quotes single bytes, also of longer characters.
fn quote_byte(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let text: Str = String::from(char::from(byte)).into();
            format!("'{}'", quote(&text).trim_matches('"'))
        }
    }
}
