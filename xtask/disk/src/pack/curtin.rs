//! Whether curtin would find its root on a whole disk.

use std::sync::Arc;

use super::volumes::{Disk, Volume};
use crate::fs::{self, Content, FileKind, FileSystem};
use crate::{Error, ErrorKind, Result};

/// Directories by which curtin recognises the root of a disk that it has
/// written: `get_root_device` in `curtin/block/__init__.py`, called with these
/// by `curtin/commands/curthooks.py` and `extract.py`. The last two are Ubuntu Core's.
const MARKERS: [&str; 3] = ["curtin", "system-data/var/lib/snapd", "snaps"];

/// Fails if curtin would find nothing: it mounts every partition in turn and
/// stops with a `ValueError` if none has such a directory. A partition that
/// curtin may be able to read and this crate is not leaves it undecided.
pub(super) fn verify(disk: &Disk) -> Result<()> {
    let mut seen = Vec::new();
    for volume in disk.volumes() {
        let device = match (volume.device(), volume) {
            (Ok(device), _) => device,
            // Such as a thin one, which LVM can read.
            (Err(_), Volume::Logical(_)) => return Ok(()),
            (Err(_), _) => continue,
        };
        match fs::probe(&*device)? {
            // What no kernel mounts.
            Content::Unknown | Content::Foreign("swap" | "crypto_LUKS" | "LVM2_member") => {}
            Content::Foreign(_) => return Ok(()),
            Content::Ext | Content::Fat | Content::Xfs => {
                let Ok(fs) = fs::open(Arc::clone(&device)) else { return Ok(()) };
                if has_marker(&*fs)? {
                    return Ok(());
                }
                seen.push(format!("{} ({})", volume.name(), fs.kind_name()));
            }
        }
    }
    if seen.is_empty() {
        return Ok(());
    }
    let reason =
        format!("no directory /curtin on {}: curtin would not find the root", seen.join(", "));
    Err(Error::new(ErrorKind::Refused, "disk", reason)
        .hint("let the guest create /curtin while it is built, it may be empty"))
}

fn has_marker(fs: &dyn FileSystem) -> Result<bool> {
    for marker in MARKERS {
        if let Some(node) = fs::lookup(fs, marker)?
            && fs.metadata(node)?.kind == FileKind::Directory
        {
            return Ok(true);
        }
    }
    Ok(false)
}
