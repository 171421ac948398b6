//! What functions may look at besides their arguments: files, environment,
//! time.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::function::FunctionError;

/// What a function may look at besides its arguments.
#[derive(Debug)]
pub struct Context<'a> {
    /// Directory that relative paths of `file`, `templatefile`, `fileset` and
    /// `fileexists` start from: the template directory.
    pub base_dir: &'a Path,
    /// Directory that `abspath` starts from: where the command was called.
    pub cwd: &'a Path,
    /// Environment for `env` and for the home directory of `pathexpand`.
    pub env: &'a BTreeMap<String, String>,
    /// What functions that never give the same answer twice return.
    pub impure: Impure,
    /// Every file or directory that was looked at.
    pub reads: RefCell<BTreeSet<PathBuf>>,
    /// Work done so far, against runaway loops.
    pub steps: Cell<u64>,
}

/// Expressions that one evaluation may visit; a large template visits 10,000.
pub const MAX_STEPS: u64 = 5_000_000;

/// Longest string (bytes) that a template may build.
pub const MAX_STRING_BYTES: usize = 64 << 20;

/// Whether `timestamp`, `uuidv4`, `bcrypt` and the like are real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impure {
    /// Real values; the time is that of the start, as in Packer.
    Real {
        /// When the command started.
        start: SystemTime,
    },
    /// Fixed, recognisable values, so that a plan is the same every time:
    /// [`PLACEHOLDER_TIME`], [`PLACEHOLDER_UUID`], a salt of zeros.
    Placeholder,
}

/// 2000-01-01T00:00:00Z in seconds since the epoch.
pub const PLACEHOLDER_TIME: u64 = 946_684_800;

/// A version 4 UUID that no generator makes.
pub const PLACEHOLDER_UUID: &str = "00000000-0000-4000-8000-000000000000";

/// Largest file (bytes) that `file` and its relatives read.
const MAX_FILE_BYTES: u64 = 64 << 20;

impl Context<'_> {
    /// The path as messages show it: `~` is the home directory, a relative path
    /// starts from the template directory. It is noted as read.
    pub fn open(&self, path: &str) -> Result<PathBuf, FunctionError> {
        let expanded = self
            .expand_home(path)
            .map_err(|reason| FunctionError::new(format!("failed to expand ~: {reason}")))?;
        let resolved = lexically_clean(&self.base_dir.join(expanded));
        self.locate(&resolved);
        Ok(resolved)
    }

    /// Where a path really is: relative ones start from where the command was
    /// called, which need not be the directory of this process. It is noted as
    /// read.
    pub fn locate(&self, path: &Path) -> PathBuf {
        let real = self.cwd.join(path);
        self.note_read(&real);
        real
    }

    /// Replaces a leading `~` by the home directory.
    pub fn expand_home(&self, path: &str) -> Result<PathBuf, &'static str> {
        let Some(rest) = path.strip_prefix('~') else { return Ok(PathBuf::from(path)) };
        if !rest.is_empty() && !rest.starts_with('/') {
            return Err("cannot expand user-specific home dir");
        }
        match self.env.get("HOME").filter(|home| !home.is_empty()) {
            Some(home) => Ok(lexically_clean(&Path::new(home).join(rest.trim_start_matches('/')))),
            None => Err("HOME is not set"),
        }
    }

    /// The contents of a file, with the errors of `file`.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, FunctionError> {
        let resolved = self.open(path)?;
        let (shown, real) = (resolved.display(), self.locate(&resolved));
        read_regular(&real).map_err(|error| {
            FunctionError::new(match error.kind() {
                ErrorKind::NotFound => format!("no file exists at {shown}"),
                ErrorKind::InvalidInput => format!("failed to read {shown}: {error}"),
                // Packer gives no reason either.
                _ => format!("failed to read {shown}"),
            })
        })
    }

    /// The contents of a text file, with the errors of `file`.
    pub fn read_text(&self, path: &str) -> Result<String, FunctionError> {
        String::from_utf8(self.read(path)?).map_err(|_| {
            FunctionError::new(format!(
                "contents of {path} are not valid UTF-8; use the filebase64 function to obtain \
                 the Base64 encoded contents or the other file functions (e.g. filemd5, \
                 filesha256) to obtain file hashing results instead"
            ))
        })
    }

    /// Counts a step; false once there were too many.
    pub(crate) fn step(&self) -> bool {
        self.steps.set(self.steps.get().saturating_add(1));
        self.steps.get() <= MAX_STEPS
    }

    /// Remembers that a result depends on this file or directory.
    pub fn note_read(&self, path: &Path) {
        self.reads.borrow_mut().insert(path.to_owned());
    }
}

/// Reads a whole file of sensible size.
///
/// # Errors
///
/// Those of the system, and `InvalidInput` for what cannot be read whole: a
/// pipe or device could block or never end.
pub(crate) fn read_regular(path: &Path) -> std::io::Result<Vec<u8>> {
    let found = std::fs::metadata(path)?;
    let refuse = |reason: &str| Err(std::io::Error::new(ErrorKind::InvalidInput, reason));
    if !found.is_file() && !found.is_dir() {
        return refuse("it is not a regular file");
    }
    if found.is_file() && found.len() > MAX_FILE_BYTES {
        return refuse("it is larger than 64 MiB");
    }
    std::fs::read(path)
}

/// The path without `.` and without `x/..`, not looking at the file system.
pub fn lexically_clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match clean.components().next_back() {
                Some(Component::Normal(_)) => {
                    clean.pop();
                }
                Some(Component::RootDir) => {}
                _ => clean.push(".."),
            },
            other => clean.push(other),
        }
    }
    if clean.as_os_str().is_empty() { PathBuf::from(".") } else { clean }
}
