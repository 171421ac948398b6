//! Evaluated bodies: attributes and nested blocks with their places, and typed
//! access to them.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;

use crate::convert::convert;
use crate::diagnostic::Diagnostic;
use crate::duration;
use crate::source::Span;
use crate::types::Type;
use crate::value::Value;

/// What a block holds after evaluation; `dynamic` blocks are expanded.
#[derive(Clone, Debug)]
pub struct Body {
    /// Attributes in the order they are written.
    pub attributes: IndexMap<String, Attribute>,
    /// Nested blocks in the order they are written.
    pub blocks: Vec<Block>,
    /// Where the block starts: its type and labels.
    pub span: Span,
}

/// An evaluated attribute.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// The value; parts may be unknown before the build runs.
    pub value: Value,
    /// The expression.
    pub span: Span,
    /// The name.
    pub name_span: Span,
}

/// A nested block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Type, the first word.
    pub block_type: String,
    /// Labels after the type.
    pub labels: Vec<String>,
    /// What it holds.
    pub body: Body,
    /// Type and labels.
    pub span: Span,
}

/// A typed attribute: `None` if it is missing or null.
pub type Typed<T> = Result<Option<T>, Diagnostic>;

impl Body {
    /// An empty body.
    pub fn empty(span: Span) -> Self {
        Self { attributes: IndexMap::new(), blocks: Vec::new(), span }
    }

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.get(name)
    }

    /// Whether the attribute is set to something other than null.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some_and(|attribute| !attribute.value.is_null())
    }

    /// Nested blocks of that type.
    pub fn blocks_of<'a>(&'a self, block_type: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |block| block.block_type == block_type)
    }

    /// The attribute converted to a type, known in all its parts.
    pub fn typed(&self, name: &str, ty: &Type) -> Typed<Value> {
        let Some(attribute) = self.attribute(name) else { return Ok(None) };
        let value = attribute.converted(name, ty)?;
        if value.is_null() {
            return Ok(None);
        }
        attribute.known(name, value).map(Some)
    }

    /// A string attribute; numbers and bools become text.
    pub fn string(&self, name: &str) -> Typed<String> {
        let value = self.typed(name, &Type::String)?;
        Ok(value.and_then(|value| value.as_str().map(str::to_owned)))
    }

    /// A string attribute that must be there and not be null.
    pub fn required_string(&self, name: &str) -> Result<String, Diagnostic> {
        match self.string(name)? {
            Some(text) => Ok(text),
            None => Err(Diagnostic::error(
                "Missing required argument",
                format!("The argument \"{name}\" is required, but no definition was found."),
                self.span.clone(),
            )),
        }
    }

    /// A bool attribute.
    pub fn bool(&self, name: &str) -> Typed<bool> {
        Ok(self.typed(name, &Type::Bool)?.and_then(|value| value.as_bool()))
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Typed<i64> {
        let Some(value) = self.typed(name, &Type::Number)? else { return Ok(None) };
        match value.as_number().and_then(crate::number::Number::to_i64) {
            Some(number) => Ok(Some(number)),
            None => Err(self.invalid(name, "a whole number is required")),
        }
    }

    /// A list of strings; a set or tuple will do. Null elements are an error.
    pub fn strings(&self, name: &str) -> Typed<Vec<String>> {
        let Some(value) = self.typed(name, &Type::list(Type::String))? else { return Ok(None) };
        let texts: Option<Vec<String>> =
            value.children().map(|element| element.as_str().map(str::to_owned)).collect();
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.invalid(name, "elements must not be null")),
        }
    }

    /// A map of strings; an object will do. Null elements are an error.
    pub fn string_map(&self, name: &str) -> Typed<BTreeMap<String, String>> {
        let Some(value) = self.typed(name, &Type::map(Type::String))? else { return Ok(None) };
        let text = |(key, element): (&crate::value::Str, &Value)| {
            element.as_str().map(|text| (key.to_string(), text.to_owned()))
        };
        let texts: Option<BTreeMap<_, _>> =
            value.as_mapping().map(|map| map.iter().map(text).collect()).unwrap_or_default();
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.invalid(name, "elements must not be null")),
        }
    }

    /// A list of lists of strings, as `qemuargs`.
    pub fn string_lists(&self, name: &str) -> Typed<Vec<Vec<String>>> {
        let ty = Type::list(Type::list(Type::String));
        let Some(value) = self.typed(name, &ty)? else { return Ok(None) };
        let row = |row: &Value| -> Option<Vec<String>> {
            row.as_sequence()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
        };
        match value.children().map(row).collect() {
            Some(rows) => Ok(Some(rows)),
            None => Err(self.invalid(name, "elements must not be null")),
        }
    }

    /// A duration in Go's notation: `1h30m`, `90s`, `1.5s`.
    pub fn duration(&self, name: &str) -> Typed<Duration> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        match duration::parse(&text) {
            Ok(duration) => Ok(Some(duration)),
            Err(reason) => Err(self.invalid(name, &reason)),
        }
    }

    /// An error about the value of an attribute, at its expression.
    pub fn invalid(&self, name: &str, reason: &str) -> Diagnostic {
        let span = self.attribute(name).map_or(&self.span, |attribute| &attribute.span);
        Diagnostic::error(
            "Incorrect attribute value type",
            format!("Inappropriate value for attribute \"{name}\": {reason}."),
            span.clone(),
        )
    }
}

impl Attribute {
    fn converted(&self, name: &str, ty: &Type) -> Result<Value, Diagnostic> {
        convert(&self.value, ty).map_err(|error| {
            Diagnostic::error(
                "Incorrect attribute value type",
                format!("Inappropriate value for attribute \"{name}\": {error}."),
                self.span.clone(),
            )
        })
    }

    fn known(&self, name: &str, value: Value) -> Result<Value, Diagnostic> {
        if value.is_wholly_known() {
            return Ok(value);
        }
        let origin = match value.unknown_origin() {
            Some(origin) => format!("it depends on {origin}"),
            None => "it depends on something that is known only then".to_owned(),
        };
        Err(Diagnostic::error(
            "Value not known yet",
            format!("The value of \"{name}\" is not known before the build runs: {origin}."),
            self.span.clone(),
        )
        .with_label(Some("use a variable or a value here".to_owned())))
    }
}
