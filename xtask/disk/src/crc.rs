//! The cyclic redundancy checks of ext4, jbd2 and GPT, in their raw form:
//! the caller chooses the initial value and whether to invert the result.

/// Lookup tables of one reflected CRC-32: `tables[k][b]` advances byte `b`
/// through `k + 1` zero bytes, so eight bytes take eight independent lookups.
type Tables = [[u32; 256]; 8];

/// Castagnoli polynomial, reflected (RFC 3720, appendix B.4).
static CASTAGNOLI: Tables = tables(0x82f6_3b78);
/// IEEE 802.3 polynomial, reflected (as in gzip and GPT).
static IEEE: Tables = tables(0xedb8_8320);

const fn tables(polynomial: u32) -> Tables {
    let mut all = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut step = 0;
        while step < 64 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ polynomial } else { crc >> 1 };
            step += 1;
            if step % 8 == 0 {
                all[step / 8 - 1][byte] = crc;
            }
        }
        byte += 1;
    }
    all
}

fn update(tables: &Tables, mut crc: u32, bytes: &[u8]) -> u32 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
    let at = |table: &[u32; 256], byte: u8| table[usize::from(byte)];
    let (chunks, rest) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in chunks {
        let [a, b, c, d] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        crc = at(t7, a) ^ at(t6, b) ^ at(t5, c) ^ at(t4, d);
        crc ^= at(t3, e) ^ at(t2, f) ^ at(t1, g) ^ at(t0, h);
    }
    for &byte in rest {
        let [low, ..] = crc.to_le_bytes();
        crc = at(t0, low ^ byte) ^ (crc >> 8);
    }
    crc
}

/// Whether a checksum is the stored one. Built for fuzzing, always: otherwise no
/// changed input would get beyond its checksum.
pub(crate) fn agree<T: PartialEq>(found: T, stored: T) -> bool {
    cfg!(fuzzing) || found == stored
}

/// Continues CRC-32C from `crc`; ext4 starts at all ones and does not invert.
pub(crate) fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    update(&CASTAGNOLI, crc, bytes)
}

/// CRC-32 as LVM stores it: its own initial value, nothing inverted.
pub(crate) fn crc32_lvm(bytes: &[u8]) -> u32 {
    /// INITIAL_CRC of lib/misc/crc.h.
    const INITIAL: u32 = 0xf597_a6cf;
    update(&IEEE, INITIAL, bytes)
}

/// CRC-32 as GPT stores it: initial value and result inverted.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    !update(&IEEE, u32::MAX, bytes)
}

/// Continues CRC-16/ARC (reflected 0x8005), the checksum of group descriptors
/// before ext4 had CRC-32C. It starts at all ones.
pub(crate) fn crc16(mut crc: u16, bytes: &[u8]) -> u16 {
    for &byte in bytes {
        crc ^= u16::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xa001 } else { crc >> 1 };
        }
    }
    crc
}

/// Continues the CRC-32 of old journals: IEEE polynomial, most significant
/// bit first, starting at all ones and not inverted.
pub(crate) fn crc32_be(mut crc: u32, bytes: &[u8]) -> u32 {
    for &byte in bytes {
        crc ^= u32::from(byte) << 24;
        for _ in 0..8 {
            crc = if crc >> 31 == 1 { (crc << 1) ^ 0x04c1_1db7 } else { crc << 1 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Check values of the CRC catalogue for the nine digits: CRC-32/ISCSI,
    /// CRC-32/ISO-HDLC, CRC-16/MODBUS (ARC started at all ones), CRC-32/MPEG-2.
    #[test]
    fn catalogue_check_values() {
        let digits = b"123456789";
        assert_eq!(!crc32c(u32::MAX, digits), 0xe306_9283);
        assert_eq!(crc32(digits), 0xcbf4_3926);
        assert_eq!(crc16(u16::MAX, digits), 0x4b37);
        assert_eq!(crc32_be(u32::MAX, digits), 0x0376_e6e7);
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in [0, 1, 7, 8, 9, 100, 256] {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(crc32c(crc32c(7, head), tail), crc32c(7, &bytes), "cut at {cut}");
        }
    }
}
