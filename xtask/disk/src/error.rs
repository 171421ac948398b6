//! The error of this crate: what was read, where, and why it failed.

use std::fmt;
use std::io;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure an [`Error`] is, for callers that react to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The operating system refused (missing file, permission, EIO).
    Io,
    /// The bytes contradict the format: truncated, bit-flipped or hostile.
    Damaged,
    /// A valid feature of the format that this reader does not have.
    Unsupported,
    /// The bytes are not of the expected format at all (wrong magic number).
    NotThisFormat,
    /// It was stopped on request, see [`crate::pack::Watch`].
    Cancelled,
    /// Readable, but nothing that could be deployed: empty, or without a root.
    Refused,
    /// The caller asked for something that does not exist, such as bytes past
    /// the end of a disk or the target of a regular file.
    Usage,
}

/// A failure with its place and reason, and what to do where that is known.
///
/// Displays as `place: reason (hint: ...)`; layers above prepend their own
/// place with [`Error::within`], so the outermost comes first.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    place: String,
    reason: String,
    hint: Option<&'static str>,
    source: Option<io::Error>,
}

impl Error {
    /// An error of `kind` at `place` ("inode 12", "qcow2 L1 table") because of `reason`.
    pub fn new(kind: ErrorKind, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind, place: place.into(), reason: reason.into(), hint: None, source: None }
    }

    /// Bytes at `place` that contradict the format.
    pub fn damaged(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, place, reason)
    }

    /// A feature at `place` that this reader does not have.
    pub fn unsupported(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, place, reason)
    }

    /// A failed system call on `place`; the `io::Error` becomes the source.
    pub fn io(place: impl Into<String>, source: io::Error) -> Self {
        let reason = source.to_string();
        let hint = match source.kind() {
            io::ErrorKind::StorageFull => Some("free some space there, or write to another disk"),
            io::ErrorKind::ReadOnlyFilesystem => Some("write to another directory"),
            io::ErrorKind::PermissionDenied => Some("see owner and mode with `ls -ld`"),
            _ => None,
        };
        Self { source: Some(source), hint, ..Self::new(ErrorKind::Io, place, reason) }
    }

    /// A failed read or write at `place`. An error of this crate that passed
    /// through [`io::Error`] comes out as it went in.
    pub(crate) fn from_io(place: impl Into<String>, error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Self::io(place, error),
        }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Prepends the place of the layer above, such as the path of the disk.
    #[must_use]
    pub fn within(mut self, outer: impl fmt::Display) -> Self {
        self.place = format!("{outer}: {}", self.place);
        self
    }

    /// Number of the failed system call, for those who know a way around it.
    pub(crate) fn os_error(&self) -> Option<i32> {
        self.source.as_ref().and_then(io::Error::raw_os_error)
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)?;
        match self.hint {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The reason already carries the text of the io::Error, so its own
        // source comes next: a printed chain says nothing twice.
        self.source.as_ref().and_then(|source| source.get_ref()).map(|inner| inner as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_place_reason_and_hint() {
        let error = Error::unsupported("qcow2 header", "the image is encrypted")
            .hint("decrypt it first")
            .within("disk.qcow2");
        assert_eq!(
            error.to_string(),
            "disk.qcow2: qcow2 header: the image is encrypted (hint: decrypt it first)"
        );
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn an_io_error_is_told_once() {
        let error = Error::io("disk.raw", io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(error.to_string(), "disk.raw: entity not found");
        assert!(std::error::Error::source(&error).is_none());
        let error = Error::io("x.tar.gz", io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        assert!(error.to_string().ends_with("(hint: write to another directory)"), "{error}");
    }
}
