//! Copies of trees that tests spoil.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use xtask::catalog::{Catalog, Image, Target};
use xtask::finding::Finding;
use xtask::plan::Options;
use xtask::repo::Repo;
use xtask::validate::{Report, native, validate};

/// A copy of a tree.
pub struct Tree {
    _dir: tempfile::TempDir,
    /// Where it is.
    pub root: PathBuf,
}

/// This repository.
pub fn own_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

impl Tree {
    /// The small tree.
    pub fn small() -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/validate/tree");
        Self::of(&from, &["one", "two", "common", "README.md"])
    }

    /// Directories of this repository, with `common/`.
    pub fn own(images: &[&str]) -> Self {
        Self::of(&own_root(), &[images, &["common"]].concat())
    }

    fn of(from: &Path, names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("tree");
        fs::create_dir_all(&root).unwrap();
        for name in names {
            copy(&from.join(name), &root.join(name));
        }
        Self { _dir: dir, root }
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap()
    }

    pub fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces a text that stands in the file once.
    pub fn replace(&self, file: &str, old: &str, new: &str) {
        let text = self.read(file);
        assert_eq!(text.matches(old).count(), 1, "{file}: {old}");
        self.write(file, text.replace(old, new));
    }

    pub fn mode(&self, file: &str, mode: u32) {
        fs::set_permissions(self.root.join(file), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What our own rules find.
    pub fn findings(&self) -> Vec<Finding> {
        match self.report(false) {
            Ok(report) => report.findings,
            Err(findings) => findings,
        }
    }

    /// What all find; `outside` with other programs.
    pub fn report(&self, outside: bool) -> Result<Report, Vec<Finding>> {
        let repo = Repo {
            root: self.root.clone(),
            out: self.root.join("out"),
            media: self.root.join("media"),
        };
        let catalog = Catalog::load(&self.root)?;
        let images: Vec<&Image> = catalog.images.iter().collect();
        let targets: Vec<&Target> = catalog.targets().collect();
        let options = Options::default();
        Ok(match outside {
            true => validate(&repo, &images, &targets, &options),
            false => native(&repo, &images, &targets, &options).0,
        })
    }
}

fn copy(from: &Path, to: &Path) {
    let kind = fs::symlink_metadata(from).unwrap().file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from).unwrap(), to).unwrap();
    } else if kind.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != "__pycache__" && !name.starts_with("output-") {
                copy(&entry.path(), &to.join(name));
            }
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}
