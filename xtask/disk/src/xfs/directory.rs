//! Directories: short form in the inode, or blocks of entries.
//!
//! Single-block, leaf, node and tree directories differ in their index alone.
//! The entries are in the blocks below [`INDEX_AT`] in all of them.

use super::fork::{self, Format};
use super::inode::{Inode, place};
use super::volume::{Stamp, Volume};
use crate::bytes::{be16, be32, be64, clip, slice, u8_at};
use crate::fs::{DirEntry, refuse_duplicates};
use crate::runs::Run;
use crate::{Error, Result};

/// Byte of a directory at which its index starts.
const INDEX_AT: u64 = 32 << 30;
/// Largest directory that is read, bytes: over a million names. They are held
/// in memory, so this bounds it.
const MAX_SIZE: u64 = 64 << 20;
/// Length of the header of a block.
const HEADER: usize = 64;
/// "XDD3": entries only; "XDB3": the index is at the end of the block.
const DATA: u32 = 0x5844_4433;
const SINGLE: u32 = 0x5844_4233;
const STAMP: Stamp = Stamp { magic: DATA, crc_at: 4, owner_at: 40, address_at: 8 };
/// Tag of a gap, in place of the upper half of an inode number.
const FREE: u16 = 0xffff;

/// The entries of directory `inode` in order of inode numbers, which is the
/// order of the inodes on the disk.
pub(super) fn read(volume: &Volume, inode: &Inode) -> Result<Vec<DirEntry>> {
    let fork = inode.data_fork();
    let found = match fork.format {
        Format::Local => short_form(volume, inode)?,
        Format::Extents | Format::Tree => blocks(volume, inode)?,
        Format::Other => return Err(inode.damaged("a directory of an unknown form")),
    };
    refuse_duplicates(&place(inode.number), found)
}

/// Count, count of 64-bit inode numbers, parent, then the entries.
fn short_form(volume: &Volume, inode: &Inode) -> Result<Vec<DirEntry>> {
    let bytes = inode.local()?;
    let (count, wide_count) = (u8_at(bytes, 0), u8_at(bytes, 1));
    let number_len = if wide_count > 0 { 8 } else { 4 };
    let type_len = usize::from(volume.sb.file_types);
    let mut found = Vec::new();
    let mut at = 2 + number_len;
    for _ in 0..count {
        let name_len = usize::from(u8_at(bytes, at));
        let name = slice(bytes, at + 3, name_len);
        let number = slice(bytes, at + 3 + name_len + type_len, number_len);
        if name.len() < name_len || number.len() < number_len {
            return Err(inode.damaged("a directory entry reaches past the end"));
        }
        let node = if wide_count > 0 { be64(number, 0) } else { u64::from(be32(number, 0)) };
        push(inode, &mut found, name, node)?;
        at += 3 + name_len + type_len + number_len;
    }
    Ok(found)
}

fn blocks(volume: &Volume, inode: &Inode) -> Result<Vec<DirEntry>> {
    let runs = fork::runs(volume, inode, inode.data_fork())?;
    let size = volume.sb.dir_block_size;
    let mut found = Vec::new();
    let mut read = 0;
    let mut next = 0;
    // Blocks that became empty are holes.
    while let Some(start) = next_block(&runs, next, volume) {
        read += size;
        if read > MAX_SIZE {
            let reason = format!("a directory of more than {MAX_SIZE} bytes");
            return Err(Error::unsupported(place(inode.number), reason));
        }
        block(volume, inode, &runs, start, &mut found)?;
        next = start + size;
    }
    Ok(found)
}

/// First byte of the next block of entries that is stored, from `from` on.
fn next_block(runs: &[Run], from: u64, volume: &Volume) -> Option<u64> {
    let size = volume.sb.block_size;
    let next = runs.partition_point(|run| (run.logical + run.len) * size <= from);
    let start = runs.get(next)?.logical * size;
    let start = start.max(from) / volume.sb.dir_block_size * volume.sb.dir_block_size;
    (start < INDEX_AT).then_some(start.max(from))
}

fn block(
    volume: &Volume,
    inode: &Inode,
    runs: &[Run],
    start: u64,
    found: &mut Vec<DirEntry>,
) -> Result<()> {
    let at = place(inode.number);
    let block = volume.mapped(runs, start, volume.sb.dir_block_size, &at)?;
    STAMP.check_rest(&block, inode.number, &at)?;
    let bytes = block.bytes;
    let end = match be32(&bytes, 0) {
        DATA => bytes.len(),
        SINGLE => {
            let count = clip(u64::from(be32(&bytes, bytes.len().saturating_sub(8))), bytes.len());
            bytes.len().saturating_sub(8 + count.saturating_mul(8))
        }
        _ => return Err(inode.damaged("a block of the directory has a wrong magic number")),
    };
    entries(volume, inode, slice(&bytes, 0, end), found)
}

fn entries(volume: &Volume, inode: &Inode, bytes: &[u8], found: &mut Vec<DirEntry>) -> Result<()> {
    let bad = || inode.damaged("a directory entry has an impossible length");
    let mut at = HEADER;
    while at < bytes.len() {
        if be16(bytes, at) == FREE {
            let len = usize::from(be16(bytes, at + 2));
            if len == 0 || !len.is_multiple_of(8) {
                return Err(bad());
            }
            at += len;
            continue;
        }
        let name_len = usize::from(u8_at(bytes, at + 8));
        // Number, length, name, type, and at the end its own position.
        let len = 9 + name_len + usize::from(volume.sb.file_types) + 2;
        let name = slice(bytes, at + 9, name_len);
        if at + len > bytes.len() {
            return Err(bad());
        }
        push(inode, found, name, be64(bytes, at))?;
        at += len.next_multiple_of(8);
    }
    Ok(())
}

fn push(inode: &Inode, found: &mut Vec<DirEntry>, name: &[u8], node: u64) -> Result<()> {
    if name == b"." || name == b".." {
        return Ok(());
    }
    if name.is_empty() || name.iter().any(|&byte| matches!(byte, 0 | b'/')) {
        return Err(inode.damaged("a directory entry has an impossible name"));
    }
    found.push(DirEntry { name: name.to_vec(), node });
    Ok(())
}
