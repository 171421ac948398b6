//! One build of a target at a time, also between processes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::at::At as _;
use crate::exit::Coded;

/// Held while it lives; the kernel drops it when the process dies, however.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread is just starting
        // has the file open until its exec, and would hold the lock so long.
        drop(self.file.unlock());
    }
}

impl Lock {
    /// Takes the lock of `target` under `out`.
    ///
    /// # Errors
    /// Another process builds the same target (it is named), or the directory
    /// cannot be written.
    pub fn take(out: &Path, target: &str) -> Result<Self> {
        let dir = out.join(".locks");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let path = dir.join(target);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(&mut file, target)),
            Err(TryLockError::Error(e)) => {
                return Err(e).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        file.set_len(0).at("write", &path)?;
        file.rewind().at("write", &path)?;
        write!(file, "{}", std::process::id()).at("write", &path)?;
        Ok(Self { file })
    }
}

fn busy(file: &mut File, target: &str) -> anyhow::Error {
    let mut holder = String::new();
    let known = file.read_to_string(&mut holder).is_ok() && !holder.is_empty();
    let who = if known { format!("process {holder}") } else { "another process".into() };
    Coded::host(format!(
        "{target} is being built by {who}\n  hint: wait for it, or build to another directory with --out"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), "x-amd64").unwrap();
        let error = Lock::take(dir.path(), "x-amd64").unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        assert!(Lock::take(dir.path(), "x-amd64").is_ok());
    }

    #[test]
    fn what_else_has_the_file_open_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path(), "x-amd64").unwrap();
        let _copy = first.file.try_clone().unwrap();
        drop(first);
        assert!(Lock::take(dir.path(), "x-amd64").is_ok());
    }
}
