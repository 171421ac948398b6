//! A file of unknown origin into an [`Artifact`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::thread::JoinHandle;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::disk;
use super::fingerprint::Fingerprinter;
use super::index::{Index, Node, NodeKind};
use super::initrd::Initrd;
use super::interest;
use super::tarread::{Member, TarReader};
use crate::policy::Kind;
use crate::{Error, ErrorKind, Result};

/// What to find out, and when to stop.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Read all content for [`Node::fingerprint`].
    pub fingerprints: bool,
    /// Stops with [`ErrorKind::Cancelled`] soon after this says so.
    pub cancel: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// Where a whole disk is unpacked to; it takes as much as is in use on
    /// the disk. The system's temporary directory if `None`.
    pub temp: Option<&'a Path>,
}

/// A file that MAAS could be given.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// What it is by its content, not its name.
    pub kind: Kind,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// The root file system in it; of a disk without one that can be read,
    /// `/curtin` alone.
    pub index: Index,
    /// Where the root is on a whole disk (`partition 1 (ext4)`), or why none
    /// can be read. Archives are a root themselves.
    pub root: Result<String, String>,
    /// Bytes when unpacked: of the archive's files, or of the disk.
    pub unpacked: u64,
    /// Oddities that extraction would survive.
    pub warnings: Vec<String>,
}

/// Most entries of a root file system; ten times the largest distribution.
const MAX_ENTRIES: usize = 10_000_000;
/// Warnings beyond this are all the same.
const MAX_WARNINGS: usize = 20;

/// Reads the artifact at `path` once, from start to end.
///
/// # Errors
/// [`ErrorKind::NotThisFormat`] if it is no gzip file, [`ErrorKind::Damaged`]
/// if it is truncated or contradicts itself, and what the system says.
pub fn read(path: &Path, options: Options<'_>) -> Result<Artifact> {
    let place = path.display().to_string();
    let file = File::open(path).map_err(|error| Error::io(&place, error))?;
    read_stream(file, options).map_err(|error| error.within(place))
}

/// The same for any stream.
///
/// # Errors
/// As [`read`].
pub fn read_stream(input: impl Read, options: Options<'_>) -> Result<Artifact> {
    let meter = Meter { input, hash: Sha256::new(), bytes: 0, cancel: options.cancel };
    let mut input = BufReader::with_capacity(256 << 10, meter);
    let magic = input.fill_buf().map_err(|error| Error::from_io("artifact", error))?;
    check_magic(magic)?;
    let mut data = BufReader::with_capacity(256 << 10, MultiGzDecoder::new(input));
    let first = data.fill_buf().map_err(|error| Error::damaged("artifact", error.to_string()))?;
    let mut scan = Scan::new(options);
    let (kind, root, unpacked) = if is_tar(first) {
        scan.run(&mut data)?;
        (Kind::Tgz, Ok("archive".into()), scan.index.total_bytes())
    } else if is_disk(first) {
        let temp = options.temp.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let contents = disk::scan(&mut data, &temp, options.fingerprints)?;
        scan.index = contents.index;
        (Kind::Ddgz, contents.root, contents.size)
    } else {
        return Err(not_an_artifact(first));
    };
    let meter = data.into_inner().into_inner().into_inner();
    Ok(Artifact {
        kind,
        bytes: meter.bytes,
        sha256: meter.hash.finalize().into(),
        index: scan.index,
        root,
        unpacked,
        warnings: scan.warnings,
    })
}

/// What is in a tar archive, and its oddities.
pub(crate) fn scan_tar(input: impl BufRead) -> Result<(Index, Vec<String>)> {
    let options = Options::default();
    let mut scan = Scan::new(options);
    scan.run(input)?;
    Ok((scan.index, scan.warnings))
}

/// Counts and hashes what passes.
struct Meter<'a, R> {
    input: R,
    hash: Sha256,
    bytes: u64,
    cancel: Option<&'a (dyn Fn() -> bool + Sync)>,
}

impl<R: Read> Read for Meter<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_some_and(|asked| asked()) {
            let error = Error::new(ErrorKind::Cancelled, "reading", "interrupted");
            return Err(io::Error::other(error));
        }
        let len = self.input.read(buffer)?;
        self.hash.update(&buffer[..len]);
        self.bytes += u64::try_from(len).unwrap_or(0);
        Ok(len)
    }
}

/// First bytes of formats that are not gzip, and what to say about them.
const OTHER_FORMATS: &[(&[u8], &str, &str)] = &[
    (b"\xfd7zXZ\0", "an xz file", "xz -dc FILE | gzip > FILE.gz, or upload it as txz"),
    (b"BZh", "a bzip2 file", "bzip2 -dc FILE | gzip > FILE.gz, or upload it as tbz"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "curtin cannot read zstd; compress with gzip"),
    (b"QFI\xfb", "a qcow2 disk", "make an artifact of it with `cargo xtask pack`"),
    (b"PK", "a zip file", "MAAS takes gzipped tar archives or disks"),
    (b"<", "a web page or XML", "a download that failed may have saved the error page"),
];

fn check_magic(magic: &[u8]) -> Result<()> {
    if magic.starts_with(b"\x1f\x8b") {
        return Ok(());
    }
    let wrong = |what: &str| Error::new(ErrorKind::NotThisFormat, "artifact", what);
    if magic.is_empty() {
        return Err(
            wrong("the file is empty").hint("is it the right file? nothing was written to it")
        );
    }
    match OTHER_FORMATS.iter().find(|(start, ..)| magic.starts_with(start)) {
        Some((_, what, hint)) => Err(wrong(&format!("not gzip but {what}")).hint(hint)),
        None => Err(wrong("not a gzip file").hint("MAAS takes gzipped tar archives or disks")),
    }
}

fn is_tar(first: &[u8]) -> bool {
    first.get(257..262) == Some(b"ustar")
}

/// Boot code or a protective MBR ends in this signature, with or without GPT.
fn is_disk(first: &[u8]) -> bool {
    first.get(510..512) == Some(b"\x55\xaa")
}

fn not_an_artifact(first: &[u8]) -> Error {
    let (what, hint) = if first.is_empty() {
        ("there is nothing in it", "the disk or directory it was made of was empty")
    } else {
        ("gzip, but neither a tar archive nor a disk in it", "is it the right file?")
    };
    Error::new(ErrorKind::NotThisFormat, "artifact", what).hint(hint)
}

/// Members into an index.
struct Scan<'a> {
    index: Index,
    warnings: Vec<String>,
    options: Options<'a>,
    initrd: Option<Reading>,
}

/// An initrd whose names another thread lists: to unpack a large one takes as long
/// as compressing a hundred megabytes, which would wait for it.
struct Reading {
    path: Vec<u8>,
    names: JoinHandle<Option<Initrd>>,
}

impl<'a> Scan<'a> {
    fn new(options: Options<'a>) -> Self {
        Self { index: Index::default(), warnings: Vec::new(), options, initrd: None }
    }

    fn run(&mut self, input: impl BufRead) -> Result<()> {
        self.members(input)?;
        self.settle()
    }

    /// Keeps what the thread found.
    fn settle(&mut self) -> Result<()> {
        let Some(Reading { path, names }) = self.initrd.take() else { return Ok(()) };
        let panicked = |_| Error::damaged("initrd", "listing it panicked");
        if let Some(names) = names.join().map_err(panicked)? {
            self.index.insert_initrd(path, names);
        }
        Ok(())
    }

    /// Lists an initrd in passing; one at a time, because each is held in memory.
    fn list(&mut self, path: Vec<u8>, bytes: Vec<u8>) -> Result<()> {
        self.settle()?;
        let thread = std::thread::Builder::new().name("initrd".into());
        let names = thread
            .spawn(move || Initrd::read(&bytes))
            .map_err(|error| Error::from_io("initrd", error))?;
        self.initrd = Some(Reading { path, names });
        Ok(())
    }

    fn members(&mut self, input: impl BufRead) -> Result<()> {
        let mut tar = TarReader::new(input);
        while let Some(member) = tar.next()? {
            let Some(path) = self.path(&member) else { continue };
            self.member(&mut tar, member, path)?;
            if self.index.len() > MAX_ENTRIES {
                return Err(Error::damaged("archive", "more than ten million entries"));
            }
        }
        if tar.finish()? {
            self.warn("data after the end of the archive".into());
        }
        Ok(())
    }

    fn member<R: BufRead>(
        &mut self,
        tar: &mut TarReader<R>,
        member: Member,
        path: Vec<u8>,
    ) -> Result<()> {
        let regular = member.flag == b'0';
        let kind = self.kind(&member);
        let mut keep = regular.then(|| Index::wants(&path)).flatten().map(Kept::new);
        let mut print =
            (regular && self.options.fingerprints).then(|| Fingerprinter::new(member.size));
        if keep.is_some() || print.is_some() {
            tar.data(|offset, bytes| {
                keep.iter_mut().for_each(|keep| keep.add(offset, bytes));
                print.iter_mut().for_each(|print| print.update(offset, bytes));
            })?;
        }
        let node = Node {
            kind,
            mode: member.mode,
            uid: member.uid,
            gid: member.gid,
            size: if regular { member.size } else { 0 },
            mtime: member.mtime,
            xattrs: member.xattrs,
            fingerprint: print.map(Fingerprinter::finish),
        };
        let directory = node.kind == NodeKind::Directory;
        if self.initrd.as_ref().is_some_and(|reading| reading.path == path) {
            self.settle()?; // it is about to be replaced
        }
        if self.index.insert(path.clone(), node) && !directory {
            self.warn(format!("/{} is in it twice", String::from_utf8_lossy(&path)));
        }
        match keep.map(|keep| keep.finish(member.size)) {
            Some(bytes) if interest::is_initrd(&path) => self.list(path, bytes)?,
            Some(bytes) => self.index.insert_content(path, bytes),
            None => {}
        }
        Ok(())
    }

    fn kind(&mut self, member: &Member) -> NodeKind {
        match member.flag {
            b'0' => NodeKind::File,
            b'1' => NodeKind::HardLink(normal(&member.link).unwrap_or_default()),
            b'2' => NodeKind::Symlink(member.link.clone()),
            b'3' => NodeKind::CharDevice(member.device.0, member.device.1),
            b'4' => NodeKind::BlockDevice(member.device.0, member.device.1),
            b'5' => NodeKind::Directory,
            b'6' => NodeKind::Fifo,
            other => {
                let path = String::from_utf8_lossy(&member.path).into_owned();
                self.warn(format!("{path} is of unknown type {:?}", char::from(other)));
                NodeKind::Other
            }
        }
    }

    fn path(&mut self, member: &Member) -> Option<Vec<u8>> {
        let path = normal(&member.path);
        if path.is_none() {
            self.warn(format!("{} leaves the archive", String::from_utf8_lossy(&member.path)));
        }
        path
    }

    fn warn(&mut self, text: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(text);
        }
    }
}

/// `./a//b/` as `a/b`; `None` if it has a `..`.
fn normal(path: &[u8]) -> Option<Vec<u8>> {
    let names = path.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let names: Vec<&[u8]> = names.collect();
    (!names.contains(&&b".."[..])).then(|| names.join(&b'/'))
}

/// The beginning of a file.
struct Kept {
    bytes: Vec<u8>,
    limit: usize,
}

impl Kept {
    fn new(limit: u64) -> Self {
        Self { bytes: Vec::new(), limit: usize::try_from(limit).unwrap_or(usize::MAX) }
    }

    fn add(&mut self, offset: u64, bytes: &[u8]) {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = at.saturating_add(bytes.len()).min(self.limit);
        if at >= end {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(&bytes[..end - at]);
    }

    fn finish(mut self, size: u64) -> Vec<u8> {
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(self.limit);
        // Only holes are missing, and at most up to the limit.
        self.bytes.resize(size, 0);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{FileExtent, Timestamp};
    use crate::tar::{Body, Entry, TarWriter};

    /// synthetic: an initrd without any file, by cpio(5).
    fn initrd() -> Vec<u8> {
        let zeros = "00000000";
        format!("070701{}0000000b{zeros}TRAILER!!!\0\0\0\0", zeros.repeat(11)).into_bytes()
    }

    fn index(initrds: &[&[u8]]) -> Index {
        let mut tar = TarWriter::new(Vec::new());
        for bytes in initrds {
            let size = u64::try_from(bytes.len()).unwrap();
            let extents = [FileExtent { offset: 0, len: size }];
            let body = Body::File { size, extents: &extents };
            let (path, mtime) = (&b"boot/initrd.img-1"[..], Timestamp::default());
            let entry = Entry { path, body, mode: 0o644, uid: 0, gid: 0, mtime, xattrs: &[] };
            let read = |_, buffer: &mut [u8]| {
                buffer.copy_from_slice(bytes);
                Ok(())
            };
            tar.append(&entry, read).unwrap();
        }
        scan_tar(&tar.finish().unwrap()[..]).unwrap().0
    }

    #[test]
    fn the_last_initrd_of_a_name_counts() {
        let (listed, other) = (initrd(), b"no archive".to_vec());
        for (members, expected) in [
            (vec![&listed[..]], true),
            (vec![&listed, &other], false),
            (vec![&other, &listed], true),
            (vec![&listed, &listed], true),
        ] {
            let found = index(&members);
            assert_eq!(found.initrd("/boot/initrd.img-1").is_some(), expected, "{members:?}");
        }
    }
}
