//! Archives that lie, end early or are noise.

use super::*;
use crate::fs::FileExtent;
use crate::tar::{Body, Entry, TarWriter};

fn entry<'a>(path: &'a [u8], body: Body<'a>) -> Entry<'a> {
    let mtime = Timestamp { seconds: -2, nanoseconds: 5 };
    Entry { path, body, mode: 0o4711, uid: 5_000_000, gid: 7, mtime, xattrs: &[] }
}

/// One of everything the writer makes.
fn sample() -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    let fill = |_, buffer: &mut [u8]| {
        buffer.fill(b'x');
        Ok(())
    };
    let runs = [FileExtent { offset: 4096, len: 100 }, FileExtent { offset: 1 << 33, len: 5 }];
    let long = [b'n'; 300];
    let xattrs = [(b"user.a=%b".to_vec(), b"\n\0=".to_vec())];
    let whole = [FileExtent { offset: 0, len: 1000 }];
    for entry in [
        entry(b"", Body::Directory),
        entry(&long, Body::File { size: 1000, extents: &whole }),
        entry(b"sparse", Body::File { size: (1 << 33) + 10, extents: &runs }),
        entry(b"link", Body::Symlink(&long)),
        entry(b"hard", Body::HardLink(&long)),
        entry(b"dev", Body::CharDevice { major: 5, minor: 1 }),
        Entry { xattrs: &xattrs, ..entry(b"last", Body::Fifo) },
    ] {
        tar.append(&entry, fill).unwrap();
    }
    tar.finish().unwrap()
}

/// A member, and offset and length of its runs.
type Seen = (Member, Vec<(u64, usize)>);

/// Reads everything, content included.
fn read(bytes: &[u8]) -> Result<Vec<Seen>> {
    let mut reader = TarReader::new(bytes);
    let mut all = Vec::new();
    while let Some(member) = reader.next()? {
        let mut runs = Vec::new();
        reader.data(|offset, bytes| runs.push((offset, bytes.len())))?;
        all.push((member, runs));
    }
    reader.finish()?;
    Ok(all)
}

#[test]
fn reads_what_the_writer_wrote() {
    let all = read(&sample()).unwrap();
    assert_eq!(all.len(), 7);
    let (file, runs) = &all[1];
    assert_eq!(file.path, [&b"./"[..], &[b'n'; 300]].concat());
    assert_eq!((file.flag, file.mode, file.uid, file.gid), (b'0', 0o4711, 5_000_000, 7));
    assert_eq!(file.mtime, Timestamp { seconds: -2, nanoseconds: 5 });
    assert_eq!(runs, &[(0, 1000)]);
    let (sparse, runs) = &all[2];
    assert_eq!((sparse.path.as_slice(), sparse.size), (&b"./sparse"[..], (1 << 33) + 10));
    assert_eq!(runs, &[(4096, 100), (1 << 33, 5)]);
    assert_eq!(all[3].0.link, [b'n'; 300]);
    assert_eq!(all[4].0.link, [&b"./"[..], &[b'n'; 300]].concat());
    assert_eq!(all[5].0.device, (5, 1));
    assert_eq!(all[6].0.xattrs, [(b"user.a=%b".to_vec(), b"\n\0=".to_vec())]);
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = sample();
    // The marker is two blocks; one of them is enough.
    let end = bytes.len() - bytes.iter().rev().position(|&byte| byte != 0).unwrap();
    for len in (0..end).step_by(37).chain([end - 1]) {
        let error = read(&bytes[..len]).unwrap_err();
        assert!(error.to_string().contains("truncated"), "{len}: {error}");
    }
}

/// A small generator: the same bytes on every run.
fn noise(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn flipped_bytes_never_panic_or_hang() {
    let good = sample();
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..3000 {
        let mut bad = good.clone();
        for _ in 0..=noise(&mut state) % 4 {
            let at = usize::try_from(noise(&mut state)).unwrap() % bad.len();
            bad[at] = noise(&mut state).to_le_bytes()[0];
        }
        // Checksums would stop most of it: repair them.
        for block in bad.chunks_exact_mut(BLOCK).filter(|block| block[257..262] == *b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
            block[154] = 0;
        }
        let _: Result<Vec<_>> = read(&bad);
    }
}

fn pax_member(records: &[&str]) -> Vec<u8> {
    let mut body = String::new();
    for record in records {
        let mut len = record.len() + 3;
        while len != record.len() + 2 + len.to_string().len() {
            len += 1;
        }
        body.push_str(&format!("{len} {record}\n"));
    }
    let mut tar = TarWriter::new(Vec::new());
    let len = u64::try_from(body.len()).unwrap();
    let extents = [FileExtent { offset: 0, len }];
    let plain = Entry {
        uid: 0,
        mtime: Timestamp::default(),
        ..entry(b"pax", Body::File { size: len, extents: &extents })
    };
    let fill = |_, buffer: &mut [u8]| {
        buffer.copy_from_slice(body.as_bytes());
        Ok(())
    };
    tar.append(&plain, fill).unwrap();
    let file = Entry {
        uid: 0,
        mtime: Timestamp::default(),
        ..entry(b"f", Body::File { size: 0, extents: &[] })
    };
    tar.append(&file, |_, _: &mut [u8]| Ok(())).unwrap();
    let mut bytes = tar.finish().unwrap();
    // The first member becomes the extended header of the second.
    bytes[156] = b'x';
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..BLOCK].iter().map(|&byte| u32::from(byte)).sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes
}

#[test]
fn lies_in_pax_records_are_errors() {
    assert_eq!(read(&pax_member(&["path=other"])).unwrap()[0].0.path, b"other");
    for (records, says) in [
        (&["size=18446744073709551615"][..], "truncated"),
        (&["size=99999999999999999999"], "not a number"),
        (&["GNU.sparse.realsize=5", "GNU.sparse.map=0,10"], "contradicts"),
        (&["GNU.sparse.realsize=50", "GNU.sparse.map=10,10,0,10"], "contradicts"),
        (&["GNU.sparse.realsize=50", "GNU.sparse.map=0,10"], "longer than its data"),
        (&["GNU.sparse.realsize=50", "GNU.sparse.map=0"], "odd count"),
        (&["GNU.sparse.realsize=50"], "without a map"),
        (&["GNU.sparse.realsize=50", "GNU.sparse.major=1"], "ends early"),
        (&["mtime=yesterday"], "malformed time"),
    ] {
        let error = read(&pax_member(records)).unwrap_err();
        assert!(error.to_string().contains(says), "{records:?}: {error}");
    }
}
