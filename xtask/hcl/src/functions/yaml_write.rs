//! `yamlencode`: block style YAML as Packer writes it. Every string is in
//! double quotes or, if it has several lines, a literal block.

use super::args::{any, at};
use crate::function::{Function, FunctionError, Kind, Returns};
use crate::value::{Data, Value};

/// Spaces per level.
const INDENT: usize = 2;

/// A quoted string is folded at the first space beyond this column.
const WIDTH: usize = 80;

/// Longest key, in bytes, that is written without a question mark.
const MAX_SIMPLE_KEY: usize = 128;

pub(super) static YAMLENCODE: Function = Function {
    name: "yamlencode",
    params: &[any("value").nullable().with_dynamic()],
    variadic: None,
    returns: Returns::Always(Kind::String),
    not_null: false,
    body: |_, args, ty| {
        let value = at(args, 0)?;
        if !value.is_wholly_known() {
            return Ok(Value::unknown(ty.clone(), value.unknown_origin()));
        }
        let mut writer = Writer::default();
        writer.document(value).map_err(FunctionError::new)?;
        Ok(Value::string(writer.output))
    },
};

/// Where a node stands, which decides how it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The whole document.
    Root,
    /// After the colon of a key on the same line.
    Value,
    /// After `-`, `?` or a colon at the start of a line: a collection may begin
    /// right there.
    Item,
}

#[derive(Default)]
struct Writer {
    output: String,
    /// Characters on the current line.
    column: usize,
}

impl Writer {
    fn put(&mut self, text: &str) {
        for character in text.chars() {
            self.column = if is_break(character) { 0 } else { self.column + 1 };
            self.output.push(character);
        }
    }

    /// Goes to the given column of a new line.
    fn line(&mut self, indent: usize) {
        if self.column > 0 {
            self.put("\n");
        }
        self.put(&" ".repeat(indent));
    }

    fn document(&mut self, value: &Value) -> Result<(), String> {
        self.node(value, 0, Place::Root)?;
        self.line(0);
        let plain = value.as_str().is_none()
            && value.as_sequence().is_none()
            && value.as_mapping().is_none();
        if plain {
            // A bare word could go on, so the end of the document is marked.
            self.put("...\n");
        }
        Ok(())
    }

    /// Writes a value; `indent` is the column of the collection it is in.
    fn node(&mut self, value: &Value, indent: usize, place: Place) -> Result<(), String> {
        match value.data() {
            Data::Sequence(values) if !values.is_empty() => {
                // A list in a map is not indented any further.
                let column = if place == Place::Item { indent + INDENT } else { indent };
                self.sequence(values, column, place)
            }
            Data::Mapping(values) if !values.is_empty() => {
                let column = if place == Place::Root { 0 } else { indent + INDENT };
                self.mapping(values.iter(), column, place)
            }
            _ => {
                self.put(if place == Place::Root { "" } else { " " });
                let indent = indent + INDENT;
                match value.data() {
                    Data::Sequence(_) => self.put("[]"),
                    Data::Mapping(_) => self.put("{}"),
                    Data::Null => self.put("null"),
                    Data::Bool(flag) => self.put(if *flag { "true" } else { "false" }),
                    Data::Number(number) => self.put(&number.text()),
                    Data::String(text) => self.string(text, indent),
                    Data::Unknown(_) => {
                        return Err("cannot serialize unknown value as YAML".to_owned());
                    }
                }
                Ok(())
            }
        }
    }

    /// Starts an entry of a collection at its column.
    fn entry(&mut self, first: bool, column: usize, place: Place) {
        if first && place == Place::Item {
            self.put(" ");
        } else {
            self.line(column);
        }
    }

    fn sequence(&mut self, values: &[Value], column: usize, place: Place) -> Result<(), String> {
        for (index, value) in values.iter().enumerate() {
            self.entry(index == 0, column, place);
            self.put("-");
            self.node(value, column, Place::Item)?;
        }
        Ok(())
    }

    fn mapping<'a>(
        &mut self,
        values: impl IntoIterator<Item = (&'a crate::types::Str, &'a Value)>,
        column: usize,
        place: Place,
    ) -> Result<(), String> {
        for (index, (name, value)) in values.into_iter().enumerate() {
            self.entry(index == 0, column, place);
            if name.len() <= MAX_SIMPLE_KEY
                && !name.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
            {
                self.quoted(name, None);
                self.put(":");
                self.node(value, column, Place::Value)?;
            } else {
                self.put("? ");
                self.string(name, column + INDENT);
                self.line(column);
                self.put(":");
                self.node(value, column, Place::Item)?;
            }
        }
        Ok(())
    }

    fn string(&mut self, text: &str, indent: usize) {
        if text.contains('\n') && fits_block(text) {
            self.literal(text, indent);
        } else {
            self.quoted(text, Some(indent));
        }
    }

    /// A literal block; `indent` is the column of its lines.
    fn literal(&mut self, text: &str, indent: usize) {
        self.put("|");
        if text.starts_with(|c: char| c == ' ' || is_break(c)) {
            // The indentation cannot be seen from the first line.
            self.put(&INDENT.to_string());
        }
        let mut backwards = text.chars().rev();
        let (last, before) = (backwards.next(), backwards.next());
        if !last.is_some_and(is_break) {
            self.put("-");
        } else if before.is_none_or(is_break) {
            self.put("+");
        }
        self.put("\n");
        for character in text.chars() {
            if self.column == 0 && !is_break(character) {
                self.put(&" ".repeat(indent));
            }
            self.put(character.encode_utf8(&mut [0; 4]));
        }
    }

    /// A string in double quotes, folded to `fold` as the column of further
    /// lines; keys are never folded.
    fn quoted(&mut self, text: &str, fold: Option<usize>) {
        self.put("\"");
        let mut after_space = false;
        let mut rest = text.chars().peekable();
        let mut first = true;
        while let Some(character) = rest.next() {
            let next = rest.peek().copied();
            if character != ' ' {
                self.put(&escaped(character));
            } else if let (Some(indent), Some(next), false, false) =
                (fold, next, first, after_space)
                && self.column > WIDTH
            {
                self.line(indent);
                self.put(if next == ' ' { "\\" } else { "" });
            } else {
                self.put(" ");
            }
            after_space = character == ' ';
            first = false;
        }
        self.put("\"");
    }
}

/// Line breaks that may stand in a literal block.
fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\u{2028}' | '\u{2029}')
}

/// Whether the text can be a literal block: only printable characters, no
/// space before a break or at the end.
fn fits_block(text: &str) -> bool {
    let space_before_break =
        text.chars().zip(text.chars().skip(1)).any(|(a, b)| a == ' ' && is_break(b));
    text.chars().all(is_printable) && !space_before_break && !text.ends_with(' ')
}

/// What Packer's YAML library prints as it is; a tab and everything beyond the
/// first 65536 characters is escaped.
fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

fn escaped(character: char) -> String {
    let short = match character {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => character,
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ if is_printable(character) => return character.to_string(),
        _ => {
            let code = u32::from(character);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}
