//! Reads a file system as the packer would, going on after errors.

use super::used;
use std::collections::HashSet;

use disk_image::Result;
use disk_image::fs::{FileKind, FileSystem};

/// Inodes looked at: one hostile directory can have millions of entries.
const NODES: usize = 3000;
/// Bytes read in each place of a file.
const PIECE: usize = 20_000;

/// Visits everything.
pub(super) fn tree(fs: &dyn FileSystem) {
    let mut entered = HashSet::new();
    let mut left = vec![fs.root()];
    while let Some(node) = left.pop() {
        if !entered.insert(node) || entered.len() > NODES {
            continue;
        }
        used(fs.xattrs(node));
        match fs.metadata(node).map(|meta| (meta.kind, meta.size)) {
            Ok((FileKind::Directory, _)) => {
                if let Ok(entries) = fs.read_dir(node) {
                    assert!(entries.iter().all(|entry| is_name(&entry.name)), "an impossible name");
                    left.extend(entries.iter().map(|entry| entry.node));
                }
            }
            Ok((FileKind::Symlink, _)) => {
                let target = fs.read_link(node).unwrap_or_else(|_| vec![1]);
                assert!(!target.is_empty() && !target.contains(&0), "an impossible target");
            }
            Ok((FileKind::Regular, size)) => {
                used(content(fs, node, size));
            }
            Ok(_) | Err(_) => {}
        }
    }
    used((fs.label(), fs.uuid(), fs.kind_name()));
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name != b"."
        && name != b".."
        && !name.iter().any(|&byte| matches!(byte, 0 | b'/'))
}

/// Sizes may be anything, so not all of a file is read.
fn content(fs: &dyn FileSystem, node: u64, size: u64) -> Result<()> {
    let mut end = 0;
    for extent in fs.extents(node)? {
        assert!(extent.offset >= end && extent.len > 0, "extents out of order");
        end = extent.offset.saturating_add(extent.len);
        assert!(end <= size, "an extent past the end of the file");
    }
    let mut buf = vec![0; PIECE];
    for offset in [0, 12_000, size / 2, size.saturating_sub(100), size, u64::MAX] {
        let filled = fs.read_file_at(node, offset, &mut buf)?;
        let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
        assert_eq!(filled, left.min(PIECE), "at {offset} of {size}");
    }
    Ok(())
}
