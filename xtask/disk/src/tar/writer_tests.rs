//! Round trips through GNU tar with the exact flags of curtin.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;

/// Offset, bytes; the rest of the file is a hole.
type Runs = Vec<(u64, Vec<u8>)>;

#[derive(Clone)]
enum Kind {
    File(u64, Runs),
    Dir,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
}

#[derive(Clone)]
struct Item {
    path: Vec<u8>,
    kind: Kind,
    mode: u16,
    owner: (u32, u32),
    mtime: (i64, u32),
    xattrs: Vec<Xattr>,
}

fn item(path: &[u8], kind: Kind) -> Item {
    let mtime = (1_700_000_000, 0);
    Item { path: path.to_vec(), kind, mode: 0o644, owner: (0, 0), mtime, xattrs: Vec::new() }
}

fn file(path: &[u8], bytes: &[u8]) -> Item {
    let size = u64::try_from(bytes.len()).unwrap();
    item(path, Kind::File(size, vec![(0, bytes.to_vec())]))
}

fn dir(path: &[u8]) -> Item {
    Item { mode: 0o755, ..item(path, Kind::Dir) }
}

fn archive(items: &[Item]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for item in items {
        append(&mut tar, item);
    }
    tar.finish().unwrap()
}

fn append(tar: &mut TarWriter<Vec<u8>>, item: &Item) {
    let mut extents = Vec::new();
    let mut runs = &Vec::new();
    if let Kind::File(_, given) = &item.kind {
        runs = given;
        let extent = |(offset, bytes): &(u64, Vec<u8>)| FileExtent {
            offset: *offset,
            len: u64::try_from(bytes.len()).unwrap(),
        };
        extents = runs.iter().map(extent).filter(|extent| extent.len > 0).collect();
    }
    let body = match &item.kind {
        Kind::File(size, _) => Body::File { size: *size, extents: &extents },
        Kind::Dir => Body::Directory,
        Kind::Symlink(target) => Body::Symlink(target),
        Kind::HardLink(first) => Body::HardLink(first),
        Kind::Char(major, minor) => Body::CharDevice { major: *major, minor: *minor },
        Kind::Block(major, minor) => Body::BlockDevice { major: *major, minor: *minor },
        Kind::Fifo => Body::Fifo,
    };
    let entry = Entry {
        path: &item.path,
        body,
        mode: item.mode,
        uid: item.owner.0,
        gid: item.owner.1,
        mtime: Timestamp { seconds: item.mtime.0, nanoseconds: item.mtime.1 },
        xattrs: &item.xattrs,
    };
    tar.append(&entry, |offset, buf| {
        let run = runs.iter().find(|(start, bytes)| {
            (*start..*start + u64::try_from(bytes.len()).unwrap()).contains(&offset)
        });
        let (start, bytes) = run.unwrap_or_else(|| panic!("asked for a hole at {offset}"));
        let from = usize::try_from(offset - start).unwrap();
        buf.copy_from_slice(&bytes[from..from + buf.len()]);
        Ok(())
    })
    .unwrap();
}

/// Extracts as curtin does (`curtin/commands/extract.py`), plus `more` flags.
#[expect(clippy::disallowed_methods, reason = "GNU tar is the reference reader")]
fn extract(archive: &[u8], more: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut tar = Command::new("tar")
        .arg("-C")
        .arg(dir.path())
        .args(["--xattrs", "--xattrs-include=*", "-Sxpf", "-", "--numeric-owner"])
        .args(more)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(archive).unwrap();
    let output = tar.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dir
}

fn below(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path))
}

fn xattrs_of(path: &Path) -> Vec<Xattr> {
    let mut names = vec![0; 64 << 10];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let mut list: Vec<Xattr> = names
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (name.to_vec(), value[..len].to_vec())
        })
        .collect();
    list.sort();
    list
}

fn compare(root: &Path, item: &Item) {
    let path = below(root, &item.path);
    let shown = path.display();
    let meta = std::fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{shown}: {e}"));
    if let Kind::HardLink(first) = &item.kind {
        let first = std::fs::symlink_metadata(below(root, first)).unwrap();
        assert_eq!((meta.dev(), meta.ino()), (first.dev(), first.ino()), "{shown}");
        return;
    }
    if !matches!(item.kind, Kind::Symlink(_)) {
        assert_eq!(meta.permissions().mode() & 0o7777, u32::from(item.mode), "{shown}");
    }
    assert_eq!((meta.uid(), meta.gid()), item.owner, "{shown}");
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (item.mtime.0, item.mtime.1.into()), "{shown}");
    assert_eq!(xattrs_of(&path), item.xattrs, "{shown}");
    compare_kind(&path, &meta, &item.kind);
}

fn compare_kind(path: &Path, meta: &std::fs::Metadata, kind: &Kind) {
    let kind_of_file = meta.file_type();
    let device = || (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
    match kind {
        Kind::File(size, runs) => compare_content(path, meta, *size, runs),
        Kind::Dir => assert!(kind_of_file.is_dir()),
        Kind::Symlink(target) => {
            assert_eq!(std::fs::read_link(path).unwrap().as_os_str().as_bytes(), target);
        }
        Kind::Char(major, minor) => {
            assert!(kind_of_file.is_char_device());
            assert_eq!(device(), (*major, *minor));
        }
        Kind::Block(major, minor) => {
            assert!(kind_of_file.is_block_device());
            assert_eq!(device(), (*major, *minor));
        }
        Kind::Fifo => assert!(kind_of_file.is_fifo()),
        Kind::HardLink(_) => {}
    }
}

fn compare_content(path: &Path, meta: &std::fs::Metadata, size: u64, runs: &Runs) {
    use std::os::unix::fs::FileExt;
    let shown = path.display();
    assert_eq!(meta.len(), size, "{shown}");
    let file = std::fs::File::open(path).unwrap();
    for (offset, bytes) in runs {
        let mut read = vec![0; bytes.len()];
        file.read_exact_at(&mut read, *offset).unwrap();
        assert!(&read == bytes, "{shown}: content at {offset}");
    }
    let stored: usize = runs.iter().map(|(_, bytes)| bytes.len()).sum();
    if size > 1 << 20 {
        // Room for a block before and after each run: the holes stayed holes.
        let most = u64::try_from(stored + 8192 * (runs.len() + 1)).unwrap();
        assert!(meta.blocks() * 512 <= most, "{shown}: {} blocks", meta.blocks());
    }
}

/// Every oddity at once. Owners and devices need root; without it they are
/// left out and the rest is still compared.
fn oddities() -> Vec<Item> {
    let long = [&[b'a'; 90][..], b"/", &[b'b'; 200]].concat();
    let noise: Vec<u8> = (0..3_000_000u32).map(|n| ((n * 31) >> 7).to_le_bytes()[0]).collect();
    let acl = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xd2\x04\0\0\
        \x04\0\x04\0\xff\xff\xff\xff\x10\0\x06\0\xff\xff\xff\xff \0\x04\0\xff\xff\xff\xff";
    let user = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let mut items = vec![
        dir(b""),
        dir(&[b'a'; 90]),
        file(&long, b"long name"),
        item(
            b"sparse",
            Kind::File(3 << 30, vec![(4096, vec![1; 4096]), (1 << 30, vec![2; 70_000])]),
        ),
        item(b"hole", Kind::File(5 << 20, vec![])),
        item(b"big", Kind::File(3_000_000, vec![(0, noise)])),
        file(b"empty", b""),
        file(b"\xff\xfe not utf-8 \n newline", b"x"),
        file("caf\u{e9} \u{1f600}".as_bytes(), b"x"),
        file(b" -leading and trailing ", b"x"),
        Item { mode: 0o4755, ..file(b"setuid", b"x") },
        Item { mode: 0o1777, ..dir(b"sticky") },
        Item { mtime: (-5, 250_000_000), ..file(b"before 1970", b"x") },
        Item { mtime: (5_000_000_000, 123_456_789), ..file(b"after 2106", b"x") },
        item(b"link", Kind::Symlink(b"../no such\xff".to_vec())),
        item(b"long link", Kind::Symlink(vec![b'l'; 2000])),
        item(b"fifo", Kind::Fifo),
        item(b"second name", Kind::HardLink(b"setuid".to_vec())),
        item(b"second long name", Kind::HardLink(long)),
        Item {
            xattrs: vec![user(b"system.posix_acl_access", acl)],
            mode: 0o664,
            ..file(b"acl", b"x")
        },
        Item {
            xattrs: vec![user(b"user.a=b%c", b"\0\n=\xff"), user(b"user.empty", b"")],
            ..file(b"xattrs", b"x")
        },
    ];
    if is_root() {
        items.extend([
            Item { owner: (3_000_000, 4_294_967_294), ..file(b"big ids", b"x") },
            item(b"null", Kind::Char(1, 3)),
            item(b"disk", Kind::Block(259, 1_000_000)),
            Item {
                xattrs: vec![
                    user(b"security.capability", capability),
                    user(b"trusted.overlay.opaque", b"y"),
                ],
                ..file(b"capable", b"x")
            },
        ]);
        return items;
    }
    eprintln!("not root: owners, devices and privileged attributes are not compared");
    let me = std::fs::metadata("/proc/self").unwrap();
    items.iter_mut().for_each(|item| item.owner = (me.uid(), me.gid()));
    items
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn curtin_gets_back_what_went_in() {
    let items = oddities();
    let bytes = archive(&items);
    assert!(bytes.len() < 5_000_000, "holes were stored: {} bytes", bytes.len());
    for flags in [&[][..], &["--acls"]] {
        let dir = extract(&bytes, flags);
        // `xattrs_of` sees the ACL in both cases.
        items.iter().for_each(|item| compare(dir.path(), item));
    }
}

#[test]
fn nothing_of_the_build_host_is_in_the_bytes() {
    let items = oddities();
    assert!(archive(&items) == archive(&items));
    let bytes = archive(&[file(b"f", b"x")]);
    assert_eq!(bytes.len(), 20 * 512, "one header, one block, padded to a record");
    assert!(bytes[265..329].iter().all(|&byte| byte == 0), "user and group names");
}

#[test]
fn sizes_above_the_octal_limit_are_pax_records() {
    let entry = Entry {
        path: b"huge",
        body: Body::File { size: 1 << 40, extents: &[FileExtent { offset: 0, len: 1 << 40 }] },
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: Timestamp::default(),
        xattrs: &[],
    };
    let (_, records) = encode(&entry, None);
    assert_eq!(records.bytes(), b"22 size=1099511627776\n");
}
