//! Commands as text that a user can paste into a shell, secrets masked.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;

use super::{Cmd, EnvChange};

/// What stands in place of a secret.
pub(super) const MASK: &str = "********";

/// Quotes text for a POSIX shell; plain words stay as they are. Bytes that are
/// not UTF-8 are shown as U+FFFD.
///
/// ```ignore
/// assert_eq!(shell_quote("it's"), r"'it'\''s'");
/// ```
pub fn shell_quote(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

fn quoted(text: &OsStr) -> String {
    shell_quote(&text.to_string_lossy()).into_owned()
}

/// A script given as an argument, by its first line.
fn abridged(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let more = text.trim_end().lines().count().saturating_sub(1);
    let first = text.lines().next().unwrap_or_default();
    if more == 0 {
        shell_quote(&text).into_owned()
    } else {
        format!("'{first} ...' (+{more} lines)")
    }
}

/// `{}` can be pasted into a shell; `{:#}` is for progress: scripts by their
/// first line, no word about variables that are removed.
impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let removed = self.env.iter().filter(|(_, change)| matches!(change, EnvChange::Remove));
        let removed: Vec<String> = removed.map(|(key, _)| format!("-u {}", quoted(key))).collect();
        let quoted = if f.alternate() { abridged } else { quoted };
        if !removed.is_empty() && !f.alternate() {
            write!(f, "env {} ", removed.join(" "))?;
        }
        for (key, change) in &self.env {
            match change {
                // Ours is the user's with a few directories behind it.
                EnvChange::Set(_) if f.alternate() && key == "PATH" => {}
                EnvChange::Set(value) => write!(f, "{}={} ", quoted(key), quoted(value))?,
                EnvChange::Secret(_) => write!(f, "{}={MASK} ", quoted(key))?,
                EnvChange::Remove => {}
            }
        }
        f.write_str(&quoted(&self.tool))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// Replaces every occurrence of a secret in a line of output.
pub(super) fn masked<'a>(line: &'a [u8], secrets: &[Vec<u8>]) -> Cow<'a, [u8]> {
    let mut line = Cow::Borrowed(line);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if let Some(changed) = replace_all(&line, secret) {
            line = Cow::Owned(changed);
        }
    }
    line
}

/// The same for text.
pub(super) fn masked_text(text: &str, secrets: &[Vec<u8>]) -> String {
    String::from_utf8_lossy(&masked(text.as_bytes(), secrets)).into_owned()
}

/// `None` if `secret`, which is not empty, does not occur.
fn replace_all(line: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut changed = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.windows(secret.len()).position(|window| window == secret) {
        let (before, found) = rest.split_at(at);
        changed.extend_from_slice(before);
        changed.extend_from_slice(MASK.as_bytes());
        rest = found.get(secret.len()..).unwrap_or_default();
    }
    if changed.is_empty() {
        return None;
    }
    changed.extend_from_slice(rest);
    Some(changed)
}
