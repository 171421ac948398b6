//! QEMU's copy-on-write images, versions 2 and 3.

mod compressed;
mod header;
mod table;

use std::path::Path;
use std::sync::Arc;

use self::header::{Backing, Compression, Header};
pub(super) use self::header::{MAGIC, has_subclusters_alone};
use self::table::{Cluster, Tables};
use super::{BlockRead, Extent, ExtentKind, Raw, check_range};
use crate::bytes::{clip, wide};
use crate::cache::SlotCache;
use crate::{Error, Result};

/// Memory for decompressed clusters, bytes.
const CACHE: u64 = 16 << 20;

/// A qcow2 image with what is below it.
///
/// Internal snapshots and bitmaps are ignored: the disk is its current state.
pub struct Qcow2 {
    place: String,
    file: Raw,
    size: u64,
    cluster_bits: u32,
    compression: Compression,
    tables: Tables,
    backing: Option<Arc<dyn BlockRead>>,
    decompressed: SlotCache<Arc<[u8]>>,
}

/// An image of which the backing file is not open yet.
pub(super) struct Opened {
    image: Qcow2,
    backing: Option<Backing>,
}

impl Opened {
    /// Name and format of the backing file, if there is one.
    pub fn backing(&self) -> Option<(&str, Option<&str>)> {
        let backing = self.backing.as_ref()?;
        Some((&backing.name, backing.format.as_deref()))
    }

    /// The whole disk; `below` is what [`Opened::backing`] asked for.
    pub fn on_top_of(self, below: Option<Arc<dyn BlockRead>>) -> Qcow2 {
        Qcow2 { backing: below, ..self.image }
    }
}

/// What a run of the disk, of one kind, is.
enum Run {
    /// Contiguous in the file, from this offset.
    Data(u64),
    /// A part of one compressed cluster.
    Compressed {
        offset: u64,
        len: usize,
    },
    Zero,
    Backing,
}

impl Qcow2 {
    /// Parses the header and the level 1 table of `file`; `path` is for messages.
    pub(super) fn open(file: Raw, path: &Path) -> Result<Opened> {
        let place = path.display().to_string();
        let within = |error: Error| error.within(&place);
        let mut raw = vec![0; clip(file.len(), header::READ)];
        file.read_at(0, &mut raw)?;
        let header = Header::parse(&raw).map_err(within)?;
        let tables = Tables::open(&file, &header).map_err(within)?;
        let slots = clip(CACHE >> header.cluster_bits, usize::MAX).max(4);
        let image = Self {
            place,
            file,
            size: header.size,
            cluster_bits: header.cluster_bits,
            compression: header.compression,
            tables,
            backing: None,
            decompressed: SlotCache::new(slots),
        };
        Ok(Opened { image, backing: header.backing })
    }

    fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// The run at `offset`, at most `limit` bytes of it.
    fn run(&self, offset: u64, limit: u64) -> Result<(Run, u64)> {
        let number = offset >> self.cluster_bits;
        let inside = offset & (self.cluster_size() - 1);
        let entries = 1_u64 << self.tables.l2_bits();
        let first = number & (entries - 1);
        let Some(table) = self.tables.l2(&self.file, number)? else {
            let len = (entries - first) * self.cluster_size() - inside;
            return Ok((Run::Backing, len.min(limit)));
        };
        let at = |step: u64| {
            let entry = usize::try_from(first + step).ok().and_then(|index| table.get(index));
            entry.map(|&entry| self.tables.decode(entry, number + step)).transpose()
        };
        let cluster = at(0)?.unwrap_or(Cluster::Unallocated);
        let mut count = 1;
        while count * self.cluster_size() - inside < limit
            && at(count)?.is_some_and(|next| self.continues(cluster, next, count))
        {
            count += 1;
        }
        let len = (count * self.cluster_size() - inside).min(limit);
        let run = match cluster {
            Cluster::Data(host) => Run::Data(host + inside),
            Cluster::Compressed { offset, len } => Run::Compressed { offset, len },
            Cluster::Zero => Run::Zero,
            Cluster::Unallocated => Run::Backing,
        };
        Ok((run, len))
    }

    /// Whether `next`, `count` clusters after `first`, belongs to the same run.
    fn continues(&self, first: Cluster, next: Cluster, count: u64) -> bool {
        match (first, next) {
            (Cluster::Data(start), Cluster::Data(here)) => {
                here == start.saturating_add(count * self.cluster_size())
            }
            (Cluster::Zero, Cluster::Zero) | (Cluster::Unallocated, Cluster::Unallocated) => true,
            _ => false,
        }
    }

    fn read_run(&self, run: &Run, offset: u64, buf: &mut [u8]) -> Result<()> {
        match *run {
            Run::Zero => buf.fill(0),
            Run::Backing => self.read_backing(offset, buf)?,
            Run::Data(host) => {
                let len = self.file.len();
                if host.checked_add(wide(buf.len())).is_none_or(|end| end > len) {
                    let place = format!("qcow2 cluster {}", offset >> self.cluster_bits);
                    return Err(table::beyond(place, host, len));
                }
                self.file.read_at(host, buf)?;
            }
            Run::Compressed { offset: host, len } => {
                let number = offset >> self.cluster_bits;
                let cluster = self
                    .decompressed
                    .get_or(number, || self.decompress(number, host, len).map(Into::into))?;
                let inside = clip(offset & (self.cluster_size() - 1), usize::MAX);
                let bytes = crate::bytes::slice(&cluster, inside, buf.len());
                if bytes.len() == buf.len() {
                    buf.copy_from_slice(bytes);
                }
            }
        }
        Ok(())
    }

    /// Zeros past the end of the backing file, which may be smaller.
    fn read_backing(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let below = self.backing.as_ref();
        let have = below.map_or(0, |below| below.len().saturating_sub(offset));
        let (stored, rest) = buf.split_at_mut(clip(have, buf.len()));
        rest.fill(0);
        match below {
            Some(below) if !stored.is_empty() => below.read_at(offset, stored),
            _ => Ok(()),
        }
    }

    fn decompress(&self, number: u64, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut input = vec![0; len];
        self.file.read_at(offset, &mut input)?;
        let size = clip(self.cluster_size(), usize::MAX);
        compressed::decompress(self.compression, &input, size).map_err(|reason| {
            let reason = format!("its compressed data is damaged: {reason}");
            Error::damaged(format!("qcow2 cluster {number}"), reason)
        })
    }
}

impl BlockRead for Qcow2 {
    fn len(&self) -> u64 {
        self.size
    }

    fn read_at(&self, mut offset: u64, mut buf: &mut [u8]) -> Result<()> {
        check_range(self.size, offset, buf.len(), &self.place)?;
        while !buf.is_empty() {
            let (run, len) =
                self.run(offset, wide(buf.len())).map_err(|error| error.within(&self.place))?;
            let (now, rest) = buf.split_at_mut(clip(len, buf.len()));
            self.read_run(&run, offset, now).map_err(|error| error.within(&self.place))?;
            offset += wide(now.len());
            buf = rest;
        }
        Ok(())
    }

    fn extent_at(&self, offset: u64) -> Result<Extent> {
        check_range(self.size, offset, 1, &self.place)?;
        let left = self.size - offset;
        let (run, len) = self.run(offset, left).map_err(|error| error.within(&self.place))?;
        let (zero, data) = (ExtentKind::Zero, ExtentKind::Data);
        match (&run, &self.backing) {
            (Run::Data(_) | Run::Compressed { .. }, _) => Ok(Extent { len, kind: data }),
            (Run::Backing, Some(below)) if offset < below.len() => {
                let extent = below.extent_at(offset)?;
                Ok(Extent { len: extent.len.min(len), ..extent })
            }
            (Run::Zero | Run::Backing, _) => Ok(Extent { len, kind: zero }),
        }
    }
}
