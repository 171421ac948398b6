//! XFS as it is after a crash: what is only in the log. The reference is the
//! kernel, which replays it when it mounts.
//!
//! Needs root; see `support::mount` for why it never skips.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk_image::ErrorKind;
use disk_image::block::Raw;
use disk_image::xfs::Xfs;
use rustix::fs::{XattrFlags, lsetxattr};
use support::churn::populate;
use support::image;
use support::manifest::{Manifest, assert_same, of_kernel, of_reader};
use support::mount::Mount;
use support::oddities::{Capacity, fill, pattern};

const CAPACITY: Capacity = Capacity {
    block: 4096,
    fallocate: true,
    large_xattrs: true,
    xfs: true,
    entries: 3000,
    sparse: 1 << 30,
};

fn open(path: &Path) -> disk_image::Result<Xfs> {
    Xfs::open(Arc::new(Raw::open(path).unwrap()))
}

/// The kernel's view after its own replay, which writes to the image.
fn kernel(path: &Path) -> Manifest {
    drop(Mount::of("xfs", path, 0, "rw"));
    let mut manifest = of_kernel(Mount::of("xfs", path, 0, "ro").path());
    for entry in manifest.values_mut() {
        entry.xattrs.retain(|(name, _)| !name.starts_with(b"trusted.SGI_ACL_"));
    }
    manifest
}

/// Compares with the kernel; gives how many sectors the log had.
fn compare(what: &str, dirty: &Path) -> usize {
    let fs = open(dirty).unwrap_or_else(|error| panic!("{what}: {error}"));
    let reader = of_reader(&fs);
    let sectors = fs.replayed_sectors();
    drop(fs);
    let count = assert_same(what, &kernel(dirty), &reader);
    println!("{what}: {count} entries, {sectors} sectors replayed");
    sectors
}

/// Writes content and the log, not the metadata that the log has.
fn sync(mount: &Mount) {
    rustix::fs::syncfs(File::open(mount.path()).unwrap()).unwrap();
}

/// Ends as if the power had failed: `-f` writes the log before.
fn shut_down(mount: Mount, flush: bool) {
    let command = if flush { "shutdown -f" } else { "shutdown" };
    let point = mount.path().to_str().unwrap().to_owned();
    image::run("xfs_io", &["-x", "-c", command, &point]);
    drop(mount);
}

/// A copy made while the file system is mounted, after a sync.
fn cut_off(dir: &Path, options: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let path = image::make_xfs(dir, 320, options);
    let mount = Mount::of("xfs", &path, 0, "rw");
    change(mount.path());
    sync(&mount);
    let copy = image::copy(&path, "cut-off.img");
    drop(mount);
    copy
}

/// Each form of directory and attributes, in the log only.
fn all_forms(root: &Path) {
    for (name, count) in [("short", 3), ("block", 40), ("leaf", 600), ("node", 9000)] {
        let dir = root.join(name);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("file"), name).unwrap();
        for index in 0..count {
            fs::hard_link(dir.join("file"), dir.join(format!("a-longer-name-{index}"))).unwrap();
        }
        for index in (0..count).step_by(3) {
            fs::remove_file(dir.join(format!("a-longer-name-{index}"))).unwrap();
        }
    }
    for (count, len) in [(1, 5), (5, 60), (40, 60), (400, 100), (3, 20_000)] {
        let file = root.join(format!("{count}-attributes-of-{len}"));
        fs::write(&file, "x").unwrap();
        for index in 0..count {
            let name = format!("user.attribute-{index}");
            lsetxattr(&file, name, &pattern(index, len), XattrFlags::empty()).unwrap();
        }
    }
    for len in [10, 300, 900, 1023] {
        std::os::unix::fs::symlink("t".repeat(len), root.join(format!("link-{len}"))).unwrap();
    }
}

#[test]
fn kernel_agrees_on_what_only_the_log_has() {
    for options in ["", "-b size=1024", "-n size=16384 -i size=1024", "-m rmapbt=1 -s size=4096"] {
        let dir = image::scratch();
        let dirty = cut_off(dir.path(), options, all_forms);
        assert!(compare(options, &dirty) > 50, "{options}: hardly anything in the log");
    }
}

#[test]
fn kernel_agrees_on_every_oddity_after_a_shutdown() {
    for (options, flush) in [("", true), ("-m bigtime=0,reflink=0 -i sparse=0", true), ("", false)]
    {
        let dir = image::scratch();
        let path = image::make_xfs(dir.path(), 400, options);
        let mount = Mount::of("xfs", &path, 0, "rw");
        fill(mount.path(), CAPACITY);
        shut_down(mount, flush);
        compare(&format!("{options}, flush {flush}"), &path);
    }
}

/// Large buffers of the log, and rounds of it: records with several headers,
/// transactions over many records, a tail in the round before.
#[test]
fn kernel_agrees_after_the_log_wrapped_around() {
    for (log, mount) in [("-l size=10m", "rw,logbsize=256k"), ("-l size=10m,su=64k", "rw")] {
        let dir = image::scratch();
        let path = image::make_xfs(dir.path(), 400, log);
        let mount = Mount::of("xfs", &path, 0, mount);
        for round in 0..12 {
            let sub = mount.path().join(format!("{round}"));
            fs::create_dir(&sub).unwrap();
            all_forms(&sub);
            if round % 3 == 2 {
                fs::remove_dir_all(mount.path().join(format!("{}", round - 1))).unwrap();
                sync(&mount);
            }
        }
        shut_down(mount, true);
        assert!(compare(log, &path) > 50, "{log}: hardly anything in the log");
    }
}

/// Blocks of a removed directory go to a file: what the log has of them must
/// not come back.
#[test]
fn freed_metadata_does_not_come_back() {
    let dir = image::scratch();
    let path = image::make_xfs(dir.path(), 320, "-b size=1024");
    let mount = Mount::of("xfs", &path, 0, "rw");
    for round in 0..6 {
        let sub = mount.path().join("gone");
        fs::create_dir(&sub).unwrap();
        all_forms(&sub);
        sync(&mount);
        fs::remove_dir_all(&sub).unwrap();
        fs::write(mount.path().join(format!("file-{round}")), pattern(round, 9 << 20)).unwrap();
        sync(&mount);
    }
    shut_down(mount, true);
    compare("freed", &path);
}

#[test]
fn a_log_that_cannot_be_read_is_refused_with_the_reason() {
    let dir = image::scratch();
    let dirty = cut_off(dir.path(), "", all_forms);
    let good = fs::read(&dirty).unwrap();
    let headers: Vec<usize> = (0..good.len() / 512)
        .filter(|sector| good[sector * 512..].starts_with(&[0xfe, 0xed, 0xba, 0xbe]))
        .filter(|sector| good[sector * 512 + 12..sector * 512 + 16] != [0; 4])
        .collect();
    assert!(headers.len() > 12, "{} records", headers.len());
    // A flipped byte in an early record. Then the last one was not written
    // whole, which crashes do.
    let mut bad = good.clone();
    bad[headers[3] * 512 + 3000] ^= 1;
    fs::write(&dirty, bad).unwrap();
    let error = open(&dirty).err().expect("a damaged record");
    assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
    assert!(error.to_string().contains("a record of it is damaged"), "{error}");
    let mut torn = good;
    let last = *headers.last().unwrap();
    torn[last * 512 + 600] ^= 1;
    fs::write(&dirty, torn).unwrap();
    compare("torn", &dirty);
}

/// Rounds of the default run; `ROUNDS` asks for more, `SEED` for other ones.
const ROUNDS: u64 = 4;
const OPERATIONS: u64 = 800;
const OPTIONS: [&str; 4] = [
    "",
    "-b size=1024 -l size=12m",
    "-m bigtime=0,reflink=0 -i size=512 -n size=8192",
    "-m rmapbt=1 -i nrext64=1 -d agcount=5 -b size=2048",
];

/// Changes, some of them written back, then a crash.
fn random_rounds(rounds: u64) {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let (first, rounds) = (number("SEED", 1), number("ROUNDS", rounds));
    for seed in first..first + rounds {
        let options = OPTIONS[seed as usize % OPTIONS.len()];
        let dir = image::scratch();
        let path = image::make_xfs(dir.path(), 320, options);
        let mount = Mount::of("xfs", &path, 0, "rw");
        populate(mount.path(), seed, OPERATIONS);
        if seed % 3 != 0 {
            sync(&mount);
        }
        if seed % 2 == 0 {
            // Written back: the log has older versions of what is on the disk.
            image::run("fsfreeze", &["-f", mount.path().to_str().unwrap()]);
            image::run("fsfreeze", &["-u", mount.path().to_str().unwrap()]);
        }
        populate(mount.path(), seed + 1000, OPERATIONS / 2);
        shut_down(mount, seed % 5 != 0);
        compare(&format!("SEED={seed} {options}"), &path);
    }
}

#[test]
fn kernel_agrees_on_random_crashes() {
    random_rounds(ROUNDS);
}
