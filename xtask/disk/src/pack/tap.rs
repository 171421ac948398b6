//! Reads an archive while it is written.
//!
//! What the contract is checked against must be what is in the archive, not
//! what was meant to be. A reader that shares nothing with the writer looks at
//! the very bytes that are being compressed, so that no second pass over the
//! result is needed.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::ScopedJoinHandle;

use crate::artifact::{Index, scan_tar};
use crate::gzip::Block;
use crate::{Error, Result};

/// Blocks that may wait for the reader. It is far faster than compression.
const WAITING: usize = 4;

/// What the reader found: the entries and oddities.
pub(super) type Found = (Index, Vec<String>);

/// A reader at work.
pub(super) struct Tap<'scope>(ScopedJoinHandle<'scope, Result<Found>>);

impl<'scope> Tap<'scope> {
    /// Starts reading what is sent.
    pub(super) fn start<'env>(
        scope: &'scope std::thread::Scope<'scope, 'env>,
    ) -> Result<(Self, SyncSender<Block>)> {
        let (sender, blocks) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("tar-read".into())
            .spawn_scoped(scope, move || scan_tar(Stream { blocks, block: None, at: 0 }))
            .map_err(|error| Error::from_io("archive", error))?;
        Ok((Self(thread), sender))
    }

    /// Waits until all was read.
    pub(super) fn finish(self) -> Result<Found> {
        let found = self.0.join();
        found.unwrap_or_else(|_| Err(Error::damaged("archive", "reading it back panicked")))
    }
}

/// The blocks as one stream.
struct Stream {
    blocks: Receiver<Block>,
    block: Option<Block>,
    at: usize,
}

impl Stream {
    fn rest(&self) -> &[u8] {
        self.block.as_ref().and_then(|block| block.get(self.at..)).unwrap_or_default()
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest().is_empty() {
            // Before waiting for the next one, so that its memory is used again.
            self.block = None;
            (self.block, self.at) = (self.blocks.recv().ok(), 0);
        }
        Ok(self.rest())
    }

    fn consume(&mut self, len: usize) {
        self.at = self.at.saturating_add(len);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}
