//! `out/<target>/`: what a build leaves, and how it gets there all at once.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::at::At as _;

/// Kept from the build before, for `remote rollback`.
const PREVIOUS: &str = "previous";
/// Logs, screenshots and a rejected artifact of a failed build.
pub const FAILED: &str = "failed";
/// Where a build collects its results until they are complete.
const STAGING: &str = ".new";

/// The output directory of one target.
#[derive(Clone, Debug)]
pub struct Output {
    dir: PathBuf,
}

impl Output {
    /// The directory need not exist yet.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// `out/<target>`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// An empty staging directory; what an interrupted build left is removed.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn stage(&self) -> Result<PathBuf> {
        let staging = self.dir.join(STAGING);
        remove_all(&staging)?;
        fs::create_dir_all(&staging)
            .with_context(|| format!("cannot create {}", staging.display()))?;
        Ok(staging)
    }

    /// Makes everything staged final: the files that are there move to
    /// `previous/`, then the staged ones take their names, `manifest.json`
    /// last, because it is what says that a build is complete.
    ///
    /// # Errors
    /// A rename fails; nothing staged is lost.
    pub fn publish(&self) -> Result<()> {
        let staging = self.dir.join(STAGING);
        let previous = self.dir.join(PREVIOUS);
        if self.dir.join("manifest.json").exists() {
            remove_all(&previous)?;
            fs::create_dir(&previous).at("make", &previous)?;
            for name in files(&self.dir)? {
                rename(&self.dir.join(&name), &previous.join(&name))?;
            }
        }
        let mut names = files(&staging)?;
        names.sort_by_key(|n| n == "manifest.json");
        for name in names {
            rename(&staging.join(&name), &self.dir.join(&name))?;
        }
        remove_all(&staging)?;
        sync_dir(&self.dir)
    }

    /// Removes the evidence of an earlier failure: it would be taken for this
    /// one's.
    ///
    /// # Errors
    /// The directory cannot be removed.
    pub fn forget_evidence(&self) -> Result<()> {
        remove_all(&self.dir.join(FAILED))
    }

    /// A failed build: logs, screenshots and a rejected artifact are moved
    /// where people look for them, without touching the last good artifact.
    ///
    /// # Errors
    /// A rename fails.
    pub fn keep_evidence(&self) -> Result<PathBuf> {
        let failed = self.dir.join(FAILED);
        remove_all(&failed)?;
        let staging = self.dir.join(STAGING);
        if staging.is_dir() {
            rename(&staging, &failed)?;
        }
        Ok(failed)
    }
}

/// Names of the regular files in `dir`.
fn files(dir: &Path) -> Result<Vec<String>> {
    let mut names = vec![];
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

/// Removes a directory tree that may not exist.
fn remove_all(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("cannot remove {}", dir.display())),
    }
}

/// Makes renames survive a power cut.
fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)?.sync_all().with_context(|| format!("cannot sync {}", dir.display()))
}

/// Writes a file through a temporary name in the same directory.
///
/// # Errors
/// It cannot be written; the old content stays.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)
        .with_context(|| format!("cannot write in {}", dir.display()))?;
    io::Write::write_all(&mut file, content)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.as_file().sync_all().at("write", path)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).at("set the mode of", path)?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Writes a file that one process at a time writes: under a lock of its own, so
/// that the temporary file has one name and a killed run's is replaced.
///
/// # Errors
/// It cannot be written; the old content stays.
pub fn write_shared(out: &Path, name: &str, content: &[u8]) -> Result<()> {
    let _door = door(out, name)?;
    replace(&out.join(name), content)
}

/// The lock of a file in `out` that several processes write.
///
/// # Errors
/// It cannot be made.
pub fn door(out: &Path, name: &str) -> Result<File> {
    let locks = out.join(".locks");
    fs::create_dir_all(&locks).with_context(|| format!("cannot create {}", locks.display()))?;
    let path = locks.join(name);
    let door = File::create(&path).at("open", &path)?;
    door.lock().at("lock", &path)?;
    Ok(door)
}

/// As [`write_shared`], for who holds the lock.
///
/// # Errors
/// It cannot be written; the old content stays.
pub fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!("{}.new", name.trim_start_matches('.')));
    let mut file = File::create(&new).with_context(|| format!("cannot write {}", new.display()))?;
    io::Write::write_all(&mut file, content).at("write", &new)?;
    file.sync_all().at("write", &new)?;
    rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(output: &Output, content: &str) {
        let staging = output.stage().unwrap();
        fs::write(staging.join("a.tar.gz"), content).unwrap();
        fs::write(staging.join("manifest.json"), "{}").unwrap();
        output.publish().unwrap();
    }

    #[test]
    fn the_one_before_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::new(dir.path().join("t"));
        build(&output, "1");
        build(&output, "2");
        build(&output, "3");
        assert_eq!(fs::read_to_string(output.dir().join("a.tar.gz")).unwrap(), "3");
        assert_eq!(fs::read_to_string(output.dir().join("previous/a.tar.gz")).unwrap(), "2");
        assert!(!output.dir().join(STAGING).exists());
    }

    #[test]
    fn a_failed_build_leaves_the_good_one() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::new(dir.path().join("t"));
        build(&output, "1");
        let staging = output.stage().unwrap();
        fs::write(staging.join("serial.log"), "panic").unwrap();
        let failed = output.keep_evidence().unwrap();
        assert_eq!(fs::read_to_string(failed.join("serial.log")).unwrap(), "panic");
        assert_eq!(fs::read_to_string(output.dir().join("a.tar.gz")).unwrap(), "1");
    }
}
