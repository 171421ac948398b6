//! Identity of a file's content that does not depend on how holes are stored.

use sha2::{Digest, Sha256};

/// Granularity in bytes at which zeros do not count.
const GRAIN: usize = 4096;

/// SHA-256 over the size and every block of 4 KiB that is not all zeros, with
/// its position. Equal for two files with equal content, however sparse they
/// are. It is *not* the SHA-256 of the content.
pub type Fingerprint = [u8; 32];

/// Computes a [`Fingerprint`] from runs of content in ascending order.
pub(crate) struct Fingerprinter {
    hash: Sha256,
    block: Vec<u8>,
    /// Which block of the file `block` holds.
    index: u64,
}

impl Fingerprinter {
    /// For a file of `size` bytes.
    pub(crate) fn new(size: u64) -> Self {
        let hash = Sha256::new().chain_update(size.to_le_bytes());
        Self { hash, block: vec![0; GRAIN], index: 0 }
    }

    /// Content at `offset`; must not precede what was already given.
    pub(crate) fn update(&mut self, mut offset: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let grain = u64::try_from(GRAIN).unwrap_or(1);
            let index = offset / grain;
            if index != self.index {
                self.flush();
                self.index = index;
            }
            let at = usize::try_from(offset % grain).unwrap_or(0);
            let len = bytes.len().min(GRAIN - at);
            self.block[at..at + len].copy_from_slice(&bytes[..len]);
            bytes = &bytes[len..];
            offset = offset.saturating_add(u64::try_from(len).unwrap_or(0));
        }
    }

    /// The result.
    pub(crate) fn finish(mut self) -> Fingerprint {
        self.flush();
        self.hash.finalize().into()
    }

    fn flush(&mut self) {
        if self.block.iter().any(|&byte| byte != 0) {
            self.hash.update(self.index.to_le_bytes());
            self.hash.update(&self.block);
            self.block.fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_pieces_make_no_difference() {
        let mut data = vec![0; 50_000];
        data[5000..5100].fill(7);
        data[49_990..].fill(9);
        let mut whole = Fingerprinter::new(50_000);
        whole.update(0, &data);
        let whole = whole.finish();
        let mut runs = Fingerprinter::new(50_000);
        for at in (4096..12_000).step_by(13) {
            runs.update(at, &data[usize::try_from(at).unwrap()..][..13]);
        }
        runs.update(49_990, &[9; 10]);
        assert_eq!(runs.finish(), whole);

        let mut moved = Fingerprinter::new(50_000);
        moved.update(5001, &[7; 100]);
        moved.update(49_990, &[9; 10]);
        assert_ne!(moved.finish(), whole);
        assert_ne!(Fingerprinter::new(1).finish(), Fingerprinter::new(2).finish());
    }
}
