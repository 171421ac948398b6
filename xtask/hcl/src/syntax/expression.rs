//! Expressions: operators, terms and what may follow a term.

use crate::number::Number;
use crate::source::Range;
use crate::syntax::ast::{BinaryOp, Call, Conditional, Expr, ExprKind, UnaryOp};
use crate::syntax::parser::{Parsed, Parser};
use crate::syntax::token::{Token, TokenKind};
use crate::types::Type;
use crate::value::{Str, Value};

/// Precedence level (0 binds weakest) and meaning of an infix operator.
fn infix(kind: TokenKind) -> Option<(u8, BinaryOp)> {
    Some(match kind {
        TokenKind::Or => (0, BinaryOp::Or),
        TokenKind::And => (1, BinaryOp::And),
        TokenKind::Equal => (2, BinaryOp::Equal),
        TokenKind::NotEqual => (2, BinaryOp::NotEqual),
        TokenKind::Greater => (3, BinaryOp::Greater),
        TokenKind::GreaterEqual => (3, BinaryOp::GreaterEqual),
        TokenKind::Less => (3, BinaryOp::Less),
        TokenKind::LessEqual => (3, BinaryOp::LessEqual),
        TokenKind::Plus => (4, BinaryOp::Add),
        TokenKind::Minus => (4, BinaryOp::Subtract),
        TokenKind::Star => (5, BinaryOp::Multiply),
        TokenKind::Slash => (5, BinaryOp::Divide),
        TokenKind::Percent => (5, BinaryOp::Modulo),
        _ => return None,
    })
}

impl Parser<'_> {
    /// The expression of `-var` and the like: nothing may follow it.
    pub(crate) fn lone_expression(&mut self) -> Parsed<Expr> {
        self.with_newlines(false, |parser| {
            let expr = parser.expression()?;
            let next = parser.peek();
            if next.kind == TokenKind::End {
                return Ok(expr);
            }
            parser.fail(
                next.range,
                "Extra characters after expression",
                "An expression was successfully parsed, but extra characters were found after it.",
            )
        })
    }

    /// Any expression.
    pub(crate) fn expression(&mut self) -> Parsed<Expr> {
        self.nested(|parser| {
            let condition = parser.operators(0)?;
            if parser.accept(TokenKind::Question).is_none() {
                return Ok(condition);
            }
            parser.conditional(condition)
        })
    }

    fn conditional(&mut self, condition: Expr) -> Parsed<Expr> {
        let yes = self.expression()?;
        let colon = self.peek();
        if self.accept(TokenKind::Colon).is_none() {
            return self.fail(
                colon.range,
                "Missing false expression in conditional",
                "The conditional operator (...?...:...) requires a false expression, delimited by \
                 a colon.",
            );
        }
        let no = self.expression()?;
        let range = condition.range.to(no.range);
        let parts = Conditional { condition, yes, no };
        self.node(range, ExprKind::Conditional(Box::new(parts)))
    }

    /// Operands joined by infix operators of at least this precedence, left to
    /// right.
    fn operators(&mut self, least: u8) -> Parsed<Expr> {
        let mut left = self.term_with_traversal()?;
        while let Some((level, op)) = infix(self.peek().kind).filter(|(level, _)| *level >= least) {
            self.read();
            let right = self.operators(level + 1)?;
            left = self.binary(op, left, right)?;
        }
        Ok(left)
    }

    fn binary(&mut self, op: BinaryOp, left: Expr, right: Expr) -> Parsed<Expr> {
        let range = left.range.to(right.range);
        self.node(range, ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) })
    }

    fn term_with_traversal(&mut self) -> Parsed<Expr> {
        let term = self.term()?;
        self.traversal(term)
    }

    fn term(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        match token.kind {
            TokenKind::OpenParen => self.parentheses(),
            TokenKind::Number => self.number(),
            TokenKind::Ident => self.name(),
            TokenKind::OpenQuote | TokenKind::OpenHeredoc { .. } => self.template(),
            TokenKind::Minus => self.unary(UnaryOp::Negate),
            TokenKind::Not => self.unary(UnaryOp::Not),
            TokenKind::OpenBracket => self.tuple(),
            TokenKind::OpenBrace => self.object(),
            TokenKind::End => self.fail(
                token.range,
                "Missing expression",
                "Expected the start of an expression, but found the end of the file.",
            ),
            _ => self.fail(
                token.range,
                "Invalid expression",
                "Expected the start of an expression, but found an invalid expression token.",
            ),
        }
    }

    fn parentheses(&mut self) -> Parsed<Expr> {
        let open = self.read();
        let (inner, close) = self.with_newlines(false, |parser| {
            let inner = parser.expression()?;
            let close = parser.read();
            if close.kind == TokenKind::CloseParen {
                return Ok((inner, close));
            }
            parser.fail(
                close.range,
                "Unbalanced parentheses",
                "Expected a closing parenthesis to terminate the expression.",
            )
        })?;
        self.node(open.range.to(close.range), ExprKind::Parens(Box::new(inner)))
    }

    fn number(&mut self) -> Parsed<Expr> {
        let token = self.read();
        match Number::parse(self.text(token)) {
            Some(number) => self.node(token.range, ExprKind::Literal(Value::number(number))),
            None => self.fail(
                token.range,
                "Invalid number literal",
                "Failed to recognize the value of this number literal.",
            ),
        }
    }

    fn name(&mut self) -> Parsed<Expr> {
        let token = self.read();
        if matches!(self.peek().kind, TokenKind::OpenParen | TokenKind::DoubleColon) {
            return self.call(token);
        }
        let kind = match self.text(token) {
            "true" => ExprKind::Literal(Value::bool(true)),
            "false" => ExprKind::Literal(Value::bool(false)),
            "null" => ExprKind::Literal(Value::null(Type::Dynamic)),
            name => ExprKind::Variable(name.into()),
        };
        self.node(token.range, kind)
    }

    fn unary(&mut self, op: UnaryOp) -> Parsed<Expr> {
        let symbol = self.read();
        let operand = self.nested(Self::term_with_traversal)?;
        let range = symbol.range.to(operand.range);
        self.node(range, ExprKind::Unary { op, operand: Box::new(operand) })
    }

    /// A call whose name was read; namespaces become part of the name.
    fn call(&mut self, first: Token) -> Parsed<Expr> {
        let mut name = self.text(first).to_owned();
        let mut name_range = first.range;
        while self.accept(TokenKind::DoubleColon).is_some() {
            let part = self.read();
            if part.kind != TokenKind::Ident {
                return self.fail(
                    part.range,
                    "Missing function name",
                    "Function scope resolution symbol :: must be followed by a function name in \
                     this scope.",
                );
            }
            name = format!("{name}::{}", self.text(part));
            name_range = name_range.to(part.range);
        }
        let open = self.read();
        if open.kind != TokenKind::OpenParen {
            return self.fail(
                open.range,
                "Missing open parenthesis",
                "Function selector must be followed by an open parenthesis to begin the function \
                 call.",
            );
        }
        let (args, expand, close) =
            self.with_newlines(false, |parser| parser.arguments(name_range.to(open.range)))?;
        let call = Call { name: Str::from(name), name_range, args, expand, close };
        self.node(name_range.to(close), ExprKind::Call(Box::new(call)))
    }

    fn arguments(&mut self, head: Range) -> Parsed<(Vec<Expr>, bool, Range)> {
        let mut args = Vec::new();
        loop {
            if let Some(close) = self.accept(TokenKind::CloseParen) {
                return Ok((args, false, close.range));
            }
            args.push(self.expression()?);
            let separator = self.read();
            match separator.kind {
                TokenKind::Comma => {}
                TokenKind::CloseParen => return Ok((args, false, separator.range)),
                TokenKind::Ellipsis => {
                    if let Some(close) = self.accept(TokenKind::CloseParen) {
                        return Ok((args, true, close.range));
                    }
                    return self.fail(
                        separator.range,
                        "Missing closing parenthesis",
                        "An expanded function argument (with ...) must be immediately followed by \
                         closing parentheses.",
                    );
                }
                TokenKind::End => {
                    return self.fail(
                        head,
                        "Unterminated function call",
                        "There is no closing parenthesis for this function call before the end of \
                         the file. This may be caused by incorrect parenthesis nesting elsewhere \
                         in this file.",
                    );
                }
                _ => {
                    return self.fail(
                        separator.range,
                        "Missing argument separator",
                        "A comma is required to separate each function argument from the next.",
                    );
                }
            }
        }
    }

    /// Attributes, indices and splats after a term.
    fn traversal(&mut self, mut from: Expr) -> Parsed<Expr> {
        loop {
            from = match self.peek().kind {
                TokenKind::Dot => self.dot(from)?,
                TokenKind::OpenBracket => self.brackets(from)?,
                _ => return Ok(from),
            };
        }
    }

    fn dot(&mut self, from: Expr) -> Parsed<Expr> {
        let dot = self.read();
        if let Some(star) = self.accept(TokenKind::Star) {
            return self.attribute_splat(from, dot.range.to(star.range));
        }
        self.attribute(from, dot.range)
    }

    /// `.name`, or `.0` for an index, after its dot.
    fn attribute(&mut self, from: Expr, dot: Range) -> Parsed<Expr> {
        let token = self.peek();
        let range = from.range.to(token.range);
        let step = dot.to(token.range);
        match token.kind {
            TokenKind::Ident => {
                self.read();
                let name = self.text(token).into();
                let step = token.range;
                self.node(range, ExprKind::Attr { object: Box::new(from), name, step })
            }
            TokenKind::Number if self.text(token).contains('.') => {
                let (first, second) = self.text(token).split_once('.').unwrap_or_default();
                let detail = format!(
                    "When using the legacy index syntax, chaining two indexes together is not \
                     permitted. Use the proper index syntax instead, like [{first}][{second}]."
                );
                self.fail(token.range, "Invalid legacy index syntax", detail)
            }
            TokenKind::Number => {
                let key = Box::new(self.number()?);
                self.node(range, ExprKind::Index { collection: Box::new(from), key, step })
            }
            _ => self.fail(
                token.range,
                "Invalid attribute name",
                "An attribute name is required after a dot.",
            ),
        }
    }

    /// `source.*` applies the attributes that follow to every element.
    fn attribute_splat(&mut self, source: Expr, marker: Range) -> Parsed<Expr> {
        let mut each = self.node(marker, ExprKind::Item)?;
        while let Some(dot) = self.accept(TokenKind::Dot) {
            if self.at(TokenKind::Star) {
                return self.fail(
                    self.peek().range,
                    "Nested splat expression not allowed",
                    "A splat expression (*) cannot be used inside another attribute-only splat \
                     expression.",
                );
            }
            each = self.attribute(each, dot.range)?;
        }
        let range = source.range.to(each.range);
        let kind = ExprKind::Splat { source: Box::new(source), each: Box::new(each) };
        self.node(range, kind)
    }

    fn brackets(&mut self, from: Expr) -> Parsed<Expr> {
        let open = self.read();
        if self.accept(TokenKind::Star).is_some() {
            let close = self.read();
            if close.kind != TokenKind::CloseBracket {
                return self.fail(
                    close.range,
                    "Missing close bracket on splat index",
                    "The star for a full splat operator must be immediately followed by a closing \
                     bracket (\"]\").",
                );
            }
            return self.full_splat(from, open.range.to(close.range));
        }
        let (key, close) = self.with_newlines(false, |parser| {
            let key = parser.expression()?;
            let close = parser.read();
            if close.kind == TokenKind::CloseBracket {
                return Ok((key, close));
            }
            parser.fail(
                close.range,
                "Missing close bracket on index",
                "The index operator must end with a closing bracket (\"]\").",
            )
        })?;
        let range = from.range.to(close.range);
        let step = open.range.to(close.range);
        let kind = ExprKind::Index { collection: Box::new(from), key: Box::new(key), step };
        self.node(range, kind)
    }

    /// `source[*]` applies everything that follows to every element.
    fn full_splat(&mut self, source: Expr, marker: Range) -> Parsed<Expr> {
        let item = self.node(marker, ExprKind::Item)?;
        let each = self.nested(|parser| parser.traversal(item))?;
        let range = source.range.to(each.range);
        let kind = ExprKind::Splat { source: Box::new(source), each: Box::new(each) };
        self.node(range, kind)
    }
}
