//! Whole disks of real systems: the reader against the kernel, and its speed.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk_image::block::{self, BlockRead};
use disk_image::fs::{self, FileKind, FileSystem, NodeId};
use disk_image::{ErrorKind, partition};
use rustix::time::{ClockId, clock_gettime};
use support::image;
use support::manifest::{assert_same, of_kernel, of_reader};
use support::mount::Mount;

/// Start and content of each ext or XFS file system on the disk.
fn file_systems(disk: &Arc<dyn BlockRead>) -> Vec<(u64, Box<dyn FileSystem>)> {
    let table = partition::read(disk).unwrap();
    let windows: Vec<(u64, Arc<dyn BlockRead>)> = match table {
        None => vec![(0, Arc::clone(disk))],
        Some(table) => {
            let open = |it: &partition::Partition| -> (u64, Arc<dyn BlockRead>) {
                (it.start, Arc::new(it.open(disk).unwrap()))
            };
            table.partitions.iter().map(open).collect()
        }
    };
    let open = |(start, window)| match fs::open(window) {
        Ok(fs) => (fs.kind_name() != "vfat").then_some((start, fs)),
        Err(error) if error.kind() == ErrorKind::NotThisFormat => None,
        Err(error) => panic!("{error}"),
    };
    windows.into_iter().filter_map(open).collect()
}

fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap()
}

/// Reads everything once, as an archive would; returns entries and bytes.
fn read_all(fs: &dyn FileSystem, node: NodeId, buf: &mut [u8]) -> (u64, u64) {
    let meta = fs.metadata(node).unwrap();
    fs.xattrs(node).unwrap();
    let (mut entries, mut bytes) = (1, 0);
    match meta.kind {
        FileKind::Regular => {
            for extent in fs.extents(node).unwrap() {
                let mut at = extent.offset;
                while at < extent.offset + extent.len {
                    let len = (extent.offset + extent.len - at).min(buf.len() as u64) as usize;
                    at += fs.read_file_at(node, at, &mut buf[..len]).unwrap() as u64;
                }
                bytes += extent.len;
            }
        }
        FileKind::Directory => {
            let mut names = fs.read_dir(node).unwrap();
            names.sort_by(|a, b| a.name.cmp(&b.name));
            for child in names {
                let (more, size) = read_all(fs, child.node, buf);
                entries += more;
                bytes += size;
            }
        }
        FileKind::Symlink => drop(fs.read_link(node).unwrap()),
        _ => {}
    }
    (entries, bytes)
}

fn compare(path: &Path) {
    let disk = block::open(path).unwrap();
    let dir = image::scratch();
    let raw = dir.path().join("disk.raw");
    let args = ["convert", "-O", "raw"].map(AsRef::as_ref);
    image::run("qemu-img", &[&args[..], &[path.as_os_str(), raw.as_os_str()]].concat());
    for (start, fs) in file_systems(&disk) {
        let mut buf = vec![0; 1 << 20];
        read_all(&*fs, fs.root(), &mut buf); // warms the page cache
        let (clock, before) = (Instant::now(), cpu());
        let (entries, bytes) = read_all(&*fs, fs.root(), &mut buf);
        let (wall, used) = (clock.elapsed(), cpu() - before);
        println!(
            "{} at {start}: {entries} entries, {} MB read in {:.2} s, {:.2} CPU s ({:.2} per GB)",
            path.display(),
            bytes / 1_000_000,
            wall.as_secs_f64(),
            used.as_secs_f64(),
            used.as_secs_f64() * 1e9 / bytes.max(1) as f64,
        );
        let reader = of_reader(&*fs);
        let mut kernel = of_kernel(Mount::of(fs.kind_name(), &raw, start, "ro").path());
        // XFS also lists access control lists under their internal name.
        for entry in kernel.values_mut() {
            entry.xattrs.retain(|(name, _)| !name.starts_with(b"trusted.SGI_ACL_"));
        }
        let same = assert_same(&format!("{} at {start}", path.display()), &kernel, &reader);
        println!("{same} entries are the same");
    }
}

#[test]
#[ignore = "needs disks of real systems: DISKS='a.qcow2 b.raw' cargo test --release -p disk-image --test roots -- --ignored --nocapture"]
fn kernel_agrees_on_whole_disks() {
    let disks = std::env::var("DISKS").expect("DISKS names disk images, separated by spaces");
    for disk in disks.split_whitespace() {
        compare(Path::new(disk));
    }
}
