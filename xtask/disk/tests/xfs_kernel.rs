//! The XFS reader against the kernel: same image, same tree, field by field.
//!
//! Needs root; see `support::mount` for why it never skips. What is only in the
//! log is compared in `xfs_log.rs`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use disk_image::ErrorKind;
use disk_image::block::Raw;
use disk_image::fs::FileSystem;
use disk_image::xfs::Xfs;
use rustix::fs::{XattrFlags, lsetxattr};
use support::churn::populate;
use support::image;
use support::manifest::{Manifest, assert_same, of_kernel, of_reader};
use support::mount::Mount;
use support::oddities::{Capacity, fill, pattern};

const MODERN: Capacity = Capacity {
    block: 4096,
    fallocate: true,
    large_xattrs: true,
    xfs: true,
    entries: 2000,
    sparse: 3 << 30,
};
const SMALL_BLOCKS: Capacity = Capacity { block: 1024, ..MODERN };

fn open(path: &Path) -> disk_image::Result<Xfs> {
    Xfs::open(Arc::new(Raw::open(path).unwrap()))
}

/// The kernel lists access control lists under their internal name as well.
fn kernel(path: &Path, options: &str) -> Manifest {
    let mut manifest = of_kernel(Mount::of("xfs", path, 0, options).path());
    for entry in manifest.values_mut() {
        entry.xattrs.retain(|(name, _)| !name.starts_with(b"trusted.SGI_ACL_"));
    }
    manifest
}

/// Attributes beyond what fits an inode, a leaf and a node of leaves, their
/// blocks apart from each other; names that hash alike.
fn many_attributes(root: &Path) {
    let dir = root.join("attributes");
    fs::create_dir(&dir).unwrap();
    let set = |path: &Path, name: &str, value: &[u8]| {
        lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
    };
    for (count, len) in [(1, 5), (5, 60), (40, 60), (400, 100), (900, 200)] {
        let file = dir.join(format!("{count}-of-{len}"));
        fs::write(&file, "x").unwrap();
        for index in 0..count {
            set(&file, &format!("user.attribute-{index}"), &pattern(index, len));
            fs::write(dir.join(format!("between-{count}-{index}")), pattern(index, 900)).unwrap();
            if index % 7 == 3 {
                set(&file, &format!("trusted.value-{index}"), &pattern(index, 3000 + 37 * index));
            }
        }
        for index in (0..count).step_by(5).filter(|_| count > 20) {
            rustix::fs::lremovexattr(&file, format!("user.attribute-{index}")).unwrap();
        }
    }
    let emptied = dir.join("emptied");
    fs::write(&emptied, "x").unwrap();
    (0..60).for_each(|n| set(&emptied, &format!("user.{n}"), &pattern(n, 150)));
    (0..60).for_each(|n| rustix::fs::lremovexattr(&emptied, format!("user.{n}")).unwrap());
}

/// Links with targets in blocks and attributes at the same time.
fn links_and_clones(root: &Path, reflink: bool) {
    let dir = root.join("more-links");
    fs::create_dir(&dir).unwrap();
    for len in [300, 336, 337, 900, 968, 969, 1023] {
        let path = dir.join(format!("link-{len}"));
        std::os::unix::fs::symlink("s".repeat(len), &path).unwrap();
        let value = pattern(1, 200);
        lsetxattr(&path, "trusted.value", &value, XattrFlags::empty()).unwrap();
    }
    let file = dir.join("original");
    fs::write(&file, pattern(5, 700_000)).unwrap();
    if reflink {
        let clone = dir.join("clone");
        image::run("cp", &["--reflink=always".as_ref(), file.as_os_str(), clone.as_os_str()]);
        let clone = File::options().write(true).open(clone).unwrap();
        clone.write_all_at(b"changed", 300_000).unwrap();
    }
}

fn round(options: &str, capacity: Capacity) {
    let dir = image::scratch();
    let path = image::make_xfs(dir.path(), 400, options);
    let mount = Mount::of("xfs", &path, 0, "rw");
    fill(mount.path(), capacity);
    many_attributes(mount.path());
    links_and_clones(mount.path(), !options.contains("reflink=0"));
    drop(mount);
    compare(options, &path);
}

fn compare(what: &str, path: &Path) {
    let kernel = kernel(path, "ro");
    let fs = open(path).unwrap_or_else(|error| panic!("{what}: {error}"));
    let count = assert_same(what, &kernel, &of_reader(&fs));
    println!("{what}: {count} entries");
}

#[test]
fn kernel_agrees_on_default_features() {
    round("", Capacity { entries: 20_000, ..MODERN });
}

#[test]
fn kernel_agrees_on_small_blocks() {
    // Trees of extents in directories, attributes and files.
    round("-b size=1024", Capacity { entries: 20_000, ..SMALL_BLOCKS });
    round("-b size=1024 -n size=8192 -d agcount=7", Capacity { entries: 9_000, ..SMALL_BLOCKS });
}

#[test]
fn kernel_agrees_on_large_blocks() {
    round("-n size=65536 -i size=2048", MODERN);
    round("-b size=16384", MODERN);
}

#[test]
fn kernel_agrees_on_old_features() {
    round("-m bigtime=0,reflink=0,finobt=0,rmapbt=0,inobtcount=0 -i sparse=0", MODERN);
}

#[test]
fn kernel_agrees_on_new_features() {
    round("-m rmapbt=1,bigtime=1 -i nrext64=1,size=1024 -s size=4096", MODERN);
}

#[test]
fn kernel_agrees_after_a_new_uuid() {
    let dir = image::scratch();
    let path = image::make_xfs(dir.path(), 400, "-L twelve-bytes");
    fs::write(Mount::of("xfs", &path, 0, "rw").path().join("file"), "x").unwrap();
    let uuid = "11111111-2222-4333-8444-555555555555";
    image::run("xfs_admin", &["-U".as_ref(), uuid.as_ref(), path.as_os_str()]);
    compare("new UUID", &path);
    let fs = open(&path).unwrap();
    assert_eq!((fs.uuid().as_deref(), fs.kind_name()), (Some(uuid), "xfs"));
    assert_eq!(fs.label(), b"twelve-bytes");
}

/// Without this, the comparison could not tell unwritten extents from written ones.
#[test]
fn deleted_data_below_unwritten_extents_stays_deleted() {
    let dir = image::scratch();
    let path = image::make_xfs(dir.path(), 400, "");
    let secret = b"secret! ".repeat(512);
    let mount = Mount::of("xfs", &path, 0, "rw");
    // All but a little of the disk, so that what follows must reuse it.
    let file = mount.path().join("secret");
    let out = File::create(&file).unwrap();
    let mut at = 0;
    while out.write_all_at(&secret.repeat(64), at).is_ok() {
        at += 64 * 4096;
    }
    out.sync_all().unwrap();
    drop(out);
    fs::remove_file(&file).unwrap();
    // A deleted file's blocks come free in the background; unmounting waits for that. Without
    // it, a busy machine had no block for the next file's inode (ENOSPC).
    drop(mount);
    let mount = Mount::of("xfs", &path, 0, "rw");
    let reused = File::create(mount.path().join("reused")).unwrap();
    let flags = rustix::fs::FallocateFlags::empty();
    rustix::fs::fallocate(&reused, flags, 0, at / 2).unwrap();
    drop((reused, mount));
    compare("unwritten", &path);
    let disk = fs::read(&path).unwrap();
    let stale = disk.chunks_exact(4096).filter(|block| *block == secret).count();
    assert!(stale > 10_000, "only {stale} blocks hold what was deleted");
}

/// The end of the log moves with every mount; it also wraps around.
#[test]
fn a_clean_log_is_known_wherever_it_ends() {
    let dir = image::scratch();
    let path = image::make_xfs(dir.path(), 400, "-l size=10m");
    open(&path).unwrap_or_else(|error| panic!("fresh: {error}"));
    for round in 0..30 {
        let mount = Mount::of("xfs", &path, 0, "rw");
        for index in 0..300 {
            let name = mount.path().join(format!("{round}-{index}"));
            fs::write(&name, pattern(index, 10)).unwrap();
            if index % 3 == 0 {
                fs::remove_file(name).unwrap();
            }
        }
        drop(mount);
        open(&path).unwrap_or_else(|error| panic!("after round {round}: {error}"));
    }
    compare("30 mounts", &path);
}

#[test]
fn what_cannot_be_read_is_named() {
    for (options, expected) in [("-m crc=0", "version 4"), ("-n version=ci", "case-insensitive")] {
        let dir = image::scratch();
        let path = image::make_xfs(dir.path(), 400, options);
        let error = open(&path).err().expect(options);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(300 << 20).unwrap();
        assert!(open(&path).is_err());
    }
}

/// Rounds of the default run; `ROUNDS` asks for more, `SEED` for other ones.
const ROUNDS: u64 = 4;
const OPERATIONS: u64 = 1500;
const OPTIONS: [&str; 4] = [
    "",
    "-b size=1024",
    "-m bigtime=0,reflink=0 -i size=512 -n size=8192",
    "-m rmapbt=1 -i nrext64=1 -d agcount=5 -b size=2048",
];

#[test]
fn kernel_agrees_on_random_trees() {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let (first, rounds) = (number("SEED", 1), number("ROUNDS", ROUNDS));
    for seed in first..first + rounds {
        let options = OPTIONS[seed as usize % OPTIONS.len()];
        let dir = image::scratch();
        let path = image::make_xfs(dir.path(), 320, options);
        populate(Mount::of("xfs", &path, 0, "rw").path(), seed, OPERATIONS);
        compare(&format!("SEED={seed} {options}"), &path);
    }
}
