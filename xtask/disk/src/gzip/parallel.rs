//! Threads: one that cuts (the caller), several that compress, one that hashes
//! and writes in order.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use flate2::Crc;
use sha2::{Digest, Sha256};

use super::codec::{self, Codec, Piece, WINDOW};
use super::{BLOCK, Format, Options};

/// What came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Compressed bytes.
    pub bytes: u64,
    /// SHA-256 of the compressed bytes.
    pub sha256: [u8; 32],
    /// Bytes before compression.
    pub input_bytes: u64,
}

type Reply = Receiver<io::Result<Piece>>;

/// A block of input, which may be looked at in passing.
pub(crate) type Block = Arc<Vec<u8>>;

struct Job {
    before: Vec<u8>,
    block: Block,
    reply: SyncSender<io::Result<Piece>>,
}

enum Next {
    /// A block that some thread is compressing.
    Pending(Reply),
    /// A block of zeros, compressed once and for all.
    Ready(Arc<Piece>),
}

/// Compresses what is written to it, on several threads and in order.
///
/// Memory is bounded by about three blocks per thread. Dropping it before
/// [`GzipWriter::finish`] stops the threads and leaves the output incomplete.
pub struct GzipWriter<W> {
    options: Options,
    buffer: Vec<u8>,
    before: Vec<u8>,
    input_bytes: u64,
    zeros: Option<Arc<Piece>>,
    pool: Pool,
    tap: Option<SyncSender<Block>>,
    queue: Option<Queue>,
    writer: Option<JoinHandle<io::Result<(W, Summary)>>>,
    workers: Vec<JoinHandle<()>>,
}

/// The sending ends; dropping them ends the threads.
struct Queue {
    order: SyncSender<Next>,
    jobs: Sender<Job>,
}

impl<W: Write + Send + 'static> GzipWriter<W> {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn new(out: W, options: Options) -> io::Result<Self> {
        let threads = options.workers();
        // Two blocks per worker keep it busy while the writer waits for an
        // earlier block; this bound is what keeps memory constant.
        let (order, next) = mpsc::sync_channel(2 * threads);
        let (jobs, work) = mpsc::channel();
        let (work, pool) = (Arc::new(Mutex::new(work)), Pool::default());
        let workers = (0..threads)
            .map(|_| spawn_worker(options, Arc::clone(&work), pool.clone()))
            .collect::<io::Result<_>>()?;
        let writer = thread::Builder::new()
            .name("gzip-write".into())
            .spawn(move || Output::new(out, options.format)?.run(&next))?;
        Ok(Self {
            options,
            buffer: Vec::new(),
            before: Vec::new(),
            input_bytes: 0,
            zeros: None,
            pool,
            tap: None,
            queue: Some(Queue { order, jobs }),
            writer: Some(writer),
            workers,
        })
    }

    /// Also shows every block of the input to `tap`, in order. Whoever stops
    /// looking is not asked again. Zeros by [`GzipWriter::write_zeros`] are not
    /// shown.
    pub(crate) fn tapped_by(mut self, tap: SyncSender<Block>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Appends zeros. Whole blocks of them cost nothing but their output.
    ///
    /// # Errors
    /// Whatever the output said, possibly for earlier data.
    pub fn write_zeros(&mut self, mut count: u64) -> io::Result<()> {
        const SOME: [u8; 4096] = [0; 4096];
        while count > 0 {
            if self.buffer.is_empty() && count >= size(BLOCK) {
                self.submit_zeros()?;
                count -= size(BLOCK);
                continue;
            }
            let room = SOME.len().min(BLOCK - self.buffer.len());
            let want = usize::try_from(count).unwrap_or(room).min(room);
            self.write_all(&SOME[..want])?;
            count -= size(want);
        }
        Ok(())
    }

    /// Compresses the rest, waits for everything to be written and hands the
    /// output back, unflushed.
    ///
    /// # Errors
    /// Whatever the output said.
    pub fn finish(mut self) -> io::Result<(W, Summary)> {
        if !self.buffer.is_empty() || self.input_bytes == 0 {
            self.submit()?;
        }
        (self.queue, self.tap) = (None, None);
        let (out, mut summary) = self.join()?;
        summary.input_bytes = self.input_bytes;
        Ok((out, summary))
    }

    fn submit(&mut self) -> io::Result<()> {
        let block = Arc::new(std::mem::take(&mut self.buffer));
        let mut before = Vec::new();
        if self.options.format == Format::Single {
            let tail = block[block.len().saturating_sub(WINDOW)..].to_vec();
            before = std::mem::replace(&mut self.before, tail);
        }
        self.input_bytes += size(block.len());
        let (reply, result) = mpsc::sync_channel(1);
        self.send(Next::Pending(result))?;
        if self.tap.as_ref().is_some_and(|tap| tap.send(Arc::clone(&block)).is_err()) {
            self.tap = None;
        }
        let sent = self.queue.as_ref().map(|q| q.jobs.send(Job { before, block, reply }));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.failure()),
        }
    }

    fn submit_zeros(&mut self) -> io::Result<()> {
        let piece = match &self.zeros {
            Some(piece) => Arc::clone(piece),
            None => {
                let piece = Arc::new(Codec::new(&self.options)?.compress(&[], &vec![0; BLOCK])?);
                Arc::clone(self.zeros.insert(piece))
            }
        };
        if self.options.format == Format::Single {
            self.before = vec![0; WINDOW];
        }
        self.input_bytes += size(BLOCK);
        self.send(Next::Ready(piece))
    }

    fn send(&mut self, next: Next) -> io::Result<()> {
        match self.queue.as_ref().map(|queue| queue.order.send(next)) {
            Some(Ok(())) => Ok(()),
            _ => Err(self.failure()),
        }
    }

    /// Why the writer is gone.
    fn failure(&mut self) -> io::Error {
        self.queue = None;
        let error = self.join().err();
        error.unwrap_or_else(|| io::Error::other("the gzip writer already failed"))
    }

    fn join(&mut self) -> io::Result<(W, Summary)> {
        let Some(writer) = self.writer.take() else {
            return Err(io::Error::other("the gzip writer already failed"));
        };
        writer.join().unwrap_or_else(|_| Err(io::Error::other("the gzip writer panicked")))
    }
}

impl<W: Write + Send + 'static> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.capacity() == 0 {
            self.buffer = self.pool.take();
        }
        let want = bytes.len().min(BLOCK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..want]);
        if self.buffer.len() == BLOCK {
            self.submit()?;
        }
        Ok(want)
    }

    /// Does nothing: a partial block would change the output.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> Drop for GzipWriter<W> {
    fn drop(&mut self) {
        (self.queue, self.tap) = (None, None);
        for worker in self.workers.drain(..) {
            let _: thread::Result<()> = worker.join();
        }
        if let Some(writer) = self.writer.take() {
            let _: thread::Result<io::Result<_>> = writer.join();
        }
    }
}

/// Blocks that are done, to be filled again: fresh memory costs a page fault
/// for every 4 KiB.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl Pool {
    fn take(&self) -> Vec<u8> {
        let free = self.0.lock().ok().and_then(|mut pool| pool.pop());
        free.unwrap_or_else(|| Vec::with_capacity(BLOCK))
    }

    /// Keeps the block unless someone still looks at it.
    fn give(&self, block: Block) {
        if let Some(mut buffer) = Arc::into_inner(block)
            && let Ok(mut pool) = self.0.lock()
        {
            buffer.clear();
            pool.push(buffer);
        }
    }
}

fn spawn_worker(
    options: Options,
    work: Arc<Mutex<Receiver<Job>>>,
    pool: Pool,
) -> io::Result<JoinHandle<()>> {
    let mut codec = Codec::new(&options)?;
    thread::Builder::new().name("gzip".into()).spawn(move || {
        loop {
            let job = work.lock().map(|work| work.recv());
            let Ok(Ok(job)) = job else { return };
            // The writer may have failed and gone; then nobody wants this.
            let _: Result<(), _> = job.reply.send(codec.compress(&job.before, &job.block));
            pool.give(job.block);
        }
    })
}

/// The writing end.
struct Output<W> {
    out: W,
    format: Format,
    hash: Sha256,
    crc: Crc,
    bytes: u64,
}

impl<W: Write> Output<W> {
    fn new(out: W, format: Format) -> io::Result<Self> {
        let mut output = Self { out, format, hash: Sha256::new(), crc: Crc::new(), bytes: 0 };
        if format == Format::Single {
            output.put(&codec::HEADER)?;
        }
        Ok(output)
    }

    fn run(mut self, next: &Receiver<Next>) -> io::Result<(W, Summary)> {
        for next in next {
            match next {
                Next::Ready(piece) => self.piece(&piece)?,
                Next::Pending(reply) => {
                    let piece = reply.recv();
                    self.piece(&piece.map_err(|_| io::Error::other("a gzip thread died"))??)?;
                }
            }
        }
        if self.format == Format::Single {
            self.put(&codec::trailer(&self.crc))?;
        }
        let sha256 = self.hash.finalize().into();
        Ok((self.out, Summary { bytes: self.bytes, sha256, input_bytes: 0 }))
    }

    fn piece(&mut self, piece: &Piece) -> io::Result<()> {
        self.crc.combine(&piece.crc);
        self.put(&piece.bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.bytes += size(bytes.len());
        self.out.write_all(bytes)
    }
}

/// Lengths of buffers as counts of bytes; `usize` is at most 64 bits wide.
fn size(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
