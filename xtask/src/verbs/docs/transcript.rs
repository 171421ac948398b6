//! The README's transcript: what a build really said, kept in `records/`, with
//! the lines left out that a reader can do without.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Where the whole output is, under the command and its surroundings.
pub const FILE: &str = "records/first-build.txt";

/// The block for the README. A tree without the record has none.
///
/// # Errors
/// The record cannot be read.
pub fn generated(root: &Path) -> Result<String> {
    let path = root.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(block(&text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Lines that start with `#` say when and where; then come the command and all
/// that it said. The steps of `provision` are left out, and of several targets
/// all but the first.
fn block(text: &str) -> String {
    let (about, said): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let first = said.iter().position(|line| line.starts_with("  ok")).unwrap_or(said.len());
    let (shown, rest) = said.split_at_checked(first + 1).unwrap_or((&said, &[]));
    let steps = |line: &&&str| !line.contains("  provision  ");
    let mut lines: Vec<&str> = shown.iter().filter(steps).copied().collect();
    if rest.len() > 1 {
        lines.push("  ...");
    }
    lines.extend(rest.last());
    let about: Vec<&str> = about.iter().map(|line| line.trim_start_matches(['#', ' '])).collect();
    format!(
        "{} All of it is in [{FILE}]({FILE}).\n\n```\n{}\n```\n",
        about.join(" "),
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_other_targets_are_left_out() {
        let text = "# Ran on\n# Monday.\n$ cargo xtask build a b\nbuilt-in engine\n  a  0:01  boot\n  \
                    a  0:02  provision\n  a  0:02  provision  1/2 x\n  ok    out/a\n  b  0:01  boot\n  \
                    ok    out/b\n2 of 2 built. report: out/report.html\n";
        let expected = "Ran on Monday. All of it is in [records/first-build.txt](records/first-build.txt).\n\n\
                        ```\n$ cargo xtask build a b\nbuilt-in engine\n  a  0:01  boot\n  a  0:02  provision\n  \
                        ok    out/a\n  ...\n2 of 2 built. report: out/report.html\n```\n";
        assert_eq!(block(text), expected);
        let one = block("# Now.\n$ cargo xtask build a\n  ok    out/a\nreport: x\n");
        assert!(
            one.ends_with("```\n$ cargo xtask build a\n  ok    out/a\nreport: x\n```\n"),
            "{one}"
        );
    }

    #[test]
    fn a_tree_without_a_record_has_no_transcript() {
        assert_eq!(generated(Path::new("/nowhere")).unwrap(), "");
    }
}
