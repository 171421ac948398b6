use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::*;

/// Text, noise and zeros, so that blocks compress, do not, and vanish.
fn sample(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    (0..len)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match (at >> 17) % 3 {
                0 => (state >> 24).to_le_bytes()[0],
                1 => b"the quick brown fox "[at % 20],
                _ => 0,
            }
        })
        .collect()
}

fn compress(data: &[u8], options: Options, piece: usize) -> (Vec<u8>, Summary) {
    let mut writer = GzipWriter::new(Vec::new(), options).unwrap();
    for chunk in data.chunks(piece.max(1)) {
        writer.write_all(chunk).unwrap();
    }
    writer.finish().unwrap()
}

fn expand(gzip: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    MultiGzDecoder::new(gzip).read_to_end(&mut data).unwrap();
    data
}

#[test]
fn the_same_bytes_whatever_the_threads_and_the_writes() {
    for format in [Format::Members, Format::Single] {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 12345] {
            let data = sample(len);
            let options = |threads| Options { level: Level::Fast, format, threads };
            let (one, summary) = compress(&data, options(1), 1 << 20);
            assert_eq!(expand(&one), data, "{format:?} {len}");
            assert_eq!(summary.bytes, u64::try_from(one.len()).unwrap());
            assert_eq!(summary.input_bytes, u64::try_from(len).unwrap());
            assert_eq!(summary.sha256, <[u8; 32]>::from(Sha256::digest(&one)));
            for (threads, piece) in [(2, 4096), (7, 3_000_017), (0, 65_537)] {
                assert_eq!(compress(&data, options(threads), piece).0, one, "{format:?} {len}");
            }
        }
    }
}

#[test]
fn a_single_member_is_single() {
    let data = sample(3 * BLOCK);
    let (gzip, _) =
        compress(&data, Options { format: Format::Single, ..Options::default() }, BLOCK);
    let mut first = Vec::new();
    flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut first).unwrap();
    assert_eq!(first, data);
}

#[test]
fn levels_differ_in_size() {
    let data = include_bytes!("../../../../Cargo.lock").repeat(20);
    for format in [Format::Members, Format::Single] {
        let sizes = [Level::Fast, Level::Default, Level::Small]
            .map(|level| compress(&data, Options { level, format, threads: 2 }, BLOCK).0.len());
        assert!(sizes[0] > sizes[1], "{format:?} {sizes:?}");
        // zlib-rs 9 loses to 6 on a text full of hashes; libdeflate must not.
        assert!(format == Format::Single || sizes[1] > sizes[2], "{format:?} {sizes:?}");
    }
}

#[test]
fn zeros_are_the_same_bytes_as_written_ones() {
    for format in [Format::Members, Format::Single] {
        let options = Options { format, ..Options::default() };
        let mut writer = GzipWriter::new(Vec::new(), options).unwrap();
        writer.write_all(b"head").unwrap();
        writer.write_zeros(10 << 20).unwrap();
        writer.write_all(b"tail").unwrap();
        let (gzip, summary) = writer.finish().unwrap();
        let data = [&b"head"[..], &vec![0; 10 << 20], b"tail"].concat();
        assert_eq!(summary.input_bytes, u64::try_from(data.len()).unwrap());
        assert!(expand(&gzip) == data, "{format:?}");
    }
}

/// Takes some bytes, then the disk is full.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_error_of_the_output_reaches_the_caller() {
    for room in [0, 100, 3 << 20] {
        let mut writer = GzipWriter::new(Full(room), Options::default()).unwrap();
        let data = sample(40 * BLOCK);
        let error = writer.write_all(&data).and_then(|()| writer.finish().map(drop)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{room}");
    }
}

#[test]
fn dropping_it_ends_its_threads() {
    let mut writer = GzipWriter::new(Vec::new(), Options::default()).unwrap();
    writer.write_all(&sample(9 * BLOCK)).unwrap();
    drop(writer);
}
