//! Extended attributes: in the inode, in leaves, and values in blocks.

use super::fork::{self, Format};
use super::inode::{Inode, place};
use super::volume::{Stamp, Volume};
use crate::bytes::{be16, be32, clip, slice, u8_at, wide};
use crate::fs::Xattr;
use crate::runs::Run;
use crate::{Error, Result};

/// Longest value that the kernel hands out (XATTR_SIZE_MAX), bytes.
const VALUE_MAX: u32 = 65_536;
/// Most bytes of names and values of one inode; far above what the kernel
/// lets anyone list (XATTR_LIST_MAX is 64 KiB of names).
const TOTAL_MAX: usize = 64 << 20;
/// Magic numbers of blocks: an inner node, a leaf.
const NODE: u16 = 0x3ebe;
const LEAF: u16 = 0x3bee;
/// Lengths of their headers, bytes.
const NODE_HEADER: usize = 64;
const LEAF_HEADER: usize = 80;
/// Both start the same way; the magic number is not at the start.
const BLOCK: Stamp = Stamp { magic: 0, crc_at: 12, owner_at: 48, address_at: 16 };
/// Most levels of nodes (XFS_DA_NODE_MAXDEPTH).
const MAX_LEVELS: usize = 5;
/// Length of the header in front of each block of a value.
const VALUE_HEADER: usize = 56;
const VALUE: Stamp = Stamp {
    magic: 0x5841_524d, // "XARM"
    crc_at: 12,
    owner_at: 32,
    address_at: 40,
};

/// Bits of an entry's flags.
mod flag {
    pub const LOCAL: u8 = 1 << 0;
    pub const ROOT: u8 = 1 << 1;
    pub const SECURE: u8 = 1 << 2;
    pub const PARENT: u8 = 1 << 3;
    /// Being written or removed when the system went down.
    pub const INCOMPLETE: u8 = 1 << 7;
}

/// All attributes that `getxattr` shows to root, sorted by name.
pub(super) fn read(volume: &Volume, inode: &Inode) -> Result<Vec<Xattr>> {
    let Some(fork) = inode.attribute_fork() else { return Ok(Vec::new()) };
    let mut list = List { inode, found: Vec::new(), total: 0 };
    match fork.format {
        Format::Local => short_form(&mut list, fork.bytes)?,
        // An empty fork is left where all attributes were removed.
        Format::Extents if fork.extents == 0 => {}
        Format::Extents | Format::Tree => {
            let runs = fork::runs(volume, inode, fork)?;
            leaves(volume, &runs, &mut list)?;
        }
        Format::Other => return Err(inode.damaged("extended attributes of an unknown form")),
    }
    let mut found = list.found;
    found.sort();
    match found.windows(2).find(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        Some(_) => Err(inode.damaged("an extended attribute occurs twice")),
        None => Ok(found),
    }
}

struct List<'a> {
    inode: &'a Inode,
    found: Vec<Xattr>,
    total: usize,
}

impl List<'_> {
    fn bad(&self, reason: &str) -> Error {
        self.inode.damaged(reason)
    }

    /// Adds an attribute under the name that user space sees. Parent pointers
    /// are internal, and so are access control lists under their own name.
    fn push(&mut self, flags: u8, name: &[u8], value: Vec<u8>) -> Result<()> {
        if name.is_empty() || name.contains(&0) {
            return Err(self.bad("an extended attribute has an impossible name"));
        }
        self.total = self.total.saturating_add(name.len() + value.len());
        if self.total > TOTAL_MAX {
            return Err(Error::unsupported(place(self.inode.number), "too many attributes"));
        }
        let name = match (flags & (flag::ROOT | flag::SECURE), name) {
            (flag::ROOT, b"SGI_ACL_FILE" | b"SGI_ACL_DEFAULT") => {
                let value = acl(self.inode, &value)?;
                let name: &[u8] = match name {
                    b"SGI_ACL_FILE" => b"system.posix_acl_access",
                    _ => b"system.posix_acl_default",
                };
                self.found.push((name.to_vec(), value));
                return Ok(());
            }
            (0, name) => [b"user.", name].concat(),
            (flag::ROOT, name) => [b"trusted.", name].concat(),
            (flag::SECURE, name) => [b"security.", name].concat(),
            _ => return Err(self.bad("an extended attribute is in two name spaces")),
        };
        self.found.push((name, value));
        Ok(())
    }
}

fn is_shown(flags: u8) -> bool {
    flags & (flag::PARENT | flag::INCOMPLETE) == 0
}

/// Total size, count, then entries: lengths of name and value, flags, both.
fn short_form(list: &mut List<'_>, bytes: &[u8]) -> Result<()> {
    let (total, count) = (usize::from(be16(bytes, 0)), u8_at(bytes, 2));
    let bytes = slice(bytes, 0, total);
    let mut at = 4;
    for _ in 0..count {
        let (name_len, value_len) =
            (usize::from(u8_at(bytes, at)), usize::from(u8_at(bytes, at + 1)));
        let flags = u8_at(bytes, at + 2);
        let name = slice(bytes, at + 3, name_len);
        let value = slice(bytes, at + 3 + name_len, value_len);
        if name.len() < name_len || value.len() < value_len {
            return Err(list.bad("an extended attribute reaches past its area"));
        }
        if is_shown(flags) {
            list.push(flags, name, value.to_vec())?;
        }
        at += 3 + name_len + value_len;
    }
    Ok(())
}

/// A checked block of the attribute fork.
fn block(volume: &Volume, runs: &[Run], number: u32, inode: &Inode) -> Result<Vec<u8>> {
    let at = place(inode.number);
    let size = volume.sb.block_size;
    let block = volume.mapped(runs, u64::from(number) * size, size, &at)?;
    BLOCK.check_rest(&block, inode.number, &at)?;
    Ok(block.bytes)
}

/// Goes down to the first leaf, then along the chain of leaves.
fn leaves(volume: &Volume, runs: &[Run], list: &mut List<'_>) -> Result<()> {
    let mut current = block(volume, runs, 0, list.inode)?;
    for _ in 0..MAX_LEVELS {
        if be16(&current, 8) != NODE {
            break;
        }
        if be16(&current, 56) == 0 {
            return Err(list.bad("a node of its attributes is empty"));
        }
        current = block(volume, runs, be32(&current, NODE_HEADER + 4), list.inode)?;
    }
    let mut left = runs.iter().fold(0u64, |sum, run| sum + run.len);
    loop {
        if be16(&current, 8) != LEAF {
            return Err(list.bad("a leaf of its attributes is none"));
        }
        leaf(volume, runs, &current, list)?;
        let next = be32(&current, 0);
        if next == 0 {
            return Ok(());
        }
        left = left.checked_sub(1).ok_or_else(|| list.bad("its attributes run in a circle"))?;
        current = block(volume, runs, next, list.inode)?;
    }
}

fn leaf(volume: &Volume, runs: &[Run], bytes: &[u8], list: &mut List<'_>) -> Result<()> {
    let count = usize::from(be16(bytes, 56));
    let table = slice(bytes, LEAF_HEADER, count * 8);
    if table.len() < count * 8 {
        return Err(list.bad("a leaf of its attributes is too short"));
    }
    for entry in table.as_chunks::<8>().0 {
        let (at, flags) = (usize::from(be16(entry, 4)), u8_at(entry, 6));
        if !is_shown(flags) {
            continue;
        }
        let local = flags & flag::LOCAL != 0;
        let name_at = if local { 3 } else { 9 };
        let name_len = usize::from(u8_at(bytes, at + name_at - 1));
        let name = slice(bytes, at + name_at, name_len);
        if name.len() < name_len {
            return Err(list.bad("an extended attribute reaches past its block"));
        }
        let value = if local {
            let len = usize::from(be16(bytes, at));
            let value = slice(bytes, at + name_at + name_len, len);
            if value.len() < len {
                return Err(list.bad("the value of an attribute reaches past its block"));
            }
            value.to_vec()
        } else {
            remote(volume, runs, list.inode, be32(bytes, at), be32(bytes, at + 4))?
        };
        list.push(flags, name, value)?;
    }
    Ok(())
}

/// A value in blocks of its own, each with a header.
fn remote(volume: &Volume, runs: &[Run], inode: &Inode, first: u32, len: u32) -> Result<Vec<u8>> {
    if len > VALUE_MAX {
        return Err(inode.damaged(format!("an attribute value of {len} bytes")));
    }
    let len = clip(u64::from(len), usize::MAX);
    let (at, size) = (place(inode.number), volume.sb.block_size);
    let mut value = Vec::with_capacity(len);
    let mut next = u64::from(first) * size;
    while value.len() < len {
        let block = volume.mapped(runs, next, size, &at)?;
        VALUE.check(&block, inode.number, &at)?;
        let bytes = block.bytes;
        let piece =
            slice(&bytes, VALUE_HEADER, clip(u64::from(be32(&bytes, 8)), len - value.len()));
        if u64::from(be32(&bytes, 4)) != wide(value.len()) || piece.is_empty() {
            return Err(inode.damaged("a piece of an attribute value is malformed"));
        }
        value.extend_from_slice(piece);
        next += size;
    }
    Ok(value)
}

/// From the form of IRIX (count, then entries of tag, id and permission in
/// big-endian) to the form of `getxattr` (version 2, little-endian).
fn acl(inode: &Inode, raw: &[u8]) -> Result<Vec<u8>> {
    /// Tags of entries that name a user or a group.
    const NAMED: [u32; 2] = [0x2, 0x8];
    /// Tags without: owner, owning group, mask, others.
    const UNNAMED: [u32; 4] = [0x1, 0x4, 0x10, 0x20];
    const ENTRY: usize = 12;
    let bad = || inode.damaged("an access control list is malformed");
    let entries = raw.get(4..).unwrap_or_default();
    let count = clip(u64::from(be32(raw, 0)), usize::MAX / ENTRY);
    if entries.len() < count * ENTRY {
        return Err(bad());
    }
    let mut value = 2_u32.to_le_bytes().to_vec();
    for entry in entries.as_chunks::<ENTRY>().0.iter().take(count) {
        let (tag, id, permission) = (be32(entry, 0), be32(entry, 4), be16(entry, 8));
        let named = NAMED.contains(&tag);
        let short = u16::try_from(tag).ok().filter(|_| named || UNNAMED.contains(&tag));
        value.extend_from_slice(&short.ok_or_else(bad)?.to_le_bytes());
        value.extend_from_slice(&permission.to_le_bytes());
        value.extend_from_slice(&(if named { id } else { u32::MAX }).to_le_bytes());
    }
    Ok(value)
}
