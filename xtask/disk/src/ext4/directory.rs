//! Directories, read block by block.
//!
//! A hash tree hides its index in what looks like deleted entries, so a linear
//! walk sees every name once. Layout: "Directory Entries" in
//! Documentation/filesystems/ext4/directory.rst.

use super::content::Content;
use super::inode::Inode;
use super::volume::Volume;
use super::xattr;
use crate::bytes::{le16, le32, slice, u8_at};
use crate::crc::{agree, crc32c};
use crate::fs::{DirEntry, refuse_duplicates};
use crate::{Error, Result};

/// Length of an entry before its name, bytes.
const HEADER: usize = 8;
/// Length of the entry at the end of a block that holds its checksum, bytes.
const TAIL: usize = 12;
/// Largest directory that is read, bytes: over a million names. They are held
/// in memory, so this bounds it.
const MAX_SIZE: u64 = 64 << 20;

/// The entries of directory `inode` in order of inode numbers, which is the
/// order of the inode tables on the disk.
pub(super) fn read(volume: &Volume, inode: &Inode, content: &Content) -> Result<Vec<DirEntry>> {
    let mut found = Vec::new();
    if inode.has_inline_data() {
        // Four bytes of parent inode number, then entries; then, on their
        // own, entries in the attribute.
        let first = inode.i_block().get(4..).unwrap_or_default();
        parse(volume, inode, first, &mut found)?;
        parse(volume, inode, &xattr::inline_data(inode)?, &mut found)?;
    } else {
        blocks(volume, inode, content, &mut found)?;
    }
    refuse_duplicates(&super::inode::place(inode.number), found)
}

fn blocks(
    volume: &Volume,
    inode: &Inode,
    content: &Content,
    found: &mut Vec<DirEntry>,
) -> Result<()> {
    let block_size = u64::from(volume.sb.block_size);
    let count = content.size().div_ceil(block_size);
    if content.size() > MAX_SIZE {
        let reason = format!("a directory of {} bytes, the limit is {MAX_SIZE}", content.size());
        return Err(Error::unsupported(super::inode::place(inode.number), reason));
    }
    let runs = content.runs().iter().filter(|run| run.written);
    let mapped = runs.flat_map(|run| (run.logical..run.logical + run.len).zip(run.physical..));
    let mut next = 0;
    for (logical, physical) in mapped.take_while(|&(logical, _)| logical < count) {
        if logical != next {
            break;
        }
        next += 1;
        let block = volume.block(physical, || super::inode::place(inode.number))?;
        check(inode, &block, logical)?;
        parse(volume, inode, &block, found)?;
    }
    if next < count {
        return Err(inode.damaged(format!("block {next} of the directory is missing")));
    }
    Ok(())
}

fn parse(volume: &Volume, inode: &Inode, block: &[u8], found: &mut Vec<DirEntry>) -> Result<()> {
    let bad = |what: &str| inode.damaged(format!("a directory entry {what}"));
    let mut at = 0;
    while at < block.len() {
        let len = record_len(le16(block, at + 4), block.len());
        let entry = slice(block, at, len);
        let name_len = if volume.sb.has_file_types() {
            usize::from(u8_at(entry, 6))
        } else {
            usize::from(le16(entry, 6))
        };
        if len < HEADER || !len.is_multiple_of(4) || entry.len() < len || HEADER + name_len > len {
            return Err(bad("has an impossible length"));
        }
        let node = u64::from(le32(entry, 0));
        let name = slice(entry, HEADER, name_len);
        at += len;
        if node == 0 || name == b"." || name == b".." {
            continue;
        }
        if name.is_empty() || name_len > 255 || name.iter().any(|&byte| matches!(byte, 0 | b'/')) {
            return Err(bad("has an impossible name"));
        }
        found.push(DirEntry { name: name.to_vec(), node });
    }
    Ok(())
}

/// Blocks of 64 KiB do not fit the 16-bit field: 0 and 65535 stand for that.
fn record_len(raw: u16, block_len: usize) -> usize {
    match raw {
        0 | 0xffff if block_len == 65_536 => block_len,
        raw => usize::from(raw),
    }
}

/// Verifies the checksum of one block, of which there are two forms.
fn check(inode: &Inode, block: &[u8], logical: u64) -> Result<()> {
    let Some(seed) = inode.seed else { return Ok(()) };
    let index_at = if inode.is_indexed() { index_offset(block, logical) } else { None };
    let intact = match index_at {
        Some(at) => index_is_intact(seed, block, at),
        None => {
            let at = block.len().saturating_sub(TAIL);
            agree(crc32c(seed, slice(block, 0, at)), le32(block, at + 8))
        }
    };
    if intact {
        return Ok(());
    }
    Err(inode.damaged(format!("the checksum of directory block {logical} does not match")))
}

/// Where the hash index starts in this block, if it is one: in the root after
/// the entries `.` and `..`, in others after an empty entry over all of it.
fn index_offset(block: &[u8], logical: u64) -> Option<usize> {
    if logical == 0 {
        return Some(32);
    }
    let spans = le32(block, 0) == 0 && record_len(le16(block, 4), block.len()) == block.len();
    spans.then_some(HEADER)
}

fn index_is_intact(seed: u32, block: &[u8], at: usize) -> bool {
    const ENTRY: usize = 8;
    let (limit, count) = (usize::from(le16(block, at)), usize::from(le16(block, at + 2)));
    let tail = at + limit * ENTRY;
    if count > limit || tail + 8 > block.len() {
        return false;
    }
    let crc = crc32c(seed, slice(block, 0, at + count * ENTRY));
    let crc = crc32c(crc32c(crc, slice(block, tail, 4)), &[0; 4]);
    agree(crc, le32(block, tail + 4))
}
