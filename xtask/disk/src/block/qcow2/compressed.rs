//! Decompression of single clusters.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::header::Compression;

/// Largest window of a zstd frame that is accepted, bytes. Clusters have at
/// most 2 MiB and a compressor that knows the size needs no larger window.
const ZSTD_WINDOW_MAX: u64 = 8 << 20;

/// Decompresses one cluster of `size` bytes; `input` may have unrelated bytes
/// at its end. The error is the reason alone.
pub(super) fn decompress(kind: Compression, input: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let mut output = vec![0; size];
    match kind {
        Compression::Zlib => inflate(input, &mut output)?,
        Compression::Zstd => unzstd(input, &mut output)?,
    }
    Ok(output)
}

/// libdeflate takes half the time but insists on an end mark.
fn inflate(input: &[u8], output: &mut [u8]) -> Result<(), String> {
    let fast = libdeflater::Decompressor::new().deflate_decompress(input, output);
    if fast == Ok(output.len()) { Ok(()) } else { inflate_cut(input, output) }
}

fn inflate_cut(input: &[u8], output: &mut [u8]) -> Result<(), String> {
    let mut state = Decompress::new(false);
    let status = state.decompress(input, output, FlushDecompress::Finish);
    let filled = state.total_out() == crate::bytes::wide(output.len());
    match status.map_err(|error| error.to_string())? {
        // A full buffer counts, as for QEMU: the end mark may be cut off.
        Status::StreamEnd | Status::Ok | Status::BufError if filled => Ok(()),
        _ => Err(format!("it ends after {} of {} bytes", state.total_out(), output.len())),
    }
}

fn unzstd(input: &[u8], output: &mut [u8]) -> Result<(), String> {
    let mut frames = FrameDecoder::new();
    frames.set_max_window_size(ZSTD_WINDOW_MAX);
    let mut stream =
        StreamingDecoder::new_with_decoder(input, frames).map_err(|error| error.to_string())?;
    stream.read_exact(output).map_err(|error| error.to_string())
}
