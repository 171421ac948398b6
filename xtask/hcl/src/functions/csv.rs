//! `csvdecode`.

use std::collections::BTreeMap;

use super::args::{at, string, text};
use crate::function::{Function, FunctionError, Returns};
use crate::quote::quote;
use crate::types::{Str, Type};
use crate::value::Value;

pub(super) static CSVDECODE: Function = Function {
    name: "csvdecode",
    params: &[string("str")],
    variadic: None,
    returns: Returns::From(|args| match at(args, 0)?.as_str() {
        Some(text) => Ok(Type::list(row_type(&header(&mut Records::new(text))?))),
        None => Ok(Type::Dynamic),
    }),
    not_null: true,
    body: |_, args, _| {
        let mut records = Records::new(text(args, 0)?);
        let header = header(&mut records)?;
        let mut rows = Vec::new();
        while let Some(record) = records.next_record()? {
            if record.fields.len() != header.len() {
                return Err(parse_error(record.line, "wrong number of fields"));
            }
            let cells = header.iter().zip(record.fields);
            let cells = cells.map(|(name, cell)| (name.clone(), Value::string(cell)));
            rows.push(Value::object(cells.collect()));
        }
        Ok(Value::list(row_type(&header), rows))
    },
};

fn row_type(header: &[Str]) -> Type {
    let columns: BTreeMap<Str, Type> =
        header.iter().map(|name| (name.clone(), Type::String)).collect();
    Type::object(columns)
}

/// The names of the columns.
fn header(records: &mut Records<'_>) -> Result<Vec<Str>, FunctionError> {
    let Some(record) = records.next_record()? else {
        return Err(FunctionError::new("missing header line"));
    };
    let mut names: Vec<Str> = Vec::with_capacity(record.fields.len());
    for field in record.fields {
        let name = crate::value::normalize(&field);
        if names.contains(&name) {
            return Err(FunctionError::new(format!("duplicate column name {}", quote(&name))));
        }
        names.push(name);
    }
    Ok(names)
}

fn parse_error(line: usize, reason: &str) -> FunctionError {
    FunctionError::new(format!("CSV parse error on line {line}: {reason}"))
}

/// One line of the table; a quoted field may span several lines of text.
struct Record {
    /// Number of its first line of text.
    line: usize,
    fields: Vec<String>,
}

/// Reads records as RFC 4180 says; empty lines are skipped.
struct Records<'a> {
    /// Text after the current line.
    rest: &'a str,
    /// Number of the current line, from one.
    line: usize,
    /// The current line and where the next field starts in it.
    current: String,
    position: usize,
}

impl<'a> Records<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, line: 0, current: String::new(), position: 0 }
    }

    /// Goes to the next line; it keeps its line feed, but a carriage return
    /// before that is dropped, or at the end of the text.
    fn advance(&mut self) -> bool {
        if self.rest.is_empty() {
            return false;
        }
        let end = self.rest.find('\n').map_or(self.rest.len(), |index| index + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.line += 1;
        self.position = 0;
        self.current = match line.strip_suffix("\r\n") {
            Some(line) => format!("{line}\n"),
            None => line.strip_suffix('\r').unwrap_or(line).to_owned(),
        };
        true
    }

    fn next_record(&mut self) -> Result<Option<Record>, FunctionError> {
        loop {
            if !self.advance() {
                return Ok(None);
            }
            if self.current != "\n" && !self.current.is_empty() {
                break;
            }
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            let quoted = self.remaining().starts_with('"');
            let (field, more) = if quoted { self.quoted_field()? } else { self.plain_field()? };
            fields.push(field);
            if !more {
                return Ok(Some(Record { line, fields }));
            }
        }
    }

    fn remaining(&self) -> &str {
        self.current.get(self.position..).unwrap_or("")
    }

    /// A field without quotes, and whether another one follows.
    fn plain_field(&mut self) -> Result<(String, bool), FunctionError> {
        let rest = self.remaining();
        let (field, more) = match rest.split_once(',') {
            Some((field, _)) => (field.to_owned(), true),
            None => (rest.strip_suffix('\n').unwrap_or(rest).to_owned(), false),
        };
        if field.contains('"') {
            return Err(parse_error(self.line, "bare \" in non-quoted-field"));
        }
        self.position += field.len() + 1;
        Ok((field, more))
    }

    /// A field in quotes, and whether another one follows.
    fn quoted_field(&mut self) -> Result<(String, bool), FunctionError> {
        let unclosed = "extraneous or missing \" in quoted-field";
        self.position += 1;
        let mut field = String::new();
        loop {
            let rest = self.remaining();
            let Some((inside, after)) = rest.split_once('"') else {
                field.push_str(rest);
                if !self.advance() {
                    return Err(parse_error(self.line, unclosed));
                }
                continue;
            };
            field.push_str(inside);
            let next = after.chars().next();
            self.position += inside.len() + 2;
            match next {
                Some('"') => field.push('"'),
                Some(',') => return Ok((field, true)),
                None | Some('\n') => return Ok((field, false)),
                Some(_) => return Err(parse_error(self.line, unclosed)),
            }
        }
    }
}
