//! `yamldecode`: YAML 1.1 scalars over a YAML 1.2 parser.

use std::collections::{BTreeMap, HashMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::args::{at, string, text};
use super::json_read::MAX_DEPTH;
use super::yaml_scalar::{Scalar, resolve};
use crate::convert::convert;
use crate::function::{Function, FunctionError, Returns};
use crate::quote::quote;
use crate::types::{Str, Type};
use crate::value::Value;

/// Most values in a document after its aliases are replaced: a few lines can
/// ask for billions.
const MAX_VALUES: usize = 1 << 20;

const STANDARD: &str = "tag:yaml.org,2002:";

pub(super) static YAMLDECODE: Function = Function {
    name: "yamldecode",
    params: &[string("src")],
    variadic: None,
    returns: Returns::From(|args| match at(args, 0)?.as_str() {
        Some(text) => Ok(decode(text)?.ty().clone()),
        None => Ok(Type::Dynamic),
    }),
    not_null: false,
    body: |_, args, ty| match ty {
        // A lone null has no type, so Packer says that it is unknown.
        Type::Dynamic => Ok(Value::dynamic(None)),
        _ => Ok(decode(text(args, 0)?)?),
    },
};

/// What is wrong, and where: Packer leaves the place out on the first line and
/// counts lines from zero.
struct Problem {
    message: String,
    place: Option<Marker>,
}

impl From<Problem> for FunctionError {
    fn from(problem: Problem) -> Self {
        let message = problem.message;
        Self::new(match problem.place {
            Some(place) if place.line() > 1 => {
                let (line, column) = (place.line() - 1, place.col() + 1);
                format!("on line {line}, column {column}: {message}")
            }
            _ => message,
        })
    }
}

/// Reads one YAML document, as `yamldecode` does.
///
/// # Errors
/// What is wrong, and its line from 1.
pub(crate) fn read(text: &str) -> Result<Value, (usize, String)> {
    decode(text).map_err(|problem| (problem.place.map_or(1, |p| p.line()), problem.message))
}

fn decode(text: &str) -> Result<Value, Problem> {
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        text,
        anchors: HashMap::new(),
        open: Vec::new(),
        total: 0,
    };
    let missing = |_| {
        // The mark of the end of the text.
        let lines = text.lines().count().max(1);
        let place = Some(Marker::new(0, lines + 1, 0));
        Problem { message: "missing start of document".to_owned(), place }
    };
    builder.expect(|event| matches!(event, Event::StreamStart))?;
    builder
        .expect(|event| matches!(event, Event::DocumentStart(_)))
        .map_err(|problem| if problem.message.is_empty() { missing(problem) } else { problem })?;
    let value = builder.node(0)?;
    let extra = "unexpected extra content after value";
    for wanted in [Event::DocumentEnd, Event::StreamEnd] {
        let (event, span) = builder.next()?;
        if event != wanted {
            return Err(Problem { message: extra.to_owned(), place: Some(span.start) });
        }
    }
    Ok(value)
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    /// Value of each anchor, and how many values that is.
    anchors: HashMap<usize, (Value, usize)>,
    /// Anchors whose value is being read.
    open: Vec<usize>,
    /// Values so far.
    total: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.syntax(error.info(), *error.marker())),
            None => Err(self.syntax("unexpected end of stream", Marker::new(0, 0, 0))),
        }
    }

    /// Takes the next event; the message is empty if it is another one.
    fn expect(&mut self, wanted: fn(&Event<'_>) -> bool) -> Result<(), Problem> {
        let (event, _) = self.next()?;
        if wanted(&event) { Ok(()) } else { Err(Problem { message: String::new(), place: None }) }
    }

    /// A syntax error, told as Packer does where that is known.
    fn syntax(&self, info: &str, place: Marker) -> Problem {
        if info.contains("unknown anchor") {
            let name = quote(self.name_at(place.index(), '*'));
            let message = format!("reference to undefined anchor {name}");
            return Problem { message, place: Some(place) };
        }
        let info = info.rsplit_once(", ").map_or(info, |(_, message)| message);
        let message = match info {
            _ if info.starts_with("expected ") => format!("did not find {info}"),
            _ if info.starts_with("unexpected character") => {
                "found character that cannot start any token".to_owned()
            }
            _ => info.to_owned(),
        };
        // Packer gives the place of a wrong character as the start of its line,
        // counted from one.
        let of_scanner = !message.starts_with("did not find") && place.line() > 1;
        let place = if of_scanner { Marker::new(0, place.line() + 1, 0) } else { place };
        Problem { message, place: Some(place) }
    }

    /// The name of an anchor or alias that starts at a character.
    fn name_at(&self, index: usize, sign: char) -> &'a str {
        let start = self.text.char_indices().nth(index).map_or(0, |(offset, _)| offset);
        let rest = self.text.get(start..).unwrap_or("");
        let name = rest.strip_prefix(sign).unwrap_or(rest);
        name.split(|c: char| c.is_whitespace() || ",[]{}:".contains(c)).next().unwrap_or("")
    }

    fn node(&mut self, depth: usize) -> Result<Value, Problem> {
        let (event, span) = self.next()?;
        self.node_from(event, span, depth)
    }

    fn node_from(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Value, Problem> {
        let fail = |message: String| Problem { message, place: Some(span.start) };
        if depth > MAX_DEPTH {
            return Err(fail(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.total += 1;
        if self.total > MAX_VALUES {
            return Err(fail(format!("more than {MAX_VALUES} values")));
        }
        let (anchor, before) = (anchor_of(&event), self.total);
        self.open.extend(anchor);
        let value = match event {
            Event::Alias(id) => return self.alias(id, span),
            Event::Scalar(text, style, _, tag) => {
                scalar(&text, style, tag.as_deref()).map_err(&fail)?
            }
            Event::SequenceStart(_, tag) => {
                check_tag(tag.as_deref(), "seq", "sequence").map_err(&fail)?;
                self.sequence(depth)?
            }
            Event::MappingStart(_, tag) => {
                check_tag(tag.as_deref(), "map", "mapping").map_err(&fail)?;
                self.mapping(depth)?
            }
            _ => return Err(fail("expecting value but found end of stream".to_owned())),
        };
        if let Some(id) = anchor {
            self.open.retain(|open| *open != id);
            self.anchors.insert(id, (value.clone(), self.total - before + 1));
        }
        Ok(value)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Value, Problem> {
        let fail = |message: String| Problem { message, place: Some(span.start) };
        let name = quote(self.name_at(span.start.index(), '*'));
        if self.open.contains(&id) {
            let message = format!("cannot refer to anchor {name} from inside its own definition");
            return Err(fail(message));
        }
        let Some((value, size)) = self.anchors.get(&id) else {
            return Err(fail(format!("reference to undefined anchor {name}")));
        };
        self.total = self.total.saturating_add(*size);
        Ok(value.clone())
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut values = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::tuple(values));
            }
            values.push(self.node_from(event, span, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut values: BTreeMap<Str, Value> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            let fail =
                |message: &str| Problem { message: message.to_owned(), place: Some(span.start) };
            let (text, style, tag) = match event {
                Event::MappingEnd => return Ok(Value::object(values)),
                Event::Scalar(text, style, _, tag) => (text, style, tag),
                _ => return Err(fail("only strings are allowed as mapping keys")),
            };
            let key = resolve(&text, style, tag_name(tag.as_deref()).as_deref())
                .map_err(|message| Problem { message, place: None })?;
            match key {
                Scalar::Merge => {
                    let merged = self.node(depth + 1)?;
                    let Some(parts) = merged.as_mapping() else {
                        let kind = merged.ty().friendly_name();
                        return Err(fail(&format!("cannot merge {kind} into mapping")));
                    };
                    values.extend(parts.iter().map(|(name, part)| (name.clone(), part.clone())));
                }
                Scalar::Value(key) => {
                    let key = convert(&key, &Type::String)
                        .map_err(|_error| fail("only strings are allowed as mapping keys"))?;
                    let name = key.as_str().ok_or_else(|| fail("mapping key cannot be null"))?;
                    let value = self.node(depth + 1)?;
                    values.insert(name.into(), value);
                }
            }
        }
    }
}

/// The anchor that an event defines; zero means none.
fn anchor_of(event: &Event<'_>) -> Option<usize> {
    match event {
        Event::Scalar(_, _, id, _) | Event::SequenceStart(id, _) | Event::MappingStart(id, _) => {
            Some(*id).filter(|id| *id != 0)
        }
        _ => None,
    }
}

/// The full name of a tag.
fn tag_name(tag: Option<&Tag>) -> Option<String> {
    tag.map(|tag| format!("{}{}", tag.handle, tag.suffix))
}

fn check_tag(tag: Option<&Tag>, wanted: &str, kind: &str) -> Result<(), String> {
    match tag_name(tag) {
        Some(name) if name.strip_prefix(STANDARD) != Some(wanted) => {
            Err(format!("can't interpret {kind} as {name}"))
        }
        _ => Ok(()),
    }
}

/// A scalar that is not a key.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let value = match resolve(text, style, tag_name(tag).as_deref())? {
        Scalar::Merge => Value::string("<<"),
        Scalar::Value(value) => value,
    };
    if style != ScalarStyle::Plain && tag.is_none() {
        // Quoted and block scalars are strings, but Packer reads a block like a
        // plain scalar first: a block of `1.10` is "1.1".
        return convert(&value, &Type::String).map_err(|error| error.to_string());
    }
    Ok(value)
}
