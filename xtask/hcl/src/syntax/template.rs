//! Templates: quoted strings, heredocs and template files.
//!
//! Trimming follows HCL's tokens: a heredoc or file is one literal per line,
//! and `~` trims only the literal next to it. So `~}` at the end of a line
//! eats the line end, not the indentation of the next line.

use crate::source::Range;
use crate::syntax::ast::{Conditional, Expr, ExprKind, ForExpr};
use crate::syntax::literal::literal_text;
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::token::{Token, TokenKind};
use crate::value::{Str, Value};

/// A template before its directives are matched.
enum Part {
    Literal(String, Range),
    Interpolation(Expr),
    If(Expr, Range),
    Else(Range),
    EndIf(Range),
    For((Option<Str>, Str), Expr, Range),
    EndFor(Range),
}

impl Part {
    fn range(&self) -> Range {
        match self {
            Self::Interpolation(expr) => expr.range,
            Self::Literal(_, range)
            | Self::If(_, range)
            | Self::Else(range)
            | Self::EndIf(range)
            | Self::For(_, _, range)
            | Self::EndFor(range) => *range,
        }
    }
}

impl Parser<'_> {
    /// A whole template file.
    pub(crate) fn bare_template(&mut self) -> Parsed<Expr> {
        let start = self.peek().range;
        let (parts, end) = self.parts(start, TokenKind::End)?;
        self.assemble(parts, start.to(end))
    }

    /// A quoted string or heredoc.
    pub(crate) fn template(&mut self) -> Parsed<Expr> {
        let open = self.read();
        let (closer, flush) = match open.kind {
            TokenKind::OpenHeredoc { flush } => (TokenKind::CloseHeredoc, flush),
            _ => (TokenKind::CloseQuote, false),
        };
        let (mut parts, end) = self.parts(open.range, closer)?;
        if flush {
            flush_indentation(&mut parts);
        }
        self.assemble(parts, open.range.to(end))
    }

    fn parts(&mut self, open: Range, closer: TokenKind) -> Parsed<(Vec<Part>, Range)> {
        let mut parts = Vec::new();
        let mut trim_next = false;
        loop {
            let token = self.read();
            let trim = std::mem::take(&mut trim_next);
            match token.kind {
                kind if kind == closer => return Ok((parts, token.range)),
                TokenKind::Text | TokenKind::QuotedText => {
                    let text = literal_text(self, token);
                    let text = if trim { text.trim_start().to_owned() } else { text };
                    parts.push(Part::Literal(text, token.range));
                }
                TokenKind::OpenInterpolation { trim } => {
                    trim_last(&mut parts, trim);
                    parts.push(self.sequence(&mut trim_next, Self::interpolation)?);
                }
                TokenKind::OpenDirective { trim } => {
                    trim_last(&mut parts, trim);
                    parts.push(self.sequence(&mut trim_next, |parser| parser.directive(token))?);
                }
                _ => {
                    return self.fail(
                        open,
                        "Unterminated template string",
                        "No closing marker was found for the string.",
                    );
                }
            }
        }
    }

    /// The inside of `${ }` or `%{ }` and its closing brace.
    fn sequence(
        &mut self,
        trim_next: &mut bool,
        rule: impl FnOnce(&mut Self) -> Parsed<Part>,
    ) -> Parsed<Part> {
        self.with_newlines(false, |parser| {
            let part = rule(parser)?;
            let close = parser.read();
            match close.kind {
                TokenKind::CloseSequence { trim } => {
                    *trim_next = trim;
                    Ok(part)
                }
                _ => parser.unclosed_sequence(&part, close),
            }
        })
    }

    fn unclosed_sequence<T>(&mut self, part: &Part, close: Token) -> Parsed<T> {
        if !matches!(part, Part::Interpolation(_)) {
            return self.fail(
                close.range,
                "Extra characters in template directive",
                "Expected a closing brace to end the sequence, but found extra characters.",
            );
        }
        match close.kind {
            TokenKind::End | TokenKind::OpenQuote | TokenKind::CloseQuote => self.fail(
                part.range(),
                "Unclosed template interpolation sequence",
                "There is no closing brace for this interpolation sequence. This might be caused \
                 by incorrect nesting inside the given expression.",
            ),
            _ => self.fail(
                close.range,
                "Extra characters after interpolation expression",
                "Expected a closing brace to end the interpolation expression, but found extra \
                 characters.\n\nThis can happen when you include interpolation syntax for another \
                 language, such as shell scripting, but forget to escape the interpolation start \
                 token. If this is an embedded sequence for another language, escape it by \
                 starting with \"$${\" instead of just \"${\".",
            ),
        }
    }

    fn interpolation(&mut self) -> Parsed<Part> {
        Ok(Part::Interpolation(self.expression()?))
    }

    fn directive(&mut self, open: Token) -> Parsed<Part> {
        let keyword = self.peek();
        if keyword.kind != TokenKind::Ident {
            return self.fail(
                keyword.range,
                "Invalid template directive",
                "A template directive keyword (\"if\", \"for\", etc) is expected at the beginning \
                 of a %{ sequence.",
            );
        }
        self.read();
        let range = open.range.to(keyword.range);
        match self.text(keyword) {
            "if" => Ok(Part::If(self.expression()?, range)),
            "else" => Ok(Part::Else(range)),
            "endif" => Ok(Part::EndIf(range)),
            "for" => {
                let names = self.for_names("For directive", "Invalid 'for' directive")?;
                Ok(Part::For(names, self.expression()?, range))
            }
            "endfor" => Ok(Part::EndFor(range)),
            given => {
                let known = ["if", "for", "else", "endif", "endfor"];
                let hint = crate::diagnostic::suggest(given, known)
                    .map(|name| format!(" Did you mean \"{name}\"?"))
                    .unwrap_or_default();
                let detail = format!(
                    "{} is not a valid template control keyword.{hint}",
                    crate::quote::quote(given)
                );
                self.fail(keyword.range, "Invalid template control keyword", detail)
            }
        }
    }

    /// Matches directives and makes one expression of the parts.
    fn assemble(&mut self, parts: Vec<Part>, range: Range) -> Parsed<Expr> {
        let mut parts = meld(parts).into_iter().peekable();
        let mut exprs = Vec::new();
        while let Some(part) = parts.next() {
            let alone = exprs.is_empty() && parts.peek().is_none();
            match part {
                Part::Interpolation(expr) if alone => {
                    return self.node(range, ExprKind::Wrap(Box::new(expr)));
                }
                part => exprs.push(self.part(part, &mut parts)?),
            }
        }
        match exprs.as_slice() {
            [] => self.node(range, ExprKind::Literal(Value::string(""))),
            [Expr { kind: ExprKind::Literal(text), .. }] => {
                let text = text.clone();
                self.node(range, ExprKind::Literal(text))
            }
            _ => self.node(range, ExprKind::Template(exprs)),
        }
    }

    fn part(&mut self, part: Part, rest: &mut Parts) -> Parsed<Expr> {
        match part {
            Part::Literal(text, range) => self.node(range, ExprKind::Literal(Value::string(text))),
            Part::Interpolation(expr) => Ok(expr),
            Part::If(condition, range) => {
                self.nested(|parser| parser.if_parts(condition, range, rest))
            }
            Part::For(names, collection, range) => {
                self.nested(|parser| parser.for_parts(names, collection, range, rest))
            }
            Part::Else(range) => self.unbalanced("else", range),
            Part::EndIf(range) => self.unbalanced("endif", range),
            Part::EndFor(range) => self.unbalanced("endfor", range),
        }
    }

    fn unbalanced<T>(&mut self, name: &str, range: Range) -> Parsed<T> {
        self.fail(
            range,
            &format!("Unexpected {name} directive"),
            "The control directives within this template are unbalanced.",
        )
    }

    fn unended<T>(&mut self, name: &str, range: Range) -> Parsed<T> {
        let detail =
            format!("The {name} directive is missing its corresponding end{name} directive.");
        self.fail(range, "Unexpected end of template", detail)
    }

    fn if_parts(&mut self, condition: Expr, range: Range, rest: &mut Parts) -> Parsed<Expr> {
        let (mut yes, mut no) = (Vec::new(), Vec::new());
        let mut in_else = false;
        loop {
            match rest.next() {
                None => return self.unended("if", range),
                Some(Part::EndIf(end)) => {
                    let yes = self.joined(yes, range.at_end())?;
                    let no = self.joined(no, end)?;
                    let parts = Conditional { condition, yes, no };
                    return self.node(range.to(end), ExprKind::Conditional(Box::new(parts)));
                }
                Some(Part::Else(_)) if !in_else => in_else = true,
                Some(part) => {
                    let expr = self.part(part, rest)?;
                    if in_else { no.push(expr) } else { yes.push(expr) }
                }
            }
        }
    }

    fn for_parts(
        &mut self,
        (key_name, value_name): (Option<Str>, Str),
        collection: Expr,
        range: Range,
        rest: &mut Parts,
    ) -> Parsed<Expr> {
        let mut content = Vec::new();
        loop {
            match rest.next() {
                None => return self.unended("for", range),
                Some(Part::EndFor(end)) => {
                    let value = self.joined(content, range.at_end())?;
                    let (key, condition, group) = (None, None, false);
                    let inner =
                        ForExpr { key_name, value_name, collection, key, value, condition, group };
                    return self.node(range.to(end), ExprKind::Join(Box::new(inner)));
                }
                Some(part) => content.push(self.part(part, rest)?),
            }
        }
    }

    /// The parts between two directives, which always make a string.
    fn joined(&mut self, exprs: Vec<Expr>, empty: Range) -> Parsed<Expr> {
        let range = match (exprs.first(), exprs.last()) {
            (Some(first), Some(last)) => first.range.to(last.range),
            _ => empty,
        };
        self.node(range, ExprKind::Template(exprs))
    }
}

type Parts = std::iter::Peekable<std::vec::IntoIter<Part>>;

/// `${~` and `%{~` trim the literal before them.
fn trim_last(parts: &mut [Part], trim: bool) {
    if let (true, Some(Part::Literal(text, _))) = (trim, parts.last_mut()) {
        text.truncate(text.trim_end().len());
    }
}

/// Joins literals that follow each other.
fn meld(parts: Vec<Part>) -> Vec<Part> {
    let mut melded: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (melded.last_mut(), part) {
            (Some(Part::Literal(text, range)), Part::Literal(more, end)) => {
                text.push_str(&more);
                *range = range.to(end);
            }
            (_, part) => melded.push(part),
        }
    }
    melded
}

/// Removes the indentation that all lines of a `<<-` heredoc share. Lines of
/// spaces alone do not count, a sequence at the start of a line counts as none.
fn flush_indentation(parts: &mut [Part]) {
    let mut shared = usize::MAX;
    let mut line_start = true;
    let mut leading = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if line_start {
            let indentation = match part {
                Part::Literal(text, _) if text.trim_start().is_empty() && text.ends_with('\n') => {
                    usize::MAX
                }
                Part::Literal(text, _) => {
                    leading.push(index);
                    spaces(text)
                }
                _ => 0,
            };
            shared = shared.min(indentation);
        }
        line_start = match part {
            Part::Literal(text, _) => text.ends_with('\n'),
            _ => false,
        };
    }
    for index in leading {
        if let Some(Part::Literal(text, _)) = parts.get_mut(index) {
            let cut = text.char_indices().nth(shared).map_or(text.len(), |(at, _)| at);
            text.drain(..cut);
        }
    }
}

/// Number of leading white characters.
fn spaces(text: &str) -> usize {
    text.chars().take_while(|character| character.is_whitespace()).count()
}
