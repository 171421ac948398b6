//! Fields of on-disk records by offset.
//!
//! A field beyond the end of the record reads as zero. That is what formats
//! that grew by appending mean by an old, shorter record; a record that must
//! have a minimum length is checked once, where it is read.

/// `N` bytes at `at`, zeros where the record is too short.
fn field<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    let bytes = record.get(at..).and_then(|rest| rest.first_chunk::<N>());
    bytes.copied().unwrap_or([0; N])
}

/// Byte at `at`.
pub(crate) fn u8_at(record: &[u8], at: usize) -> u8 {
    let [byte] = field(record, at);
    byte
}

/// Little-endian 16 bits at byte `at`.
pub(crate) fn le16(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(field(record, at))
}

/// Little-endian 32 bits at byte `at`.
pub(crate) fn le32(record: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(record, at))
}

/// Little-endian 64 bits at byte `at`.
pub(crate) fn le64(record: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(record, at))
}

/// Big-endian 16 bits at byte `at`.
pub(crate) fn be16(record: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(field(record, at))
}

/// Big-endian 32 bits at byte `at`.
pub(crate) fn be32(record: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(field(record, at))
}

/// Big-endian 64 bits at byte `at`.
pub(crate) fn be64(record: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(field(record, at))
}

/// The `len` bytes from `at`, or what there is of them.
pub(crate) fn slice(record: &[u8], at: usize, len: usize) -> &[u8] {
    let rest = record.get(at..).unwrap_or_default();
    rest.get(..len).unwrap_or(rest)
}

/// `low` extended by `high` above its 32 bits.
pub(crate) fn join32(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

/// A length or index in memory as a 64-bit number.
pub(crate) fn wide(value: usize) -> u64 {
    // No supported target has more than 64 bits of address space.
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// The smaller of a 64-bit count and a length in memory.
pub(crate) fn clip(value: u64, limit: usize) -> usize {
    usize::try_from(value).map_or(limit, |value| value.min(limit))
}

/// 16 bytes as `blkid` prints a UUID.
pub(crate) fn uuid_text(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [(0, 8), (8, 4), (12, 4), (16, 4), (20, 12)];
    let parts = parts.map(|(at, len)| hex.get(at..at + len).unwrap_or_default());
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_past_the_end_are_zero() {
        let record = [1, 2, 3, 4, 5];
        assert_eq!((le16(&record, 0), be16(&record, 0)), (0x0201, 0x0102));
        assert_eq!((le32(&record, 1), le32(&record, 2)), (0x0504_0302, 0));
        assert_eq!((le64(&record, 0), be64(&record, usize::MAX)), (0, 0));
        assert_eq!(slice(&record, 3, 9), [4, 5]);
        assert_eq!(slice(&record, 9, 1), []);
    }

    #[test]
    fn uuid_as_blkid_prints_it() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(uuid_text(&bytes), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
