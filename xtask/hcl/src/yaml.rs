//! YAML texts as values, for whoever checks what a template renders.

use crate::functions::yaml_document;
use crate::value::Value;

/// Reads one YAML document with the rules of `yamldecode`.
///
/// # Errors
/// What is wrong, and its line from 1.
pub fn read(text: &str) -> Result<Value, (usize, String)> {
    yaml_document(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_has_its_line() {
        assert!(read("a: 1\nb: [1, 2]\n").is_ok());
        let (line, message) = read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!((2..=4).contains(&line), "{line}: {message}");
    }
}
