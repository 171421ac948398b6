//! Pax records.

use crate::fs::{FileExtent, Timestamp};

/// What the records of a member say; `None` leaves it to the header.
#[derive(Debug, Clone, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse_name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// Map of sparse format 0.1.
    pub(super) sparse_map: Option<Vec<FileExtent>>,
    /// Format 1.0: the map precedes the data.
    pub(super) sparse_in_data: bool,
}

impl Pax {
    /// Takes the records of one extended header over.
    pub(super) fn read(&mut self, mut records: &[u8]) -> Result<(), String> {
        while !records.is_empty() {
            let (keyword, value, rest) = split(records).ok_or("a pax record is malformed")?;
            self.record(keyword, value)?;
            records = rest;
        }
        Ok(())
    }

    fn record(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), String> {
        match keyword {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value).ok_or("a malformed time")?),
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.realsize" | b"GNU.sparse.size" => self.real_size = Some(number(value)?),
            b"GNU.sparse.map" => self.sparse_map = Some(map(value)?),
            b"GNU.sparse.major" => self.sparse_in_data = value == b"1",
            b"RHT.security.selinux" => self.xattr(b"security.selinux", value),
            _ => {
                if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
                    self.xattr(&unescape(name), value);
                }
            }
        }
        Ok(())
    }

    fn xattr(&mut self, name: &[u8], value: &[u8]) {
        // SELinux labels can come in both spellings; GNU tar adds a NUL to one.
        let value = match name {
            b"security.selinux" => value.strip_suffix(b"\0").unwrap_or(value),
            _ => value,
        };
        self.xattrs.retain(|(known, _)| known != name);
        self.xattrs.push((name.to_vec(), value.to_vec()));
        self.xattrs.sort();
    }
}

/// `LEN keyword=value\n` off the front.
fn split(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().take(20).position(|&byte| byte == b' ')?;
    let len = number(&records[..space]).ok().and_then(|len| usize::try_from(len).ok())?;
    let record = records.get(space + 1..len)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[len..]))
}

fn number(value: &[u8]) -> Result<u64, String> {
    let text = std::str::from_utf8(value).map_err(|_| "a number is not text".to_string())?;
    text.parse().map_err(|_| format!("not a number: {}", text.escape_debug()))
}

/// `[-]seconds[.fraction]`, rounded down to nanoseconds.
fn time(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    let negative = text.starts_with('-');
    let (seconds, fraction) =
        text.trim_start_matches('-').split_once('.').unwrap_or((text.trim_start_matches('-'), ""));
    let digits = |n: usize| fraction.as_bytes().get(n).copied().unwrap_or(b'0');
    let nanos = (0..9).try_fold(0i128, |value, n| {
        digits(n).is_ascii_digit().then(|| value * 10 + i128::from(digits(n) - b'0'))
    })?;
    let total = i128::from(seconds.parse::<i64>().ok()?) * 1_000_000_000 + nanos;
    let total = if negative { -total } else { total };
    Some(Timestamp {
        seconds: i64::try_from(total.div_euclid(1_000_000_000)).ok()?,
        nanoseconds: u32::try_from(total.rem_euclid(1_000_000_000)).ok()?,
    })
}

/// `offset,len,offset,len,...`
fn map(value: &[u8]) -> Result<Vec<FileExtent>, String> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<u64> =
        value.split(|&byte| byte == b',').map(number).collect::<Result<_, _>>()?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a sparse map with an odd count of numbers".into());
    }
    Ok(pairs.iter().map(|&[offset, len]| FileExtent { offset, len }).collect())
}

/// GNU tar's `%3D` and `%25`.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, next) = match rest {
            [b'%', b'3', b'D', next @ ..] => (b'=', next),
            [b'%', b'2', b'5', next @ ..] => (b'%', next),
            _ => (first, tail),
        };
        out.push(byte);
        rest = next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds, nanoseconds) in [
            ("0", 0, 0),
            ("1.5", 1, 500_000_000),
            ("-0.5", -1, 500_000_000),
            ("-5", -5, 0),
            ("1.1234567899", 1, 123_456_789),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Timestamp { seconds, nanoseconds }), "{text}");
        }
        for bad in ["", "x", "1.x", "99999999999999999999", "\u{e9}"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn malformed_records_are_errors() {
        for bad in [
            &b"x"[..],
            b"5",
            b"99 path=x\n",
            b"3 a\n",
            b"0 path=x\n",
            b"10 path=xx",
            b"18446744073709551615 path=x\n",
            b"11 size=abc\n",
        ] {
            assert!(Pax::default().read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
