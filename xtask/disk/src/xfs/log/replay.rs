//! What committed transactions did, put on top of the disk in memory.
//!
//! Descriptions of items are structures of the machine that wrote them, so
//! little-endian; what they describe is as on the disk, except for inodes.

use std::collections::{BTreeMap, BTreeSet};

use super::inode;
use super::patch::{Patched, SECTOR};
use super::transaction::{Item, Transaction};
use super::{LET_KERNEL, PLACE, damaged};
use crate::block::BlockRead as _;
use crate::bytes::{be16, be32, be64, le16, le32, le64, slice, wide};
use crate::xfs::superblock::{META_UUID, Superblock};
use crate::{Error, Result};

/// Types of items (libxfs/xfs_log_format.h of Linux).
pub(super) mod kind {
    pub const INODE: u16 = 0x123b;
    pub const BUFFER: u16 = 0x123c;
    pub const QUOTA: u16 = 0x123d;
    pub const QUOTA_OFF: u16 = 0x123e;
    pub const CREATE: u16 = 0x123f;
}

/// Intents: what a later transaction will do, and its type when it is done.
/// `true` if it must be done before anything of the tree can be believed.
const INTENTS: [(u16, u16, &str, bool); 9] = [
    (0x1236, 0x1237, "freeing of extents (EFI)", false),
    (0x1240, 0x1241, "change of the reverse map (RUI)", false),
    (0x1242, 0x1243, "change of reference counts (CUI)", false),
    (0x1244, 0x1245, "change of a file's extents (BUI)", true),
    (0x1246, 0x1247, "change of extended attributes (ATTRI)", true),
    (0x1248, 0x1249, "exchange of files' extents (XMI)", true),
    (0x124a, 0x124b, "freeing of realtime extents (EFI)", false),
    (0x124c, 0x124d, "change of the realtime reverse map (RUI)", false),
    (0x124e, 0x124f, "change of realtime reference counts (CUI)", false),
];

/// Bits of a buffer's flags: only links of deleted inodes are meant; what was
/// logged before is void; quotas.
const INODES: u16 = 1 << 0;
const CANCEL: u16 = 1 << 1;
const QUOTAS: u16 = 0x1c;
/// Unit of the map of what changed in a buffer, bytes.
const CHUNK: usize = 128;
/// Most sectors of a buffer: a directory block of 64 KiB.
const MAX_SECTORS: u16 = 128;

/// What changes while the log is replayed.
pub(super) struct Replay<'a> {
    pub sb: &'a Superblock,
    pub disk: Patched,
    /// How often each sector is still to be voided, see [`CANCEL`].
    pub cancelled: BTreeMap<u64, u32>,
    /// Intents that were not done yet: type and number.
    pending: BTreeSet<(u16, u64)>,
}

/// First sector and flags of a buffer.
fn buffer(item: &Item) -> (u64, u16) {
    (le64(item.region(0), 8), le16(item.region(0), 4))
}

impl<'a> Replay<'a> {
    pub fn new(sb: &'a Superblock, disk: Patched) -> Self {
        Self { sb, disk, cancelled: BTreeMap::new(), pending: BTreeSet::new() }
    }

    /// First pass: which buffers were freed later, and must not come back.
    pub fn note_cancelled(&mut self, transaction: &Transaction) {
        for item in transaction.items.iter().filter(|item| item.kind() == kind::BUFFER) {
            let (sector, flags) = buffer(item);
            if flags & CANCEL != 0 {
                let count = self.cancelled.entry(sector).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    /// Second pass: buffers and new inodes first, then what changes inodes,
    /// and at the end those buffers of which no older version may come back.
    pub fn apply(&mut self, transaction: &Transaction) -> Result<()> {
        let is_early = |item: &Item| match item.kind() {
            kind::CREATE => true,
            kind::BUFFER => buffer(item).1 & (CANCEL | INODES) == 0,
            _ => false,
        };
        let (early, late): (Vec<&Item>, Vec<&Item>) =
            transaction.items.iter().partition(|item| is_early(item));
        for item in early.into_iter().chain(late) {
            self.item(item, transaction.lsn)?;
        }
        for item in transaction.items.iter().filter(|item| item.kind() == kind::BUFFER) {
            let (sector, flags) = buffer(item);
            if flags & CANCEL != 0
                && let Some(count) = self.cancelled.get_mut(&sector)
            {
                *count -= 1;
                if *count == 0 {
                    self.cancelled.remove(&sector);
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &Item, lsn: u64) -> Result<()> {
        match item.kind() {
            kind::BUFFER => self.buffer(item, lsn),
            kind::INODE => inode::replay(self, item, lsn),
            kind::CREATE => self.create(item),
            // Nothing of the tree.
            kind::QUOTA | kind::QUOTA_OFF => Ok(()),
            other => self.intent(item, other),
        }
    }

    fn intent(&mut self, item: &Item, kind: u16) -> Result<()> {
        let number = le64(item.region(0), 8);
        for (intent, done, ..) in INTENTS {
            if kind == intent {
                self.pending.insert((kind, number));
                return Ok(());
            }
            if kind == done {
                self.pending.remove(&(intent, number));
                return Ok(());
            }
        }
        let reason = format!("it has an item of the unknown type {kind:#x}");
        Err(Error::unsupported(PLACE, reason).hint(LET_KERNEL))
    }

    /// Fails if something is left to do that only the kernel can. Space that is
    /// still to be freed and maps of who uses a block are nothing to a reader.
    pub fn refuse_pending(&self) -> Result<()> {
        let serious = |&&(kind, _): &&(u16, u64)| INTENTS.iter().any(|it| it.0 == kind && it.3);
        let Some(&(kind, _)) = self.pending.iter().find(serious) else { return Ok(()) };
        let name = INTENTS.iter().find(|it| it.0 == kind).map_or("operation", |it| it.2);
        let reason = format!("it ends in the middle of a {name}, which only the kernel can finish");
        Err(Error::unsupported(PLACE, reason).hint(LET_KERNEL))
    }

    /// Whether something between `sector` and `count` sectors on is freed later.
    pub fn is_cancelled(&self, sector: u64, count: u64) -> bool {
        self.cancelled.range(sector..sector.saturating_add(count)).next().is_some()
    }

    fn buffer(&mut self, item: &Item, lsn: u64) -> Result<()> {
        let description = item.region(0);
        let (sector, flags) = buffer(item);
        let sectors = le16(description, 6);
        if flags & (CANCEL | INODES | QUOTAS) != 0 || self.cancelled.contains_key(&sector) {
            return Ok(());
        }
        let len = u64::from(sectors) * wide(SECTOR);
        let start = sector
            .checked_mul(wide(SECTOR))
            .filter(|start| start.checked_add(len).is_some_and(|end| end <= self.disk.len()));
        let start = start.filter(|_| (1..=MAX_SECTORS).contains(&sectors));
        let start = start.ok_or_else(|| damaged("a buffer of it lies outside of the disk"))?;
        if self.is_newer(start, len, lsn)? {
            return Ok(());
        }
        let words = le32(description, 16);
        let map = description.get(20..).unwrap_or_default();
        let is_changed = |chunk: usize| {
            u32::try_from(chunk / 32).is_ok_and(|word| word < words)
                && le32(map, chunk / 32 * 4) >> (chunk % 32) & 1 == 1
        };
        let mut chunk = 0;
        for region in item.regions.iter().skip(1) {
            let total = usize::from(sectors) * (SECTOR / CHUNK);
            chunk += (chunk..total).take_while(|&chunk| !is_changed(chunk)).count();
            // One run of changes may be in several regions.
            let run = (chunk..total).take_while(|&chunk| is_changed(chunk)).count();
            let count = run.min(region.len() / CHUNK);
            if count == 0 {
                return Err(damaged("a buffer of it has more changes than its map"));
            }
            self.disk.write(start + wide(chunk * CHUNK), slice(region, 0, count * CHUNK))?;
            chunk += count;
        }
        Ok(())
    }

    /// Whether what is at `start` was written after the transaction `lsn`.
    /// Only metadata of this file system says so; all else is older.
    fn is_newer(&self, start: u64, len: u64, lsn: u64) -> Result<bool> {
        let mut head = [0; SECTOR];
        let len = crate::bytes::clip(len, head.len());
        let head = head.get_mut(..len).unwrap_or_default();
        self.disk.read_at(start, head)?;
        let Some((lsn_at, uuid_at)) = stamp(head) else { return Ok(false) };
        let found = be64(head, lsn_at);
        let ours = slice(head, uuid_at, 16) == self.sb.metadata_uuid;
        Ok(ours && found != 0 && found != u64::MAX && found >= lsn)
    }

    /// New inodes, all unused.
    fn create(&mut self, item: &Item) -> Result<()> {
        let raw = item.region(0);
        let (group, block) = (u64::from(be32(raw, 4)), u64::from(be32(raw, 8)));
        let (size, blocks) = (u64::from(be32(raw, 16)), u64::from(be32(raw, 20)));
        let number = (group << self.sb.group_bits) | block;
        let first = self.sb.linear(number, blocks);
        let first = first.filter(|_| size == self.sb.inode_size && blocks > 0 && blocks <= 256);
        let first = first.ok_or_else(|| damaged("new inodes of it are in an impossible place"))?;
        let (start, len) = (first * self.sb.block_size, blocks * self.sb.block_size);
        if self.is_cancelled(start / wide(SECTOR), len / wide(SECTOR)) {
            return Ok(());
        }
        for index in 0..len / size {
            let number = (number << self.sb.inode_bits) + index;
            let raw = inode::unused(self.sb, number, be32(raw, 24));
            self.disk.write(start + index * size, &raw)?;
        }
        Ok(())
    }
}

/// Where a block of metadata has the number of its last record, and the UUID
/// of its file system, by its magic number. Those of free space and other
/// things that no reader needs are left out.
fn stamp(block: &[u8]) -> Option<(usize, usize)> {
    match be32(block, 0).to_be_bytes().as_slice() {
        b"BMA3" => return Some((32, 40)),
        b"XSLM" => return Some((48, 16)),
        b"XDB3" | b"XDD3" | b"XDF3" => return Some((16, 24)),
        // One with a new UUID has the old one, which all else has, elsewhere.
        b"XFSB" if be32(block, 216) & META_UUID != 0 => return Some((240, 248)),
        b"XFSB" => return Some((240, 32)),
        _ => {}
    }
    // Leaves and nodes of directories and attributes.
    match be16(block, 8) {
        0x3df1 | 0x3dff | 0x3bee | 0x3ebe => Some((24, 32)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Synthetic: only the type and the number of intents count.
    fn pending(intents: &[u16]) -> Result<()> {
        let sb = Superblock::for_tests();
        let disk: Vec<u8> = vec![0; 4096];
        let mut replay = Replay::new(&sb, Patched::new(Arc::new(disk)));
        for kind in intents {
            let mut description = [0; 16];
            description[..2].copy_from_slice(&kind.to_le_bytes());
            description[8] = 7;
            let mut item = Item::default();
            item.regions.push(description.to_vec());
            replay.item(&item, 1)?;
        }
        replay.refuse_pending()
    }

    #[test]
    fn what_only_the_kernel_can_finish_is_named() {
        for (kinds, expected) in [
            (&[0x1244][..], Some("change of a file's extents (BUI)")),
            (&[0x1246], Some("change of extended attributes (ATTRI)")),
            (&[0x1236, 0x1248], Some("exchange of files' extents (XMI)")),
            (&[0x1244, 0x1245], None),
            (&[0x1236, 0x1240, 0x1242, 0x1241], None),
            (&[0x1238], Some("unknown type 0x1238")),
        ] {
            let outcome = pending(kinds).map_err(|error| error.to_string());
            match expected {
                None => assert_eq!(outcome, Ok(()), "{kinds:x?}"),
                Some(words) => assert!(outcome.unwrap_err().contains(words), "{kinds:x?}"),
            }
        }
    }
}
