//! Transactions: operations of records put together to items.

use std::collections::HashMap;

use super::record::{Operation, flag};
use super::{LET_KERNEL, PLACE, damaged};
use crate::bytes::{le16, le32, wide};
use crate::{Error, Result};

/// Most memory for transactions that are not committed yet, bytes.
const MAX_BYTES: u64 = 96 << 20;
/// Most parts of one item: a format and a region per 128 bytes of 64 KiB, a
/// generous upper bound.
const MAX_REGIONS: u16 = 2048;
/// The first region of a transaction: "TRAN" and three numbers.
const HEADER_LEN: usize = 16;
const HEADER_MAGIC: u32 = 0x5452_414e;

/// What a transaction did to one thing.
#[derive(Debug, Default)]
pub(super) struct Item {
    /// How many regions it has when it is complete.
    count: usize,
    /// Its description first, then what it describes.
    pub regions: Vec<Vec<u8>>,
}

impl Item {
    /// Its type, the first number of each description.
    pub fn kind(&self) -> u16 {
        le16(self.region(0), 0)
    }

    /// A region, empty if there is none.
    pub fn region(&self, index: usize) -> &[u8] {
        self.regions.get(index).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A transaction, complete or not.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Number of the record in which it started.
    pub lsn: u64,
    header: Vec<u8>,
    pub items: Vec<Item>,
    bytes: u64,
}

impl Transaction {
    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        if self.header.len() < HEADER_LEN && self.items.is_empty() {
            return self.add_header(bytes);
        }
        let complete = |item: &Item| item.regions.len() >= item.count;
        if self.items.last().is_none_or(complete) {
            let count = le16(bytes, 2);
            if bytes.len() < 4 || count == 0 || count > MAX_REGIONS {
                return Err(damaged("an item of it has an impossible number of parts"));
            }
            self.items.push(Item { count: usize::from(count), regions: Vec::new() });
        }
        if let Some(item) = self.items.last_mut() {
            item.regions.push(bytes.to_vec());
        }
        Ok(())
    }

    /// The rest of the region that was cut by the end of a record.
    fn add_rest(&mut self, bytes: &[u8]) -> Result<()> {
        if self.items.is_empty() {
            return self.add_header(bytes);
        }
        let last = self.items.last_mut().and_then(|item| item.regions.last_mut());
        last.ok_or_else(|| damaged("a transaction continues what is not there"))?.extend(bytes);
        Ok(())
    }

    fn add_header(&mut self, bytes: &[u8]) -> Result<()> {
        self.header.extend(bytes);
        match self.header.len() {
            ..HEADER_LEN => Ok(()),
            HEADER_LEN if le32(&self.header, 0) == HEADER_MAGIC => Ok(()),
            _ => Err(damaged("a transaction of it has no valid header")),
        }
    }
}

/// Transactions that have started.
#[derive(Default)]
pub(super) struct Open {
    by_number: HashMap<u32, Transaction>,
    bytes: u64,
}

impl Open {
    /// Takes an operation of the record `lsn`; gives the transaction that it commits.
    pub fn take(&mut self, lsn: u64, operation: &Operation<'_>) -> Result<Option<Transaction>> {
        let Operation { transaction: number, flags, bytes } = *operation;
        if flags & flag::UNMOUNT != 0 {
            return Ok(None);
        }
        let Some(transaction) = self.by_number.get_mut(&number) else {
            // Those that started before are on the disk.
            if flags & flag::START != 0 {
                self.by_number.insert(number, Transaction { lsn, ..Transaction::default() });
            }
            return Ok(None);
        };
        if flags & flag::COMMIT != 0 {
            let done = self.by_number.remove(&number);
            self.bytes -= done.as_ref().map_or(0, |it| it.bytes);
            return Ok(done);
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        transaction.bytes += wide(bytes.len());
        self.bytes += wide(bytes.len());
        if self.bytes > MAX_BYTES {
            let reason = format!("more than {MAX_BYTES} bytes of transactions");
            return Err(Error::unsupported(PLACE, reason).hint(LET_KERNEL));
        }
        match flags & !(flag::END | flag::CONTINUES) {
            0 => transaction.add(bytes)?,
            flag::CONTINUED => transaction.add_rest(bytes)?,
            _ => return Err(damaged(format!("an operation of it has the flags {flags:#x}"))),
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(operations: &[(u8, &[u8])]) -> Result<Option<Transaction>> {
        let mut open = Open::default();
        let mut last = None;
        for &(flags, bytes) in operations {
            last = open.take(7, &Operation { transaction: 1, flags, bytes })?;
        }
        Ok(last)
    }

    const TRAN: &[u8] = b"NART\0\0\0\0\0\0\0\0\0\0\0\0";

    #[test]
    fn regions_cut_by_the_end_of_a_record_are_joined() {
        let item: &[u8] = &[0x3c, 0x12, 2, 0, 9];
        let operations: [(u8, &[u8]); 8] = [
            (1, b""),
            (4, &TRAN[..5]),
            (8 | 16, &TRAN[5..]),
            (0, item),
            (4, b"ab"),
            (8 | 4, b"cd"),
            (8 | 16, b"e"),
            (2, b""),
        ];
        let done = feed(&operations).unwrap().unwrap();
        assert_eq!((done.lsn, done.items.len()), (7, 1));
        assert_eq!(done.items[0].kind(), 0x123c);
        assert_eq!(done.items[0].regions, [item, b"abcde"]);
    }

    #[test]
    fn what_makes_no_sense_is_damage() {
        for operations in [
            &[(1, &b""[..]), (0, b"0123456789abcdef")][..],
            &[(1, b""), (0, TRAN), (0, &[0x3c, 0x12, 0, 0])],
            &[(1, b""), (0, TRAN), (0, &[1])],
            &[(1, b""), (0, TRAN), (1, b"x")],
            &[(1, b""), (0, TRAN), (8, b"more")],
        ] {
            assert!(feed(operations).is_err(), "{operations:?}");
        }
        // The start is not in the log any more.
        assert!(feed(&[(0, TRAN), (2, b"")]).unwrap().is_none());
    }
}
