//! Which images a change touches, for CI on pull requests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::catalog::{Image, Target};
use crate::cmd::Cmd;
use crate::exit::Coded;
use crate::repo::Repo;

/// A change below these touches every image: they are what builds it.
const EVERYTHING: [&str; 3] = ["xtask/", "Cargo.lock", "rust-toolchain.toml"];

/// What has changed since a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    paths: BTreeSet<PathBuf>,
}

impl Changed {
    /// Asks git: commits since the common ancestor, and what is not committed.
    ///
    /// # Errors
    /// Not a repository, or no such revision.
    pub fn since(root: &Path, revision: &str) -> Result<Self> {
        let git = |args: &[&str]| {
            Cmd::new("git", "see what has changed").cwd(root).args(args).env("LC_ALL", "C").output()
        };
        let base = git(&["merge-base", "--", revision, "HEAD"]).map_err(|error| {
            let hint = "hint: fetch it first; a shallow clone has no history (fetch-depth: 0)";
            Coded::usage(format!("--changed-since {revision}: {error}\n  {hint}"))
        })?;
        let base = base.stdout_text();
        let tracked = git(&["diff", "--name-only", "-z", base.trim(), "--"])?.stdout_text();
        let new = git(&["ls-files", "--others", "--exclude-standard", "-z"])?.stdout_text();
        let paths = tracked.split('\0').chain(new.split('\0')).filter(|path| !path.is_empty());
        Ok(Self { paths: paths.map(PathBuf::from).collect() })
    }

    /// Whether an image has to be built again.
    #[must_use]
    pub fn touches(&self, root: &Path, image: &str) -> bool {
        let everything = |path: &PathBuf| EVERYTHING.iter().any(|all| path.starts_with(all));
        if self.paths.iter().any(everything) {
            return true;
        }
        let dir = Path::new(image);
        self.paths.iter().any(|path| path.starts_with(dir))
            || files(&root.join(dir))
                .any(|file| file.strip_prefix(root).is_ok_and(|inside| self.paths.contains(inside)))
    }

    /// The targets of touched images.
    #[must_use]
    pub fn only<'t>(
        &self,
        repo: &Repo,
        images: &[Image],
        targets: Vec<&'t Target>,
    ) -> Vec<&'t Target> {
        let root = repo.root.canonicalize().unwrap_or_else(|_| repo.root.clone());
        let touched: BTreeSet<&str> = images
            .iter()
            .filter(|image| self.touches(&root, &image.name))
            .map(|image| image.name.as_str())
            .collect();
        targets.into_iter().filter(|target| touched.contains(target.image.as_str())).collect()
    }
}

/// Real paths of the files of a directory: fragments are links into `common/`.
fn files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = walkdir::WalkDir::new(dir).follow_links(true).into_iter().flatten();
    entries.filter(|e| e.file_type().is_file()).filter_map(|e| e.path().canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_shared_fragment_touches_those_that_link_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for name in ["common/hcl", "a", "b", "c"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["common/hcl/qemu.pkr.hcl", "common/hcl/uefi.pkr.hcl", "c/x.pkr.hcl"] {
            fs::write(root.join(name), "").unwrap();
        }
        symlink("../common/hcl/qemu.pkr.hcl", root.join("a/qemu.pkr.hcl")).unwrap();
        symlink("../common/hcl", root.join("b/hcl")).unwrap();
        let touched = |paths: &[&str]| -> Vec<bool> {
            let changed = Changed { paths: paths.iter().map(PathBuf::from).collect() };
            ["a", "b", "c"].map(|name| changed.touches(&root, name)).into()
        };
        assert_eq!(touched(&["common/hcl/qemu.pkr.hcl"]), [true, true, false]);
        assert_eq!(touched(&["common/hcl/uefi.pkr.hcl"]), [false, true, false]);
        // Also what is gone.
        assert_eq!(touched(&["c/gone.cfg"]), [false, false, true]);
        assert_eq!(touched(&["xtask/src/lib.rs"]), [true, true, true]);
        assert_eq!(touched(&["README.md", "records/x.jsonl", "abc"]), [false, false, false]);
    }
}
