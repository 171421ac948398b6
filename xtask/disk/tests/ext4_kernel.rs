//! The ext4 reader against the kernel: same image, same tree, field by field.
//!
//! The reference asks the kernel through a loop mount for what GNU `tar` asks
//! it (lstat, read, readlink, getxattr, SEEK_DATA) and for more (inode
//! numbers, all times). Needs root; see `support::mount` for why it never skips.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use disk_image::block::Raw;
use disk_image::ext4::Ext4;
use disk_image::fs::FileKind;
use support::manifest::{assert_same, of_kernel, of_reader};
use support::mount::Mount;
use support::oddities::{Capacity, fill};
use support::{gnu_tar, image, manifest};

// mke2fs would choose 1 KiB blocks for images this small: the block size is
// always given.
const MODERN: Capacity = Capacity {
    block: 4096,
    fallocate: true,
    large_xattrs: false,
    xfs: false,
    entries: 2000,
    sparse: 200 << 20,
};
const SMALL_BLOCKS: Capacity = Capacity { block: 1024, ..MODERN };

fn read(image: &Path) -> manifest::Manifest {
    let disk = Arc::new(Raw::open(image).unwrap());
    of_reader(&Ext4::open(disk).unwrap())
}

/// Fills a fresh file system through the kernel, then compares.
fn round(options: &str, capacity: Capacity) {
    let dir = image::scratch();
    let path = image::make(dir.path(), 160, options);
    fill(Mount::new(&path, 0, "rw").path(), capacity);
    let kernel = of_kernel(Mount::new(&path, 0, "ro").path());
    let count = assert_same(options, &kernel, &read(&path));
    println!("{options}: {count} entries");
}

#[test]
fn kernel_agrees_on_default_features() {
    round("-t ext4 -b 4096", Capacity { entries: 20_000, sparse: 3 << 30, ..MODERN });
}

/// Without this, the comparison could not tell unwritten extents from written ones.
#[test]
fn kernel_agrees_although_unwritten_extents_hold_deleted_data() {
    let dir = image::scratch();
    let path = image::make(dir.path(), 160, "-t ext4 -b 4096");
    fill(Mount::new(&path, 0, "rw").path(), MODERN);
    let command = ["-R", "blocks /unwritten/all"].map(OsStr::new);
    let blocks = image::run("debugfs", &[command[0], command[1], path.as_os_str()]);
    let disk = fs::read(&path).unwrap();
    let deleted = blocks.split_whitespace().filter(|block| {
        let at = block.parse::<usize>().unwrap() * 4096;
        disk[at..at + 4096] == *b"secret! ".repeat(512)
    });
    let deleted = deleted.count();
    assert!(deleted > 1000, "only {deleted} blocks hold what was deleted");
    let kernel = of_kernel(Mount::new(&path, 0, "ro").path());
    assert_same("unwritten", &kernel, &read(&path));
}

#[test]
fn kernel_agrees_on_ext3() {
    round("-t ext3 -b 4096", Capacity { fallocate: false, ..MODERN });
}

#[test]
fn kernel_agrees_on_ext3_with_small_blocks() {
    // 3 GiB reaches the triple indirect blocks, which start at 64 MiB here.
    round("-t ext3 -b 1024", Capacity { fallocate: false, sparse: 3 << 30, ..SMALL_BLOCKS });
}

#[test]
fn kernel_agrees_on_ext2() {
    round("-t ext2 -b 2048 -I 128", Capacity { fallocate: false, block: 2048, ..MODERN });
}

#[test]
fn kernel_agrees_on_small_blocks() {
    round("-t ext4 -b 1024", Capacity { entries: 20_000, ..SMALL_BLOCKS });
}

#[test]
fn kernel_agrees_on_inline_data() {
    round("-t ext4 -b 4096 -O inline_data -I 256", MODERN);
    round("-t ext4 -O inline_data,^metadata_csum -I 1024 -b 1024", SMALL_BLOCKS);
}

#[test]
fn kernel_agrees_on_attribute_inodes() {
    let capacity = Capacity { large_xattrs: true, ..MODERN };
    let features = "ea_inode,inline_data,orphan_file,metadata_csum_seed,large_dir";
    round(&format!("-t ext4 -b 4096 -O {features}"), capacity);
}

#[test]
fn kernel_agrees_without_64bit_and_checksums() {
    round("-t ext4 -b 4096 -O ^64bit,^metadata_csum,uninit_bg,^flex_bg", MODERN);
    round(
        "-t ext4 -b 4096 -O ^64bit,^metadata_csum,^uninit_bg,^dir_index,^filetype -I 128",
        MODERN,
    );
}

#[test]
fn kernel_agrees_on_bigalloc_and_meta_bg() {
    round("-t ext4 -b 4096 -O bigalloc -C 65536", MODERN);
    round("-t ext4 -O meta_bg,^resize_inode -b 1024", SMALL_BLOCKS);
    round("-t ext4 -O bigalloc,meta_bg,^resize_inode -b 1024 -C 16384", SMALL_BLOCKS);
}

/// A file system that grew while mounted, beyond the room reserved for group
/// descriptors, has the first of them in the old place and the rest in the
/// meta_bg layout. Synthetic: growing needs more privileges than mounting.
#[test]
fn kernel_agrees_on_descriptors_in_both_layouts() {
    let dir = image::scratch();
    let features = "meta_bg,^flex_bg,^resize_inode,^metadata_csum";
    let path = image::make(dir.path(), 160, &format!("-t ext4 -b 1024 -O {features}"));
    let mount = Mount::new(&path, 0, "rw");
    fill(mount.path(), SMALL_BLOCKS);
    // Top directories spread over all groups, also those of the second block.
    (0..60).for_each(|index| fs::create_dir(mount.path().join(format!("{index}"))).unwrap());
    drop(mount);
    // The first descriptor block is at the same place in both. Not by debugfs,
    // which would write backups where this file system has something else.
    let image = fs::File::options().write(true).open(&path).unwrap();
    image.write_all_at(&[1], 1024 + 0x104).unwrap();
    // The kernel expects backups there, too, and would refuse to read those blocks.
    let kernel = of_kernel(Mount::new(&path, 0, "ro,noblock_validity").path());
    assert_same("both layouts", &kernel, &read(&path));
}

/// The same once more with the archiver that the packer replaces.
#[test]
fn gnu_tar_over_a_kernel_mount_agrees() {
    let dir = image::scratch();
    let path = image::make(dir.path(), 160, "-t ext4 -b 4096");
    fill(Mount::new(&path, 0, "rw").path(), Capacity { sparse: 3 << 30, ..MODERN });
    let archive = dir.path().join("tar");
    let mount = Mount::new(&path, 0, "ro");
    let options = "--format=posix --xattrs --xattrs-include=* --numeric-owner --sparse -cf";
    let mut args: Vec<&OsStr> = options.split(' ').map(OsStr::new).collect();
    args.extend([archive.as_os_str(), "-C".as_ref(), mount.path().as_os_str(), ".".as_ref()]);
    image::run("tar", &args);
    let archive = gnu_tar::parse(&fs::read(archive).unwrap());
    let reader = read(&path);
    let sockets = reader.values().filter(|entry| entry.kind == FileKind::Socket).count();
    assert_eq!(archive.len() + sockets, reader.len(), "tar leaves out sockets and nothing else");
    for (path, expected) in &archive {
        let shown = String::from_utf8_lossy(path);
        let found = &reader[path];
        let mut seen = gnu_tar::Entry {
            kind: Some(found.kind),
            mode: found.mode,
            owner: found.owner,
            mtime: found.mtime,
            xattrs: found.xattrs.clone(),
            content: found.content.clone(),
        };
        if expected.kind.is_none() {
            assert_eq!(reader[&expected.content].node, found.node, "{shown}: hard link");
            seen = gnu_tar::Entry { kind: None, content: expected.content.clone(), ..seen };
            // tar repeats no attributes for further names.
            seen.xattrs.retain(|_| !expected.xattrs.is_empty());
        }
        assert_eq!(seen, *expected, "{shown}");
    }
    println!("{} entries", archive.len());
}
