//! A part of a disk, such as a partition.

use std::sync::Arc;

use super::{BlockRead, Extent, check_range};
use crate::{Error, ErrorKind, Result};

/// The bytes `start..start + len` of a disk as a disk of their own.
pub struct Window {
    disk: Arc<dyn BlockRead>,
    start: u64,
    len: u64,
}

impl Window {
    /// A window of `len` bytes from `start`; an error if it does not fit.
    pub fn new(disk: Arc<dyn BlockRead>, start: u64, len: u64) -> Result<Self> {
        if start.checked_add(len).is_none_or(|end| end > disk.len()) {
            let reason = format!(
                "it takes {len} bytes from byte {start} of a disk that has only {}",
                disk.len()
            );
            return Err(Error::new(ErrorKind::Damaged, "partition", reason)
                .hint("the disk image may be truncated: copy or download it again"));
        }
        Ok(Self { disk, start, len })
    }
}

impl BlockRead for Window {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        check_range(self.len, offset, buf.len(), "partition")?;
        self.disk.read_at(self.start + offset, buf)
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.len, offset, 1, "partition")?;
        let extent = self.disk.extent_at(self.start + offset)?;
        Ok(Extent { len: extent.len.min(self.len - offset), ..extent })
    }
}

#[cfg(test)]
mod tests {
    use super::super::ExtentKind;
    use super::*;

    #[test]
    fn sees_its_own_bytes_only() {
        let disk: Arc<dyn BlockRead> = Arc::new((0..100).collect::<Vec<u8>>());
        let window = Window::new(Arc::clone(&disk), 10, 20).unwrap();
        let mut bytes = [0; 2];
        window.read_at(18, &mut bytes).unwrap();
        assert_eq!(bytes, [28, 29]);
        assert!(window.read_at(19, &mut bytes).is_err());
        assert_eq!(window.extent_at(5).unwrap(), Extent { len: 15, kind: ExtentKind::Data });
        assert!(window.extent_at(20).is_err());
        assert!(Window::new(Arc::clone(&disk), 90, 11).is_err());
        assert!(Window::new(disk, u64::MAX, 1).is_err());
    }
}
