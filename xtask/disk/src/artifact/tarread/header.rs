//! One header block.

use crate::fs::{FileExtent, Timestamp};

pub(super) const BLOCK: usize = 512;

/// Runs of an old GNU sparse file, and whether more blocks of them follow.
type Runs = (Vec<FileExtent>, bool);

/// A header whose checksum is right.
pub(super) struct Raw([u8; BLOCK]);

/// The numeric fields.
pub(super) struct Numbers {
    pub(super) mode: u16,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime: Timestamp,
    pub(super) device: (u64, u64),
}

impl Raw {
    pub(super) fn new(block: [u8; BLOCK]) -> Result<Self, String> {
        let stored = unsigned(&block[148..156]).map_err(|_| "not a tar archive".to_string())?;
        let blank = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
        let sum: u64 = block.iter().enumerate().map(|(at, &byte)| u64::from(blank(at, byte))).sum();
        if sum == stored { Ok(Self(block)) } else { Err("the checksum is wrong".into()) }
    }

    pub(super) fn flag(&self) -> u8 {
        // V7 writes NUL; '7' is a contiguous file, which is a file.
        match self.0[156] {
            0 | b'7' => b'0',
            other => other,
        }
    }

    pub(super) fn size(&self) -> Result<u64, String> {
        unsigned(&self.0[124..136])
    }

    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[0..100]);
        // Only POSIX archives have a prefix; GNU's own format uses its place
        // for times and sparse maps.
        let prefix = if &self.0[257..263] == b"ustar\0" { text(&self.0[345..500]) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[157..257]).to_vec()
    }

    pub(super) fn numbers(&self) -> Result<Numbers, String> {
        let mode = unsigned(&self.0[100..108])? & 0o7777;
        let seconds = signed(&self.0[136..148])?;
        Ok(Numbers {
            mode: u16::try_from(mode).unwrap_or(0),
            uid: unsigned(&self.0[108..116])?,
            gid: unsigned(&self.0[116..124])?,
            mtime: Timestamp { seconds, nanoseconds: 0 },
            // V7 has no such fields, and only devices need them.
            device: (
                unsigned(&self.0[329..337]).unwrap_or(0),
                unsigned(&self.0[337..345]).unwrap_or(0),
            ),
        })
    }

    pub(super) fn old_runs(&self) -> Result<Runs, String> {
        Ok((runs(&self.0[386..482])?, self.0[482] != 0))
    }

    pub(super) fn old_real_size(&self) -> Result<u64, String> {
        unsigned(&self.0[483..495])
    }
}

/// Runs in a block that follows an old GNU sparse header.
pub(super) fn more_runs(block: &[u8; BLOCK]) -> Result<Runs, String> {
    Ok((runs(&block[0..504])?, block[504] != 0))
}

fn runs(bytes: &[u8]) -> Result<Vec<FileExtent>, String> {
    let used = bytes.chunks_exact(24).take_while(|run| run[0] != 0);
    used.map(|run| Ok(FileExtent { offset: unsigned(&run[..12])?, len: unsigned(&run[12..])? }))
        .collect()
}

fn text(field: &[u8]) -> &[u8] {
    let len = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    &field[..len]
}

fn unsigned(field: &[u8]) -> Result<u64, String> {
    u64::try_from(signed(field)?).map_err(|_| "a negative number".into())
}

/// Octal digits with blanks around, or GNU's base 256 with the high bit set.
fn signed(field: &[u8]) -> Result<i64, String> {
    let bad = || format!("not a number: {}", String::from_utf8_lossy(field).escape_debug());
    if field[0] & 0x80 != 0 {
        let negative = field[0] & 0x40 != 0;
        let start: i128 = if negative { -1 } else { 0 };
        let mut value = (start << 6) | i128::from(field[0] & 0x3f);
        for &byte in &field[1..] {
            value = (value << 8) | i128::from(byte);
        }
        return i64::try_from(value).map_err(|_| bad());
    }
    let digits = text(field).trim_ascii();
    digits
        .iter()
        .try_fold(0i64, |value, &digit| match digit {
            b'0'..=b'7' => {
                value.checked_mul(8).and_then(|v| v.checked_add(i64::from(digit - b'0')))
            }
            _ => None,
        })
        .ok_or_else(bad)
}
