//! Scanner and parser for HCL's native syntax.
//!
//! Written for this crate because evaluation has to agree with Packer to the
//! byte: numbers keep all their digits, `~` trims the way HCL's tokens fall,
//! every argument with a mistake is reported and not only the first, and
//! nesting is bounded.

pub(crate) mod ast;
mod body;
mod expression;
mod lexeme;
mod literal;
mod object;
mod parser;
pub(crate) mod scanner;
mod template;
pub(crate) mod token;

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;

/// Parses a configuration file. The body holds what could be understood even
/// if there are errors.
pub(crate) fn parse_body(source: &Arc<Source>) -> (ast::Body, Vec<Diagnostic>) {
    let (tokens, problems) = scanner::scan(source);
    let mut parser = parser::Parser::new(source, tokens);
    let body = parser.file();
    (body, either(problems, parser.problems))
}

/// Parses a single expression that may span lines.
pub(crate) fn parse_expression(source: &Arc<Source>) -> Result<ast::Expr, Vec<Diagnostic>> {
    let (tokens, problems) = scanner::scan(source);
    let mut parser = parser::Parser::new(source, tokens);
    let expr = parser.lone_expression();
    finish(expr, either(problems, parser.problems))
}

/// Parses a template file.
pub(crate) fn parse_template(source: &Arc<Source>) -> Result<ast::Expr, Vec<Diagnostic>> {
    let (tokens, problems) = scanner::scan_template(source);
    let mut parser = parser::Parser::new(source, tokens);
    let expr = parser.bare_template();
    finish(expr, either(problems, parser.problems))
}

/// What follows a bad token is noise, so its complaint stands alone.
fn either(scanner: Vec<Diagnostic>, parser: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if scanner.is_empty() { parser } else { scanner }
}

fn finish(
    expr: Result<ast::Expr, parser::Failed>,
    problems: Vec<Diagnostic>,
) -> Result<ast::Expr, Vec<Diagnostic>> {
    match expr {
        Ok(expr) if problems.is_empty() => Ok(expr),
        _ => Err(problems),
    }
}

/// Whether a name can stand in a reference or as a block's name.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(lexeme::is_ident_start)
        && characters.all(lexeme::is_ident_continue)
}
