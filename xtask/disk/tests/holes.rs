//! Holes of a disk are never read: the kernel counts the bytes of this process.
//! One test in a process of its own, because the count is of the process.

#![expect(clippy::unwrap_used, reason = "test code")]
#![allow(clippy::disallowed_methods, reason = "the disks are made by foreign tools")]

mod packing;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use disk_image::policy::Kind;
use packing::bench::bench;

const GIB: u64 = 1 << 30;

/// Bytes that this process has read by system calls.
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[test]
fn only_what_is_stored_is_read() {
    let it = bench(|root| {
        for dir in ["etc", "usr", "curtin"] {
            fs::create_dir(root.join(dir)).unwrap();
        }
        fs::write(root.join("usr/data"), vec![7; 12 << 20]).unwrap();
    });
    // 8 GiB of which the beginning is a file system and the end a few bytes.
    let disk = OpenOptions::new().write(true).open(&it.disk).unwrap();
    disk.set_len(8 * GIB).unwrap();
    disk.write_all_at(b"end", 8 * GIB - 3).unwrap();
    let qcow2 = it.dir.path().join("disk.qcow2");
    let status = Command::new("qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args([&it.disk, &qcow2])
        .status();
    assert!(status.unwrap().success());
    for (disk, kind) in
        [(&it.disk, Kind::Ddgz), (&qcow2, Kind::Ddgz), (&it.disk, Kind::Tgz), (&qcow2, Kind::Tgz)]
    {
        let mut request = it.request("x.gz");
        request.disk.clone_from(disk);
        request.kind = kind;
        let before = bytes_read();
        let packed = it.pack(&request).unwrap();
        let read = bytes_read() - before;
        if kind == Kind::Ddgz {
            assert_eq!(packed.input_bytes, 8 * GIB);
        }
        // The content once, and what describes it a few times.
        assert!((12 << 20..40 << 20).contains(&read), "{}: {read}", disk.display());
    }
}
