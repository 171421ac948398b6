//! One block of input to one piece of gzip.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};
use libdeflater::{CompressionLvl, Compressor, Decompressor};

use super::{BLOCK, Format, Level, Options};
use crate::bytes::wide;

/// Deflate can refer back this far, so this much of the block before primes
/// the next one when both are in one member.
pub(super) const WINDOW: usize = 32 << 10;

/// Compressed bytes of one block, and the checksum of its input.
pub(super) struct Piece {
    pub(super) bytes: Arc<[u8]>,
    pub(super) crc: Crc,
}

/// Compresses blocks; one per thread.
pub(super) enum Codec {
    /// With what reads each member back.
    Members(Compressor, Decompressor, Scratch),
    Single(Compression),
}

impl Codec {
    pub(super) fn new(options: &Options) -> io::Result<Self> {
        Ok(match options.format {
            Format::Members => Self::Members(
                Compressor::new(libdeflate_level(options.level)?),
                Decompressor::new(),
                Scratch::default(),
            ),
            Format::Single => Self::Single(Compression::new(zlib_level(options.level))),
        })
    }

    /// Compresses `block`, which follows `before` (at most [`WINDOW`] bytes,
    /// empty if members are independent).
    pub(super) fn compress(&mut self, before: &[u8], block: &[u8]) -> io::Result<Piece> {
        match self {
            Self::Members(compressor, check, scratch) => member(compressor, check, scratch, block),
            Self::Single(level) => fragment(*level, before, block),
        }
    }
}

fn libdeflate_level(level: Level) -> io::Result<CompressionLvl> {
    let number = match level {
        Level::Fast => 1,
        Level::Default => 6,
        Level::Small => 12,
    };
    CompressionLvl::new(number).map_err(|error| io::Error::other(format!("{error:?}")))
}

/// zlib-rs 1 is a fifth larger than 3 for little time, so `Fast` is 3.
fn zlib_level(level: Level) -> u32 {
    match level {
        Level::Fast => 3,
        Level::Default => 6,
        Level::Small => 9,
    }
}

/// Memory that every block needs anew.
#[derive(Default)]
pub(super) struct Scratch {
    compressed: Vec<u8>,
    restored: Vec<u8>,
    blocks: u64,
}

/// One block of so many is unpacked again. All of them would take a tenth of
/// the time of compressing them.
const CHECKED: u64 = 16;

/// A whole gzip member. libdeflate writes no name and a zero time. Some are
/// unpacked again at once, while they are in the cache: a compressor or memory
/// that goes wrong again and again is found here and not on a machine that is
/// being deployed.
fn member(
    compressor: &mut Compressor,
    check: &mut Decompressor,
    scratch: &mut Scratch,
    block: &[u8],
) -> io::Result<Piece> {
    let Scratch { compressed, restored, blocks } = scratch;
    let bound = compressor.gzip_compress_bound(block.len());
    if compressed.len() < bound {
        compressed.resize(bound, 0);
    }
    let len = compressor
        .gzip_compress(block, compressed)
        .map_err(|error| io::Error::other(format!("libdeflate: {error}")))?;
    let bytes = &compressed[..len];
    *blocks += 1;
    if *blocks % CHECKED != 1 {
        return Ok(Piece { bytes: bytes.into(), crc: Crc::new() });
    }
    if restored.len() < block.len() {
        restored.resize(block.len(), 0);
    }
    let restored = &mut restored[..block.len()];
    if check.gzip_decompress(bytes, restored).ok() != Some(block.len()) || restored != block {
        return Err(unlike());
    }
    Ok(Piece { bytes: bytes.into(), crc: Crc::new() })
}

/// Raw deflate blocks that end on a byte boundary and do not end the stream.
fn fragment(level: Compression, before: &[u8], block: &[u8]) -> io::Result<Piece> {
    let mut compress = Compress::new(level, false);
    if !before.is_empty() {
        compress.set_dictionary(before).map_err(io::Error::other)?;
    }
    let mut out = Vec::with_capacity(block.len() + block.len() / 8 + 64);
    loop {
        let read = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
        let rest = block.get(read..).unwrap_or_default();
        let room = out.capacity() - out.len();
        let status =
            compress.compress_vec(rest, &mut out, FlushCompress::Sync).map_err(io::Error::other)?;
        let flushed = usize::try_from(compress.total_in()).ok() == Some(block.len())
            && out.len() < out.capacity();
        match status {
            _ if flushed => break,
            Status::BufError if room > 0 => {
                return Err(io::Error::other("deflate makes no progress"));
            }
            _ => out.reserve(BLOCK / 8),
        }
    }
    check_fragment(before, block, &out)?;
    let mut crc = Crc::new();
    crc.update(block);
    Ok(Piece { bytes: out.into(), crc })
}

fn check_fragment(before: &[u8], block: &[u8], bytes: &[u8]) -> io::Result<()> {
    let mut inflate = Decompress::new(false);
    if !before.is_empty() {
        inflate.set_dictionary(before).map_err(io::Error::other)?;
    }
    // One byte more than fits: it must stay unused.
    let mut restored = vec![0; block.len() + 1];
    inflate.decompress(bytes, &mut restored, FlushDecompress::Sync).map_err(io::Error::other)?;
    let whole = usize::try_from(inflate.total_out()).ok() == Some(block.len());
    if whole && restored.starts_with(block) { Ok(()) } else { Err(unlike()) }
}

fn unlike() -> io::Error {
    io::Error::other(
        "a compressed block does not unpack to what it was made of: the memory of this machine \
         may be defective",
    )
}

/// See [`super::bare`]. Always members, each thread with its own memory.
pub(super) fn bare(bytes: &[u8], options: &Options) -> io::Result<u64> {
    let level = libdeflate_level(options.level)?;
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || {
        let mut compressor = Compressor::new(level);
        let mut out = vec![0; compressor.gzip_compress_bound(BLOCK)];
        while let Some(block) = bytes.chunks(BLOCK).nth(next.fetch_add(1, Relaxed)) {
            let len = compressor.gzip_compress(block, &mut out).map_err(io::Error::other)?;
            total.fetch_add(wide(len), Relaxed);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.workers()).map(|_| scope.spawn(work)).collect();
        let died = |_| Err(io::Error::other("a thread died"));
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(died))
    })?;
    Ok(total.into_inner())
}

/// Header of a single member: deflate, no name, no time, unknown system.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// End of a single member: an empty last block, CRC-32 and length modulo 2^32.
pub(super) fn trailer(crc: &Crc) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[0] = 0x03;
    bytes[2..6].copy_from_slice(&crc.sum().to_le_bytes());
    bytes[6..].copy_from_slice(&crc.amount().to_le_bytes());
    bytes
}
