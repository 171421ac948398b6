//! SQLite, `rpmdb.sqlite`: the blobs of the table `Packages`, by SQLite's
//! description of its file format (sqlite.org/fileformat2.html).

mod page;
mod wal;

use page::{Cells, Record, varint};
use wal::Wal;

use crate::bytes::{be16, be32, u8_at};
use crate::{Error, Result};

pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";
/// Of the file, before the first page's own header.
const HEADER: usize = 100;
/// Deeper than any tree of 2^32 pages.
const MAX_DEPTH: usize = 24;

/// The database with what its log changes.
struct Pages<'a> {
    file: &'a [u8],
    wal: Wal<'a>,
    size: usize,
    /// Bytes of a page that are in use.
    usable: usize,
}

/// The content of the second column of every row of `Packages`.
pub(super) fn blobs(file: &[u8], wal: &[u8]) -> Result<Vec<Vec<u8>>> {
    let size = match be16(file, 16) {
        1 => 1 << 16,
        size => usize::from(size),
    };
    if !size.is_power_of_two() || size < 512 {
        return Err(bad(format!("pages of {size} bytes")));
    }
    let usable = size - usize::from(u8_at(file, 20));
    if usable < 480 {
        return Err(bad("pages with too little room"));
    }
    let count = usize::try_from(be32(file, 28)).unwrap_or(usize::MAX);
    if count.saturating_mul(size) > file.len() {
        return Err(bad(format!("it is cut off: {} bytes of {count} pages", file.len())));
    }
    let pages = Pages { file, wal: Wal::read(wal, size), size, usable };
    let mut root = None;
    pages.rows(1, &mut |record| {
        let is = |column, text: &[u8]| record.bytes(column) == Some(text);
        if is(0, b"table") && is(1, b"Packages") {
            root = record.number(3);
        }
        Ok(())
    })?;
    let Some(root) = root.and_then(|root| u32::try_from(root).ok()) else {
        return Err(bad("it has no table `Packages`"));
    };
    let mut blobs = Vec::new();
    pages.rows(root, &mut |record| {
        let blob = record.bytes(1).ok_or_else(|| bad("a package that is no blob"))?;
        blobs.push(blob.to_vec());
        Ok(())
    })?;
    Ok(blobs)
}

type Visit<'v> = dyn FnMut(&Record<'_>) -> Result<()> + 'v;

impl<'a> Pages<'a> {
    fn get(&self, number: u32) -> Result<&'a [u8]> {
        if let Some(page) = self.wal.page(number) {
            return Ok(page);
        }
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        let start = index.and_then(|index| index.checked_mul(self.size));
        let page = start.and_then(|at| self.file.get(at..at.checked_add(self.size)?));
        page.ok_or_else(|| bad(format!("page {number} is not there")))
    }

    /// Number of pages, for limits.
    fn count(&self) -> usize {
        self.file.len() / self.size + self.wal.len()
    }

    /// Calls `visit` for every row of the table with this root page.
    fn rows(&self, root: u32, visit: &mut Visit<'_>) -> Result<()> {
        let mut todo = vec![(root, 0)];
        let mut seen = 0;
        // Rows share no bytes, so together they are not larger than the file.
        let mut budget = self.count().saturating_mul(self.size);
        while let Some((number, depth)) = todo.pop() {
            seen += 1;
            if depth > MAX_DEPTH || seen > self.count() {
                return Err(bad("its pages form a loop"));
            }
            let page = self.get(number)?;
            let at = if number == 1 { HEADER } else { 0 };
            let cells = Cells::read(page, at).ok_or_else(|| bad(format!("page {number}")))?;
            if cells.leaf {
                for cell in cells.content() {
                    self.row(cell, &mut budget, visit)?;
                }
                continue;
            }
            let start = todo.len();
            todo.extend(cells.content().map(|cell| (be32(cell, 0), depth + 1)));
            todo.push((cells.right, depth + 1));
            todo[start..].reverse();
        }
        Ok(())
    }

    fn row(&self, cell: &[u8], budget: &mut usize, visit: &mut Visit<'_>) -> Result<()> {
        let broken = || bad("a broken row");
        let (len, rest) = varint(cell).ok_or_else(broken)?;
        let (_id, rest) = varint(rest).ok_or_else(broken)?;
        let len = usize::try_from(len).map_err(|_| broken())?;
        let local = self.local(len);
        *budget =
            budget.checked_sub(len).ok_or_else(|| bad("rows larger than the whole database"))?;
        let mut payload = rest.get(..local).ok_or_else(broken)?.to_vec();
        if local < len {
            let next = rest.get(local..local + 4).ok_or_else(broken)?;
            self.overflow(be32(next, 0), len, &mut payload)?;
        }
        visit(&Record::read(&payload).ok_or_else(broken)?)
    }

    /// How much of a row of `len` bytes is in its own page.
    fn local(&self, len: usize) -> usize {
        if len <= self.usable - 35 {
            return len;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least + (len - least) % (self.usable - 4);
        if fitting <= self.usable - 35 { fitting } else { least }
    }

    /// Appends the pages from `next` until there are `len` bytes.
    fn overflow(&self, mut next: u32, len: usize, payload: &mut Vec<u8>) -> Result<()> {
        while payload.len() < len {
            let page = self.get(next)?;
            let want = (len - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(page.get(4..4 + want).unwrap_or_default());
            next = be32(page, 0);
        }
        Ok(())
    }
}

fn bad(reason: impl Into<String>) -> Error {
    Error::damaged("rpm database (SQLite)", reason)
}
