//! Tokens of HCL's native syntax.

use crate::source::Range;

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) range: Range,
}

/// Kinds of tokens. Comments and spaces are not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Ident,
    Number,
    Newline,
    /// `"`, opening or closing.
    OpenQuote,
    CloseQuote,
    /// `<<EOT` with its line end; `flush` for `<<-`.
    OpenHeredoc {
        flush: bool,
    },
    CloseHeredoc,
    /// Text between quotes, with escapes.
    QuotedText,
    /// A line or part of a line of a heredoc or a bare template.
    Text,
    /// `${` or `%{`, with `~` if `trim`.
    OpenInterpolation {
        trim: bool,
    },
    OpenDirective {
        trim: bool,
    },
    /// The `}` or `~}` that ends either.
    CloseSequence {
        trim: bool,
    },
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    OpenParen,
    CloseParen,
    Dot,
    Comma,
    Colon,
    DoubleColon,
    Question,
    Ellipsis,
    Assign,
    Arrow,
    Or,
    And,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Not,
    /// Something the scanner has already complained about.
    Invalid,
    End,
}
