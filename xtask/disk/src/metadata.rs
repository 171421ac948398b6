//! Metadata of a file system, read through a cache of large pieces.

use std::sync::Arc;

use crate::block::BlockRead;
use crate::bytes::{clip, slice, wide};
use crate::cache::SlotCache;
use crate::{Error, Result};

/// Unit of the cache, bytes: 64 inodes of 256 bytes at a time.
const CHUNK: u64 = 16 * 1024;
/// Slots of the cache: 16 MiB in all, several groups' inode tables.
const CHUNKS: usize = 1024;

/// A disk whose metadata is cached.
pub(crate) struct Metadata {
    disk: Arc<dyn BlockRead>,
    chunks: SlotCache<Arc<[u8]>>,
}

impl Metadata {
    /// An empty cache of `disk`.
    pub(crate) fn new(disk: Arc<dyn BlockRead>) -> Self {
        Self { disk, chunks: SlotCache::new(CHUNKS) }
    }

    /// The disk below.
    pub(crate) fn disk(&self) -> &Arc<dyn BlockRead> {
        &self.disk
    }

    /// Fills `buf` from `offset` (bytes).
    pub(crate) fn read(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        while !buf.is_empty() {
            let chunk = self.chunk(offset / CHUNK)?;
            let have = slice(&chunk, clip(offset % CHUNK, usize::MAX), buf.len());
            let (now, rest) = buf.split_at_mut(have.len());
            if now.is_empty() {
                let reason = format!("metadata past the end, at {offset}");
                return Err(Error::damaged("file system", reason));
            }
            now.copy_from_slice(have);
            offset += wide(now.len());
            buf = rest;
        }
        Ok(())
    }

    fn chunk(&self, index: u64) -> Result<Arc<[u8]>> {
        self.chunks.get_or(index, || {
            let start = index * CHUNK;
            let len = CHUNK.min(self.disk.len().saturating_sub(start));
            let mut bytes = vec![0; clip(len, usize::MAX)];
            if !bytes.is_empty() {
                self.disk.read_at(start, &mut bytes)?;
            }
            Ok(bytes.into())
        })
    }
}
