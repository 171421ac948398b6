//! Splits a text into tokens. Templates nest in expressions and the other way
//! round, so the scanner keeps a stack of what it is inside of.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::{Range, Source, Span};
use crate::syntax::lexeme::{Stop, ident_length, is_ident_start, number_length, text_length};
use crate::syntax::token::{Token, TokenKind};

/// Nesting of quotes, heredocs and sequences that is scanned.
const MAX_NESTING: usize = 200;

/// What the scanner is inside of.
enum Mode {
    /// Expressions and bodies; counts open braces. `sequence` if a `}` without
    /// an open brace ends an interpolation or directive.
    Normal { braces: usize, sequence: bool },
    /// Between quotes.
    Quoted,
    /// Between `<<EOT` and `EOT`.
    Heredoc { marker: String, line_start: bool },
    /// A template file.
    Bare,
}

pub(crate) struct Scanner<'a> {
    source: &'a Arc<Source>,
    text: &'a str,
    at: usize,
    modes: Vec<Mode>,
    tokens: Vec<Token>,
    problems: Vec<Diagnostic>,
}

/// Tokens of a configuration file or expression.
pub(crate) fn scan(source: &Arc<Source>) -> (Vec<Token>, Vec<Diagnostic>) {
    Scanner::new(source, Mode::Normal { braces: 0, sequence: false }).run()
}

/// Tokens of a template file.
pub(crate) fn scan_template(source: &Arc<Source>) -> (Vec<Token>, Vec<Diagnostic>) {
    Scanner::new(source, Mode::Bare).run()
}

impl<'a> Scanner<'a> {
    fn new(source: &'a Arc<Source>, mode: Mode) -> Self {
        let text = source.text();
        // A byte order mark is not part of the text.
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { source, text, at, modes: vec![mode], tokens: Vec::new(), problems: Vec::new() }
    }

    fn run(mut self) -> (Vec<Token>, Vec<Diagnostic>) {
        while self.at < self.text.len() {
            match self.modes.last() {
                Some(Mode::Normal { .. }) => self.normal(),
                Some(Mode::Quoted) => self.quoted(),
                Some(Mode::Heredoc { .. }) => self.heredoc(),
                Some(Mode::Bare) => self.bare(),
                None => break,
            }
            if self.modes.len() > MAX_NESTING {
                let range = self.range(self.at, self.at);
                self.problem(range, "Nested too deeply", format!("Quotes and template sequences nest more than {MAX_NESTING} levels deep here."));
                break;
            }
        }
        let end = self.text.len();
        self.push(TokenKind::End, end, end);
        (self.tokens, self.problems)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn range(&self, start: usize, end: usize) -> Range {
        let fit = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        Range { start: fit(start), end: fit(end) }
    }

    fn push(&mut self, kind: TokenKind, start: usize, end: usize) {
        let range = self.range(start, end);
        self.tokens.push(Token { kind, range });
    }

    /// Emits the next `length` bytes as one token.
    fn emit(&mut self, kind: TokenKind, length: usize) {
        let start = self.at;
        self.at += length;
        self.push(kind, start, self.at);
    }

    fn problem(&mut self, range: Range, summary: &str, detail: impl Into<String>) {
        let span = Span::new(self.source, range);
        self.problems.push(Diagnostic::error(summary, detail, span));
    }

    fn invalid(&mut self, length: usize, summary: &str, detail: &str) {
        let range = self.range(self.at, self.at + length);
        // A pair of wrong quotes is one mistake.
        let again = self.problems.last().is_some_and(|last| {
            let since = last.span.as_ref().map(|span| span.range.to(range));
            let line = since.map(|since| self.source.slice(since)).unwrap_or("\n");
            last.detail == detail && !line.contains('\n')
        });
        if !again {
            self.problem(range, summary, detail);
        }
        self.emit(TokenKind::Invalid, length);
    }

    fn normal(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return };
        match first {
            ' ' | '\t' => self.at += rest.len() - rest.trim_start_matches([' ', '\t']).len(),
            '\n' => self.emit(TokenKind::Newline, 1),
            '\r' if rest.starts_with("\r\n") => self.emit(TokenKind::Newline, 2),
            '#' => self.line_comment(),
            '/' if rest.starts_with("//") => self.line_comment(),
            '/' if rest.starts_with("/*") => self.block_comment(),
            '0'..='9' => self.emit(TokenKind::Number, number_length(rest)),
            '"' => {
                self.emit(TokenKind::OpenQuote, 1);
                self.modes.push(Mode::Quoted);
            }
            '<' if rest.starts_with("<<") && self.open_heredoc() => {}
            _ if is_ident_start(first) => self.emit(TokenKind::Ident, ident_length(rest)),
            _ => self.symbol(first),
        }
    }

    fn line_comment(&mut self) {
        // The line end belongs to the comment, but ends an argument as well.
        let rest = self.rest();
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    fn block_comment(&mut self) {
        let rest = self.rest();
        match rest.get(2..).and_then(|body| body.find("*/")) {
            Some(length) => self.at += length + 4,
            None => self.invalid(
                rest.len(),
                "Unclosed comment",
                "There is no \"*/\" after this comment's start before the end of the file.",
            ),
        }
    }

    /// Starts a heredoc if `<<` is followed by a marker and a line end.
    fn open_heredoc(&mut self) -> bool {
        let rest = self.rest();
        let flush = rest.starts_with("<<-");
        let start = if flush { 3 } else { 2 };
        let Some(after) = rest.get(start..) else { return false };
        if !after.chars().next().is_some_and(is_ident_start) {
            return false;
        }
        let length = ident_length(after);
        let (marker, after) = after.split_at(length);
        let newline = match after.as_bytes() {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return false,
        };
        self.emit(TokenKind::OpenHeredoc { flush }, start + length + newline);
        self.modes.push(Mode::Heredoc { marker: marker.to_owned(), line_start: true });
        true
    }

    fn symbol(&mut self, first: char) {
        if self.brace(first) {
            return;
        }
        let rest = self.rest();
        match SYMBOLS.iter().find(|(text, _)| rest.starts_with(text)) {
            Some((text, kind)) => self.emit(*kind, text.len()),
            None => self.unknown(first),
        }
    }

    /// Handles braces, which may end a template sequence.
    fn brace(&mut self, first: char) -> bool {
        let trim = self.rest().starts_with("~}");
        let Some(Mode::Normal { braces, sequence }) = self.modes.last_mut() else { return false };
        let ends = *sequence && *braces == 0;
        match first {
            '{' => {
                *braces += 1;
                self.emit(TokenKind::OpenBrace, 1);
            }
            '}' | '~' if ends && (first == '}' || trim) => {
                self.modes.pop();
                self.emit(TokenKind::CloseSequence { trim }, if trim { 2 } else { 1 });
            }
            '}' => {
                *braces = braces.saturating_sub(1);
                self.emit(TokenKind::CloseBrace, 1);
            }
            _ => return false,
        }
        true
    }

    fn unknown(&mut self, first: char) {
        let length = first.len_utf8();
        let operator = |hint: &str| {
            ("Unsupported operator", format!("Bitwise operators are not supported.{hint}"))
        };
        let (summary, detail) = match first {
            '&' => operator(" Did you mean boolean AND (\"&&\")?"),
            '|' => operator(" Did you mean boolean OR (\"||\")?"),
            '~' => operator(" Did you mean boolean NOT (\"!\")?"),
            '^' => operator(""),
            other => ("Invalid character", unknown_character(other).to_owned()),
        };
        self.invalid(length, summary, &detail);
    }

    /// Emits `${` or `%{` if one starts here.
    fn open_sequence(&mut self) -> bool {
        let rest = self.rest();
        let interpolation = rest.starts_with("${");
        if !interpolation && !rest.starts_with("%{") {
            return false;
        }
        let trim = rest.get(2..).is_some_and(|after| after.starts_with('~'));
        let kind = if interpolation {
            TokenKind::OpenInterpolation { trim }
        } else {
            TokenKind::OpenDirective { trim }
        };
        if let Some(Mode::Heredoc { line_start, .. }) = self.modes.last_mut() {
            *line_start = false;
        }
        self.emit(kind, if trim { 3 } else { 2 });
        self.modes.push(Mode::Normal { braces: 0, sequence: true });
        true
    }

    fn quoted(&mut self) {
        if self.open_sequence() {
            return;
        }
        let rest = self.rest();
        match rest.as_bytes().first() {
            Some(b'"') => {
                self.modes.pop();
                self.emit(TokenKind::CloseQuote, 1);
            }
            Some(b'\n' | b'\r') => {
                // The string ends with its line, so that one missing quote is
                // one error and not one for each line that follows.
                let range = self.range(self.at, self.at);
                self.problem(range, "Invalid multi-line string", MULTI_LINE);
                self.modes.pop();
                self.emit(TokenKind::CloseQuote, 0);
            }
            _ => self.emit(TokenKind::QuotedText, text_length(rest, Stop::Quote)),
        }
    }

    fn heredoc(&mut self) {
        if self.open_sequence() {
            return;
        }
        let rest = self.rest();
        let length = text_length(rest, Stop::LineEnd);
        let line = rest.get(..length).unwrap_or(rest);
        let Some(Mode::Heredoc { marker, line_start }) = self.modes.last_mut() else { return };
        let complete = line.ends_with('\n');
        let closes = *line_start && complete && line.trim() == marker;
        *line_start = complete;
        if closes {
            self.modes.pop();
            let content = line.trim_end_matches('\n').trim_end_matches('\r').len();
            self.emit(TokenKind::CloseHeredoc, content);
        } else {
            self.emit(TokenKind::Text, length);
        }
    }

    fn bare(&mut self) {
        if !self.open_sequence() {
            let length = text_length(self.rest(), Stop::LineEnd);
            self.emit(TokenKind::Text, length);
        }
    }
}

const MULTI_LINE: &str = "Quoted strings may not be split over multiple lines. To produce a \
    multi-line string, either use the \\n escape to represent a newline character or use the \
    \"heredoc\" multi-line template syntax.";

/// Symbols, longer ones before their beginnings.
const SYMBOLS: &[(&str, TokenKind)] = &[
    ("...", TokenKind::Ellipsis),
    ("==", TokenKind::Equal),
    ("=>", TokenKind::Arrow),
    ("!=", TokenKind::NotEqual),
    (">=", TokenKind::GreaterEqual),
    ("<=", TokenKind::LessEqual),
    ("&&", TokenKind::And),
    ("||", TokenKind::Or),
    ("::", TokenKind::DoubleColon),
    ("=", TokenKind::Assign),
    ("!", TokenKind::Not),
    (">", TokenKind::Greater),
    ("<", TokenKind::Less),
    ("[", TokenKind::OpenBracket),
    ("]", TokenKind::CloseBracket),
    ("(", TokenKind::OpenParen),
    (")", TokenKind::CloseParen),
    (".", TokenKind::Dot),
    (",", TokenKind::Comma),
    (":", TokenKind::Colon),
    ("?", TokenKind::Question),
    ("+", TokenKind::Plus),
    ("-", TokenKind::Minus),
    ("*", TokenKind::Star),
    ("/", TokenKind::Slash),
    ("%", TokenKind::Percent),
];

fn unknown_character(character: char) -> &'static str {
    match character {
        '`' => {
            "The \"`\" character is not valid. To create a multi-line string, use the \"heredoc\" \
             syntax, like \"<<EOT\"."
        }
        '\'' => "Single quotes are not valid. Use double quotes (\") to enclose strings.",
        ';' => {
            "The \";\" character is not valid. Use newlines to separate arguments and blocks, and \
             commas to separate items in collection values."
        }
        '“' | '”' => {
            "\"Curly quotes\" are not valid here. These can sometimes be inadvertently introduced \
             when sharing code via documents or discussion forums. It might help to replace the \
             character with a \"straight quote\"."
        }
        _ => "This character is not used within the language.",
    }
}
