//! Files that the command line names: looked at before anything starts, because
//! the system's own words ("No such file or directory") say neither which flag
//! was meant nor what to do.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;

use crate::exit::Coded;
use crate::finding::suggest;

/// The absolute path of a file that can be opened. `what` is the flag or the
/// role as the error names it: "--iso", "the disk".
///
/// # Errors
/// Nothing there (with the name that may have been meant), a directory, or no
/// right to read it: exit code 2.
pub fn file(what: &str, path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    let absolute = path.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(what, path),
        _ => Coded::usage(format!(
            "{what} {shown}: {error}\n  hint: `namei -l {shown}` shows owner and mode on the way there"
        )),
    })?;
    if absolute.is_dir() {
        return Err(Coded::usage(format!(
            "{what} {shown}: this is a directory, and a file is needed\n  hint: {}",
            inside(path)
        )));
    }
    match fs::File::open(&absolute) {
        Ok(_) => Ok(absolute),
        Err(error) => Err(Coded::usage(format!(
            "{what} {shown} cannot be opened: {error}\n  hint: see owner and mode with `ls -l {shown}`"
        ))),
    }
}

/// A number of the command line; Rust's own words ("invalid digit found in
/// string") say too little.
///
/// # Errors
/// Anything else, with what is needed.
pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "a whole number is needed, for example 2".into())
}

/// A word that can only mean a file. An id may hold a dot (`xcp-ng-8.3`), so
/// that alone says nothing.
#[must_use]
pub fn is_meant(word: &str) -> bool {
    const ENDS: [&str; 10] =
        [".gz", ".xz", ".bz2", ".tgz", ".tar", ".img", ".raw", ".qcow2", ".txt", ".md"];
    Path::new(word).is_file() || word.contains('/') || ENDS.iter().any(|end| word.ends_with(end))
}

fn missing(what: &str, path: &Path) -> anyhow::Error {
    Coded::usage(format!(
        "{what} {}: there is no such file\n  hint: {}",
        path.display(),
        near(path)
    ))
}

/// Files of a directory that was named in place of one of them.
fn inside(dir: &Path) -> String {
    /// More are no choice but a listing.
    const SHOWN: usize = 5;
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<String> = entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| dir.join(entry.file_name()).display().to_string())
        .collect();
    files.sort_unstable();
    match files.len() {
        0 => "there is no file in it".into(),
        number if number > SHOWN => format!("name one of the {number} files in it"),
        _ => format!("in it: {}", files.join(", ")),
    }
}

/// The nearest thing to a path that is not there.
fn near(path: &Path) -> String {
    let cwd = std::env::current_dir().unwrap_or_default();
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(parent.unwrap_or(Path::new("."))) else {
        let parent = parent.unwrap_or(path).display();
        return format!(
            "there is no directory {parent} either; the working directory is {}",
            cwd.display()
        );
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match suggest(&name, names.iter().map(String::as_str)) {
        Some(other) => format!("did you mean {}?", path.with_file_name(other).display()),
        None if path.is_absolute() => "see what is there with `ls`".into(),
        None => format!("the working directory is {}", cwd.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_a_dot_is_no_file() {
        for (word, file) in [
            ("xenserver8-xcp-ng-8.3-amd64", false),
            ("debian-12", false),
            ("debian-12.tar.gz", true),
            ("./x", true),
            ("win.raw", true),
        ] {
            assert_eq!(is_meant(word), file, "{word}");
        }
    }

    #[test]
    fn what_is_no_file_is_told_with_what_may_have_been_meant() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("rhel-9.6-dvd.iso"), "x").unwrap();
        assert!(file("--iso", &at("rhel-9.6-dvd.iso")).unwrap().is_absolute());
        for (name, expected) in [
            ("rhel-9.6-dvd.is0", "did you mean"),
            ("other", "there is no such file\n  hint: see what is there"),
            ("none/rhel.iso", "/none either"),
            (".", "this is a directory, and a file is needed\n  hint: in it: /"),
            ("rhel-9.6-dvd.iso/x", "Not a directory"),
        ] {
            let error = file("--iso", &at(name)).unwrap_err();
            assert!(error.to_string().starts_with("--iso /"), "{error}");
            assert!(error.to_string().contains(expected), "{name}: {error}");
            assert_eq!(crate::exit::of(&error), crate::exit::Exit::Usage);
        }
    }
}
