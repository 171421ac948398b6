//! One block of input to one piece of gzip.

use std::io;
use std::sync::Arc;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use libdeflater::{CompressionLvl, Compressor};

use super::{BLOCK, Format, Level, Options};

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
    Members(Compressor),
    Single(Compression),
}

impl Codec {
    pub(super) fn new(options: &Options) -> io::Result<Self> {
        Ok(match options.format {
            Format::Members => Self::Members(Compressor::new(libdeflate_level(options.level)?)),
            Format::Single => Self::Single(Compression::new(zlib_level(options.level))),
        })
    }

    /// Compresses `block`, which follows `before` (at most [`WINDOW`] bytes,
    /// empty if members are independent).
    pub(super) fn compress(&mut self, before: &[u8], block: &[u8]) -> io::Result<Piece> {
        match self {
            Self::Members(compressor) => member(compressor, block),
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

/// A whole gzip member. libdeflate writes no name and a zero time.
fn member(compressor: &mut Compressor, block: &[u8]) -> io::Result<Piece> {
    let mut out = vec![0; compressor.gzip_compress_bound(block.len())];
    let len = compressor
        .gzip_compress(block, &mut out)
        .map_err(|error| io::Error::other(format!("libdeflate: {error}")))?;
    Ok(Piece { bytes: out[..len].into(), crc: Crc::new() })
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
    let mut crc = Crc::new();
    crc.update(block);
    Ok(Piece { bytes: out.into(), crc })
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
