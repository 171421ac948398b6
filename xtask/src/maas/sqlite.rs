//! Reads the rows of one table of an SQLite 3 file: enough for the profiles of the
//! `maas` CLI. A library would be 9 MB of C for every user to compile, and the
//! host need not have `sqlite3`. The format: <https://www.sqlite.org/fileformat.html>.
//!
//! Damaged files are errors; nothing is read twice, so loops end.

use std::collections::BTreeSet;

/// A value of a row. Numbers other than integers are not needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Also an `INTEGER PRIMARY KEY`, which is stored elsewhere.
    Null,
    /// Any size.
    Integer(i64),
    /// Text and blobs, as bytes.
    Bytes(Vec<u8>),
    /// A floating point number.
    Other,
}

/// Bytes of the header before the first page's own.
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Page types.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// The rows of `table`, in the order of their ids.
///
/// # Errors
/// Not such a file, damaged, in UTF-16, or without the table.
pub fn rows(file: &[u8], table: &str) -> Result<Vec<Vec<Value>>, String> {
    let database = Database::open(file)?;
    for row in database.tree(1)? {
        let [kind, name, _, Value::Integer(root), ..] = row.as_slice() else { continue };
        if is(kind, "table") && is(name, table) {
            let root = usize::try_from(*root).map_err(|_| damaged("root page"))?;
            return database.tree(root);
        }
    }
    Err(format!("it has no table `{table}`"))
}

fn is(value: &Value, text: &str) -> bool {
    matches!(value, Value::Bytes(bytes) if bytes == text.as_bytes())
}

fn damaged(what: &str) -> String {
    format!("it is damaged ({what})")
}

struct Database<'f> {
    file: &'f [u8],
    page_size: usize,
    /// Bytes of a page that SQLite uses.
    usable: usize,
}

impl<'f> Database<'f> {
    fn open(file: &'f [u8]) -> Result<Self, String> {
        if !file.starts_with(MAGIC) {
            return Err("it is no SQLite 3 database".into());
        }
        let page_size = match number(file, 16, 2)? {
            1 => 65_536,
            size => size,
        };
        let reserved = number(file, 20, 1)?;
        if !page_size.is_power_of_two() || page_size < 512 || reserved > 32 {
            return Err(damaged("page size"));
        }
        if number(file, 56, 4)? > 1 {
            return Err("its text is UTF-16, which the maas CLI never writes".into());
        }
        Ok(Self { file, page_size, usable: page_size - reserved })
    }

    /// Page `number`, from 1.
    fn page(&self, number: usize) -> Result<&'f [u8], String> {
        let start = number.checked_sub(1).and_then(|n| n.checked_mul(self.page_size));
        start
            .and_then(|start| self.file.get(start..start.checked_add(self.page_size)?))
            .ok_or_else(|| damaged("page number"))
    }

    /// Every row below a page, left to right.
    fn tree(&self, root: usize) -> Result<Vec<Vec<Value>>, String> {
        let mut rows = vec![];
        let mut seen = BTreeSet::new();
        let mut open = vec![root];
        while let Some(number) = open.pop() {
            if !seen.insert(number) {
                return Err(damaged("a page is its own ancestor"));
            }
            self.visit(number, &mut rows, &mut open)?;
        }
        Ok(rows)
    }

    fn visit(
        &self,
        page_number: usize,
        rows: &mut Vec<Vec<Value>>,
        open: &mut Vec<usize>,
    ) -> Result<(), String> {
        let page = self.page(page_number)?;
        let at = if page_number == 1 { HEADER } else { 0 };
        let kind = number(page, at, 1)?;
        let cells = number(page, at + 3, 2)?;
        let cell = |index: usize, header: usize| number(page, at + header + 2 * index, 2);
        if kind == usize::from(LEAF) {
            for index in 0..cells {
                rows.push(self.row(page, cell(index, 8)?)?);
            }
            return Ok(());
        }
        if kind != usize::from(INTERIOR) {
            return Err(damaged("page type"));
        }
        open.push(number(page, at + 8, 4)?); // the last child: popped last
        for index in (0..cells).rev() {
            open.push(number(page, cell(index, 12)?, 4)?);
        }
        Ok(())
    }

    /// One cell of a leaf: length, row id, record; long records go on elsewhere.
    fn row(&self, page: &[u8], at: usize) -> Result<Vec<Value>, String> {
        let mut at = at;
        let length = varint(page, &mut at)?;
        let _row_id = varint(page, &mut at)?;
        let length = usize::try_from(length).map_err(|_| damaged("record length"))?;
        if length > self.file.len() {
            return Err(damaged("record length"));
        }
        let local = self.local(length);
        let mut record = slice(page, at, local)?.to_vec();
        let mut next = if local < length { number(page, at + local, 4)? } else { 0 };
        while record.len() < length {
            let page = self.page(next)?;
            let count = (length - record.len()).min(self.usable - 4);
            record.extend_from_slice(slice(page, 4, count)?);
            next = number(page, 0, 4)?;
        }
        values(&record)
    }

    /// How much of a record stands in the leaf itself (file format, 1.6).
    fn local(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (self.usable - 4);
        if fitting <= most { fitting } else { least }
    }
}

fn values(record: &[u8]) -> Result<Vec<Value>, String> {
    let mut at = 0;
    let header = usize::try_from(varint(record, &mut at)?).map_err(|_| damaged("record"))?;
    let mut body = header;
    let mut values = vec![];
    while at < header {
        let kind = varint(record, &mut at)?;
        let (length, is_integer) = match kind {
            0 | 8 | 9 => (0, false),
            1..=4 => (kind, true),
            5 => (6, true),
            6 => (8, true),
            7 => (8, false),
            10 | 11 => return Err(damaged("value type")),
            _ => ((kind - 12) / 2, false),
        };
        let length = usize::try_from(length).map_err(|_| damaged("value length"))?;
        let bytes = slice(record, body, length)?;
        body += length;
        values.push(match kind {
            0 => Value::Null,
            8 | 9 => Value::Integer(i64::from(kind == 9)),
            7 => Value::Other,
            _ if is_integer => Value::Integer(signed(bytes)),
            _ => Value::Bytes(bytes.to_vec()),
        });
    }
    Ok(values)
}

/// Big endian, two's complement.
fn signed(bytes: &[u8]) -> i64 {
    let start = if bytes.first().is_some_and(|b| b & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(start, |n, byte| (n << 8) | i64::from(*byte))
}

fn slice(bytes: &[u8], at: usize, length: usize) -> Result<&[u8], String> {
    at.checked_add(length).and_then(|end| bytes.get(at..end)).ok_or_else(|| damaged("too short"))
}

/// A big-endian number of at most 4 bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Result<usize, String> {
    Ok(slice(bytes, at, length)?.iter().fold(0, |n, byte| (n << 8) | usize::from(*byte)))
}

/// Seven bits a byte, the ninth byte whole.
fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, String> {
    let mut result: u64 = 0;
    for index in 0..9 {
        let byte = *bytes.get(*at).ok_or_else(|| damaged("too short"))?;
        *at += 1;
        if index == 8 {
            return Ok((result << 8) | u64::from(byte));
        }
        result = (result << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// synthetic profiles in a file made by SQLite itself: see README there
    const FILE: &[u8] = include_bytes!("../../tests/fixtures/maas/maascli.db");

    #[test]
    fn reads_every_row_across_pages() {
        let rows = rows(FILE, "profiles").unwrap();
        let names: Vec<&Value> = rows.iter().filter_map(|r| r.get(1)).collect();
        assert_eq!(names.len(), 40);
        assert_eq!(names[0], &Value::Bytes(b"admin".to_vec()));
        assert_eq!(names[39], &Value::Bytes(b"profile39".to_vec()));
        let Value::Bytes(data) = &rows[0][2] else { panic!("no data") };
        let json: serde_json::Value = serde_json::from_slice(data).unwrap();
        assert_eq!(json["description"]["doc"].as_str().unwrap().len(), 20_000);
        assert!(super::rows(FILE, "other").unwrap_err().contains("no table `other`"));
    }

    #[test]
    fn damage_is_an_error_and_never_a_loop() {
        assert!(rows(b"", "profiles").is_err());
        for cut in (0..FILE.len()).step_by(97) {
            let _unused = rows(&FILE[..cut], "profiles");
        }
        let mut copy = FILE.to_vec();
        let mut seed: u32 = 1;
        for _ in 0..3000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = seed as usize % copy.len();
            let old = std::mem::replace(&mut copy[at], (seed >> 24) as u8);
            let _unused = rows(&copy, "profiles");
            copy[at] = old;
        }
    }
}
