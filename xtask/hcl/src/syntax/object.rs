//! Tuple and object constructors and `for` expressions.

use crate::source::Range;
use crate::syntax::ast::{Expr, ExprKind, ForExpr};
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::token::TokenKind;
use crate::value::{Str, Value};

const INVALID_FOR: &str = "Invalid 'for' expression";

impl Parser<'_> {
    pub(crate) fn tuple(&mut self) -> Parsed<Expr> {
        let open = self.read().range;
        self.with_newlines(false, |parser| {
            if parser.at_keyword("for") {
                return parser.for_expression(open, TokenKind::CloseBracket);
            }
            let mut elements = Vec::new();
            loop {
                if let Some(close) = parser.accept(TokenKind::CloseBracket) {
                    return parser.node(open.to(close.range), ExprKind::Tuple(elements));
                }
                elements.push(parser.expression()?);
                parser.tuple_separator(open)?;
            }
        })
    }

    /// A comma, unless the closing bracket follows.
    fn tuple_separator(&mut self, open: Range) -> Parsed<()> {
        let next = self.peek();
        match next.kind {
            TokenKind::CloseBracket => Ok(()),
            TokenKind::Comma => {
                self.read();
                Ok(())
            }
            TokenKind::End => self.fail(
                open,
                "Unterminated tuple constructor expression",
                "There is no corresponding closing bracket before the end of the file. This may \
                 be caused by incorrect bracket nesting elsewhere in this file.",
            ),
            _ => self.fail(
                next.range,
                "Missing item separator",
                "Expected a comma to mark the beginning of the next item.",
            ),
        }
    }

    pub(crate) fn object(&mut self) -> Parsed<Expr> {
        let open = self.read().range;
        if self.with_newlines(false, |parser| parser.at_keyword("for")) {
            return self
                .with_newlines(false, |parser| parser.for_expression(open, TokenKind::CloseBrace));
        }
        self.with_newlines(true, |parser| {
            let mut items = Vec::new();
            loop {
                while parser.accept(TokenKind::Newline).is_some() {}
                if let Some(close) = parser.accept(TokenKind::CloseBrace) {
                    return parser.node(open.to(close.range), ExprKind::Object(items));
                }
                items.push(parser.object_item(open)?);
                parser.object_separator(open)?;
            }
        })
    }

    fn object_item(&mut self, open: Range) -> Parsed<(Expr, Expr)> {
        let grouped = self.at(TokenKind::OpenParen);
        let key = self.expression()?;
        let key = if grouped { key } else { self.object_key(key)? };
        let next = self.peek();
        match next.kind {
            TokenKind::Assign | TokenKind::Colon => {
                self.read();
                Ok((key, self.expression()?))
            }
            TokenKind::Newline | TokenKind::Comma => self.fail(
                next.range,
                "Missing attribute value",
                "Expected an attribute value, introduced by an equals sign (\"=\").",
            ),
            TokenKind::End => self.unterminated_object(open),
            TokenKind::Ident => self.fail(
                next.range,
                "Missing key/value separator",
                "Expected an equals sign (\"=\") to mark the beginning of the attribute value. If \
                 you intended to given an attribute name containing periods or spaces, write the \
                 name in quotes to create a string literal.",
            ),
            _ => self.fail(
                next.range,
                "Missing key/value separator",
                "Expected an equals sign (\"=\") to mark the beginning of the attribute value.",
            ),
        }
    }

    /// A bare name as a key is that name, not a reference.
    fn object_key(&mut self, key: Expr) -> Parsed<Expr> {
        match &key.kind {
            ExprKind::Variable(name) => self.name_as_key(key.range, &name.clone()),
            ExprKind::Literal(value) if value.is_null() || value.as_bool().is_some() => {
                let word = self.source.slice(key.range).to_owned();
                self.name_as_key(key.range, &word)
            }
            ExprKind::Attr { .. } | ExprKind::Index { .. } if is_reference(&key) => self.fail(
                key.range,
                "Ambiguous attribute key",
                "If this expression is intended to be a reference, wrap it in parentheses. If \
                 it's instead intended as a literal name containing periods, wrap it in quotes to \
                 create a string literal.",
            ),
            _ => Ok(key),
        }
    }

    fn name_as_key(&mut self, range: Range, name: &str) -> Parsed<Expr> {
        self.node(range, ExprKind::Literal(Value::string(name)))
    }

    /// A comma or newline, unless the closing brace follows.
    fn object_separator(&mut self, open: Range) -> Parsed<()> {
        let next = self.peek();
        match next.kind {
            TokenKind::CloseBrace => Ok(()),
            TokenKind::Comma | TokenKind::Newline => {
                self.read();
                Ok(())
            }
            TokenKind::End => self.unterminated_object(open),
            _ => self.fail(
                next.range,
                "Missing attribute separator",
                "Expected a newline or comma to mark the beginning of the next attribute.",
            ),
        }
    }

    fn unterminated_object<T>(&mut self, open: Range) -> Parsed<T> {
        self.fail(
            open,
            "Unterminated object constructor expression",
            "There is no corresponding closing brace before the end of the file. This may be \
             caused by incorrect brace nesting elsewhere in this file.",
        )
    }

    fn for_expression(&mut self, open: Range, closer: TokenKind) -> Parsed<Expr> {
        self.read();
        let names = self.for_names("For expression", INVALID_FOR)?;
        let collection = self.expression()?;
        let colon = self.peek().range;
        if self.accept(TokenKind::Colon).is_none() {
            let detail = "For expression requires a colon after the collection expression.";
            return self.fail(colon, INVALID_FOR, detail);
        }
        let mut value = self.expression()?;
        let mut key = None;
        if self.accept(TokenKind::Arrow).is_some() {
            key = Some(std::mem::replace(&mut value, self.expression()?));
        }
        let ellipsis = self.accept(TokenKind::Ellipsis).map(|token| token.range);
        let condition = if self.accept_keyword("if") { Some(self.expression()?) } else { None };
        let close = self.read();
        if close.kind != closer {
            let detail = "Extra characters after the end of the 'for' expression.";
            return self.fail(close.range, INVALID_FOR, detail);
        }
        let (key_name, value_name) = names;
        let group = ellipsis.is_some();
        let inner = ForExpr { key_name, value_name, collection, key, value, condition, group };
        self.check_for(&inner, ellipsis, closer == TokenKind::CloseBrace)?;
        self.node(open.to(close.range), ExprKind::For(Box::new(inner)))
    }

    fn check_for(&mut self, inner: &ForExpr, ellipsis: Option<Range>, object: bool) -> Parsed<()> {
        match (&inner.key, ellipsis) {
            (None, _) if object => {
                let detail = "Key expression is required when building an object.";
                self.fail(inner.value.range, INVALID_FOR, detail)
            }
            (Some(key), _) if !object => {
                let detail = "Key expression is not valid when building a tuple.";
                self.fail(key.range, INVALID_FOR, detail)
            }
            (_, Some(ellipsis)) if !object => {
                let detail = "Grouping ellipsis (...) cannot be used when building a tuple.";
                self.fail(ellipsis, INVALID_FOR, detail)
            }
            _ => Ok(()),
        }
    }

    /// `k, v in`, after `for`.
    pub(crate) fn for_names(&mut self, what: &str, summary: &str) -> Parsed<(Option<Str>, Str)> {
        let first =
            self.for_name(summary, &format!("{what} requires variable name after 'for'."))?;
        let mut names = (None, first);
        if self.accept(TokenKind::Comma).is_some() {
            let detail = format!("{what} requires value variable name after comma.");
            names = (Some(names.1), self.for_name(summary, &detail)?);
        }
        if self.accept_keyword("in") {
            return Ok(names);
        }
        let detail = if what == "For expression" {
            "For expression requires the 'in' keyword after its name declarations."
        } else {
            "For directive requires 'in' keyword after names."
        };
        self.fail(self.peek().range, summary, detail)
    }

    fn for_name(&mut self, summary: &str, detail: &str) -> Parsed<Str> {
        let token = self.peek();
        if token.kind != TokenKind::Ident {
            return self.fail(token.range, summary, detail);
        }
        self.read();
        Ok(self.text(token).into())
    }
}

/// Whether an expression is a chain of names and literal indices.
fn is_reference(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Variable(_) => true,
        ExprKind::Attr { object, .. } => is_reference(object),
        ExprKind::Index { collection, key, .. } => {
            matches!(key.kind, ExprKind::Literal(_)) && is_reference(collection)
        }
        _ => false,
    }
}
