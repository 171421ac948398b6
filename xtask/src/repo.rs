//! Where things are: the tree, the outputs, the media.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::catalog::Catalog;
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
            Some(dir) => cwd
                .join(dir)
                .canonicalize()
                .map_err(|e| Coded::usage(format!("--root {}: {e}", dir.display())))?,
            None => upwards(&cwd).unwrap_or_else(compiled_at),
        };
        let place = |given: Option<&Path>, name: &str| {
            given.map_or_else(|| root.join(name), |dir| cwd.join(dir))
        };
        Ok(Self { out: place(out, "out"), media: place(media, "media"), root })
    }

    /// The checked catalog.
    ///
    /// # Errors
    /// All problems of all `image.toml`, as one error with exit code 2.
    pub fn catalog(&self) -> Result<Catalog> {
        Catalog::load(&self.root).map_err(|findings| {
            let count = findings.len();
            let message = format!("{}\n\n{count} problems in image.toml files", Findings(findings));
            Coded { exit: Exit::Usage, message }.into()
        })
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
    fn a_missing_root_is_a_usage_error() {
        let error = Repo::find(Some(Path::new("/no/such/dir")), None, None).unwrap_err();
        assert_eq!(crate::exit::of(&error), Exit::Usage);
    }
}
