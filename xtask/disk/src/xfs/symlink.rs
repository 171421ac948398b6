//! Targets of symbolic links.

use super::fork::{self, Format};
use super::inode::{Inode, place};
use super::volume::{Stamp, Volume};
use crate::Result;
use crate::bytes::{be32, be64, clip, slice, wide};

/// Longest target (XFS_SYMLINK_MAXLEN), bytes.
const MAX_LEN: u64 = 1024;
/// Length of the header in front of each stored piece, bytes.
const HEADER: usize = 56;
const STAMP: Stamp = Stamp {
    magic: 0x5853_4c4d, // "XSLM"
    crc_at: 12,
    owner_at: 32,
    address_at: 40,
};

/// The target of a symbolic link: in the inode, or in blocks, each run of
/// which has one header.
pub(super) fn target(volume: &Volume, inode: &Inode) -> Result<Vec<u8>> {
    let size = inode.meta.size;
    if size == 0 || size > MAX_LEN {
        return Err(inode.damaged(format!("a symbolic link of {size} bytes")));
    }
    let target = match inode.data_fork().format {
        Format::Local => inode.local()?.to_vec(),
        _ => remote(volume, inode)?,
    };
    if target.contains(&0) {
        return Err(inode.damaged("a symbolic link with a zero byte in its target"));
    }
    Ok(target)
}

fn remote(volume: &Volume, inode: &Inode) -> Result<Vec<u8>> {
    let size = clip(inode.meta.size, usize::MAX);
    let at = place(inode.number);
    let mut target = Vec::new();
    for run in fork::runs(volume, inode, inode.data_fork())? {
        let left = size - target.len();
        if left == 0 {
            break;
        }
        let start = run.logical * volume.sb.block_size;
        // The kernel checks as much of the run as the target needs.
        let need = wide(left + HEADER).next_multiple_of(volume.sb.block_size);
        let len = need.min(run.len * volume.sb.block_size);
        let block = volume.mapped(&[run], start, len, &at)?;
        STAMP.check(&block, inode.number, &at)?;
        let bytes = block.bytes;
        let stored = clip(u64::from(be32(&bytes, 8)), left);
        let piece = slice(&bytes, HEADER, stored);
        let in_order = u64::from(be32(&bytes, 4)) == wide(target.len());
        if !in_order || piece.is_empty() || be64(&bytes, STAMP.owner_at) != inode.number {
            return Err(inode.damaged("a piece of a symbolic link is malformed"));
        }
        target.extend_from_slice(piece);
    }
    if target.len() < size {
        return Err(inode.damaged("a symbolic link is cut short"));
    }
    Ok(target)
}
