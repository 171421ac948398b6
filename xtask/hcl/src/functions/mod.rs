//! Packer's function table.
//!
//! `try`, `can`, `convert` and `templatefile` are not here: their arguments
//! are expressions, so the evaluator handles them.

use crate::function::Function;

/// The function of that name, if Packer has it.
pub fn lookup(name: &str) -> Option<&'static Function> {
    TABLE.iter().copied().find(|function| function.name == name)
}

/// Names of all functions, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|function| function.name)
}

static TABLE: &[&Function] = &[];
