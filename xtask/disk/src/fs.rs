//! What every file system reader offers: enough to archive a tree exactly.

use std::sync::Arc;

use crate::block::BlockRead;
use crate::bytes::clip;
use crate::ext4::Ext4;
use crate::fat::Fat;
use crate::ntfs::Ntfs;
use crate::xfs::Xfs;
use crate::{Error, ErrorKind, Result};

/// Number of an inode: the identity that hard links share.
pub type NodeId = u64;

/// Type of an inode, with what only that type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Regular file.
    Regular,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Character device.
    CharDevice {
        /// Driver number.
        major: u32,
        /// Unit number.
        minor: u32,
    },
    /// Block device.
    BlockDevice {
        /// Driver number.
        major: u32,
        /// Unit number.
        minor: u32,
    },
    /// Named pipe.
    Fifo,
    /// Unix-domain socket.
    Socket,
}

/// A point in time since the Unix epoch, in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds since 1970-01-01, rounded down; negative before it.
    pub seconds: i64,
    /// Nanoseconds to add, 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// What `lstat` would say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// Type, with device numbers.
    pub kind: FileKind,
    /// Permission, set-id and sticky bits (`07777`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes: content for files, length of the target for symlinks,
    /// whatever the file system stores for directories.
    pub size: u64,
    /// Number of names. Above 1, another entry may show the same [`NodeId`].
    /// Not to be trusted on directories (ext4 says 1 above 64,998 children).
    pub links: u32,
    /// Last read.
    pub atime: Timestamp,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Last change of the inode.
    pub ctime: Timestamp,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name as stored: 1 to 255 bytes, any but `/` and NUL, never `.` or `..`.
    pub name: Vec<u8>,
    /// The inode it names.
    pub node: NodeId,
}

/// A run of stored bytes of a file, see [`FileSystem::extents`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileExtent {
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Length in bytes, at least 1; clipped to the file's size.
    pub len: u64,
}

/// An extended attribute: full name (`security.capability`) and value.
pub type Xattr = (Vec<u8>, Vec<u8>);

/// Read-only access to one file system.
///
/// Methods take `&self` and may be called from several threads. A damaged file
/// system may name a directory twice, even below itself: whoever walks the
/// tree must refuse a directory inode that it has already entered.
pub trait FileSystem: Send + Sync {
    /// The root directory.
    fn root(&self) -> NodeId;

    /// What `lstat` would say about `node`.
    fn metadata(&self, node: NodeId) -> Result<Metadata>;

    /// The entries of a directory without `.` and `..`, in whatever order
    /// reads the inodes fastest. Callers that need an order sort by name.
    fn read_dir(&self, node: NodeId) -> Result<Vec<DirEntry>>;

    /// The target of a symbolic link, as stored.
    fn read_link(&self, node: NodeId) -> Result<Vec<u8>>;

    /// Extended attributes as the kernel's `getxattr` returns them to root:
    /// full names, ACLs in the version 2 form, nothing internal. Sorted by name.
    fn xattrs(&self, node: NodeId) -> Result<Vec<Xattr>>;

    /// The stored runs of a regular file, in file order, not touching each
    /// other. All else up to its size is zeros, unwritten extents included.
    fn extents(&self, node: NodeId) -> Result<Vec<FileExtent>>;

    /// Reads content of a regular file from `offset` (bytes); holes give
    /// zeros. Returns how much of `buf` was filled: all of it, or up to the
    /// end of the file.
    fn read_file_at(&self, node: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Volume label, empty if there is none.
    fn label(&self) -> Vec<u8>;

    /// Volume UUID as `blkid` and `/etc/fstab` write it, `None` if unset.
    fn uuid(&self) -> Option<String>;

    /// Name of the format as `/etc/fstab` writes it: `ext4`.
    fn kind_name(&self) -> &'static str;
}

/// The inode at `path`, names joined by `/`, below the root. Symbolic links are
/// not followed; `None` if there is nothing.
pub(crate) fn lookup(fs: &dyn FileSystem, path: &str) -> Result<Option<NodeId>> {
    let mut node = fs.root();
    for name in path.split('/') {
        if fs.metadata(node)?.kind != FileKind::Directory {
            return Ok(None);
        }
        let entries = fs.read_dir(node)?;
        match entries.iter().find(|entry| entry.name == name.as_bytes()) {
            Some(entry) => node = entry.node,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

/// Sorts by name and fails at `place` if a name occurs twice, which would let
/// an archive write through a symbolic link that it has just created.
pub(crate) fn refuse_duplicates(place: &str, mut found: Vec<DirEntry>) -> Result<Vec<DirEntry>> {
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let twice = found.windows(2).find_map(|pair| match pair {
        [a, b] if a.name == b.name => Some(String::from_utf8_lossy(&a.name)),
        _ => None,
    });
    if let Some(name) = twice {
        return Err(Error::damaged(place, format!("the directory has the name {name:?} twice")));
    }
    found.sort_by_key(|entry| entry.node);
    Ok(found)
}

/// What is on a disk or partition, by the magic numbers that `blkid` goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// ext2, ext3 or ext4: [`open`] reads it.
    Ext,
    /// FAT12, FAT16 or FAT32: [`open`] reads it.
    Fat,
    /// XFS: [`open`] reads version 5.
    Xfs,
    /// NTFS: [`open`] reads it, but no compressed files.
    Ntfs,
    /// Something known that is not read here, by its name in `/etc/fstab` or
    /// of `blkid` (`btrfs`, `swap`, `LVM2_member`).
    Foreign(&'static str),
    /// Nothing known.
    Unknown,
}

/// Magic numbers: name, offset in bytes, value. Those that occur inside of
/// others, such as the boot sector of FAT, come last.
const MAGIC: [(&str, usize, &[u8]); 14] = [
    ("crypto_LUKS", 0, b"LUKS\xba\xbe"),
    ("LVM2_member", 512, b"LABELONE"),
    ("xfs", 0, b"XFSB"),
    ("btrfs", 0x1_0040, b"_BHRfS_M"),
    ("f2fs", 1024, &[0x10, 0x20, 0xf5, 0xf2]),
    ("squashfs", 0, b"hsqs"),
    ("erofs", 1024, &[0xe2, 0xe1, 0xf5, 0xe0]),
    ("swap", 4086, b"SWAPSPACE2"),
    ("iso9660", 0x8001, b"CD001"),
    ("ntfs", 3, b"NTFS    "),
    ("exfat", 3, b"EXFAT   "),
    ("linux_raid_member", 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
    ("vfat", 0x52, b"FAT32   "),
    ("vfat", 0x36, b"FAT1"),
];

/// Says what is on `disk`.
pub fn probe(disk: &dyn BlockRead) -> Result<Content> {
    let mut head = vec![0; clip(disk.len(), 0x1_1000)];
    disk.read_at(0, &mut head)?;
    let has = |at: usize, magic: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let foreign = MAGIC.iter().find(|(_, at, magic)| has(*at, magic));
    Ok(match foreign {
        // mke2fs keeps the first 1024 bytes, so a boot sector may be left
        // there; it clears what is beyond.
        _ if has(0x438, &[0x53, 0xef]) => Content::Ext,
        Some(("vfat", ..)) => Content::Fat,
        Some(("xfs", ..)) => Content::Xfs,
        Some(("ntfs", ..)) => Content::Ntfs,
        Some((name, ..)) => Content::Foreign(name),
        None => Content::Unknown,
    })
}

/// Opens the file system on `disk`, usually a partition.
///
/// What is there but not read is named in the error, which is then of kind
/// [`ErrorKind::Unsupported`]; nothing known is [`ErrorKind::NotThisFormat`].
pub fn open(disk: Arc<dyn BlockRead>) -> Result<Box<dyn FileSystem>> {
    match probe(&*disk)? {
        Content::Ext => Ok(Box::new(Ext4::open(disk)?)),
        Content::Fat => Ok(Box::new(Fat::open(disk)?)),
        Content::Xfs => Ok(Box::new(Xfs::open(disk)?)),
        Content::Ntfs => Ok(Box::new(Ntfs::open(disk)?)),
        Content::Foreign(name) => {
            let reason =
                format!("`{name}` is not read, only ext2, ext3, ext4, XFS, FAT and NTFS are");
            Err(Error::unsupported("file system", reason))
        }
        Content::Unknown => {
            Err(Error::new(ErrorKind::NotThisFormat, "file system", "no known file system"))
        }
    }
}
