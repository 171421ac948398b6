//! Whether Linux would mount the volume for writing: what Windows has to do
//! before, it says in three places.

use crate::bytes::{le16, le64};

/// Where the second copy of the log's restart page is.
pub(super) const PAGE: usize = 4096;
/// Bytes of the log that tell its state.
pub(super) const LOG_HEAD: usize = 2 * PAGE;
/// Flag of a volume that Windows wants to check.
const DIRTY: u16 = 1;
/// Flag of a log that was closed.
const CLEAN: u16 = 2;
/// The end of a list of the log.
const NOBODY: u16 = 0xffff;

/// Whether `$VOLUME_INFORMATION` asks for a check.
pub(super) fn is_dirty(information: &[u8]) -> bool {
    le16(information, 10) & DIRTY != 0
}

/// Whether the first pages of `$LogFile` belong to a volume that was unmounted:
/// the newer restart page says so, or nobody uses the log. Layout: `RESTART_HDR`
/// and `RESTART_AREA` in fs/ntfs3/fslog.c of Linux.
pub(super) fn log_is_closed(head: &[u8]) -> bool {
    let pages = [head.get(..PAGE), head.get(PAGE..)];
    let area = |page: &[u8]| {
        let area =
            page.starts_with(b"RSTR").then(|| page.get(usize::from(le16(page, 0x18))..))??;
        Some((le64(area, 0), le16(area, 12) == NOBODY || le16(area, 14) & CLEAN != 0))
    };
    let newest = pages.into_iter().flatten().filter_map(area).max_by_key(|(lsn, _)| *lsn);
    // An empty log is one that was never used.
    newest.is_none_or(|(_, closed)| closed)
}

/// Whether the first bytes of `hiberfil.sys` are those of a system that sleeps.
/// Microsoft calls them the signature of `PO_MEMORY_IMAGE`.
pub(super) fn sleeps(head: &[u8]) -> bool {
    head.get(..4).is_some_and(|magic| magic.eq_ignore_ascii_case(b"hibr"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Synthetic: two restart pages with the newer one second.
    fn log(first: (u64, u16, u16), second: (u64, u16, u16)) -> Vec<u8> {
        let mut head = vec![0; LOG_HEAD];
        for (at, (lsn, client, flags)) in [(0, first), (PAGE, second)] {
            head[at..at + 4].copy_from_slice(b"RSTR");
            head[at + 0x18] = 0x30;
            head[at + 0x30..at + 0x38].copy_from_slice(&lsn.to_le_bytes());
            head[at + 0x3c..at + 0x3e].copy_from_slice(&client.to_le_bytes());
            head[at + 0x3e..at + 0x40].copy_from_slice(&flags.to_le_bytes());
        }
        head
    }

    #[test]
    fn the_newer_page_decides() {
        for (first, second, closed) in [
            ((1, 0, 0), (2, NOBODY, 0), true),
            ((1, NOBODY, 0), (2, 0, 0), false),
            ((3, 0, CLEAN), (2, 0, 0), true),
            ((3, 0, 0), (2, NOBODY, CLEAN), false),
        ] {
            assert_eq!(log_is_closed(&log(first, second)), closed, "{first:?} {second:?}");
        }
        assert!(log_is_closed(&[0xff; LOG_HEAD]) && log_is_closed(&[]));
    }

    #[test]
    fn flags_and_signatures() {
        let volume = |flags: u8| [0, 0, 0, 0, 0, 0, 0, 0, 3, 1, flags, 0];
        assert!(is_dirty(&volume(1)) && !is_dirty(&volume(0x80)) && !is_dirty(&[]));
        assert!(sleeps(b"HIBR....") && sleeps(b"hibr") && !sleeps(b"wake") && !sleeps(b""));
    }
}
