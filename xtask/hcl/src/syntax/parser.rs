//! The parser's state and the small steps that all grammar rules share.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::{Range, Source, Span};
use crate::syntax::ast::{Expr, ExprKind};
use crate::syntax::token::{Token, TokenKind};

/// Levels of nested expressions or blocks that are accepted. Real templates
/// stay below 20; the bound keeps recursion off the end of the stack.
pub(crate) const MAX_DEPTH: u16 = 200;

/// A rule could not be completed; the reason is among the problems.
pub(crate) struct Failed;

/// Result of a grammar rule.
pub(crate) type Parsed<T> = Result<T, Failed>;

pub(crate) struct Parser<'a> {
    pub(crate) source: &'a Arc<Source>,
    tokens: Vec<Token>,
    next: usize,
    /// Whether newlines are tokens here; brackets and parentheses hide them.
    newlines: Vec<bool>,
    /// Nesting of rules at this moment.
    level: u16,
    pub(crate) problems: Vec<Diagnostic>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(source: &'a Arc<Source>, tokens: Vec<Token>) -> Self {
        Self { source, tokens, next: 0, newlines: vec![true], level: 0, problems: Vec::new() }
    }

    fn significant(&self, token: &Token) -> bool {
        token.kind != TokenKind::Newline || self.newlines.last().copied().unwrap_or(true)
    }

    fn end_token(&self) -> Token {
        let end = self.tokens.last().map(|token| token.range.at_end()).unwrap_or_default();
        Token { kind: TokenKind::End, range: end }
    }

    /// Index of the next token that counts here.
    fn next_index(&self) -> usize {
        let mut index = self.next;
        while self.tokens.get(index).is_some_and(|token| !self.significant(token)) {
            index += 1;
        }
        index
    }

    pub(crate) fn peek(&self) -> Token {
        self.tokens.get(self.next_index()).copied().unwrap_or_else(|| self.end_token())
    }

    pub(crate) fn read(&mut self) -> Token {
        let index = self.next_index();
        let token = self.tokens.get(index).copied().unwrap_or_else(|| self.end_token());
        self.next = (index + 1).min(self.tokens.len());
        token
    }

    pub(crate) fn at(&self, kind: TokenKind) -> bool {
        self.peek().kind == kind
    }

    /// Reads the next token if it is of that kind.
    pub(crate) fn accept(&mut self, kind: TokenKind) -> Option<Token> {
        self.at(kind).then(|| self.read())
    }

    /// The text of a token.
    pub(crate) fn text(&self, token: Token) -> &'a str {
        self.source.slice(token.range)
    }

    /// Whether the next token is that keyword.
    pub(crate) fn at_keyword(&self, word: &str) -> bool {
        let token = self.peek();
        token.kind == TokenKind::Ident && self.text(token) == word
    }

    pub(crate) fn accept_keyword(&mut self, word: &str) -> bool {
        let found = self.at_keyword(word);
        if found {
            self.read();
        }
        found
    }

    /// Runs a rule with newlines counted or hidden.
    pub(crate) fn with_newlines<T>(&mut self, count: bool, rule: impl FnOnce(&mut Self) -> T) -> T {
        self.newlines.push(count);
        let result = rule(self);
        self.newlines.pop();
        result
    }

    /// Runs a rule one level deeper.
    pub(crate) fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.level >= MAX_DEPTH {
            return self.too_deep(self.peek().range);
        }
        self.level += 1;
        let result = rule(self);
        self.level -= 1;
        result
    }

    pub(crate) fn too_deep<T>(&mut self, range: Range) -> Parsed<T> {
        let detail = format!("Expressions and blocks may nest at most {MAX_DEPTH} levels deep.");
        self.fail(range, "Nested too deeply", detail)
    }

    /// Makes an expression, if it does not get too deep.
    pub(crate) fn node(&mut self, range: Range, kind: ExprKind) -> Parsed<Expr> {
        let mut expr = Expr { range, depth: 0, kind };
        let mut below = 0;
        expr.for_each_part(&mut |part| below = below.max(part.depth));
        expr.depth = below + 1;
        if expr.depth > MAX_DEPTH { self.too_deep(range) } else { Ok(expr) }
    }

    pub(crate) fn problem(&mut self, range: Range, summary: &str, detail: impl Into<String>) {
        let span = Span::new(self.source, range);
        self.problems.push(Diagnostic::error(summary, detail, span));
    }

    /// Notes an error and gives up the rule.
    pub(crate) fn fail<T>(
        &mut self,
        range: Range,
        summary: &str,
        detail: impl Into<String>,
    ) -> Parsed<T> {
        self.problem(range, summary, detail);
        Err(Failed)
    }

    /// Skips from the start of an argument or block to the line after it, over
    /// nested brackets and templates.
    pub(crate) fn skip_item(&mut self, start: usize) {
        self.next = start;
        self.newlines = vec![true];
        let mut open = 0usize;
        loop {
            match self.peek().kind {
                TokenKind::End => return,
                TokenKind::Newline if open == 0 => {
                    self.read();
                    return;
                }
                // The end of the block around the item is not skipped.
                TokenKind::CloseBrace if open == 0 => return,
                TokenKind::OpenBrace
                | TokenKind::OpenBracket
                | TokenKind::OpenParen
                | TokenKind::OpenQuote
                | TokenKind::OpenHeredoc { .. }
                | TokenKind::OpenInterpolation { .. }
                | TokenKind::OpenDirective { .. } => open += 1,
                TokenKind::CloseBrace
                | TokenKind::CloseBracket
                | TokenKind::CloseParen
                | TokenKind::CloseQuote
                | TokenKind::CloseHeredoc
                | TokenKind::CloseSequence { .. } => open = open.saturating_sub(1),
                _ => {}
            }
            self.read();
        }
    }

    /// Position in the token stream.
    pub(crate) fn progress(&self) -> usize {
        self.next
    }
}
