//! Files, blocks and arguments.

use crate::source::{Range, Span};
use crate::syntax::ast::{Attribute, Block, Body};
use crate::syntax::literal::label_text;
use crate::syntax::parser::{Failed, Parsed, Parser};
use crate::syntax::token::{Token, TokenKind};
use crate::value::Str;

const ITEM_REQUIRED: &str = "Argument or block definition required";

impl Parser<'_> {
    /// A whole file.
    pub(crate) fn file(&mut self) -> Body {
        let mut body = Body::default();
        loop {
            self.items(&mut body);
            body.end = self.peek().range;
            // A stray closing brace ends the items, not the file.
            match self.peek().kind {
                TokenKind::End => return body,
                _ => {
                    let stray = self.read();
                    self.problem(
                        stray.range,
                        ITEM_REQUIRED,
                        "An argument or block definition is required here.",
                    );
                }
            }
        }
    }

    /// Arguments and blocks up to a closing brace or the end.
    fn items(&mut self, body: &mut Body) {
        let mut failed = false;
        loop {
            match self.peek().kind {
                TokenKind::Newline => {
                    self.read();
                }
                TokenKind::End | TokenKind::CloseBrace => return,
                _ => {
                    let (start, known) = (self.progress(), self.problems.len());
                    let begins = self.at(TokenKind::Ident);
                    let again = std::mem::replace(&mut failed, self.item(body).is_err());
                    if failed {
                        self.skip_item(start);
                    }
                    // The rest of a broken argument is no argument of its own.
                    if failed && again && !begins {
                        self.problems.truncate(known);
                    }
                }
            }
        }
    }

    fn item(&mut self, body: &mut Body) -> Parsed<()> {
        let name = self.read();
        if name.kind != TokenKind::Ident {
            return match name.kind {
                TokenKind::OpenQuote => self.fail(
                    name.range,
                    "Invalid argument name",
                    "Argument names must not be quoted.",
                ),
                _ => self.fail(
                    name.range,
                    ITEM_REQUIRED,
                    "An argument or block definition is required here.",
                ),
            };
        }
        match self.peek().kind {
            TokenKind::Assign => {
                self.read();
                let attribute = self.argument(name)?;
                self.end_of_argument()?;
                self.add(body, attribute);
                Ok(())
            }
            TokenKind::OpenQuote | TokenKind::OpenBrace | TokenKind::Ident => {
                let block = self.nested(|parser| parser.block(name))?;
                body.blocks.push(block);
                self.end_of_block()
            }
            _ => self.fail(
                name.range,
                ITEM_REQUIRED,
                "An argument or block definition is required here. To set an argument, use the \
                 equals sign \"=\" to introduce the argument value.",
            ),
        }
    }

    fn argument(&mut self, name: Token) -> Parsed<Attribute> {
        let expr = self.expression()?;
        Ok(Attribute { name: self.text(name).into(), name_range: name.range, expr })
    }

    fn add(&mut self, body: &mut Body, attribute: Attribute) {
        match body.attribute(&attribute.name) {
            Some(first) => {
                let first = Span::new(self.source, first.name_range);
                let detail = format!(
                    "The argument {} was already set at {first}. Each argument may be set only once.",
                    crate::quote::quote(&attribute.name)
                );
                self.problem(attribute.name_range, "Attribute redefined", detail);
            }
            None => body.attributes.push(attribute),
        }
    }

    fn end_of_argument(&mut self) -> Parsed<()> {
        let end = self.peek();
        match end.kind {
            TokenKind::Newline => {
                self.read();
                Ok(())
            }
            TokenKind::End => Ok(()),
            TokenKind::Comma => self.fail(
                end.range,
                "Unexpected comma after argument",
                "Argument definitions must be separated by newlines, not commas. An argument \
                 definition must end with a newline.",
            ),
            _ => self.fail(
                end.range,
                "Missing newline after argument",
                "An argument definition must end with a newline.",
            ),
        }
    }

    fn end_of_block(&mut self) -> Parsed<()> {
        let end = self.peek();
        match end.kind {
            TokenKind::Newline => {
                self.read();
                Ok(())
            }
            TokenKind::End => Ok(()),
            _ => self.fail(
                end.range,
                "Missing newline after block definition",
                "A block definition must end with a newline.",
            ),
        }
    }

    fn block(&mut self, name: Token) -> Parsed<Block> {
        let mut header = name.range;
        let labels = self.labels(&mut header)?;
        let open = self.read();
        let mut body = Body::default();
        let known = self.problems.len();
        match self.peek().kind {
            TokenKind::Newline | TokenKind::End | TokenKind::CloseBrace => {
                self.items(&mut body);
                body.end = self.peek().range;
                // A mistake inside is the likely reason for a missing brace.
                if self.problems.len() > known && !self.at(TokenKind::CloseBrace) {
                    return Err(Failed);
                }
                self.close_block(open.range)?;
            }
            _ => self.single_line_body(&mut body, open.range)?,
        }
        let block_type = self.text(name).into();
        Ok(Block { block_type, type_range: name.range, labels, header, body })
    }

    fn close_block(&mut self, open: Range) -> Parsed<()> {
        if self.accept(TokenKind::CloseBrace).is_some() {
            return Ok(());
        }
        self.fail(
            open,
            "Unclosed configuration block",
            "There is no closing brace for this block before the end of the file. This may be \
             caused by incorrect brace nesting elsewhere in this file.",
        )
    }

    fn labels(&mut self, header: &mut Range) -> Parsed<Vec<(Str, Range)>> {
        let mut labels = Vec::new();
        loop {
            let token = self.peek();
            let label = match token.kind {
                TokenKind::OpenBrace => return Ok(labels),
                TokenKind::OpenQuote => self.quoted_label()?,
                TokenKind::Ident => {
                    self.read();
                    (self.text(token).into(), token.range)
                }
                TokenKind::Assign => {
                    return self.fail(
                        token.range,
                        "Invalid block definition",
                        "The equals sign \"=\" indicates an argument definition, and must not be \
                         used when defining a block.",
                    );
                }
                TokenKind::Newline => {
                    return self.fail(
                        token.range,
                        "Invalid block definition",
                        "A block definition must have block content delimited by \"{\" and \"}\", \
                         starting on the same line as the block header.",
                    );
                }
                _ => {
                    return self.fail(
                        token.range,
                        "Invalid block definition",
                        "Either a quoted string block label or an opening brace (\"{\") is \
                         expected here.",
                    );
                }
            };
            *header = header.to(label.1);
            labels.push(label);
        }
    }

    /// A quoted label: a string without template sequences.
    fn quoted_label(&mut self) -> Parsed<(Str, Range)> {
        let open = self.read();
        let mut text = String::new();
        loop {
            let token = self.read();
            match token.kind {
                TokenKind::CloseQuote => return Ok((text.into(), open.range.to(token.range))),
                TokenKind::QuotedText => text.push_str(&label_text(self, token)),
                TokenKind::OpenInterpolation { .. } | TokenKind::OpenDirective { .. } => {
                    let sign = self.text(token).get(..1).unwrap_or("$");
                    let detail = format!(
                        "Template sequences are not allowed in this string. To include a literal \
                         \"{sign}\", double it (as \"{sign}{sign}\") to escape it."
                    );
                    return self.fail(token.range, "Invalid string literal", detail);
                }
                _ => {
                    return self.fail(
                        token.range,
                        "Unterminated string literal",
                        "Unable to find the closing quote mark before the end of the file.",
                    );
                }
            }
        }
    }

    /// `{ name = value }` on one line.
    fn single_line_body(&mut self, body: &mut Body, open: Range) -> Parsed<()> {
        let name = self.read();
        if name.kind != TokenKind::Ident || !self.at(TokenKind::Assign) {
            let (summary, detail) = match self.peek().kind {
                TokenKind::OpenQuote | TokenKind::OpenBrace | TokenKind::Ident => (
                    "Argument definition required",
                    "A single-line block definition can contain only a single argument. To define \
                     a nested block, place it on a line of its own within its parent block.",
                ),
                _ => (
                    ITEM_REQUIRED,
                    "An argument or block definition is required here. To set an argument, use \
                     the equals sign \"=\" to introduce the argument value.",
                ),
            };
            return self.fail(name.range, summary, detail);
        }
        self.read();
        let attribute = self.argument(name)?;
        body.attributes.push(attribute);
        let close = self.peek();
        body.end = close.range;
        let detail = match close.kind {
            TokenKind::CloseBrace => {
                self.read();
                return Ok(());
            }
            TokenKind::Comma => {
                "Single-line block syntax can include only one argument definition. To define \
                 multiple arguments, use the multi-line block syntax with one argument definition \
                 per line."
            }
            TokenKind::Newline => {
                "An argument definition on the same line as its containing block creates a \
                 single-line block definition, which must also be closed on the same line. Place \
                 the block's closing brace immediately after the argument definition."
            }
            TokenKind::End => return self.close_block(open),
            _ => {
                "A single-line block definition must end with a closing brace immediately after \
                 its single argument definition."
            }
        };
        self.fail(close.range, "Invalid single-argument block definition", detail)
    }
}
