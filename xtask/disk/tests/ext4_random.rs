//! Random trees, changed at random, unmounted or cut off, against the kernel.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::fs::File;
use std::sync::Arc;

use disk_image::block::Raw;
use disk_image::ext4::Ext4;
use support::churn::populate;
use support::image;
use support::manifest::{assert_same, of_kernel, of_reader};
use support::mount::Mount;

/// Rounds of the default run; `ROUNDS` asks for more, `SEED` for other ones.
const ROUNDS: u64 = 6;
const OPERATIONS: u64 = 700;
/// File systems that take turns.
const OPTIONS: [&str; 6] = [
    "-t ext4 -b 4096",
    "-t ext4 -b 1024 -O inline_data,ea_inode -J size=1",
    "-t ext3 -b 1024",
    "-t ext4 -b 4096 -O bigalloc,orphan_file",
    "-t ext4 -b 2048 -O ^metadata_csum,^64bit,inline_data -I 512",
    "-t ext2 -b 1024",
];

/// One file system; every other one is copied while it is mounted.
fn round(seed: u64) -> usize {
    let options = OPTIONS[seed as usize % OPTIONS.len()];
    let cut_off = (seed / OPTIONS.len() as u64).is_multiple_of(2);
    let dir = image::scratch();
    let mut path = image::make(dir.path(), 64, options);
    let mount = Mount::new(&path, 0, "rw");
    populate(mount.path(), seed, OPERATIONS);
    if cut_off && !options.contains("ext2") {
        File::open(mount.path()).unwrap().sync_all().unwrap();
        path = image::copy(&path, "cut-off.img");
    }
    drop(mount);
    let fs = Ext4::open(Arc::new(Raw::open(&path).unwrap())).unwrap();
    let reader = of_reader(&fs);
    let kernel = of_kernel(Mount::new(&path, 0, "rw,noatime").path());
    assert_same(&format!("SEED={seed} {options}"), &kernel, &reader)
}

#[test]
fn kernel_agrees_on_random_trees() {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let (first, rounds) = (number("SEED", 1), number("ROUNDS", ROUNDS));
    let entries: usize = (first..first + rounds).map(round).sum();
    println!("{rounds} rounds, {entries} entries");
}
