//! Mapping pairs: the runs of an attribute outside of its record.

use super::boot::Boot;
use crate::bytes::slice;
use crate::runs::Run;
use crate::{Error, Result};

/// More runs than any file of a fresh installation has.
const MAX_RUNS: usize = 1 << 20;

/// Appends the runs that `pairs` describe, from cluster `logical` of the file on.
pub(super) fn append(
    runs: &mut Vec<Run>,
    pairs: &[u8],
    mut logical: u64,
    boot: &Boot,
    place: &str,
) -> Result<()> {
    let bad = |reason: &str| Error::damaged(place, reason);
    let (mut at, mut physical) = (0, 0_i64);
    loop {
        let Some(&head) = pairs.get(at) else { return Err(bad("its runs have no end")) };
        if head == 0 {
            return Ok(());
        }
        let (lengths, offsets) = (usize::from(head & 0xf), usize::from(head >> 4));
        let length = number(slice(pairs, at + 1, lengths), lengths);
        let offset = number(slice(pairs, at + 1 + lengths, offsets), offsets);
        let (Some(length), Some(offset)) = (length, offset) else {
            return Err(bad("a run has an impossible length"));
        };
        at += 1 + lengths + offsets;
        let len = u64::try_from(length).ok().filter(|len| (1..=boot.clusters).contains(len));
        let len = len.ok_or_else(|| bad("a run has an impossible length"))?;
        if offsets > 0 {
            physical = physical.checked_add(offset).ok_or_else(|| bad("a run is nowhere"))?;
            let start = u64::try_from(physical).ok();
            let start = start.filter(|start| start.saturating_add(len) <= boot.clusters);
            let start = start.ok_or_else(|| bad("a run is outside of the volume"))?;
            if runs.len() >= MAX_RUNS {
                return Err(bad("it has more runs than is plausible"));
            }
            runs.push(Run { logical, physical: start, len, written: true });
        }
        logical = logical.checked_add(len).ok_or_else(|| bad("it is too large"))?;
    }
}

/// A signed little-endian number of `len` bytes; 0 if there are none.
fn number(bytes: &[u8], len: usize) -> Option<i64> {
    if bytes.len() != len || len > 8 {
        return None;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Some(i64::from_le_bytes(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: Boot =
        Boot { sector: 512, cluster: 4096, clusters: 1000, mft: 4, record: 1024, serial: 1 };

    /// Synthetic, by the description of mapping pairs in fs/ntfs3/run.c of Linux.
    #[test]
    fn runs_go_back_and_forth_and_have_holes() {
        let mut runs = Vec::new();
        let pairs = [0x11, 3, 100, 0x01, 5, 0x11, 2, 0xf6, 0x21, 1, 0x2c, 1, 0];
        append(&mut runs, &pairs, 10, &BOOT, "x").unwrap();
        let found: Vec<_> = runs.iter().map(|run| (run.logical, run.physical, run.len)).collect();
        assert_eq!(found, [(10, 100, 3), (18, 90, 2), (20, 390, 1)]);
    }

    #[test]
    fn impossible_runs_are_errors() {
        for pairs in [
            &[0x11, 3][..],
            &[0x11, 3, 100],
            &[0x11, 0, 100, 0],
            &[0x11, 0xff, 100, 0],
            &[0x11, 3, 0x80, 0],
            &[0x99, 1, 1, 0],
            &[0x21, 3, 0xe7, 3, 0],
        ] {
            assert!(append(&mut Vec::new(), pairs, 0, &BOOT, "x").is_err(), "{pairs:?}");
        }
    }
}
