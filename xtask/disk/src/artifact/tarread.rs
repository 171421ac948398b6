//! Reads any archive that GNU tar, bsdtar or we write, as a stream.
//!
//! Sizes in headers are believed only as far as the stream really has the
//! bytes; nothing is allocated by them.

mod header;
mod pax;

use std::io::BufRead;

use header::{BLOCK, Raw};
use pax::Pax;

use crate::fs::{FileExtent, Timestamp};
use crate::{Error, Result};

/// Longest extended header or GNU long name. The kernel's limit for one xattr
/// is 64 KiB; ext4's ea_inode allows more, nothing uses megabytes.
const MAX_EXTENDED: u64 = 8 << 20;
/// Most runs in a sparse map; a million runs of 4 KiB are 4 GiB of data.
const MAX_RUNS: usize = 1 << 20;
const CHUNK: usize = 256 << 10;

/// One member, its names as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    /// ustar type flag; old-style NUL is `b'0'`.
    pub(crate) flag: u8,
    pub(crate) mode: u16,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    /// Size of the file when extracted.
    pub(crate) size: u64,
    pub(crate) mtime: Timestamp,
    pub(crate) device: (u64, u64),
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The archive; members come one after the other.
pub(crate) struct TarReader<R> {
    input: R,
    global: Pax,
    /// Bytes of data and padding of the current member not read yet.
    pending: u64,
    padding: u64,
    /// Stored runs of the current member; `None` is one run of all.
    runs: Option<Vec<FileExtent>>,
    /// Header blocks read, for messages.
    members: u64,
}

impl<R: BufRead> TarReader<R> {
    pub(crate) fn new(input: R) -> Self {
        let global = Pax::default();
        Self { input, global, pending: 0, padding: 0, runs: None, members: 0 }
    }

    /// The next member; `None` at the end-of-archive marker.
    pub(crate) fn next(&mut self) -> Result<Option<Member>> {
        self.skip_data()?;
        let mut pax = self.global.clone();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            let Some(raw) = self.header()? else { return Ok(None) };
            match raw.flag() {
                b'x' => pax.read(&self.extended(&raw)?).map_err(|e| self.damaged(e))?,
                b'g' => {
                    let records = self.extended(&raw)?;
                    self.global.read(&records).map_err(|e| self.damaged(e))?;
                    pax = self.global.clone();
                }
                b'L' => long_name = Some(trim_nul(self.extended(&raw)?)),
                b'K' => long_link = Some(trim_nul(self.extended(&raw)?)),
                _ => return self.member(&raw, pax, long_name, long_link).map(Some),
            }
        }
    }

    /// Passes the content of the current member on as runs of stored bytes.
    pub(crate) fn data(&mut self, mut take: impl FnMut(u64, &[u8])) -> Result<()> {
        let whole = vec![FileExtent { offset: 0, len: self.pending }];
        let runs = self.runs.take().unwrap_or(whole);
        let mut buffer = vec![0; CHUNK];
        for run in runs {
            let mut done = 0;
            while done < run.len {
                let want = usize::try_from(run.len - done).unwrap_or(CHUNK).min(CHUNK);
                let piece = &mut buffer[..want];
                self.read_data(piece)?;
                take(run.offset.saturating_add(done), piece);
                done += u64::try_from(want).unwrap_or(0);
            }
        }
        self.skip_data()
    }

    /// Reads to the end of the stream, so that checksums of the compression
    /// are verified. Says whether anything but zeros came after the marker.
    pub(crate) fn finish(mut self) -> Result<bool> {
        let mut buffer = vec![0; CHUNK];
        let mut garbage = false;
        loop {
            let len = self.input.read(&mut buffer).map_err(unreadable)?;
            if len == 0 {
                return Ok(garbage);
            }
            garbage |= buffer[..len].iter().any(|&byte| byte != 0);
        }
    }

    fn header(&mut self) -> Result<Option<Raw>> {
        let mut block = [0; BLOCK];
        self.fill(&mut block)?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        self.members += 1;
        let raw = Raw::new(block).map_err(|reason| self.damaged(reason))?;
        Ok(Some(raw))
    }

    fn extended(&mut self, raw: &Raw) -> Result<Vec<u8>> {
        let size = raw.size().map_err(|reason| self.damaged(reason))?;
        if size > MAX_EXTENDED {
            return Err(self.damaged(format!("an extended header of {size} bytes")));
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.fill(&mut bytes)?;
        self.skip(padding(size))?;
        Ok(bytes)
    }

    fn member(
        &mut self,
        raw: &Raw,
        pax: Pax,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<Member> {
        let flag = raw.flag();
        let stored = match pax.size {
            Some(size) => size,
            None => raw.size().map_err(|reason| self.damaged(reason))?,
        };
        // Links and directories have no data, whatever their size field says.
        let has_data = !matches!(flag, b'1'..=b'6');
        self.pending = if has_data { stored } else { 0 };
        self.padding = padding(self.pending);
        let mut size = self.pending;
        self.runs = None;
        if flag == b'S' {
            size = self.old_sparse(raw)?;
        } else if let Some(real) = pax.real_size {
            size = real;
            self.runs = Some(self.pax_sparse(&pax)?);
        }
        self.check_runs(size)?;
        let numbers = raw.numbers().map_err(|reason| self.damaged(reason))?;
        Ok(Member {
            path: pax.sparse_name.or(pax.path).or(long_name).unwrap_or_else(|| raw.path()),
            link: pax.link.or(long_link).unwrap_or_else(|| raw.link()),
            flag: if flag == b'S' { b'0' } else { flag },
            mode: numbers.mode,
            uid: pax.uid.unwrap_or(numbers.uid),
            gid: pax.gid.unwrap_or(numbers.gid),
            size,
            mtime: pax.mtime.unwrap_or(numbers.mtime),
            device: numbers.device,
            xattrs: pax.xattrs,
        })
    }

    /// GNU's old format: runs in the header and in blocks after it.
    fn old_sparse(&mut self, raw: &Raw) -> Result<u64> {
        let (mut runs, mut more) = raw.old_runs().map_err(|reason| self.damaged(reason))?;
        while more {
            let mut block = [0; BLOCK];
            self.fill(&mut block)?;
            let next = header::more_runs(&block).map_err(|reason| self.damaged(reason))?;
            runs.extend(next.0);
            more = next.1;
            self.limit_runs(runs.len())?;
        }
        self.runs = Some(runs);
        raw.old_real_size().map_err(|reason| self.damaged(reason))
    }

    fn pax_sparse(&mut self, pax: &Pax) -> Result<Vec<FileExtent>> {
        if let Some(map) = &pax.sparse_map {
            return Ok(map.clone());
        }
        if !pax.sparse_in_data {
            return Err(self.damaged("a sparse file without a map"));
        }
        let count = self.map_number()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.limit_runs(count)?;
        let mut runs = Vec::new();
        let mut digits = 0;
        for _ in 0..count {
            let (offset, a) = self.map_line()?;
            let (len, b) = self.map_line()?;
            digits += a + b;
            runs.push(FileExtent { offset, len });
        }
        let first = count.to_string().len() + 1;
        let used = u64::try_from(first + digits).unwrap_or(0);
        self.skip_pending(padding(used))?;
        Ok(runs)
    }

    fn map_number(&mut self) -> Result<u64> {
        self.map_line().map(|(number, _)| number)
    }

    /// A decimal number and the bytes it took, with its newline.
    fn map_line(&mut self) -> Result<(u64, usize)> {
        let mut number: u64 = 0;
        for used in 1..=20 {
            let mut byte = [0];
            self.read_data(&mut byte)?;
            match byte[0] {
                b'\n' if used > 1 => return Ok((number, used)),
                digit @ b'0'..=b'9' => {
                    let next = number.checked_mul(10);
                    let next = next.and_then(|n| n.checked_add(u64::from(digit - b'0')));
                    number = next.ok_or_else(|| self.damaged("a number too large"))?;
                }
                _ => break,
            }
        }
        Err(self.damaged("the map of a sparse file is not made of numbers"))
    }

    /// Runs ascend, do not overlap, end within the file and fit what is stored.
    fn check_runs(&self, size: u64) -> Result<()> {
        let Some(runs) = &self.runs else { return Ok(()) };
        let (mut at, mut stored) = (0u64, 0u64);
        for run in runs {
            let end = run.offset.checked_add(run.len).filter(|end| *end <= size);
            match end {
                Some(end) if run.offset >= at => at = end,
                _ => return Err(self.damaged("the map of a sparse file contradicts itself")),
            }
            stored = stored.saturating_add(run.len);
        }
        if stored > self.pending {
            return Err(self.damaged("the map of a sparse file is longer than its data"));
        }
        Ok(())
    }

    fn limit_runs(&self, runs: usize) -> Result<()> {
        if runs > MAX_RUNS {
            return Err(self.damaged(format!("a sparse file of {runs} runs")));
        }
        Ok(())
    }

    fn read_data(&mut self, buffer: &mut [u8]) -> Result<()> {
        let want = u64::try_from(buffer.len()).unwrap_or(u64::MAX);
        let left = self.pending.checked_sub(want);
        self.pending = left.ok_or_else(|| self.damaged("content ends early"))?;
        self.fill(buffer)
    }

    fn skip_pending(&mut self, count: u64) -> Result<()> {
        let left = self.pending.checked_sub(count);
        self.pending = left.ok_or_else(|| self.damaged("content ends early"))?;
        self.skip(count)
    }

    fn skip_data(&mut self) -> Result<()> {
        let (data, padding) = (self.pending, self.padding);
        (self.pending, self.padding) = (0, 0);
        self.skip(data)?;
        self.skip(padding)
    }

    fn skip(&mut self, mut count: u64) -> Result<()> {
        while count > 0 {
            let ready = self.input.fill_buf().map_err(unreadable)?.len();
            if ready == 0 {
                return Err(unreadable(std::io::ErrorKind::UnexpectedEof.into()));
            }
            let len = usize::try_from(count).unwrap_or(ready).min(ready);
            self.input.consume(len);
            count -= u64::try_from(len).unwrap_or(count);
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.input.read_exact(buffer).map_err(unreadable)
    }

    fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::damaged(format!("tar header {}", self.members), reason)
    }
}

/// The stream ended early or its compression is broken.
pub(super) fn unreadable(error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::UnexpectedEof => Error::damaged("archive", "it is truncated"),
        Io::InvalidInput | Io::InvalidData => {
            Error::damaged("archive", format!("the gzip data is broken: {error}"))
        }
        _ => Error::from_io("archive", error),
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % 512
}

fn trim_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let len = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    bytes.truncate(len);
    bytes
}

#[cfg(test)]
#[path = "tarread_tests.rs"]
mod tests;
