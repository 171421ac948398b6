//! Remembers what a validator had nothing to say about. One empty file per
//! text, named by a hash of everything the verdict depends on: the text, the
//! option, the program with its size and time, and how we call it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Job;
use crate::plan::fingerprint::hex;

/// Raised when a validator is called in another way.
const VERSION: &str = "1";

/// The file that stands for "nothing was found".
pub(super) fn place(dir: &Path, program: &Path, id: &str, job: &Job) -> PathBuf {
    let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let program = fs::metadata(&real).map_or_else(
        |_| String::new(),
        |meta| format!("{} {} {} {}", real.display(), meta.len(), meta.mtime(), meta.mtime_nsec()),
    );
    let mut hash = Sha256::new();
    for part in [VERSION, id, &program, &job.option, &job.document.text] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    dir.join(hex(&hash.finalize()))
}

/// Remembers. Where that fails the check runs again next time.
pub(super) fn remember(place: &Path) {
    let made = place.parent().is_some_and(|dir| fs::create_dir_all(dir).is_ok());
    if made {
        drop(fs::write(place, ""));
    }
}
