//! Where the blocks of a file are: extent trees and block pointers.

use super::inode::{Inode, place};
use super::volume::Volume;
use crate::bytes::{join32, le16, le32, slice, wide};
use crate::crc::{agree, crc32c};
use crate::runs::Run;
use crate::{Error, Result};

/// Most runs one file may have: 96 MiB of them. Beyond is hostile, or a file
/// so fragmented that nobody ships it in an image.
const MAX_RUNS: usize = 4 << 20;
/// Most blocks of mapping for one file: enough for 4 TiB of block pointers.
const MAX_MAP_BLOCKS: u32 = 1 << 20;

/// The runs of `inode` in file order, none overlapping; gaps are holes.
pub(super) fn runs(volume: &Volume, inode: &Inode) -> Result<Vec<Run>> {
    let mut walk = Walk { volume, inode, runs: Vec::new(), next: 0, map_blocks: 0 };
    if inode.has_extents() {
        let root = inode.i_block();
        let depth = Header::parse(root).filter(|header| header.depth <= MAX_DEPTH);
        let depth = depth.map(|header| header.depth);
        walk.extent_node(root, depth.ok_or_else(|| walk.bad("extent tree has no valid root"))?)?;
    } else {
        walk.pointers()?;
    }
    Ok(walk.runs)
}

/// 2^32 blocks need five levels with the smallest nodes.
const MAX_DEPTH: u16 = 5;

struct Walk<'a> {
    volume: &'a Volume,
    inode: &'a Inode,
    runs: Vec<Run>,
    /// First block of the file that no run has covered yet.
    next: u64,
    map_blocks: u32,
}

impl Walk<'_> {
    fn bad(&self, reason: &str) -> Error {
        self.inode.damaged(reason)
    }

    fn push(&mut self, run: Run) -> Result<()> {
        let node = self.inode.number;
        self.volume.byte_range(run.physical, run.len, || place(node))?;
        if run.logical < self.next {
            return Err(self.bad("its extents overlap or are out of order"));
        }
        self.next = run.logical + run.len;
        if let Some(last) = self.runs.last_mut()
            && last.written == run.written
            && last.logical + last.len == run.logical
            && last.physical + last.len == run.physical
        {
            last.len += run.len;
            return Ok(());
        }
        if self.runs.len() >= MAX_RUNS {
            let reason = format!("it has more than {MAX_RUNS} extents");
            return Err(Error::unsupported(place(node), reason));
        }
        self.runs.push(run);
        Ok(())
    }

    /// A block of the mapping itself. A valid tree names each block once, so
    /// the limit only stops trees that loop.
    fn map_block(&mut self, number: u64) -> Result<Vec<u8>> {
        self.map_blocks += 1;
        if self.map_blocks > MAX_MAP_BLOCKS {
            return Err(self.bad("its block map is impossibly large"));
        }
        self.volume.block(number, || format!("block map of inode {}", self.inode.number))
    }

    fn extent_node(&mut self, node: &[u8], depth: u16) -> Result<()> {
        let header = Header::parse(node).filter(|header| header.depth == depth);
        let Some(header) = header else {
            return Err(self.bad("an extent tree node is malformed"));
        };
        for index in 0..header.entries {
            let entry = slice(node, Header::LEN * (usize::from(index) + 1), Header::LEN);
            if depth == 0 {
                self.extent(entry)?;
            } else {
                self.extent_child(entry, depth - 1)?;
            }
        }
        Ok(())
    }

    fn extent_child(&mut self, entry: &[u8], depth: u16) -> Result<()> {
        if u64::from(le32(entry, 0)) < self.next {
            return Err(self.bad("its extent tree is out of order"));
        }
        let number = join32(u32::from(le16(entry, 8)), le32(entry, 4));
        let node = self.map_block(number)?;
        if !self.node_is_intact(&node) {
            let reason = format!("the checksum of extent tree block {number} does not match");
            return Err(self.bad(&reason));
        }
        self.extent_node(&node, depth)
    }

    fn node_is_intact(&self, node: &[u8]) -> bool {
        let Some(seed) = self.inode.seed else { return true };
        let end = Header::LEN * (usize::from(le16(node, 4)) + 1);
        end + 4 <= node.len() && agree(crc32c(seed, slice(node, 0, end)), le32(node, end))
    }

    fn extent(&mut self, entry: &[u8]) -> Result<()> {
        /// Lengths above this mean an unwritten extent, longer by this much.
        const WRITTEN_MAX: u16 = 1 << 15;
        let raw = le16(entry, 4);
        let written = raw <= WRITTEN_MAX;
        let len = u64::from(if written { raw } else { raw - WRITTEN_MAX });
        if len == 0 {
            return Err(self.bad("an extent is empty"));
        }
        let physical = join32(u32::from(le16(entry, 6)), le32(entry, 8));
        self.push(Run { logical: u64::from(le32(entry, 0)), physical, len, written })
    }

    /// ext2 and ext3: twelve pointers to blocks, then one each through one,
    /// two and three levels of blocks full of pointers.
    fn pointers(&mut self) -> Result<()> {
        let blocks = self.inode.meta.size.div_ceil(u64::from(self.volume.sb.block_size));
        let root = self.inode.i_block().to_vec();
        let mut logical = 0;
        for slot in 0..15 {
            if logical >= blocks {
                break;
            }
            let levels = [12, 13, 14].iter().filter(|&&first| slot >= first).count();
            self.pointer(le32(&root, slot * 4), levels, logical, blocks)?;
            logical += self.span(levels);
        }
        Ok(())
    }

    /// Blocks of the file below one pointer.
    fn span(&self, levels: usize) -> u64 {
        let per_block = u64::from(self.volume.sb.block_size / 4);
        std::iter::repeat_n(per_block, levels).fold(1, u64::saturating_mul)
    }

    fn pointer(&mut self, number: u32, levels: usize, logical: u64, end: u64) -> Result<()> {
        if number == 0 {
            return Ok(());
        }
        let physical = u64::from(number);
        let Some(below) = levels.checked_sub(1) else {
            return self.push(Run { logical, physical, len: 1, written: true });
        };
        let block = self.map_block(physical)?;
        let step = self.span(below);
        for index in 0..block.len() / 4 {
            let at = logical.saturating_add(wide(index).saturating_mul(step));
            if at >= end {
                break;
            }
            self.pointer(le32(&block, index * 4), below, at, end)?;
        }
        Ok(())
    }
}

/// Start of an extent tree node; entries of the same length follow.
struct Header {
    entries: u16,
    depth: u16,
}

impl Header {
    const LEN: usize = 12;
    const MAGIC: u16 = 0xf30a;

    /// `None` if the node is malformed.
    fn parse(node: &[u8]) -> Option<Self> {
        let (entries, max, depth) = (le16(node, 2), le16(node, 4), le16(node, 6));
        let fits = Self::LEN * (usize::from(max) + 1) <= node.len();
        let sane = le16(node, 0) == Self::MAGIC && entries <= max && fits;
        // Only the root may be empty, and then it has no levels.
        (sane && (entries > 0 || depth == 0)).then_some(Self { entries, depth })
    }
}
