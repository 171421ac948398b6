//! FAT12, FAT16 and FAT32 with long names, read-only and without mounting.
//!
//! FAT has no owners, modes or inodes. Modes are those of a plain
//! `mount -t vfat` by root; the identity of a file is the byte on the disk at
//! which its directory entry starts, and no file has two names.

mod boot;
mod chain;
mod entry;

use std::sync::Arc;

use self::boot::Boot;
use self::chain::Table;
use self::entry::{Entry, Parser};
use crate::block::BlockRead;
use crate::bytes::{clip, wide};
use crate::cache::SlotCache;
use crate::fs::{DirEntry, FileExtent, FileKind, FileSystem, Metadata, NodeId, Timestamp, Xattr};
use crate::metadata;
use crate::runs::{Blocks, Run};
use crate::{Error, ErrorKind, Result};

/// The root directory, which has no entry.
const ROOT: NodeId = 0;
/// Largest directory, bytes: 65,536 entries of 32 bytes, by the specification.
const MAX_DIRECTORY: u64 = 65_536 * 32;
/// Chains kept: one per file that is being read.
const CHAINS: usize = 16;

/// A FAT file system.
pub struct Fat {
    metadata: metadata::Metadata,
    boot: Boot,
    chains: SlotCache<Arc<[Run]>>,
}

impl Fat {
    /// Opens the file system that fills `disk`, usually a partition.
    ///
    /// Fails with [`ErrorKind::NotThisFormat`] if there is none.
    pub fn open(disk: Arc<dyn BlockRead>) -> Result<Self> {
        let mut sector = vec![0; clip(disk.len(), boot::LEN)];
        disk.read_at(0, &mut sector)?;
        let boot = Boot::parse(&sector, disk.len())?;
        let metadata = metadata::Metadata::new(disk);
        let fs = Self { metadata, boot, chains: SlotCache::new(CHAINS) };
        fs.directory(ROOT)?;
        Ok(fs)
    }

    /// The entry at byte `node` of the disk, which a directory has named.
    fn entry(&self, node: NodeId) -> Result<Entry> {
        let inside = node >= self.boot.root_start && node < self.boot.end;
        if !inside || !node.is_multiple_of(entry::LEN) {
            return Err(Error::new(ErrorKind::Usage, place(node), "there is no entry"));
        }
        let mut raw = [0; 32];
        self.metadata.read(node, &mut raw)?;
        Ok(Entry::decode(&raw))
    }

    /// Runs of the clusters from `first` on, in clusters of the data area.
    fn chain(&self, first: u32, max_bytes: u64) -> Result<Arc<[Run]>> {
        let key = u64::from(first) | (max_bytes.div_ceil(self.boot.cluster_size) << 32);
        self.chains.get_or(key, || {
            let table = Table { metadata: &self.metadata, boot: &self.boot };
            table.runs(first, max_bytes.div_ceil(self.boot.cluster_size)).map(Arc::from)
        })
    }

    fn blocks(&self) -> Blocks<'_> {
        Blocks {
            disk: &**self.metadata.disk(),
            base: self.boot.data_start,
            size: self.boot.cluster_size,
        }
    }

    /// The parts of a directory on the disk: first byte and length.
    fn pieces(&self, node: NodeId) -> Result<Vec<(u64, u64)>> {
        let first = if node == ROOT {
            match self.boot.root_cluster {
                Some(cluster) => cluster,
                None => return Ok(vec![(self.boot.root_start, self.boot.root_len)]),
            }
        } else {
            let entry = self.entry(node)?;
            if entry.kind() != FileKind::Directory {
                return Err(Error::new(ErrorKind::Usage, place(node), "it is not a directory"));
            }
            entry.cluster(&self.boot)
        };
        if first == 0 {
            return Ok(Vec::new()); // as the kernel: empty, without even `.`
        }
        let size = self.boot.cluster_size;
        let runs = self.chain(first, MAX_DIRECTORY)?;
        let piece = |run: &Run| (self.boot.data_start + run.physical * size, run.len * size);
        Ok(runs.iter().map(piece).collect())
    }

    fn directory(&self, node: NodeId) -> Result<Parser> {
        let mut parser = Parser::default();
        for (start, len) in self.pieces(node)? {
            let mut bytes = vec![0; clip(len, usize::MAX)];
            self.metadata.read(start, &mut bytes)?;
            for (index, raw) in bytes.as_chunks::<32>().0.iter().enumerate() {
                if !parser.push(start + wide(index) * entry::LEN, raw)? {
                    return Ok(parser);
                }
            }
        }
        Ok(parser)
    }

    fn file(&self, node: NodeId) -> Result<Entry> {
        let entry = if node == ROOT { None } else { Some(self.entry(node)?) };
        entry
            .filter(|entry| entry.kind() == FileKind::Regular)
            .ok_or_else(|| Error::new(ErrorKind::Usage, place(node), "it is not a regular file"))
    }

    /// Clusters of a file, which must be enough for its size.
    fn content(&self, node: NodeId, entry: &Entry) -> Result<Arc<[Run]>> {
        let size = u64::from(entry.size);
        if size == 0 {
            return Ok(Arc::new([]));
        }
        let runs = self
            .chain(entry.cluster(&self.boot), size)
            .map_err(|error| error.within(place(node)))?;
        let stored = runs.iter().fold(0u64, |sum, run| sum + run.len * self.boot.cluster_size);
        if stored < size {
            let reason = format!("it has {size} bytes, but only {stored} are stored");
            return Err(Error::damaged(place(node), reason));
        }
        Ok(runs)
    }
}

fn place(node: NodeId) -> String {
    format!("FAT entry at byte {node}")
}

impl FileSystem for Fat {
    fn root(&self) -> NodeId {
        ROOT
    }

    fn metadata(&self, node: NodeId) -> Result<Metadata> {
        if node == ROOT {
            let time = Timestamp::default();
            let (mode, uid, gid, size, links) = (0o755, 0, 0, 0, 1);
            let kind = FileKind::Directory;
            return Ok(Metadata {
                kind,
                mode,
                uid,
                gid,
                size,
                links,
                atime: time,
                mtime: time,
                ctime: time,
            });
        }
        self.entry(node).map(|entry| entry.metadata())
    }

    fn read_dir(&self, node: NodeId) -> Result<Vec<DirEntry>> {
        let entries = self.directory(node)?.entries;
        crate::fs::refuse_duplicates(&place(node), entries)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        Err(Error::new(ErrorKind::Usage, place(node), "FAT has no symbolic links"))
    }

    fn xattrs(&self, _: NodeId) -> Result<Vec<Xattr>> {
        Ok(Vec::new())
    }

    fn extents(&self, node: NodeId) -> Result<Vec<FileExtent>> {
        let entry = self.file(node)?;
        self.content(node, &entry)?;
        let len = u64::from(entry.size);
        Ok(if len == 0 { Vec::new() } else { vec![FileExtent { offset: 0, len }] })
    }

    fn read_file_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let entry = self.file(node)?;
        let len = clip(u64::from(entry.size).saturating_sub(offset), buf.len());
        if len > 0 {
            let runs = self.content(node, &entry)?;
            let buf = buf.get_mut(..len).unwrap_or_default();
            self.blocks().read(&runs, offset, buf).map_err(|error| error.within(place(node)))?;
        }
        Ok(len)
    }

    fn label(&self) -> Vec<u8> {
        let entry = self.directory(ROOT).ok().and_then(|found| found.label);
        entry.unwrap_or_else(|| self.boot.label.clone())
    }

    fn uuid(&self) -> Option<String> {
        let [low, high] = [self.boot.serial & 0xffff, self.boot.serial >> 16];
        (self.boot.serial != 0).then(|| format!("{high:04X}-{low:04X}"))
    }

    fn kind_name(&self) -> &'static str {
        "vfat"
    }
}
