//! What every file system reader offers: enough to archive a tree exactly.

use crate::Result;

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
