//! ndb, `Packages.db`: pages of slots, then blobs, all little-endian
//! (`lib/backend/ndb/rpmpkg.c`).

use crate::bytes::le32;
use crate::{Error, Result};

pub(super) const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_MAGIC: u32 = u32::from_le_bytes(*b"BlbS");
const TAIL_MAGIC: u32 = u32::from_le_bytes(*b"BlbE");

const PAGE: usize = 4096;
const SLOT: usize = 16;
/// The file's header takes the place of the first slots.
const HEADER: usize = 32;
/// Blobs are counted in units of this many bytes.
const UNIT: usize = 16;
const BLOB_HEAD: usize = 16;
const BLOB_TAIL: usize = 12;

/// The headers of all packages.
pub(super) fn blobs(file: &[u8]) -> Result<Vec<&[u8]>> {
    let bad = |reason: String| Error::damaged("rpm database (ndb)", reason);
    if le32(file, 4) != 0 {
        return Err(Error::unsupported("rpm database (ndb)", format!("version {}", le32(file, 4))));
    }
    let end = size(le32(file, 12)).saturating_mul(PAGE);
    let Some(slots) = file.get(HEADER..end) else {
        return Err(bad(format!("its slots end at byte {end} of {}", file.len())));
    };
    let mut blobs = Vec::new();
    for (number, slot) in slots.chunks_exact(SLOT).enumerate() {
        if le32(slot, 0) != SLOT_MAGIC {
            return Err(bad(format!("slot {number} is none")));
        }
        let (package, at) = (le32(slot, 4), size(le32(slot, 8)).saturating_mul(UNIT));
        if package != 0 {
            let blob = blob(file, package, at, size(le32(slot, 12)).saturating_mul(UNIT));
            blobs
                .push(blob.ok_or_else(|| bad(format!("the blob of package {package} is broken")))?);
        }
    }
    Ok(blobs)
}

/// The content of the blob of `len` bytes at `at`, with its frame checked.
fn blob(file: &[u8], package: u32, at: usize, len: usize) -> Option<&[u8]> {
    let whole = file.get(at..at.checked_add(len)?)?;
    let tail = whole.get(len.checked_sub(BLOB_TAIL)?..)?;
    let content = whole.get(BLOB_HEAD..BLOB_HEAD.checked_add(size(le32(whole, 12)))?)?;
    let framed = le32(whole, 0) == BLOB_MAGIC
        && le32(whole, 4) == package
        && le32(tail, 4) == le32(whole, 12)
        && le32(tail, 8) == TAIL_MAGIC;
    // The checksum is over all but the tail.
    (framed && adler32(whole.get(..len - BLOB_TAIL)?) == le32(tail, 0)).then_some(content)
}

/// As in RFC 1950.
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    let (mut a, mut b) = (1_u32, 0_u32);
    // So many sums fit into 32 bits.
    for piece in bytes.chunks(5552) {
        for &byte in piece {
            a += u32::from(byte);
            b += a;
        }
        (a, b) = (a % MODULUS, b % MODULUS);
    }
    b << 16 | a
}

fn size(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::adler32;

    #[test]
    fn adler() {
        assert_eq!(adler32(b""), 1);
        // RFC 1950 has no test vector; by zlib.adler32 of Python.
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
