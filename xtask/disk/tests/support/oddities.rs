//! Fills a mounted file system with everything that Linux can put there.
//!
//! Written with system calls alone, so that no `attr`, `acl` or `libcap`
//! package is needed and the same run gives the same tree.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FileType, Mode, Timespec, Timestamps, XattrFlags, lsetxattr,
    makedev, mknodat, utimensat,
};

/// What the file system under test can hold.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Bytes per block.
    pub block: u64,
    /// Whether it has unwritten extents (not ext2 and ext3).
    pub fallocate: bool,
    /// Whether values of 64 KiB fit (ea_inode).
    pub large_xattrs: bool,
    /// Whether it is XFS: links to 1023 bytes, 9 and 18 bits of device numbers.
    pub xfs: bool,
    /// Entries of the large directory.
    pub entries: u32,
    /// Size of the sparse file, bytes.
    pub sparse: u64,
}

/// Fills the tree below `root`.
pub fn fill(root: &Path, capacity: Capacity) {
    stale_data(root, capacity);
    names(&root.join("names"));
    kinds(&root.join("kinds"), capacity);
    sizes(&root.join("sizes"), capacity);
    links(&root.join("links"), capacity);
    owners_and_times(&root.join("owners"));
    xattrs(&root.join("xattrs"), capacity);
    directories(&root.join("directories"), capacity);
}

fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = path.as_ref();
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    path.to_owned()
}

/// Bytes that differ from one place and one file to the next.
pub fn pattern(seed: u64, len: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // xorshift64*, Marsaglia and Vigna.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(len as usize).collect()
}

/// Preallocates over the blocks of a deleted file: a reader that takes an
/// unwritten extent for a written one shows what was deleted.
fn stale_data(root: &Path, capacity: Capacity) {
    const LEN: u64 = 12 << 20;
    if !capacity.fallocate {
        return;
    }
    let secret = write(root.join("secret"), "secret! ".repeat(LEN as usize / 8));
    File::open(&secret).unwrap().sync_all().unwrap();
    fs::remove_file(&secret).unwrap();
    rustix::fs::syncfs(File::open(root).unwrap()).unwrap();
    let dir = root.join("unwritten");
    fs::create_dir(&dir).unwrap();
    for (name, size, keep) in [("all", LEN / 2, false), ("beyond", LEN / 4, true)] {
        let file = File::create(dir.join(name)).unwrap();
        let flags = if keep { FallocateFlags::KEEP_SIZE } else { FallocateFlags::empty() };
        rustix::fs::fallocate(&file, flags, 0, size).unwrap();
        if !keep {
            // Written islands, the last one short of a block.
            file.write_all_at(&pattern(1, 4096), 64 << 10).unwrap();
            file.write_all_at(b"tail", size - 4).unwrap();
        }
    }
}

fn names(dir: &Path) {
    fs::create_dir(dir).unwrap();
    let long = [b'n'; 255];
    let names: [&[u8]; 11] = [
        b"a",
        b"with space",
        b"new\nline",
        b"tab\tand\\backslash",
        b"-dash",
        b"\xff\xfe not UTF-8 \x80",
        "gr\u{fc}\u{df}e \u{1f600}".as_bytes(),
        b"'quote\"",
        b"...",
        b"\x01\x7f",
        &long,
    ];
    for name in names {
        write(dir.join(OsStr::from_bytes(name)), name);
    }
    // A path beyond the 100 and 256 bytes of old archive formats.
    let mut deep = dir.to_owned();
    for _ in 0..8 {
        deep.push("d".repeat(60));
    }
    fs::create_dir_all(&deep).unwrap();
    write(deep.join("bottom"), "bottom");
}

fn kinds(dir: &Path, capacity: Capacity) {
    fs::create_dir(dir).unwrap();
    let node = |name: &str, kind, device: (u32, u32)| {
        let mode = Mode::from_raw_mode(0o640);
        let device = makedev(device.0, device.1);
        mknodat(CWD, dir.join(name), kind, mode, device).unwrap();
    };
    node("fifo", FileType::Fifo, (0, 0));
    node("socket", FileType::Socket, (0, 0));
    let devices =
        [(0, 0), (1, 3), (8, 1), (255, 255), (256, 0), (0, 256), (4095, 1_048_575), (259, 70_000)];
    let fits = |device: &(u32, u32)| !capacity.xfs || (device.0 < 1 << 9 && device.1 < 1 << 18);
    for (major, minor) in devices.into_iter().filter(fits) {
        node(&format!("char-{major}-{minor}"), FileType::CharacterDevice, (major, minor));
        node(&format!("block-{major}-{minor}"), FileType::BlockDevice, (major, minor));
    }
    for mode in [0o0, 0o777, 0o4755, 0o2755, 0o1777, 0o7777] {
        let file = write(dir.join(format!("mode-{mode:o}")), "");
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn sizes(dir: &Path, capacity: Capacity) {
    fs::create_dir(dir).unwrap();
    let block = capacity.block;
    let around = [0, 1, 59, 60, 61, 100, 150, 155, 156, 200, block - 1, block, block + 1];
    for size in around.into_iter().chain([12 * block, 13 * block + 7, 2_000_000]) {
        write(dir.join(format!("size-{size}")), pattern(size, size));
    }
    // Small files that grew by truncation: inline data shorter than the size.
    for size in [70, 5000] {
        write(dir.join(format!("grown-{size}")), "short");
        let file = File::options().write(true).open(dir.join(format!("grown-{size}"))).unwrap();
        file.set_len(size).unwrap();
    }
    // Islands at both ends and on each level of block pointers.
    let sparse = File::create(dir.join("sparse")).unwrap();
    sparse.set_len(capacity.sparse).unwrap();
    let at = [block * 3, block * 14, block * (block / 4 + 20), 70 << 20, capacity.sparse - 100];
    for (index, offset) in at.into_iter().enumerate() {
        sparse.write_all_at(&pattern(index as u64, 100), offset).unwrap();
    }
    File::create(dir.join("only-hole")).unwrap().set_len(1 << 20).unwrap();
    let comb = File::create(dir.join("comb")).unwrap();
    for tooth in 0..1500 {
        comb.write_all_at(&pattern(tooth, block), tooth * 2 * block).unwrap();
    }
}

fn links(dir: &Path, capacity: Capacity) {
    fs::create_dir_all(dir.join("other")).unwrap();
    let file = write(dir.join("first"), "shared");
    fs::hard_link(&file, dir.join("second")).unwrap();
    fs::hard_link(&file, dir.join("other/third")).unwrap();
    let most = if capacity.xfs { 1024 } else { 4096 };
    let longest = usize::try_from(capacity.block).unwrap().min(most) - 1;
    for len in [1, 58, 59, 60, 61, 150, 500, longest] {
        symlink("t".repeat(len), dir.join(format!("to-{len}"))).unwrap();
    }
    symlink(OsStr::from_bytes(b"\xff\n/../x"), dir.join("to-bytes")).unwrap();
    fs::hard_link(dir.join("to-61"), dir.join("other/to-61-again")).unwrap();
    mknodat(CWD, dir.join("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    fs::hard_link(dir.join("fifo"), dir.join("fifo-again")).unwrap();
}

fn owners_and_times(dir: &Path) {
    fs::create_dir(dir).unwrap();
    for id in [1, 65_534, 65_535, 65_536, 1_000_000_000, u32::MAX - 1] {
        let file = write(dir.join(format!("uid-{id}")), "");
        lchown(file, Some(id), Some(id - 1)).unwrap();
    }
    symlink("x", dir.join("owned-link")).unwrap();
    lchown(dir.join("owned-link"), Some(70_000), Some(80_000)).unwrap();
    for (seconds, nanoseconds) in [
        (0, 0),
        (0, 1),
        (-1, 999_999_999),
        (-2_147_483_648, 0),
        (2_147_483_647, 999_999_999),
        (2_147_483_648, 1),
        (4_294_967_295, 5),
        (4_294_967_296, 5),
        (15_032_385_535, 999_999_999),
        (1_700_000_000, 123_456_789),
    ] {
        let file = write(dir.join(format!("time-{seconds}-{nanoseconds}")), "");
        set_time(&file, seconds, nanoseconds);
    }
    set_time(&dir.join("owned-link"), -5, 7);
}

fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn xattrs(dir: &Path, capacity: Capacity) {
    fs::create_dir(dir).unwrap();
    let set = |path: &Path, name: &str, value: &[u8]| {
        lsetxattr(path, name, value, XattrFlags::empty())
            .unwrap_or_else(|error| panic!("{path:?} {name} ({} bytes): {error}", value.len()));
    };
    let file = write(dir.join("kinds"), "x");
    set(&file, "user.empty", b"");
    set(&file, "user.binary", b"\0\xff\n\0");
    set(&file, "trusted.overlay.opaque", b"y");
    set(&file, "security.selinux", b"system_u:object_r:etc_t:s0\0");
    set(&file, "security.ima", &[4; 32]);
    // vfs_cap_data, revision 2, effective, cap_net_raw (linux/capability.h).
    let capability = [0x0200_0001_u32, 1 << 13, 0, 0, 0].map(u32::to_le_bytes).concat();
    set(&write(dir.join("ping"), "x"), "security.capability", &capability);
    let owner = u32::MAX;
    let acl = |entries: &[(u16, u16, u32)]| {
        let mut value = 2_u32.to_le_bytes().to_vec();
        for &(tag, perm, id) in entries {
            value.extend(tag.to_le_bytes().into_iter().chain(perm.to_le_bytes()));
            value.extend(id.to_le_bytes());
        }
        value
    };
    let shared = [(1, 6, owner), (2, 7, 1000), (2, 4, 70_000), (4, 4, owner), (8, 5, 4000)];
    let shared = acl(&[&shared[..], &[(0x10, 7, owner), (0x20, 4, owner)]].concat());
    set(&write(dir.join("acl"), "x"), "system.posix_acl_access", &shared);
    let sub = dir.join("default-acl");
    fs::create_dir(&sub).unwrap();
    set(&sub, "system.posix_acl_default", &shared);
    write(sub.join("heir"), "x");
    let link = dir.join("link");
    symlink("x", &link).unwrap();
    set(&link, "security.selinux", b"system_u:object_r:link_t:s0\0");
    set(&link, "trusted.link", &pattern(9, 300));
    let largest = if capacity.large_xattrs { 65_536 } else { capacity.block - 100 };
    for size in [50, 100, 500, capacity.block / 2, largest] {
        let file = write(dir.join(format!("value-{size}")), pattern(size, 80));
        set(&file, "user.value", &pattern(size, size));
    }
    let many = write(dir.join("many"), "small file with many attributes");
    for index in 0..capacity.block / 64 {
        set(&many, &format!("user.n{index}"), &pattern(index, index % 20));
    }
}

fn directories(dir: &Path, capacity: Capacity) {
    fs::create_dir(dir).unwrap();
    for count in [0, 1, 3, 8, 20, 60, 300] {
        let sub = dir.join(format!("with-{count}"));
        fs::create_dir(&sub).unwrap();
        for index in 0..count {
            write(sub.join(format!("file {index}")), format!("{index}"));
        }
    }
    let large = dir.join("large");
    fs::create_dir(&large).unwrap();
    let target = write(large.join("target"), "one inode, many names");
    for index in 0..capacity.entries {
        let name = large.join(format!("{index:05}-{}", "x".repeat(index as usize % 60)));
        // Mostly hard links: names are under test here, not inodes. ext4
        // allows 65,000 links, ext2 and ext3 32,000.
        if index % 50 == 0 {
            write(&name, format!("{index}"));
        } else {
            fs::hard_link(&target, &name).unwrap();
        }
    }
    for index in (0..capacity.entries).step_by(3) {
        let name = large.join(format!("{index:05}-{}", "x".repeat(index as usize % 60)));
        fs::remove_file(name).unwrap();
    }
}
