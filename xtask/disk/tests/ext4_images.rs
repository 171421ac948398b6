//! The ext4 reader on images made without mounting: refusals, damage, probing.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk_image::block::Raw;
use disk_image::ext4::Ext4;
use disk_image::fs::{Content, FileSystem, probe};
use disk_image::{Error, ErrorKind};
use support::image::{self, debugfs};
use support::manifest::of_reader;
use support::oddities::pattern;

/// A small tree: a file, a directory with a file, a symbolic link.
fn tree(dir: &Path) -> PathBuf {
    let tree = dir.join("tree");
    fs::create_dir_all(tree.join("dir")).unwrap();
    fs::write(tree.join("file"), pattern(1, 20_000)).unwrap();
    fs::write(tree.join("dir/inner"), "inner").unwrap();
    std::os::unix::fs::symlink("file", tree.join("link")).unwrap();
    tree
}

fn small(dir: &Path, options: &str) -> PathBuf {
    image::make_filled(dir, 8, options, Some(&tree(dir)))
}

fn open(image: &Path) -> Result<Ext4, Error> {
    Ext4::open(Arc::new(Raw::open(image)?))
}

/// Reads everything; the first error ends it.
fn walk(fs: &dyn FileSystem, node: u64) -> Result<(), Error> {
    use disk_image::fs::FileKind;
    fs.xattrs(node)?;
    match fs.metadata(node)?.kind {
        FileKind::Directory => fs.read_dir(node)?.iter().try_for_each(|it| walk(fs, it.node)),
        FileKind::Symlink => fs.read_link(node).map(drop),
        FileKind::Regular => {
            fs.extents(node)?;
            fs.read_file_at(node, 0, &mut [0; 30_000]).map(drop)
        }
        _ => Ok(()),
    }
}

fn failure(image: &Path) -> Error {
    let fs = match open(image) {
        Ok(fs) => fs,
        Err(error) => return error,
    };
    walk(&fs, fs.root()).expect_err("this image should not be readable")
}

#[test]
fn label_uuid_and_kind() {
    for (options, kind) in [("-t ext2", "ext2"), ("-t ext3", "ext3"), ("-t ext4", "ext4")] {
        let dir = image::scratch();
        let uuid = "01234567-89ab-cdef-0123-456789abcdef";
        let fs = open(&small(dir.path(), &format!("{options} -L cloudimg -U {uuid}"))).unwrap();
        assert_eq!((fs.kind_name(), fs.uuid().as_deref()), (kind, Some(uuid)));
        assert_eq!(fs.label(), b"cloudimg");
        let names: Vec<_> = of_reader(&fs).into_keys().collect();
        let expected: [&[u8]; 6] = [b"", b"dir", b"dir/inner", b"file", b"link", b"lost+found"];
        assert_eq!(names, expected);
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    // Inode flags as `lsattr` shows them: E, F, and the compression of e2compr.
    for (command, expected) in [
        ("set_inode_field dir flags 0x80800", "encrypted"),
        ("set_inode_field file flags 0x80800", "encrypted"),
        ("set_inode_field dir flags 0x40080000", "case-insensitive"),
        ("set_inode_field file flags 0x80004", "compressed"),
        ("set_super_value feature_incompat 0x12c2", "dirdata"),
        ("set_super_value feature_incompat 0x800002c2", "0x80000000"),
        ("set_super_value feature_incompat 0x2ca", "journal device"),
    ] {
        let dir = image::scratch();
        let image = small(dir.path(), "-t ext4 -b 1024");
        debugfs(&image, &[command]);
        let error = failure(&image);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{command}: {error}");
        assert!(error.to_string().contains(expected), "{command}: {error}");
    }
}

#[test]
fn contradictions_are_damage() {
    for (command, expected) in [
        ("set_inode_field file links_count 0", "deleted"),
        ("set_inode_field file mode 0", "no file type"),
        ("set_inode_field file block[0] 0", "valid root"),
        (
            "set_inode_field file block[0] 0x2f30a\nset_inode_field file block[7] 1\nset_inode_field file block[8] 200",
            "extents overlap",
        ),
        ("set_inode_field file block[5] 0x7fffffff", "outside"),
        ("set_inode_field file block[4] 0", "empty"),
        ("set_inode_field file size 0x8000000000000000", "impossible size"),
        ("set_inode_field file mtime_extra 0xffffffff", "nanoseconds"),
        ("set_inode_field file extra_isize 1000", "extra fields"),
        ("set_inode_field file file_acl 5", "attribute block"),
        ("set_inode_field dir size 4096", "missing"),
        ("set_inode_field dir size 0x7fffffff", "limit"),
        ("set_inode_field dir block[0] 0xf30a", "missing"),
        ("set_inode_field link size 0", "symbolic link of 0"),
        ("set_inode_field link size 59", "zero byte"),
        ("set_inode_field link size 100000", "symbolic link of"),
        ("set_inode_field file flags 0x10080000", "system.data"),
        ("link <11> /dir/inner2\nset_super_value inodes_count 12", "inodes 1 to 12"),
    ] {
        let dir = image::scratch();
        let image = small(dir.path(), "-t ext4 -b 1024");
        // debugfs keeps the checksums right, so it is the content that fails.
        debugfs(&image, &command.lines().collect::<Vec<_>>());
        let message = failure(&image).to_string();
        assert!(message.contains(expected), "{command}: {message}");
    }
}

/// Each kind of metadata with one byte changed: the checksum must notice.
#[test]
fn checksums_notice_a_changed_byte() {
    let dir = image::scratch();
    let image = small(dir.path(), "-t ext4 -b 1024 -I 256");
    let good = fs::read(&image).unwrap();
    let ask = |request: &str| {
        let path = image.to_str().unwrap();
        image::run("debugfs", &["-R", request, path])
    };
    // "located at block 42, offset 0x0300" and "42 43 44".
    let imap = ask("imap /file");
    let imap = imap.replace("at block", "at");
    let words: Vec<&str> = imap.split([' ', ',', '\n']).collect();
    let after = |word: &str| words[words.iter().position(|it| *it == word).unwrap() + 1];
    let block: usize = after("at").parse().unwrap();
    let offset = usize::from_str_radix(after("offset").trim_start_matches("0x"), 16).unwrap();
    let dir_block: usize = ask("blocks /dir").split_whitespace().next().unwrap().parse().unwrap();
    for (at, expected) in [
        (1024 + 0x78, "superblock: its checksum"),
        (2048 + 0x10, "group descriptor 0: its checksum"),
        (block * 1024 + offset + 0x10, "its checksum does not match"),
        (block * 1024 + offset + 0xf0, "its checksum does not match"),
        (dir_block * 1024 + 9, "checksum of directory block 0"),
    ] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&image, bad).unwrap();
        let message = failure(&image).to_string();
        assert!(message.contains(expected), "byte {at}: {message}");
    }
}

#[test]
fn a_truncated_image_says_so() {
    let dir = image::scratch();
    let image = small(dir.path(), "-t ext4 -b 1024");
    let file = fs::File::options().write(true).open(&image).unwrap();
    for (len, expected) in [((8 << 20) - 1, "truncated"), (2000, "magic"), (0, "magic")] {
        file.set_len(len).unwrap();
        let message = failure(&image).to_string();
        assert!(message.contains(expected), "{len}: {message}");
    }
}

#[test]
fn probing_names_what_is_there() {
    let dir = image::scratch();
    let path = dir.path().join("disk");
    let fresh = || fs::File::create(&path).unwrap().set_len(40 << 20).unwrap();
    for (expected, program, arguments) in [
        (Content::Fat, "mkfs.vfat", "-F 32"),
        (Content::Fat, "mkfs.vfat", "-F 16"),
        (Content::Fat, "mkfs.vfat", "-F 12"),
        (Content::Foreign("swap"), "mkswap", "-q"),
    ] {
        fresh();
        let mut args: Vec<&str> = arguments.split_whitespace().collect();
        args.push(path.to_str().unwrap());
        image::run(program, &args);
        assert_eq!(probe(&Raw::open(&path).unwrap()).unwrap(), expected);
    }
    let error = disk_image::fs::open(Arc::new(Raw::open(&path).unwrap())).err().unwrap();
    assert!(error.to_string().contains("swap"), "{error}");
    // What mke2fs leaves of an older boot sector does not count.
    fresh();
    image::run("mkfs.vfat", &["-F", "32", path.to_str().unwrap()]);
    image::run("mke2fs", &["-q", "-F", "-t", "ext4", path.to_str().unwrap()]);
    assert_eq!(probe(&Raw::open(&path).unwrap()).unwrap(), Content::Ext);
    assert_eq!(probe(&vec![0; 5000]).unwrap(), Content::Unknown);
}
