//! Virtual disks as random-access bytes with a map of their holes.

mod concat;
mod open;
mod qcow2;
mod raw;
mod window;

use std::sync::Arc;

pub use self::concat::Concat;
pub use self::open::{Foreign, Format, detect, foreign, open, open_as};
pub use self::qcow2::Qcow2;
pub use self::raw::Raw;
pub use self::window::Window;

use crate::{Error, ErrorKind, Result};

/// What an [`Extent`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// Stored bytes; they may still happen to be zeros.
    Data,
    /// Reads as zeros and occupies no storage. It need never be read.
    Zero,
}

/// A run of bytes of one kind, see [`BlockRead::extent_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Length in bytes from the queried offset, at least 1.
    pub len: u64,
    /// Whether the run is stored.
    pub kind: ExtentKind,
}

/// Random access to a virtual disk or partition; byte addressed.
///
/// Reads are positional and take `&self`, so several threads may read at once.
pub trait BlockRead: Send + Sync {
    /// Size in bytes.
    fn len(&self) -> u64;

    /// Whether the disk has no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset` (bytes). Any byte past the end is an error
    /// and leaves `buf` unspecified.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// The run that starts at `offset` (bytes, less than [`BlockRead::len`]).
    ///
    /// Never reaches past the end and is never empty, so repeated calls walk
    /// the disk. Neighbouring runs may be of the same kind.
    fn extent_at(&self, offset: u64) -> Result<Extent>;
}

impl<T: BlockRead + ?Sized> BlockRead for Arc<T> {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        (**self).read_at(offset, buf)
    }
    fn extent_at(&self, offset: u64) -> Result<Extent> {
        (**self).extent_at(offset)
    }
}

/// Bytes in memory as a disk, without holes. For tests and small images.
impl BlockRead for Vec<u8> {
    fn len(&self) -> u64 {
        u64::try_from(Vec::len(self)).unwrap_or(u64::MAX)
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(BlockRead::len(self), offset, buf.len(), "disk in memory")?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(bytes) = self.get(start..).and_then(|rest| rest.get(..buf.len())) {
            buf.copy_from_slice(bytes);
        }
        Ok(())
    }
    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(BlockRead::len(self), offset, 1, "disk in memory")?;
        Ok(Extent { len: BlockRead::len(self) - offset, kind: ExtentKind::Data })
    }
}

/// Fails unless `offset..offset + len` lies inside a disk of `size` bytes.
pub(crate) fn check_range(size: u64, offset: u64, len: usize, place: &str) -> Result<()> {
    let end = u64::try_from(len).ok().and_then(|len| offset.checked_add(len));
    if end.is_some_and(|end| end <= size) {
        return Ok(());
    }
    let reason = format!("{len} bytes at offset {offset} reach past its end at {size}");
    Err(Error::new(ErrorKind::Usage, place, reason))
}
