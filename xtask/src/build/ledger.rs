//! What all builds of this user on this host take at the moment, so that two
//! xtask processes share its memory and CPUs instead of both taking all.
//!
//! One file per running build, locked while the build lives: the kernel drops
//! the lock however the process ends, and whoever looks next removes the file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::report::Reporter;
use super::schedule::{self, Budget, Load};
use crate::exit::{Coded, Exit};
use crate::signal::CancelToken;

/// The directory of the files.
#[derive(Clone, Debug)]
pub struct Ledger {
    dir: PathBuf,
}

/// One build's entry; gone when it is dropped.
#[derive(Debug)]
pub struct Seat {
    path: PathBuf,
    _file: File,
}

impl Drop for Seat {
    fn drop(&mut self) {
        // Whoever looks next removes it otherwise.
        drop(fs::remove_file(&self.path));
    }
}

/// Where a build waits until the host has room for its VM.
#[derive(Clone, Debug)]
pub struct Gate {
    /// What runs on the host.
    pub ledger: Ledger,
    /// What all may take together.
    pub budget: Budget,
}

/// How often to look whether there is room now.
const AGAIN: Duration = Duration::from_secs(1);

impl Gate {
    /// Waits for room. Without a ledger that can be read, nobody waits.
    ///
    /// # Errors
    /// Interrupted.
    pub fn wait(
        &self,
        id: &str,
        load: &Load,
        cancel: &CancelToken,
        reporter: &Reporter,
    ) -> Result<Option<Seat>> {
        let mut told = false;
        while !cancel.is_set() {
            let fits = |others: &[Load]| schedule::fits(load, others, &self.budget);
            match self.ledger.enter(id, load, fits) {
                Ok(Some(seat)) => return Ok(Some(seat)),
                // No reason not to build.
                Err(_) => return Ok(None),
                Ok(None) => {}
            }
            if !std::mem::replace(&mut told, true) {
                reporter
                    .phase("wait", "for builds of another xtask on this host; --jobs N goes on");
            }
            std::thread::sleep(AGAIN);
        }
        Err(Coded { exit: Exit::Interrupted, message: "interrupted".into() }.into())
    }
}

/// What an entry says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    memory_mib: u64,
    cpus: u64,
}

impl Ledger {
    /// The ledger of this user, in the runtime directory or `/tmp`.
    ///
    /// # Errors
    /// The directory cannot be made or belongs to somebody else.
    pub fn of_user() -> Result<Self> {
        let base = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let base = base.filter(|dir| dir.is_dir()).unwrap_or_else(|| PathBuf::from("/tmp"));
        Self::at(&base.join(format!("xtask-builds-{}", rustix::process::getuid().as_raw())))
    }

    /// A ledger in a directory of its own.
    ///
    /// # Errors
    /// As [`Self::of_user`].
    pub fn at(dir: &Path) -> Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.with_context(|| format!("cannot make {}", dir.display()))?;
        // In /tmp anybody could have made it before us.
        let owner = fs::symlink_metadata(dir)?.uid();
        anyhow::ensure!(
            owner == rustix::process::getuid().as_raw(),
            "{} belongs to another user\n  hint: set XDG_RUNTIME_DIR to a directory of your own",
            dir.display()
        );
        Ok(Self { dir: dir.to_owned() })
    }

    /// Enters a build if `fits` says so, given what all others take. `None`: it
    /// does not fit now.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub fn enter(
        &self,
        id: &str,
        load: &Load,
        fits: impl FnOnce(&[Load]) -> bool,
    ) -> Result<Option<Seat>> {
        // Two processes must not both see room for one.
        let door = self.dir.join("lock");
        let door =
            File::create(&door).with_context(|| format!("cannot open {}", door.display()))?;
        door.lock()?;
        if !fits(&self.others()?) {
            return Ok(None);
        }
        let path = self.dir.join(format!("{}-{id}.seat", std::process::id()));
        let mut file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        file.lock()?;
        let entry = Entry { memory_mib: load.memory_mib, cpus: load.cpus };
        write!(file, "{}", serde_json::to_string(&entry)?)?;
        Ok(Some(Seat { path, _file: file }))
    }

    /// Loads of all builds that run; entries of dead ones are removed.
    fn others(&self) -> Result<Vec<Load>> {
        let mut loads = vec![];
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "seat")
                && let Some(entry) = living(&path)
            {
                let Entry { memory_mib, cpus } = entry;
                loads.push(Load { memory_mib, cpus, disk: 0, expected: None });
            }
        }
        Ok(loads)
    }
}

/// The entry of a build that runs.
fn living(path: &Path) -> Option<Entry> {
    let mut file = OpenOptions::new().read(true).open(path).ok()?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {}
        // Nobody holds it, or it cannot be told: it does not count.
        Ok(()) | Err(TryLockError::Error(_)) => {
            drop(fs::remove_file(path));
            return None;
        }
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load { memory_mib: 2048, cpus: 2, disk: 0, expected: None };

    #[test]
    fn builds_see_each_other_until_they_end() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(&dir.path().join("x")).unwrap();
        let first = ledger.enter("a", &LOAD, |others| others.is_empty()).unwrap().unwrap();
        let seen = |others: &[Load]| others == [LOAD];
        assert!(ledger.enter("b", &LOAD, |others| !seen(others)).unwrap().is_none());
        let second = ledger.enter("b", &LOAD, seen).unwrap().unwrap();
        drop((first, second));
        assert!(ledger.enter("c", &LOAD, |others| others.is_empty()).unwrap().is_some());
    }

    #[test]
    fn what_a_killed_process_left_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(dir.path()).unwrap();
        let stale = dir.path().join("1-a.seat");
        fs::write(&stale, "{\"memory_mib\":1,\"cpus\":1}").unwrap();
        assert!(ledger.enter("b", &LOAD, |others| others.is_empty()).unwrap().is_some());
        assert!(!stale.exists());
    }
}
