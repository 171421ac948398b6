//! Archives of GNU tar in the POSIX format, as far as comparing needs them.

use std::collections::BTreeMap;

use disk_image::fs::{FileKind, Timestamp};

use super::manifest::digest;

/// One entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `None` for a further name of an earlier entry, which `content` has.
    pub kind: Option<FileKind>,
    pub mode: u32,
    pub owner: (u32, u32),
    pub mtime: Timestamp,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Target of a link, digest of a file.
    pub content: Vec<u8>,
}

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// The entries by path, `./` and a trailing slash removed.
pub fn parse(archive: &[u8]) -> BTreeMap<Vec<u8>, Entry> {
    let mut entries = BTreeMap::new();
    let mut records = Records::new();
    let mut at = 0;
    while archive[at..at + 512] != [0; 512] {
        let header = &archive[at..at + 512];
        let size =
            records.get(&b"size"[..]).map_or_else(|| octal(&header[124..136]), |it| decimal(it));
        let data = &archive[at + 512..at + 512 + size as usize];
        let typeflag = header[156];
        // Links may state the size of the file without having its data.
        let stored = if matches!(typeflag, b'0' | b'x' | b'g') { data.len() } else { 0 };
        at += 512 + stored.next_multiple_of(512);
        match typeflag {
            b'x' => records = pax(data),
            b'g' => {}
            _ => {
                let (path, entry) = entry(header, &std::mem::take(&mut records), data);
                assert!(entries.insert(path, entry).is_none(), "a path occurs twice");
            }
        }
    }
    entries
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap()
}

fn octal(field: &[u8]) -> u64 {
    let digits = std::str::from_utf8(text(field)).unwrap().trim();
    if digits.is_empty() { 0 } else { u64::from_str_radix(digits, 8).unwrap() }
}

fn decimal<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &[u8]) -> T {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// Records are "LENGTH KEY=VALUE\n", the length counting itself.
fn pax(mut data: &[u8]) -> Records {
    let mut records = Records::new();
    while !data.is_empty() {
        let space = data.iter().position(|&byte| byte == b' ').unwrap();
        let (record, rest) = data.split_at(decimal(&data[..space]));
        let equals = record.iter().position(|&byte| byte == b'=').unwrap();
        let value = record[equals + 1..record.len() - 1].to_vec();
        records.insert(record[space + 1..equals].to_vec(), value);
        data = rest;
    }
    records
}

fn entry(header: &[u8], records: &Records, data: &[u8]) -> (Vec<u8>, Entry) {
    let record = |key: &str| records.get(key.as_bytes());
    let number = |key: &str, field: std::ops::Range<usize>| {
        record(key).map_or_else(|| octal(&header[field]), |it| decimal(it))
    };
    let name = [text(&header[345..500]), text(&header[..100])];
    let name = if name[0].is_empty() { name[1].to_vec() } else { name.join(&b'/') };
    let path = record("GNU.sparse.name").or(record("path")).cloned().unwrap_or(name);
    let link = record("linkpath").cloned().unwrap_or_else(|| text(&header[157..257]).to_vec());
    let (major, minor) = (octal(&header[329..337]) as u32, octal(&header[337..345]) as u32);
    let (kind, content) = match header[156] {
        b'0' if record("GNU.sparse.major").is_some() => {
            let size = decimal(&records[&b"GNU.sparse.realsize"[..]]);
            (Some(FileKind::Regular), sparse(data, size))
        }
        b'0' => (Some(FileKind::Regular), digest(data.len() as u64, |at, buf| copy(data, at, buf))),
        b'1' => (None, relative(&link)),
        b'2' => (Some(FileKind::Symlink), link),
        b'3' => (Some(FileKind::CharDevice { major, minor }), vec![]),
        b'4' => (Some(FileKind::BlockDevice { major, minor }), vec![]),
        b'5' => (Some(FileKind::Directory), vec![]),
        b'6' => (Some(FileKind::Fifo), vec![]),
        other => panic!("unexpected type {other}"),
    };
    let xattrs = records.iter().filter_map(|(key, value)| {
        Some((key.strip_prefix(b"SCHILY.xattr.")?.to_vec(), value.clone()))
    });
    let entry = Entry {
        kind,
        mode: octal(&header[100..108]) as u32,
        owner: (number("uid", 108..116) as u32, number("gid", 116..124) as u32),
        mtime: record("mtime").map_or_else(|| whole(octal(&header[136..148])), |it| time(it)),
        xattrs: xattrs.collect(),
        content,
    };
    (relative(&path), entry)
}

fn relative(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b".").unwrap_or(path);
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path).to_vec()
}

fn whole(seconds: u64) -> Timestamp {
    Timestamp { seconds: seconds as i64, nanoseconds: 0 }
}

/// "-1.25" is a quarter second before -1, which rounds down to -2.
fn time(text: &[u8]) -> Timestamp {
    let text = std::str::from_utf8(text).unwrap();
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanoseconds: u32 = format!("{fraction:0<9}").parse().unwrap();
    let magnitude: i64 = seconds.trim_start_matches('-').parse().unwrap();
    match (text.starts_with('-'), nanoseconds) {
        (false, _) => Timestamp { seconds: magnitude, nanoseconds },
        (true, 0) => Timestamp { seconds: -magnitude, nanoseconds },
        (true, _) => {
            Timestamp { seconds: -magnitude - 1, nanoseconds: 1_000_000_000 - nanoseconds }
        }
    }
}

fn copy(data: &[u8], at: u64, buf: &mut [u8]) -> usize {
    let rest = data.get(at as usize..).unwrap_or_default();
    let len = rest.len().min(buf.len());
    buf[..len].copy_from_slice(&rest[..len]);
    len
}

/// Sparse format 1.0: a list of decimal lines (number of runs, then offset and
/// length of each) padded to a block, then the runs.
fn sparse(data: &[u8], size: u64) -> Vec<u8> {
    let mut lines = data.split(|&byte| byte == b'\n');
    let mut used = 0;
    let mut next = || {
        let line = lines.next().unwrap();
        used += line.len() + 1;
        decimal::<u64>(line)
    };
    let runs: Vec<(u64, u64)> = (0..next()).map(|_| (next(), next())).collect();
    let mut from = used.next_multiple_of(512);
    let mut pieces = Vec::new();
    for (offset, len) in runs {
        pieces.push((offset, &data[from..from + len as usize]));
        from += len as usize;
    }
    digest(size, |at, buf| {
        let len = (size - at).min(buf.len() as u64);
        buf.fill(0);
        for (offset, bytes) in &pieces {
            let (start, end) = (at.max(*offset), (at + len).min(offset + bytes.len() as u64));
            if start < end {
                let bytes = &bytes[(start - offset) as usize..(end - offset) as usize];
                buf[(start - at) as usize..(end - at) as usize].copy_from_slice(bytes);
            }
        }
        len as usize
    })
}
