//! LVM2: linear logical volumes of the physical volumes on one disk.
//!
//! Layout: lib/format_text/layout.h and lib/label/label.h of LVM2.

mod group;
mod text;

use std::sync::Arc;

use crate::block::BlockRead;
use crate::bytes::{clip, le32, le64, slice, wide};
use crate::crc::{agree, crc32_lvm};
use crate::{Error, ErrorKind, Result};

pub use group::{Logical, logical_volumes};

const SECTOR: usize = 512;
/// A label is in one of the first four sectors.
const LABEL_SECTORS: usize = 4;
const LABEL: &[u8] = b"LABELONE";
const LABEL_TYPE: &[u8] = b"LVM2 001";
const METADATA: &[u8] = b"\x20LVM2\x20x[5A%r0N*>";
/// Longest metadata text that is read, bytes. LVM's default area has 1 MiB.
const MAX_TEXT: u64 = 16 << 20;
/// Flag of a metadata location: stale on purpose.
const IGNORED: u32 = 1;

/// A physical volume.
pub struct Physical {
    /// Its identity: 32 letters and digits.
    pub id: String,
    /// The partition or disk.
    pub device: Arc<dyn BlockRead>,
    /// Text that describes the volume group; none if the volume has no
    /// metadata of its own, as others of its group may have it.
    text: Option<String>,
}

impl Physical {
    /// Opens the physical volume that fills `device`.
    ///
    /// # Errors
    /// [`ErrorKind::NotThisFormat`] if there is none, and what else reading says.
    pub fn open(device: Arc<dyn BlockRead>) -> Result<Self> {
        let mut head = vec![0; clip(device.len(), LABEL_SECTORS * SECTOR)];
        device.read_at(0, &mut head)?;
        let label = head.as_chunks::<SECTOR>().0.iter().find(|sector| sector.starts_with(LABEL));
        let Some(label) = label else {
            return Err(Error::new(ErrorKind::NotThisFormat, "LVM label", "no magic number"));
        };
        if slice(label, 24, 8) != LABEL_TYPE {
            return Err(Error::unsupported("LVM label", "it is of an unknown type"));
        }
        if !agree(crc32_lvm(slice(label, 20, SECTOR - 20)), le32(label, 16)) {
            return Err(Error::damaged("LVM label", "its checksum does not match"));
        }
        let header = slice(label, clip(u64::from(le32(label, 20)), SECTOR), SECTOR);
        let id = String::from_utf8_lossy(slice(header, 0, 32)).into_owned();
        let mut text = None;
        for (offset, _) in metadata_areas(header) {
            text = text.or(area(&*device, offset)?);
        }
        Ok(Self { id, device, text })
    }
}

/// Offset and length of the metadata areas. After the identity and the size
/// come two lists of such pairs, each ended by zeros: data, then metadata.
fn metadata_areas(header: &[u8]) -> Vec<(u64, u64)> {
    let pairs = header.get(40..).unwrap_or_default().as_chunks::<16>().0;
    let pairs = pairs.iter().map(|pair| (le64(pair, 0), le64(pair, 8)));
    let after_data = pairs.skip_while(|(offset, _)| *offset != 0).skip(1);
    after_data.take_while(|(offset, _)| *offset != 0).collect()
}

/// The current text of a metadata area, `None` if there is none yet.
fn area(device: &dyn BlockRead, start: u64) -> Result<Option<String>> {
    let bad = |reason: &str| Error::damaged("LVM metadata", reason);
    let mut header = [0; SECTOR];
    device.read_at(start, &mut header).map_err(|error| error.within("LVM metadata"))?;
    if slice(&header, 4, 16) != METADATA
        || !agree(crc32_lvm(slice(&header, 4, SECTOR - 4)), le32(&header, 0))
    {
        return Err(bad("its header is damaged"));
    }
    let area_len = le64(&header, 32);
    let (offset, len) = (le64(&header, 40), le64(&header, 48));
    if offset == 0 || le32(&header, 60) & IGNORED != 0 {
        return Ok(None);
    }
    if len > MAX_TEXT || len > area_len || offset < wide(SECTOR) || offset >= area_len {
        return Err(bad("its text lies outside of its area"));
    }
    // The area is a ring, apart from its header.
    let mut text = vec![0; clip(len, usize::MAX)];
    let until_end = clip(area_len - offset, text.len());
    let (first, wrapped) = text.split_at_mut(until_end);
    let at = start.checked_add(offset).ok_or_else(|| bad("its text lies past the end"))?;
    device.read_at(at, first).map_err(|error| error.within("LVM metadata"))?;
    device.read_at(start + wide(SECTOR), wrapped).map_err(|e| e.within("LVM metadata"))?;
    if !agree(crc32_lvm(&text), le32(&header, 56)) {
        return Err(bad("the checksum of its text does not match"));
    }
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    Ok(Some(String::from_utf8_lossy(text.get(..end).unwrap_or_default()).into_owned()))
}
