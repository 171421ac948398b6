//! Variables of a plan as a file that Packer reads.

use std::fmt::Write as _;

use packer_hcl::evaluated::Evaluated;

/// The values as a `-var-file`. Packer reads the text of a `-var` as an
/// expression unless the variable is a string; a file says the same by quotes.
#[must_use]
pub fn text(values: &[(String, String)], evaluated: &Evaluated) -> String {
    let mut text = String::new();
    for (name, value) in values {
        let of_string = |v: &packer_hcl::value::Value| v.as_str().is_some() || v.is_null();
        let typed = evaluated.variable(name).is_some_and(|v| !of_string(v));
        let value = if typed { value.clone() } else { quoted(value) };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} = {value}");
    }
    text
}

/// A string of HCL.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ => out.push(c),
        }
    }
    out.push('"');
    out.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_keep_what_hcl_would_read() {
        for (text, wanted) in [
            ("plain", r#""plain""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("${a} %{b} $c", r#""$${a} %%{b} $c""#),
            ("two\nlines", r#""two\nlines""#),
        ] {
            assert_eq!(quoted(text), wanted);
        }
    }
}
