//! NTFS, read-only and without mounting, as far as an image needs it: names,
//! directories, plain content, and whether Linux would mount it for writing.
//!
//! Compressed and encrypted files have names and sizes but no content here.
//! There are no owners; modes are those of a plain `mount` by root. The
//! identity of a file is the number of its record.

mod boot;
mod index;
mod map;
mod record;
mod state;

use std::sync::Arc;

use self::boot::Boot;
use self::record::{Attribute, Record, kind};
use crate::block::BlockRead;
use crate::bytes::{clip, le16, le32, le64, slice, u8_at, wide};
use crate::cache::SlotCache;
use crate::fs::{DirEntry, FileExtent, FileKind, FileSystem, Metadata, NodeId, Timestamp, Xattr};
use crate::runs::{self, Blocks, Run};
use crate::{Error, ErrorKind, Result, metadata};

/// Fixed numbers of records.
const MFT: NodeId = 0;
const LOG_FILE: NodeId = 2;
const VOLUME: NodeId = 3;
const ROOT: NodeId = 5;
const FIRST_OF_USER: NodeId = 16;

/// Largest value that is read as a whole: directories and attribute lists.
const MAX_VALUE: u64 = 64 << 20;
/// Streams kept: one per file that is being read.
const STREAMS: usize = 16;
/// Seconds from 1601, where Windows counts from, to 1970.
const EPOCH: i64 = 11_644_473_600;
/// Name of the index of a directory, in UTF-16.
const I30: &[u8] = b"$\0I\x003\x000\0";

/// An NTFS file system.
pub struct Ntfs {
    metadata: metadata::Metadata,
    boot: Boot,
    mft: Stream,
    streams: SlotCache<Arc<Stream>>,
}

/// The value of an attribute.
#[derive(Debug, Clone)]
enum Stream {
    /// Stored in the record.
    Inside(Vec<u8>),
    /// Stored in clusters: length in bytes, written bytes, runs.
    Outside { len: u64, valid: u64, runs: Vec<Run> },
    /// Compressed or encrypted: length in bytes.
    Encoded { len: u64 },
}

impl Stream {
    fn len(&self) -> u64 {
        match self {
            Self::Inside(bytes) => wide(bytes.len()),
            Self::Outside { len, .. } | Self::Encoded { len } => *len,
        }
    }
}

impl Ntfs {
    /// Opens the file system that fills `disk`, usually a partition.
    ///
    /// Fails with [`ErrorKind::NotThisFormat`] if there is none.
    pub fn open(disk: Arc<dyn BlockRead>) -> Result<Self> {
        let mut sector = vec![0; clip(disk.len(), boot::LEN)];
        disk.read_at(0, &mut sector)?;
        let boot = Boot::parse(&sector, disk.len())?;
        let first = Run {
            logical: 0,
            physical: boot.mft,
            len: boot.record.div_ceil(boot.cluster),
            written: true,
        };
        let mft = Stream::Outside { len: boot.record, valid: boot.record, runs: vec![first] };
        let metadata = metadata::Metadata::new(disk);
        let mut fs = Self { metadata, boot, mft, streams: SlotCache::new(STREAMS) };
        // Of a table in pieces, the first describes the others.
        fs.mft = fs.own_stream(&fs.record(MFT)?, kind::DATA, &[])?;
        fs.mft = fs.stream(MFT, kind::DATA, &[])?;
        fs.read_dir(ROOT)?;
        Ok(fs)
    }

    /// Why Linux would refuse to mount it for writing, `None` if it would not.
    ///
    /// # Errors
    /// The volume's own files cannot be read.
    pub fn unclean(&self) -> Result<Option<&'static str>> {
        let volume = self.record(VOLUME)?;
        let information = self.own_stream(&volume, kind::VOLUME_INFORMATION, &[])?;
        if state::is_dirty(&self.read_all(&information)?) {
            return Ok(Some("Windows has marked it for a check"));
        }
        let log = self.stream(LOG_FILE, kind::DATA, &[])?;
        let mut head = vec![0; clip(log.len(), state::LOG_HEAD)];
        self.read_stream(&log, 0, &mut head)?;
        if !state::log_is_closed(&head) {
            return Ok(Some("it was not unmounted: its log is open"));
        }
        let Some(node) = crate::fs::lookup(self, "hiberfil.sys")? else { return Ok(None) };
        let mut head = [0; 4];
        let len = self.read_file_at(node, 0, &mut head)?;
        Ok(state::sleeps(slice(&head, 0, len)).then_some("Windows hibernates or has started fast"))
    }

    /// The file record of this number.
    fn record(&self, number: NodeId) -> Result<Record> {
        let start = number.checked_mul(self.boot.record);
        let end = start.and_then(|start| start.checked_add(self.boot.record));
        let (Some(start), Some(_)) = (start, end.filter(|end| *end <= self.mft.len())) else {
            return Err(Error::new(ErrorKind::Usage, place(number), "there is no such file"));
        };
        let mut raw = vec![0; clip(self.boot.record, usize::MAX)];
        self.read_stream(&self.mft, start, &mut raw)?;
        Record::parse(raw, self.boot.sector, place(number))
    }

    /// An attribute, which may be spread over several records.
    fn stream(&self, node: NodeId, kind: u32, name: &[u8]) -> Result<Stream> {
        let base = self.record(node)?;
        let list = base.attributes()?.into_iter().find(|it| it.kind == kind::LIST);
        let Some(list) = list else { return self.own_stream(&base, kind, name) };
        let list = self.of_parts(&[list], &base.place).and_then(|list| self.read_all(&list))?;
        let mut records: Vec<Record> = Vec::new();
        for part in listed(&list, kind, name, &base.place)? {
            records.push(self.record(part)?);
        }
        let mut parts = Vec::new();
        for record in &records {
            parts.extend(wanted(record, kind, name)?);
        }
        parts.sort_by_key(|part| if part.is_outside() { part.first() } else { 0 });
        self.of_parts(&parts, &base.place)
    }

    /// An attribute of this record alone.
    fn own_stream(&self, record: &Record, kind: u32, name: &[u8]) -> Result<Stream> {
        self.of_parts(&wanted(record, kind, name)?, &record.place)
    }

    fn of_parts(&self, parts: &[Attribute<'_>], place: &str) -> Result<Stream> {
        let Some(first) = parts.first() else {
            return Err(Error::damaged(place, "it has no such attribute"));
        };
        if !first.is_outside() {
            return Ok(Stream::Inside(first.value().to_vec()));
        }
        let (len, valid) = first.sizes();
        if first.is_encoded() {
            return Ok(Stream::Encoded { len });
        }
        let mut runs = Vec::new();
        for part in parts.iter().filter(|part| part.is_outside()) {
            map::append(&mut runs, part.pairs(), part.first(), &self.boot, place)?;
        }
        if !runs.is_sorted_by(|a, b| a.logical + a.len <= b.logical) {
            return Err(Error::damaged(place, "its runs overlap"));
        }
        Ok(Stream::Outside { len, valid, runs })
    }

    /// Fills `buf` from `offset` (bytes), which lies inside of the stream.
    fn read_stream(&self, stream: &Stream, offset: u64, buf: &mut [u8]) -> Result<()> {
        match stream {
            Stream::Inside(bytes) => {
                let from = slice(bytes, clip(offset, usize::MAX), buf.len());
                buf.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                Ok(())
            }
            Stream::Encoded { .. } => {
                Err(Error::unsupported("NTFS file", "it is compressed or encrypted"))
            }
            Stream::Outside { valid, runs, .. } => {
                let (now, rest) = buf.split_at_mut(clip(valid.saturating_sub(offset), buf.len()));
                rest.fill(0);
                let size = self.boot.cluster;
                Blocks { disk: &**self.metadata.disk(), base: 0, size }.read(runs, offset, now)
            }
        }
    }

    fn read_all(&self, stream: &Stream) -> Result<Vec<u8>> {
        if stream.len() > MAX_VALUE {
            return Err(Error::damaged("NTFS attribute", "it is larger than is plausible"));
        }
        // No larger than the clusters that hold it.
        if let Stream::Outside { runs, .. } = stream {
            let stored = runs.iter().fold(0_u64, |sum, run| sum.saturating_add(run.len));
            if stored.saturating_mul(self.boot.cluster) < stream.len() {
                return Err(Error::damaged("NTFS attribute", "less is stored than it has"));
            }
        }
        let mut bytes = vec![0; clip(stream.len(), usize::MAX)];
        self.read_stream(stream, 0, &mut bytes)?;
        Ok(bytes)
    }

    fn names(&self, node: NodeId) -> Result<index::Names> {
        let record = self.record(node)?;
        if !record.is_directory() {
            return Err(Error::new(ErrorKind::Usage, place(node), "it is not a directory"));
        }
        let root = self.stream(node, kind::INDEX_ROOT, I30)?;
        let root = self.read_all(&root)?;
        let mut names = index::Names::new();
        // 16 bytes about the index, then a node with a header of 16 bytes.
        index::entries(slice(&root, 16, root.len()), &mut names, &record.place)?;
        let has_blocks = u8_at(&root, 16 + 12) & 1 != 0;
        if has_blocks {
            self.blocks(node, le32(&root, 8), &mut names)?;
        }
        Ok(names)
    }

    /// Adds the entries of every block of a directory that is in use.
    fn blocks(&self, node: NodeId, size: u32, names: &mut index::Names) -> Result<()> {
        let place = place(node);
        let size = clip(u64::from(size), usize::MAX);
        if !size.is_power_of_two() || !(512..=64 << 10).contains(&size) {
            return Err(Error::damaged(place, format!("impossible size {size} of its blocks")));
        }
        let all = self.stream(node, kind::INDEX_ALLOCATION, I30)?;
        for block in self.read_all(&all)?.chunks_exact_mut(size) {
            // Freed blocks may hold anything; those in use start so.
            if block.starts_with(b"INDX") {
                record::restore(block, b"INDX", self.boot.sector, &place)?;
                index::entries(slice(block, 24, block.len()), names, &place)?;
            }
        }
        Ok(())
    }

    /// The content of a regular file.
    fn content(&self, node: NodeId) -> Result<Arc<Stream>> {
        self.streams.get_or(node, || {
            if self.record(node)?.is_directory() {
                let reason = "it is not a regular file";
                return Err(Error::new(ErrorKind::Usage, place(node), reason));
            }
            self.stream(node, kind::DATA, &[]).map(Arc::new)
        })
    }
}

fn place(node: NodeId) -> String {
    format!("NTFS file record {node}")
}

/// The attributes of this type and name in one record.
fn wanted<'a>(record: &'a Record, kind: u32, name: &[u8]) -> Result<Vec<Attribute<'a>>> {
    let all = record.attributes()?;
    Ok(all.into_iter().filter(|it| it.kind == kind && it.name() == name).collect())
}

/// Records that hold parts of the attribute, by an attribute list.
fn listed(list: &[u8], kind: u32, name: &[u8], place: &str) -> Result<Vec<NodeId>> {
    let mut found = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let len = usize::from(le16(rest, 4));
        let entry = rest.get(..len).filter(|entry| entry.len() >= 26);
        let entry = entry.ok_or_else(|| Error::damaged(place, "its attribute list is broken"))?;
        let its = slice(entry, usize::from(u8_at(entry, 7)), usize::from(u8_at(entry, 6)) * 2);
        let record = le64(entry, 16) & index::RECORD;
        if le32(entry, 0) == kind && its == name && !found.contains(&record) {
            found.push(record);
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    Ok(found)
}

/// Windows' count of 100 ns.
fn time(count: u64) -> Timestamp {
    let seconds = i64::try_from(count / 10_000_000).unwrap_or(i64::MAX);
    let nanoseconds = u32::try_from(count % 10_000_000 * 100).unwrap_or(0);
    Timestamp { seconds: seconds.saturating_sub(EPOCH), nanoseconds }
}

impl FileSystem for Ntfs {
    fn root(&self) -> NodeId {
        ROOT
    }

    fn metadata(&self, node: NodeId) -> Result<Metadata> {
        let record = self.record(node)?;
        let attributes = record.attributes()?;
        let standard = attributes.iter().find(|it| it.kind == kind::STANDARD && !it.is_outside());
        let times = standard.map(Attribute::value).unwrap_or_default();
        let kind = match record.is_directory() {
            // A junction or a link.
            _ if attributes.iter().any(|it| it.kind == kind::REPARSE) => FileKind::Symlink,
            true => FileKind::Directory,
            false => FileKind::Regular,
        };
        let size = if kind == FileKind::Regular { self.content(node)?.len() } else { 0 };
        Ok(Metadata {
            kind,
            mode: 0o755,
            uid: 0,
            gid: 0,
            size,
            links: u32::from(record.links()),
            atime: time(le64(times, 24)),
            mtime: time(le64(times, 8)),
            ctime: time(le64(times, 16)),
        })
    }

    fn read_dir(&self, node: NodeId) -> Result<Vec<DirEntry>> {
        // As a mount does, without the volume's own files.
        let entries = self.names(node)?.into_iter().filter(|(_, node)| *node >= FIRST_OF_USER);
        let mut entries: Vec<_> = entries.map(|(name, node)| DirEntry { name, node }).collect();
        entries.sort_by_key(|entry| entry.node);
        Ok(entries)
    }

    fn read_link(&self, node: NodeId) -> Result<Vec<u8>> {
        Err(Error::unsupported(place(node), "links of NTFS are not read"))
    }

    fn xattrs(&self, _: NodeId) -> Result<Vec<Xattr>> {
        Ok(Vec::new())
    }

    fn extents(&self, node: NodeId) -> Result<Vec<FileExtent>> {
        Ok(match &*self.content(node)? {
            Stream::Inside(bytes) if bytes.is_empty() => Vec::new(),
            Stream::Inside(bytes) => vec![FileExtent { offset: 0, len: wide(bytes.len()) }],
            Stream::Outside { len, valid, runs } => {
                runs::extents(runs, self.boot.cluster, *(len.min(valid)))
            }
            Stream::Encoded { .. } => {
                return Err(Error::unsupported(place(node), "it is compressed or encrypted"));
            }
        })
    }

    fn read_file_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let stream = self.content(node)?;
        let len = clip(stream.len().saturating_sub(offset), buf.len());
        let buf = buf.get_mut(..len).unwrap_or_default();
        self.read_stream(&stream, offset, buf).map_err(|error| error.within(place(node)))?;
        Ok(len)
    }

    fn label(&self) -> Vec<u8> {
        let name = self.record(VOLUME).and_then(|record| {
            let name = self.own_stream(&record, kind::VOLUME_NAME, &[])?;
            self.read_all(&name)
        });
        name.ok().and_then(|raw| index::text(&raw)).unwrap_or_default()
    }

    fn uuid(&self) -> Option<String> {
        Some(format!("{:016X}", self.boot.serial))
    }

    fn kind_name(&self) -> &'static str {
        "ntfs"
    }
}
