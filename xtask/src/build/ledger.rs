//! What all builds of this user on this host take at the moment, so that two
//! xtask processes share its memory, CPUs and disk instead of both taking all,
//! and their VMs start one after the other.
//!
//! One file per running build, locked while the build lives: the kernel drops
//! the lock however the process ends, and whoever looks next removes the file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::report::Reporter;
use super::schedule::{self, Budget, Load};
use crate::at::At as _;
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
    /// The file system of the outputs: only builds on the same one share its
    /// space.
    pub device: u64,
}

/// How often to look whether there is room now.
const AGAIN: Duration = Duration::from_millis(500);

/// Pause between two starts of VMs: firmware and boot menus wait for typed keys,
/// and two guests that start together on few CPUs make each other miss them.
pub const STAGGER: Duration = Duration::from_secs(5);

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
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let who = Who { id, device: self.device, now };
            match self.ledger.enter(&who, load, fits) {
                Ok(Some(seat)) => return Ok(Some(seat)),
                // No reason not to build.
                Err(_) => return Ok(None),
                Ok(None) => {}
            }
            if !std::mem::replace(&mut told, true) {
                reporter.phase("wait", "for another build's VM");
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
    disk: u64,
    device: u64,
    at: Duration,
}

/// Who wants to enter.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// Target id.
    pub id: &'a str,
    /// File system that its disk fills.
    pub device: u64,
    /// Time since 1970; a parameter, so that simulated time works as well.
    pub now: Duration,
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
        let owner = fs::symlink_metadata(dir).at("look at", dir)?.uid();
        anyhow::ensure!(
            owner == rustix::process::getuid().as_raw(),
            "{} belongs to another user\n  hint: set XDG_RUNTIME_DIR to a directory of your own",
            dir.display()
        );
        Ok(Self { dir: dir.to_owned() })
    }

    /// Enters a build if `fits` says so, given what all others take. `None`: it
    /// does not fit now, or another VM has just started.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub fn enter(
        &self,
        who: &Who<'_>,
        load: &Load,
        fits: impl FnOnce(&[Load]) -> bool,
    ) -> Result<Option<Seat>> {
        // Two processes must not both see room for one.
        let door = self.dir.join("lock");
        let door =
            File::create(&door).with_context(|| format!("cannot open {}", door.display()))?;
        door.lock()?;
        let others = self.others()?;
        let latest = others.iter().map(|other| other.at).max();
        // A clock that was set back must not make everybody wait.
        let soon = latest.is_some_and(|at| who.now >= at && who.now - at < STAGGER);
        let loads: Vec<Load> = others.iter().map(|other| other.load(who.device)).collect();
        if soon || !fits(&loads) {
            return Ok(None);
        }
        let path = self.dir.join(format!("{}-{}.seat", std::process::id(), who.id));
        let mut file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        file.lock()?;
        let Load { memory_mib, cpus, disk, .. } = *load;
        let entry = Entry { memory_mib, cpus, disk, device: who.device, at: who.now };
        write!(file, "{}", serde_json::to_string(&entry)?)?;
        Ok(Some(Seat { path, _file: file }))
    }

    /// All builds that run; entries of dead ones are removed.
    fn others(&self) -> Result<Vec<Entry>> {
        let mut entries = vec![];
        for entry in fs::read_dir(&self.dir).at("list", &self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "seat") {
                entries.extend(living(&path));
            }
        }
        Ok(entries)
    }
}

impl Entry {
    /// What it takes from somebody whose disk is on `device`.
    fn load(&self, device: u64) -> Load {
        let disk = if self.device == device { self.disk } else { 0 };
        Load { memory_mib: self.memory_mib, cpus: self.cpus, disk, expected: None }
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
impl Seat {
    /// What is left when the process is killed: the file, but no lock.
    pub fn killed(mut self) {
        self.path = PathBuf::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load { memory_mib: 2048, cpus: 2, disk: 7, expected: None };

    fn who(id: &str, seconds: u64) -> Who<'_> {
        Who { id, device: 1, now: Duration::from_secs(seconds) }
    }

    #[test]
    fn builds_see_each_other_until_they_end() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(&dir.path().join("x")).unwrap();
        let first =
            ledger.enter(&who("a", 10), &LOAD, |others| others.is_empty()).unwrap().unwrap();
        let seen = |others: &[Load]| others == [LOAD];
        assert!(ledger.enter(&who("b", 20), &LOAD, |others| !seen(others)).unwrap().is_none());
        // On another file system its disk does not count.
        let elsewhere = Who { device: 2, ..who("b", 20) };
        let no_disk = |others: &[Load]| others == [Load { disk: 0, ..LOAD }];
        assert!(ledger.enter(&elsewhere, &LOAD, no_disk).unwrap().is_some());
        let second = ledger.enter(&who("b", 20), &LOAD, seen).unwrap().unwrap();
        drop((first, second));
        assert!(ledger.enter(&who("c", 20), &LOAD, |others| others.is_empty()).unwrap().is_some());
    }

    #[test]
    fn vms_start_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(dir.path()).unwrap();
        let _first = ledger.enter(&who("a", 100), &LOAD, |_| true).unwrap().unwrap();
        assert!(ledger.enter(&who("b", 104), &LOAD, |_| true).unwrap().is_none());
        assert!(ledger.enter(&who("b", 105), &LOAD, |_| true).unwrap().is_some());
        // The clock was set back.
        assert!(ledger.enter(&who("c", 9), &LOAD, |_| true).unwrap().is_some());
    }

    #[test]
    fn what_a_killed_process_left_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(dir.path()).unwrap();
        let stale = dir.path().join("1-a.seat");
        fs::write(&stale, "{\"memory_mib\":1,\"cpus\":1}").unwrap();
        assert!(ledger.enter(&who("b", 1), &LOAD, |others| others.is_empty()).unwrap().is_some());
        assert!(!stale.exists());
    }
}
