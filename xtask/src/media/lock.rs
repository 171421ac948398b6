//! One process at a time per medium; the others wait and then find it done.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::{Context, MediaError};

/// How often a waiting process looks again.
const POLL: Duration = Duration::from_millis(200);

/// Held while it lives; the kernel drops it when the process dies, however.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock file `path` (created with its directory); `what` is
    /// named in the notice.
    pub(super) fn wait(path: &Path, what: &str, ctx: &Context<'_>) -> Result<Self, MediaError> {
        let failed = |e| MediaError::io("cannot lock", path, e);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).map_err(failed)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(e)) => return Err(failed(e)),
                Err(TryLockError::WouldBlock) => {}
            }
            if !told {
                (ctx.notice)(&format!("waiting for another process that prepares {what}"));
                told = true;
            }
            if ctx.cancel.is_set() {
                return Err(MediaError::Interrupted);
            }
            std::thread::sleep(POLL);
        }
    }
}
