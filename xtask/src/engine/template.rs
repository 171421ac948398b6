//! The `{{ }}` expressions that Packer leaves to the builder: fields such as
//! `{{ .HTTPIP }}` and the function `build`.
//!
//! Strict where Go's templates are not: an unknown field is an error, not the
//! text `<no value>`, and there are no pipelines, conditions or loops.

use std::fmt;

/// Names and values that expressions may use.
#[derive(Clone, Debug, Default)]
pub struct Context {
    values: Vec<(String, String)>,
}

impl Context {
    /// No names at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name, or replaces its value.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.retain(|(known, _)| known != name);
        self.values.push((name.to_owned(), value.into()));
        self
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.values.iter().map(|(name, _)| format!(".{name}")).collect();
        if names.is_empty() { "none here".into() } else { names.join(", ") }
    }
}

/// An expression that cannot be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The expression as it stands in the template.
    pub expression: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot render `{}`: {}", self.expression, self.problem)
    }
}

impl std::error::Error for TemplateError {}

/// Replaces every `{{ }}` in `text`.
///
/// # Errors
/// An unknown name, an unclosed expression, anything but a field or `build`.
pub fn render(text: &str, context: &Context) -> Result<String, TemplateError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("{{") {
        let Some((inner, after)) = split_close(tail) else {
            return Err(error(tail, "it has no closing `}}`"));
        };
        let (inner, trim_left, trim_right) = trims(inner);
        out.push_str(if trim_left { before.trim_end() } else { before });
        out.push_str(&evaluate(inner.trim(), context)?);
        rest = if trim_right { after.trim_start() } else { after };
    }
    out.push_str(rest);
    Ok(out)
}

/// Splits at the first `}}` that is not inside a quoted string.
fn split_close(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if c == '}' => {
                let (inner, tail) = text.split_at(at);
                if let Some(after) = tail.strip_prefix("}}") {
                    return Some((inner, after));
                }
            }
            None => {}
        }
    }
    None
}

/// Go's `{{- ` and ` -}}` eat the white space outside.
fn trims(inner: &str) -> (&str, bool, bool) {
    let left = inner.strip_prefix('-').filter(|rest| rest.starts_with(char::is_whitespace));
    let (inner, trim_left) = left.map_or((inner, false), |rest| (rest, true));
    let right = inner.strip_suffix('-').filter(|rest| rest.ends_with(char::is_whitespace));
    right.map_or((inner, trim_left, false), |rest| (rest, trim_left, true))
}

fn evaluate(expression: &str, context: &Context) -> Result<String, TemplateError> {
    if let Some(name) = expression.strip_prefix('.') {
        return lookup(expression, name, context);
    }
    let mut words = expression.splitn(2, char::is_whitespace);
    let function = words.next().unwrap_or_default();
    let argument = words.next().map(str::trim).unwrap_or_default();
    match (function, unquoted(argument)) {
        ("build", Some(name)) => lookup(expression, name, context),
        ("build", None) => Err(error(expression, "`build` takes one quoted name")),
        ("", _) => Err(error(expression, "it is empty")),
        _ => Err(error(
            expression,
            "the built-in engine knows fields and `build` only (hint: --engine packer)",
        )),
    }
}

fn unquoted(argument: &str) -> Option<&str> {
    let inside = |quote: char| argument.strip_prefix(quote)?.strip_suffix(quote);
    inside('"').or_else(|| inside('`'))
}

fn lookup(expression: &str, name: &str, context: &Context) -> Result<String, TemplateError> {
    let unknown = || error(expression, &format!("unknown name, known: {}", context.names()));
    context.get(name).map(str::to_owned).ok_or_else(unknown)
}

fn error(expression: &str, problem: &str) -> TemplateError {
    let shown: String = expression.chars().take(60).collect();
    TemplateError { expression: format!("{{{{{shown}}}}}"), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context::new().with("HTTPIP", "10.0.2.2").with("HTTPPort", "8000").with("Vars", "A='b' ")
    }

    #[test]
    fn fields_and_build_are_replaced() {
        for (text, expected) in [
            ("plain {text} }}", "plain {text} }}"),
            ("http://{{ .HTTPIP }}:{{.HTTPPort}}/ks", "http://10.0.2.2:8000/ks"),
            ("{{build `HTTPIP`}} {{ build \"HTTPPort\" }}", "10.0.2.2 8000"),
            ("a  {{- .HTTPIP }} b", "a10.0.2.2 b"),
            ("a {{ .HTTPIP -}}  b", "a 10.0.2.2b"),
            ("a {{- .HTTPIP -}} b", "a10.0.2.2b"),
            ("chmod +x x; {{ .Vars }} x", "chmod +x x; A='b'  x"),
        ] {
            let rendered = render(text, &context());
            assert_eq!(rendered.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_an_error_that_names_it() {
        for (text, part) in [
            ("{{ .HTTPip }}", "`{{.HTTPip}}`: unknown name, known: .HTTPIP, .HTTPPort, .Vars"),
            ("{{ .HTTPIP ", "no closing"),
            ("{{ }}", "empty"),
            ("{{ env `HOME` }}", "--engine packer"),
            ("{{ .HTTPIP | upper }}", "unknown name"),
            ("{{ if .HTTPIP }}x{{ end }}", "--engine packer"),
            ("{{ build HTTPIP }}", "quoted name"),
        ] {
            let error = render(text, &context()).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
