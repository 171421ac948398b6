//! Canonical layout of a configuration file, as `packer fmt` has it: only the
//! spaces within lines change. Every line is indented by the brackets that are
//! open before it, tokens get at most one space between them, and the `=` signs
//! and trailing comments of neighbouring lines stand in one column.

use std::ops::Range;
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation as _;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::syntax::token::TokenKind;
use crate::syntax::{parse_body, scanner};

/// The text in canonical layout.
///
/// # Errors
/// The text is no valid configuration; nothing could be said about its layout.
pub fn format(source: &Arc<Source>) -> Result<String, Vec<Diagnostic>> {
    let (_, problems) = parse_body(source);
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let mut pieces = pieces(source);
    let rows = rows(&pieces);
    indent(&mut pieces, &rows);
    for row in &rows {
        space(&mut pieces, row.lead.clone());
        space(&mut pieces, row.assignment.clone());
        if let Some(sign) = pieces.get_mut(row.assignment.start).filter(|_| row.assigns()) {
            sign.spaces = 1;
        }
    }
    align(
        &mut pieces,
        &rows,
        |row| row.assigns().then_some(row.assignment.start),
        |row| row.lead.clone(),
    );
    align(&mut pieces, &rows, |row| row.comment, |row| row.lead.start..row.assignment.end);
    Ok(write(&pieces))
}

/// What a piece of the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Token(TokenKind),
    /// With its line end, if it runs to the end of the line.
    Comment,
}

/// A token or comment and the spaces before it.
#[derive(Debug)]
struct Piece<'a> {
    kind: Kind,
    text: &'a str,
    spaces: usize,
}

impl Piece<'_> {
    fn is(&self, kind: TokenKind) -> bool {
        self.kind == Kind::Token(kind)
    }

    /// The kind of token; a comment in the middle of a line is like none of them.
    fn token(&self) -> TokenKind {
        match self.kind {
            Kind::Token(kind) => kind,
            Kind::Comment => TokenKind::Invalid,
        }
    }

    fn ends_line(&self) -> bool {
        self.is(TokenKind::Newline) || (self.kind == Kind::Comment && self.text.ends_with('\n'))
    }

    fn opens_sequence(&self) -> bool {
        use TokenKind::{OpenDirective, OpenInterpolation};
        matches!(self.kind, Kind::Token(OpenInterpolation { .. } | OpenDirective { .. }))
    }

    fn closes_sequence(&self) -> bool {
        matches!(self.kind, Kind::Token(TokenKind::CloseSequence { .. }))
    }

    /// 1 for what opens a bracket, -1 for what closes one.
    fn brackets(&self) -> isize {
        use TokenKind::{CloseBrace, CloseBracket, CloseParen, OpenBrace, OpenBracket, OpenParen};
        match self.kind {
            Kind::Token(OpenBrace | OpenBracket | OpenParen) => 1,
            Kind::Token(CloseBrace | CloseBracket | CloseParen) => -1,
            _ if self.opens_sequence() => 1,
            _ if self.closes_sequence() => -1,
            _ => 0,
        }
    }

    /// Spaces and characters, as a reader counts them.
    fn columns(&self) -> usize {
        self.spaces + self.text.graphemes(true).count()
    }
}

/// Everything in the text besides spaces, in order; the end of the file is last.
fn pieces(source: &Source) -> Vec<Piece<'_>> {
    // The caller has parsed it, so its tokens have no problems.
    let text = source.text();
    let owner = Source::new("", text);
    let (tokens, _) = scanner::scan(&owner);
    let mut pieces: Vec<Piece<'_>> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    for token in tokens {
        let (start, end) = (byte(token.range.start), byte(token.range.end));
        let spaces = comments(text.get(at..start).unwrap_or(""), &mut pieces);
        at = end;
        let text = text.get(start..end).unwrap_or("");
        match pieces.last_mut().filter(|last| joins(last, token.kind, spaces)) {
            Some(comment) => comment.text = with_line_end(source.text(), comment.text, end),
            None => pieces.push(Piece { kind: Kind::Token(token.kind), text, spaces }),
        }
    }
    pieces
}

fn byte(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Whether a line end belongs to the comment before it.
fn joins(last: &Piece<'_>, kind: TokenKind, spaces: usize) -> bool {
    let to_line_end = last.kind == Kind::Comment && !last.text.starts_with("/*");
    to_line_end && spaces == 0 && kind == TokenKind::Newline && !last.text.ends_with('\n')
}

/// The comment, extended to `end`; both are parts of `text`.
fn with_line_end<'a>(text: &'a str, comment: &'a str, end: usize) -> &'a str {
    let newline =
        if text.get(..end).is_some_and(|t| t.ends_with("\r\n")) && !comment.ends_with('\r') {
            2
        } else {
            1
        };
    let start = end.checked_sub(comment.len() + newline);
    start.and_then(|start| text.get(start..end)).unwrap_or(comment)
}

/// Adds the comments between two tokens; the spaces after the last are returned.
fn comments<'a>(gap: &'a str, pieces: &mut Vec<Piece<'a>>) -> usize {
    let mut rest = gap;
    loop {
        let comment = rest.find(['#', '/']).unwrap_or(rest.len());
        let (spaces, from) = rest.split_at(comment);
        if from.is_empty() {
            return spaces.len();
        }
        let length = match from.strip_prefix("/*").and_then(|body| body.find("*/")) {
            Some(length) => length + 4,
            None => from.len(),
        };
        let (text, after) = from.split_at(length);
        pieces.push(Piece { kind: Kind::Comment, text, spaces: spaces.len() });
        rest = after;
    }
}

/// A line and the parts of it that are moved as a whole; all are positions in the
/// list of pieces.
#[derive(Debug)]
struct Row {
    /// Up to the assignment or comment.
    lead: Range<usize>,
    /// From the `=` of an attribute whose value ends on this line; else empty.
    assignment: Range<usize>,
    /// A comment after something else.
    comment: Option<usize>,
}

impl Row {
    fn assigns(&self) -> bool {
        !self.assignment.is_empty()
    }
}

fn rows(pieces: &[Piece<'_>]) -> Vec<Row> {
    let end = pieces.len().saturating_sub(1);
    let mut rows = Vec::new();
    let mut start = 0;
    for (index, piece) in pieces.iter().enumerate().take(end) {
        if piece.ends_line() {
            rows.push(row(pieces, start..index + 1));
            start = index + 1;
        }
    }
    if start < end {
        rows.push(row(pieces, start..end));
    }
    rows
}

fn row(pieces: &[Piece<'_>], range: Range<usize>) -> Row {
    let last = range.end - 1;
    let is_comment = pieces.get(last).is_some_and(|piece| piece.kind == Kind::Comment);
    let comment = (is_comment && range.len() > 1).then_some(last);
    let range = range.start..comment.unwrap_or(range.end);
    let line = pieces.get(range.clone()).unwrap_or_default();
    let sign = line.iter().skip(1).position(|piece| piece.is(TokenKind::Assign));
    let whole = |sign: &usize| line.iter().skip(*sign).map(Piece::brackets).sum::<isize>() == 0;
    let at = sign.map(|sign| sign + 1).filter(whole).map_or(range.end, |at| range.start + at);
    Row { lead: range.start..at, assignment: at..range.end, comment }
}

/// Sets the spaces at the start of each line: two for each line that opened more
/// brackets than it closed, however many those were.
fn indent(pieces: &mut [Piece<'_>], rows: &[Row]) {
    // Open brackets of each such line.
    let mut open: Vec<isize> = Vec::new();
    for row in rows {
        let line = pieces.get(row.lead.clone()).unwrap_or_default();
        let heredoc = line.iter().position(is_heredoc).unwrap_or(line.len());
        let rest = pieces.get(row.assignment.clone()).unwrap_or_default();
        let change: isize = line.iter().take(heredoc).chain(rest).map(Piece::brackets).sum();
        if change < 0 {
            close(&mut open, -change);
        }
        let Some(first) = pieces.get_mut(row.lead.start).filter(|_| !row.lead.is_empty()) else {
            continue;
        };
        if first.is(TokenKind::Newline) {
            first.spaces = 0;
            continue;
        }
        first.spaces = 2 * open.len();
        if change > 0 {
            open.push(change);
        }
    }
}

fn is_heredoc(piece: &Piece<'_>) -> bool {
    matches!(piece.kind, Kind::Token(TokenKind::OpenHeredoc { .. }))
}

fn close(open: &mut Vec<isize>, mut count: isize) {
    while let Some(last) = open.last_mut().filter(|_| count > 0) {
        if count < *last {
            *last -= count;
            return;
        }
        count -= *last;
        open.pop();
    }
}

/// Sets the spaces between the pieces of one part of a line.
fn space(pieces: &mut [Piece<'_>], part: Range<usize>) {
    for right in part.clone().skip(1) {
        let before = (right >= part.start + 2).then(|| pieces.get(right - 2)).flatten();
        let wanted = match (pieces.get(right - 1), pieces.get(right)) {
            (Some(left), Some(right)) => usize::from(apart(before, left, right)),
            _ => continue,
        };
        if let Some(piece) = pieces.get_mut(right) {
            piece.spaces = wanted;
        }
    }
}

/// Whether a space belongs between two pieces; `before` is what stands before both
/// in the same part of the line. Earlier rules win.
fn apart(before: Option<&Piece<'_>>, left: &Piece<'_>, right: &Piece<'_>) -> bool {
    use TokenKind as T;
    let (l, r) = (left.token(), right.token());
    match (l, r) {
        (_, T::Newline | T::Comma | T::Ellipsis | T::Dot) | (T::Dot, _) => false,
        (T::Ident, T::OpenParen | T::DoubleColon) | (T::DoubleColon, T::Ident) => false,
        (T::Comma, _) => true,
        // What stands in quotes and heredocs is text.
        (T::QuotedText | T::Text | T::OpenQuote | T::OpenHeredoc { .. }, _)
        | (_, T::QuotedText | T::Text | T::CloseQuote | T::CloseHeredoc) => false,
        // `for x in [a]`, not the index `in[a]`.
        (T::Ident, _) if left.text == "in" && before.is_some_and(|b| b.is(T::Ident)) => true,
        (_, T::OpenBracket) if matches!(l, T::Ident | T::Number) || left.brackets() < 0 => false,
        (T::Not, _) => false,
        (T::Minus, _) => before.is_some_and(ends_operand),
        (T::OpenBrace, T::CloseBrace) => false,
        (T::OpenBrace, _) | (_, T::CloseBrace) => true,
        _ => around_sequences(left, right),
    }
}

/// Template sequences and the remaining brackets.
fn around_sequences(left: &Piece<'_>, right: &Piece<'_>) -> bool {
    if left.opens_sequence() && right.is(TokenKind::OpenBrace) {
        return true;
    }
    if left.is(TokenKind::CloseBrace) && right.closes_sequence() {
        return true;
    }
    if left.closes_sequence() && right.opens_sequence() {
        return false;
    }
    left.brackets() <= 0 && right.brackets() >= 0
}

/// Whether a minus after this subtracts; else it is a sign.
fn ends_operand(piece: &Piece<'_>) -> bool {
    use TokenKind as T;
    !matches!(
        piece.kind,
        Kind::Token(
            T::OpenParen
                | T::OpenBrace
                | T::OpenBracket
                | T::Assign
                | T::Colon
                | T::Comma
                | T::Question
                | T::Plus
                | T::Minus
                | T::Star
                | T::Slash
                | T::Percent
                | T::Equal
                | T::NotEqual
                | T::Greater
                | T::GreaterEqual
                | T::Less
                | T::LessEqual
                | T::And
                | T::Or
                | T::Not
        )
    )
}

/// Puts one piece of neighbouring lines into one column: the piece that `moved`
/// names, behind the pieces of `width`.
fn align(
    pieces: &mut [Piece<'_>],
    rows: &[Row],
    moved: impl Fn(&Row) -> Option<usize>,
    width: impl Fn(&Row) -> Range<usize>,
) {
    for group in rows.chunk_by(|a, b| moved(a).is_some() == moved(b).is_some()) {
        let columns = |pieces: &[Piece<'_>], row: &Row| -> usize {
            pieces.get(width(row)).unwrap_or_default().iter().map(Piece::columns).sum()
        };
        let widest = group.iter().map(|row| columns(pieces, row)).max().unwrap_or(0);
        for row in group {
            let own = columns(pieces, row);
            if let Some(piece) = moved(row).and_then(|index| pieces.get_mut(index)) {
                piece.spaces = widest - own + 1;
            }
        }
    }
}

fn write(pieces: &[Piece<'_>]) -> String {
    let length = pieces.iter().map(|piece| piece.spaces + piece.text.len()).sum();
    let mut text = String::with_capacity(length);
    for piece in pieces {
        text.extend(std::iter::repeat_n(' ', piece.spaces));
        text.push_str(piece.text);
    }
    text
}

#[cfg(test)]
mod tests;
