//! Where things are: the tree, the outputs, the media.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};

use crate::catalog::{self, Catalog};
use crate::exit::{Coded, Exit};
use crate::finding::Findings;

/// The directories a command works with; all absolute.
#[derive(Clone, Debug)]
pub struct Repo {
    /// The tree of image directories.
    pub root: PathBuf,
    /// Artifacts, logs, reports.
    pub out: PathBuf,
    /// Downloaded and bootstrapped media, shared by all builds.
    pub media: PathBuf,
}

impl Repo {
    /// Finds the tree: `root` if given, else upwards from the working
    /// directory, else where this binary was compiled.
    ///
    /// # Errors
    /// `root` is no directory, or the working directory is gone.
    pub fn find(root: Option<&Path>, out: Option<&Path>, media: Option<&Path>) -> Result<Self> {
        let cwd = std::env::current_dir().context("the working directory is gone")?;
        let root = match root {
            Some(dir) => tree(&cwd, dir)?,
            None => upwards(&cwd).unwrap_or_else(compiled_at),
        };
        let place = |given: Option<&Path>, flag: &str, name: &str| match given {
            Some(dir) => directory(&cwd, dir, flag),
            None => Ok(root.join(name)),
        };
        let (out, media) = (place(out, "--out", "out")?, place(media, "--media-dir", "media")?);
        Ok(Self { out, media, root })
    }

    /// The checked catalog.
    ///
    /// # Errors
    /// All problems of all `image.toml`, as one error with exit code 2.
    pub fn catalog(&self) -> Result<Catalog> {
        self.tell_closed();
        Catalog::load(&self.root).map_err(|findings| {
            let number = crate::table::count(findings.len(), "problem");
            let message = format!("{}\n\n{number} in image.toml files", Findings(findings));
            Coded { exit: Exit::Usage, message }.into()
        })
    }

    /// Says once which directories are passed over because they are closed to us.
    fn tell_closed(&self) {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if TOLD.swap(true, Ordering::Relaxed) {
            return;
        }
        for dir in catalog::closed_dirs(&self.root) {
            if dir != self.out && dir != self.media {
                let dir = dir.display();
                eprintln!(
                    "warning: {dir} cannot be looked into: an image in it is left out\n  hint: see \
                     owner and mode with `ls -ld {dir}`"
                );
            }
        }
    }

    /// Outputs of one target.
    #[must_use]
    pub fn out_dir(&self, target: &str) -> PathBuf {
        self.out.join(target)
    }

    /// `path` as people know it: relative to the tree if inside.
    #[must_use]
    pub fn show<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// `--out` or `--media-dir`, as an absolute path; it need not be there.
fn directory(cwd: &Path, dir: &Path, flag: &str) -> Result<PathBuf> {
    let path = cwd.join(dir);
    if path.is_file() {
        return Err(Coded::usage(format!(
            "{flag} {}: this is a file, and a directory is needed\n  hint: name another; it is made \
             if it is not there",
            dir.display()
        )));
    }
    Ok(path)
}

/// `--root`, as an absolute path.
fn tree(cwd: &Path, dir: &Path) -> Result<PathBuf> {
    let wrong = |why: &str| {
        let shown = dir.display();
        let hint = "a directory that holds image directories is needed; XTASK_ROOT counts too";
        Coded::usage(format!("--root {shown}: {why}\n  hint: {hint}"))
    };
    let path = cwd.join(dir).canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => wrong("there is no such directory"),
        _ => wrong(&error.to_string()),
    })?;
    if path.is_dir() { Ok(path) } else { Err(wrong("this is no directory")) }
}

/// The nearest directory at or above `start` that holds this workspace.
fn upwards(start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .find(|dir| dir.join("xtask/Cargo.toml").is_file() && dir.join("Cargo.toml").is_file())
        .map(Path::to_path_buf)
}

fn compiled_at() -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.parent().unwrap_or(crate_dir).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn found_from_a_subdirectory() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(upwards(&here.join("src")).as_deref(), here.parent());
    }

    #[test]
    fn a_file_is_no_place_for_outputs() {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        for (out, media, flag) in [(Some(file), None, "--out"), (None, Some(file), "--media-dir")] {
            let error = Repo::find(None, out, media).unwrap_err();
            assert_eq!(crate::exit::of(&error), Exit::Usage);
            assert!(error.to_string().starts_with(flag), "{error}");
        }
        let none = Repo::find(None, Some(Path::new("/no/such")), None).unwrap();
        assert_eq!(none.out, Path::new("/no/such"));
    }

    #[test]
    fn a_missing_root_is_a_usage_error() {
        for root in ["/no/such/dir", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
            let error = Repo::find(Some(Path::new(root)), None, None).unwrap_err();
            assert_eq!(crate::exit::of(&error), Exit::Usage);
            assert!(error.to_string().contains("hint: a directory"), "{error}");
        }
    }
}
