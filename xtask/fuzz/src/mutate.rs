//! Mutations that leave the layout of a disk alone: what is moved by a byte is
//! no file system any more.

use crate::sparse::{SECTOR, content_at};

/// A small generator of numbers (splitmix64, by Sebastiano Vigna, public
/// domain): the same seed gives the same mutations.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.number() % limit).unwrap_or(0)
    }
}

/// Changes `disk`, in the form of [`crate::sparse`]; `engine` is what the
/// fuzzing engine would do to a piece.
pub fn disk(disk: &mut [u8], random: &mut Random, mut engine: impl FnMut(&mut [u8])) {
    // Once in a while the table is changed: a shorter disk, a run elsewhere.
    let start = if random.below(50) == 0 { 0 } else { content_at(disk) };
    let Some(content) = disk.get_mut(start..).filter(|content| !content.is_empty()) else {
        return engine(disk);
    };
    let sectors = content.len().div_ceil(SECTOR);
    match random.below(16) {
        0 => {
            let (from, to) = (random.below(sectors) * SECTOR, random.below(sectors) * SECTOR);
            let len = SECTOR.min(content.len() - from.max(to));
            content.copy_within(from..from + len, to);
        }
        1..=7 => {
            // An aligned field, where formats keep numbers.
            let len = [1, 2, 4, 8][random.below(4)];
            let at = random.below(content.len()) / len * len;
            if let Some(field) = content.get_mut(at..at + len) {
                number(field, random);
            }
        }
        _ => {
            let at = random.below(content.len());
            let len = [8, 16, 64, 256][random.below(4)].min(content.len() - at);
            engine(&mut content[at..at + len]);
        }
    }
}

/// Values where mistakes are: both ends, powers of two, neighbours.
fn number(field: &mut [u8], random: &mut Random) {
    match random.below(7) {
        0 => field.fill(0),
        1 => field.fill(0xff),
        2 => {
            let (at, bit) = (random.below(field.len()), random.below(8));
            field[at] ^= 1 << bit;
        }
        3 => {
            field.fill(0);
            let (at, bit) = (random.below(field.len()), random.below(8));
            field[at] = 1 << bit;
        }
        4 => {
            let at = if random.below(2) == 0 { 0 } else { field.len() - 1 };
            let step = [1, 255, 2, 254, 16][random.below(5)];
            field[at] = field[at].wrapping_add(step);
        }
        5 => field.reverse(),
        _ => {
            let bytes = random.number().to_le_bytes();
            field.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        }
    }
}

/// Changes text or any other bytes without an engine: a byte, a piece twice, a
/// piece gone.
pub fn bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    let (from, to) = (random.below(bytes.len() + 1), random.below(bytes.len() + 1));
    let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 200));
    match random.below(4) {
        0 => {
            let piece = bytes.get(from..to).unwrap_or_default().to_vec();
            let at = random.below(bytes.len() + 1);
            bytes.splice(at..at, piece);
        }
        1 => drop(bytes.drain(from..to)),
        2 => bytes.truncate(to),
        _ => {
            if let Some(byte) = bytes.get_mut(from) {
                number(std::slice::from_mut(byte), random);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_too_small_to_be_changed() {
        let mut random = Random(1);
        for len in [0, 1, 5, 6, 7, 20, 600, 2000] {
            for _ in 0..300 {
                let mut input = vec![3; len];
                disk(&mut input, &mut random, |_| {});
                assert_eq!(input.len(), len);
                bytes(&mut input, &mut random);
            }
        }
    }
}
