//! The 512-byte ustar header.

use std::ops::Range;

/// Everything in an archive is padded to this many bytes.
pub(crate) const BLOCK: usize = 512;

// Field positions, POSIX.1-1988 (ustar).
const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..265;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;

/// A header under construction. Setters that return `bool` say whether the
/// value fitted; if not, the field is a stand-in and the value belongs into a
/// pax record.
pub(crate) struct Header([u8; BLOCK]);

impl Header {
    /// A header of type `kind` (`b'0'` file, `b'5'` directory, `b'x'` pax, ...).
    pub(crate) fn new(kind: u8) -> Self {
        let mut block = [0; BLOCK];
        block[TYPE] = kind;
        block[MAGIC].copy_from_slice(b"ustar\x0000");
        let mut header = Self(block);
        // POSIX wants digits in every numeric field, devices or not.
        for field in [MODE, UID, GID, SIZE, MTIME, MAJOR, MINOR] {
            header.octal(field, 0);
        }
        header
    }

    pub(crate) fn set_mode(&mut self, mode: u16) {
        self.octal(MODE, u64::from(mode & 0o7777));
    }

    #[must_use]
    pub(crate) fn set_uid(&mut self, uid: u32) -> bool {
        self.octal(UID, u64::from(uid))
    }

    #[must_use]
    pub(crate) fn set_gid(&mut self, gid: u32) -> bool {
        self.octal(GID, u64::from(gid))
    }

    #[must_use]
    pub(crate) fn set_size(&mut self, bytes: u64) -> bool {
        self.octal(SIZE, bytes)
    }

    #[must_use]
    pub(crate) fn set_mtime(&mut self, seconds: u64) -> bool {
        self.octal(MTIME, seconds)
    }

    #[must_use]
    pub(crate) fn set_device(&mut self, major: u32, minor: u32) -> bool {
        self.octal(MAJOR, u64::from(major)) & self.octal(MINOR, u64::from(minor))
    }

    /// The link target, or its beginning.
    #[must_use]
    pub(crate) fn set_link(&mut self, target: &[u8]) -> bool {
        self.text(LINK, target)
    }

    /// The path, over name and prefix if it can be divided, or its beginning.
    #[must_use]
    pub(crate) fn set_path(&mut self, path: &[u8]) -> bool {
        if self.text(NAME, path) {
            return true;
        }
        // The prefix ends where the separator is left out, and the name may
        // not be empty, so a directory's own last slash cannot divide.
        let split = (1..=PREFIX.len().min(path.len().saturating_sub(2)))
            .rev()
            .find(|&at| path[at] == b'/' && path.len() - at - 1 <= NAME.len());
        match split {
            Some(at) => self.text(NAME, &path[at + 1..]) & self.text(PREFIX, &path[..at]),
            None => false,
        }
    }

    /// Fills in the checksum.
    pub(crate) fn finish(mut self) -> [u8; BLOCK] {
        self.0[CHECKSUM].fill(b' ');
        let sum: u64 = self.0.iter().map(|&byte| u64::from(byte)).sum();
        // Six digits, NUL, space: at most 512 * 255 = 0o377000, always fits.
        self.octal(CHECKSUM.start..CHECKSUM.end - 1, sum);
        self.0
    }

    fn octal(&mut self, field: Range<usize>, value: u64) -> bool {
        let digits = &mut self.0[field.start..field.end - 1];
        let fits = value >> (3 * digits.len()) == 0;
        let mut rest = if fits { value } else { 0 };
        for digit in digits.iter_mut().rev() {
            *digit = b'0' | (rest & 7).to_le_bytes()[0];
            rest >>= 3;
        }
        fits
    }

    fn text(&mut self, field: Range<usize>, value: &[u8]) -> bool {
        let len = value.len().min(field.len());
        let field = &mut self.0[field];
        field.fill(0);
        field[..len].copy_from_slice(&value[..len]);
        len == value.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_divide_at_a_slash_or_do_not_fit() {
        let dir = [b'd'; 120];
        let fits = [&dir[..], b"/name"].concat();
        let mut header = Header::new(b'0');
        assert!(header.set_path(&fits));
        let block = header.finish();
        assert_eq!(&block[0..5], b"name\0");
        assert_eq!(&block[345..465], &dir[..]);

        for path in [vec![b'n'; 101], [&[b'd'; 156][..], b"/n"].concat()] {
            assert!(!Header::new(b'0').set_path(&path), "{} bytes", path.len());
        }
        // A directory of 101 bytes: its only slash is the last byte.
        assert!(!Header::new(b'5').set_path(&[&[b'd'; 100][..], b"/"].concat()));
    }

    #[test]
    fn numbers_that_do_not_fit_say_so() {
        let mut header = Header::new(b'0');
        assert!(header.set_uid(0o7_777_777));
        assert!(!header.set_uid(0o10_000_000));
        assert!(header.set_size(0o77_777_777_777));
        assert!(!header.set_size(1 << 33));
        assert!(!header.set_size(u64::MAX));
    }
}
