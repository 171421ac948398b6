//! Trees of the host that are added to the archive (`/curtin`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// A directory of the host that becomes a directory of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddTree {
    /// Absolute path in the image: `/curtin`. What the image has there goes.
    pub at: String,
    /// Directory on the host. Links in it are followed, as a copy would.
    pub from: PathBuf,
}

/// One added entry. All belong to root, and only the run bit is taken over
/// from the host, where modes depend on the umask of whoever checked it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Added {
    /// A directory; `replaces` hides what the image has there.
    Directory { replaces: bool },
    /// A file and its content.
    File { bytes: Vec<u8>, executable: bool },
}

/// Everything added, by path below the root.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    entries: BTreeMap<Vec<u8>, Added>,
    children: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
}

/// Hooks are scripts and small archives; a tree above this is a mistake.
const MAX_BYTES: u64 = 256 << 20;
/// Deeper than any hook tree, and the end of a loop of links.
const MAX_DEPTH: usize = 40;

impl Overlay {
    /// Reads the trees.
    pub(crate) fn read(trees: &[AddTree]) -> Result<Self> {
        let mut overlay = Self::default();
        let mut room = MAX_BYTES;
        for tree in trees {
            let at = image_path(&tree.at)?;
            overlay.add_parents(&at);
            overlay.read_dir(&at, &tree.from, 0, &mut room)?;
        }
        Ok(overlay)
    }

    /// The added entry at `path`.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Added> {
        self.entries.get(path)
    }

    /// Names added to the directory at `path`.
    pub(crate) fn children(&self, path: &[u8]) -> impl Iterator<Item = &Vec<u8>> {
        self.children.get(path).into_iter().flatten()
    }

    fn read_dir(&mut self, at: &[u8], from: &Path, depth: usize, room: &mut u64) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(io_error(from, io::Error::other("a loop of links, or nested too deep")));
        }
        self.insert(at, Added::Directory { replaces: true });
        let mut names: Vec<_> = fs::read_dir(from)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
            .map_err(|error| io_error(from, error))?;
        names.sort_by(|a: &std::ffi::OsString, b| a.as_bytes().cmp(b.as_bytes()));
        for name in names.into_iter().filter(|name| !is_by_product(name.as_bytes())) {
            let source = from.join(&name);
            let target = [at, b"/", &name.into_vec()].concat();
            let meta = fs::metadata(&source).map_err(|error| io_error(&source, error))?;
            if meta.is_dir() {
                self.read_dir(&target, &source, depth + 1, room)?;
            } else if meta.is_file() {
                self.read_file(&target, &source, &meta, room)?;
            } else {
                return Err(io_error(&source, io::Error::other("neither a file nor a directory")));
            }
        }
        Ok(())
    }

    fn read_file(
        &mut self,
        at: &[u8],
        from: &Path,
        meta: &fs::Metadata,
        room: &mut u64,
    ) -> Result<()> {
        let too_big = || {
            Error::new(ErrorKind::Usage, from.display().to_string(), "the tree is above 256 MiB")
        };
        *room = room.checked_sub(meta.len()).ok_or_else(too_big)?;
        let bytes = fs::read(from).map_err(|error| io_error(from, error))?;
        let executable = meta.permissions().mode() & 0o111 != 0;
        self.insert(at, Added::File { bytes, executable });
        Ok(())
    }

    fn add_parents(&mut self, at: &[u8]) {
        for (slash, _) in at.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if !self.entries.contains_key(&at[..slash]) {
                self.insert(&at[..slash], Added::Directory { replaces: false });
            }
        }
    }

    fn insert(&mut self, path: &[u8], added: Added) {
        let slash = path.iter().rposition(|&byte| byte == b'/');
        let (parent, name) = slash.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
        self.children.entry(parent.to_vec()).or_default().insert(name.to_vec());
        self.entries.insert(path.to_vec(), added);
    }
}

/// Files that editors and interpreters leave beside a hook.
fn is_by_product(name: &[u8]) -> bool {
    name == b"__pycache__" || name.ends_with(b"~") || name.ends_with(b".pyc")
}

/// `/a/b` as `a/b`; refuses the root and anything that is not a plain path.
fn image_path(at: &str) -> Result<Vec<u8>> {
    let plain = at.strip_prefix('/').filter(|rest| {
        rest.split('/').all(|name| !matches!(name, "" | "." | "..")) && !rest.contains('\0')
    });
    let bad = || Error::new(ErrorKind::Usage, at, "not a plain absolute path such as /curtin");
    Ok(plain.ok_or_else(bad)?.as_bytes().to_vec())
}

fn io_error(path: &Path, error: io::Error) -> Error {
    Error::io(path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_tree_with_run_bits_and_without_by_products() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("lib/__pycache__")).unwrap();
        fs::write(dir.path().join("curtin-hooks"), "#!/bin/sh\n").unwrap();
        fs::write(dir.path().join("lib/data"), "x").unwrap();
        fs::write(dir.path().join("lib/data~"), "x").unwrap();
        let mode = fs::Permissions::from_mode(0o700);
        fs::set_permissions(dir.path().join("curtin-hooks"), mode).unwrap();
        let tree = AddTree { at: "/opt/curtin".into(), from: dir.path().into() };
        let overlay = Overlay::read(&[tree]).unwrap();
        let paths: Vec<_> = overlay.entries.keys().map(|p| String::from_utf8_lossy(p)).collect();
        assert_eq!(
            paths,
            [
                "opt",
                "opt/curtin",
                "opt/curtin/curtin-hooks",
                "opt/curtin/lib",
                "opt/curtin/lib/data"
            ]
        );
        assert_eq!(overlay.get(b"opt"), Some(&Added::Directory { replaces: false }));
        let hook = Added::File { bytes: b"#!/bin/sh\n".to_vec(), executable: true };
        assert_eq!(overlay.get(b"opt/curtin/curtin-hooks"), Some(&hook));
    }

    #[test]
    fn refuses_odd_targets_and_missing_sources() {
        for at in ["", "/", "curtin", "/a/../b", "/a//b", "/a/", "/./a"] {
            let tree = AddTree { at: at.into(), from: "/".into() };
            assert!(Overlay::read(&[tree]).is_err(), "{at:?}");
        }
        let tree = AddTree { at: "/curtin".into(), from: "/no/such/dir".into() };
        assert!(Overlay::read(&[tree]).unwrap_err().to_string().contains("/no/such/dir"));
    }

    #[test]
    fn a_loop_of_links_ends() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("loop")).unwrap();
        let tree = AddTree { at: "/curtin".into(), from: dir.path().into() };
        assert!(Overlay::read(&[tree]).unwrap_err().to_string().contains("loop"));
    }
}
