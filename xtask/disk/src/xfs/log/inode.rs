//! Inodes in the log: in the byte order of the machine, parts of them only.

use super::patch::SECTOR;
use super::replay::Replay;
use super::transaction::Item;
use super::{LET_KERNEL, PLACE, damaged};
use crate::block::BlockRead as _;
use crate::bytes::{be16, be64, clip, le16, le32, le64, slice, u8_at, wide};
use crate::xfs::superblock::Superblock;
use crate::{Error, Result};

/// Length of the fixed part of a version 3 inode, bytes.
const CORE: usize = 176;
const MAGIC: [u8; 2] = *b"IN";
/// Where an inode has the number of its last record, its flags, and the length
/// of its data fork in words of 8 bytes.
const LSN_AT: usize = 112;
const FLAGS2_AT: usize = 120;
const FORK_AT: usize = 82;
/// Bits of the flags: times in 64 bits, counts of extents in 64 bits.
const BIG_TIME: u64 = 1 << 3;
const MANY_EXTENTS: u64 = 1 << 4;

/// What of an inode was logged.
mod part {
    pub const DATA: u32 = 0x002;
    pub const DATA_EXTENTS: u32 = 0x004;
    pub const DATA_ROOT: u32 = 0x008;
    pub const DEVICE: u32 = 0x010;
    pub const ATTRIBUTES: u32 = 0x040;
    pub const ATTRIBUTE_EXTENTS: u32 = 0x080;
    pub const ATTRIBUTE_ROOT: u32 = 0x100;
    pub const OWNERS: u32 = 0x600;
    pub const DATA_FORK: u32 = DATA | DATA_EXTENTS | DATA_ROOT;
    pub const ATTRIBUTE_FORK: u32 = ATTRIBUTES | ATTRIBUTE_EXTENTS | ATTRIBUTE_ROOT;
}

/// An inode that nobody uses.
pub(super) fn unused(sb: &Superblock, number: u64, generation: u32) -> Vec<u8> {
    let mut raw = vec![0; clip(sb.inode_size, usize::MAX)];
    put(&mut raw, 0, &MAGIC);
    put(&mut raw, 4, &[3]);
    put(&mut raw, 92, &generation.to_be_bytes());
    put(&mut raw, 96, &[0xff; 4]);
    put(&mut raw, 152, &number.to_be_bytes());
    put(&mut raw, 160, &sb.metadata_uuid);
    raw
}

fn put(raw: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = raw.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        place.copy_from_slice(bytes);
    }
}

/// Puts what `item` says about an inode on top of it.
pub(super) fn replay(replay: &mut Replay<'_>, item: &Item, lsn: u64) -> Result<()> {
    let description = item.region(0);
    let parts = le32(description, 4);
    let (number, sector) = (le64(description, 16), le64(description, 40));
    let (sectors, inside) = (le32(description, 48), u64::from(le32(description, 52)));
    if description.len() < 56 {
        return Err(
            Error::unsupported(PLACE, "it was written by a 32-bit machine").hint(LET_KERNEL)
        );
    }
    // The key of what was freed is the first sector of the group of inodes.
    if replay.cancelled.contains_key(&sector) {
        return Ok(());
    }
    let size = replay.sb.inode_size;
    let start = sector.checked_mul(wide(SECTOR)).and_then(|start| start.checked_add(inside));
    let fits = |start: &u64| {
        inside + size <= u64::from(sectors) * wide(SECTOR)
            && start.checked_add(size).is_some_and(|end| end <= replay.disk.len())
    };
    let start = start.filter(fits);
    let start = start.ok_or_else(|| damaged(format!("inode {number} of it has no place")))?;
    let mut raw = vec![0; clip(size, usize::MAX)];
    replay.disk.read_at(start, &mut raw)?;
    if !raw.starts_with(&MAGIC) {
        return Err(damaged(format!("it changes inode {number}, but there is no inode")));
    }
    let found = be64(&raw, LSN_AT);
    if found != 0 && found != u64::MAX && found > lsn {
        return Ok(());
    }
    if parts & part::OWNERS != 0 {
        let reason = format!("it ends while inode {number} exchanged its extents with another");
        return Err(Error::unsupported(PLACE, reason).hint(LET_KERNEL));
    }
    core(&mut raw, item.region(1), lsn, number)?;
    forks(&mut raw, item, parts)?;
    replay.disk.write(start, &raw)
}

/// The fixed part, its numbers turned around.
fn core(raw: &mut [u8], logged: &[u8], lsn: u64, number: u64) -> Result<()> {
    /// Place and length of each number.
    const NUMBERS: [(usize, usize); 22] = [
        (0, 2),
        (2, 2),
        (6, 2),
        (8, 4),
        (12, 4),
        (16, 4),
        (20, 2),
        (22, 2),
        (24, 8),
        (56, 8),
        (64, 8),
        (72, 4),
        (84, 4),
        (88, 2),
        (90, 2),
        (92, 4),
        (96, 4),
        (104, 8),
        (112, 8),
        (120, 8),
        (128, 4),
        (152, 8),
    ];
    if logged.len() < CORE || le16(logged, 0) != u16::from_be_bytes(MAGIC) {
        return Err(damaged(format!("what it has of inode {number} is no inode")));
    }
    let flags = le64(logged, FLAGS2_AT);
    let mut new = slice(logged, 0, CORE).to_vec();
    let mut turn = |at: usize, len: usize| {
        if let Some(bytes) = new.get_mut(at..at + len) {
            bytes.reverse();
        }
    };
    NUMBERS.into_iter().for_each(|(at, len)| turn(at, len));
    let times = [32, 40, 48, 144];
    match flags & BIG_TIME {
        0 => times.into_iter().for_each(|at| {
            turn(at, 4);
            turn(at + 4, 4);
        }),
        _ => times.into_iter().for_each(|at| turn(at, 8)),
    }
    turn(76, 4);
    if flags & MANY_EXTENTS == 0 {
        turn(80, 2);
    }
    put(&mut new, LSN_AT, &lsn.to_be_bytes());
    put(raw, 0, &new);
    Ok(())
}

fn forks(raw: &mut [u8], item: &Item, parts: u32) -> Result<()> {
    let offset = usize::from(u8_at(raw, FORK_AT)) * 8;
    let middle = if offset == 0 { raw.len() } else { CORE + offset };
    if middle > raw.len() {
        return Err(damaged("an inode of it has no room for its attributes"));
    }
    if parts & part::DEVICE != 0 {
        put(raw, CORE, &le32(item.region(0), 24).to_be_bytes());
    }
    let (core, attributes) = raw.split_at_mut(middle);
    let data = core.get_mut(CORE..).unwrap_or_default();
    let mut next = 2;
    for (mask, root, fork) in [
        (part::DATA_FORK, part::DATA_ROOT, data),
        (part::ATTRIBUTE_FORK, part::ATTRIBUTE_ROOT, attributes),
    ] {
        if parts & mask == 0 {
            continue;
        }
        let logged = item.region(next);
        next += 1;
        let packed;
        let logged = if parts & root == 0 {
            logged
        } else {
            packed = pack_root(logged, fork.len())?;
            &packed
        };
        if logged.is_empty() || logged.len() > fork.len() {
            return Err(damaged("an inode of it has a fork that does not fit"));
        }
        put(fork, 0, logged);
    }
    Ok(())
}

/// The root of an extent tree, which is a whole block in memory, in the form
/// that it has in an inode: level, count, keys, pointers.
fn pack_root(logged: &[u8], room: usize) -> Result<Vec<u8>> {
    /// Lengths of the headers, and of a key or pointer.
    const BLOCK_HEADER: usize = 72;
    const HEADER: usize = 4;
    const ENTRY: usize = 8;
    let most = |len: usize, header: usize| len.saturating_sub(header) / (2 * ENTRY);
    let (from, to) = (most(logged.len(), BLOCK_HEADER), most(room, HEADER));
    let count = usize::from(be16(logged, 6));
    if count > from || count > to || count == 0 {
        return Err(damaged("an inode of it has a tree of extents that does not fit"));
    }
    let mut packed = vec![0; HEADER + 2 * ENTRY * to];
    put(&mut packed, 0, slice(logged, 4, 4));
    put(&mut packed, HEADER, slice(logged, BLOCK_HEADER, count * ENTRY));
    let pointers = slice(logged, BLOCK_HEADER + from * ENTRY, count * ENTRY);
    put(&mut packed, HEADER + to * ENTRY, pointers);
    Ok(packed)
}
