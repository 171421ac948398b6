//! Targets that read disks, in the form of [`crate::sparse`].

use super::used;
use std::io::Write as _;
use std::sync::Arc;

use disk_image::block::{self, BlockRead, Format};
use disk_image::fs;
use disk_image::lvm;
use disk_image::partition;

use super::visit;
use crate::sparse::Disk;

/// Runs that are asked for: a table can be spread so that each cluster is one.
const RUNS: usize = 500;

fn runs(disk: &dyn BlockRead) {
    let mut at = 0;
    let mut buf = vec![0; 1000];
    for _ in 0..RUNS {
        if at >= disk.len() {
            return;
        }
        let Ok(extent) = disk.extent_at(at) else { return };
        assert!(extent.len > 0 && extent.len <= disk.len() - at, "a run that does not fit");
        let len = usize::try_from(extent.len).unwrap_or(usize::MAX).min(buf.len());
        used(disk.read_at(at, &mut buf[..len]));
        at += extent.len;
    }
}

fn open_and_visit(disk: Arc<dyn BlockRead>) {
    if let Ok(fs) = fs::open(disk) {
        visit::tree(&*fs);
    }
}

/// ext2 to ext4, XFS, FAT: whatever the magic number says.
pub(super) fn file_system(input: &[u8]) {
    open_and_visit(Arc::new(Disk(input.to_vec())));
}

/// MBR and GPT, and what the partitions hold.
pub(super) fn partition(input: &[u8]) {
    let disk: Arc<dyn BlockRead> = Arc::new(Disk(input.to_vec()));
    let Ok(Some(table)) = partition::read(&disk) else { return };
    for partition in table.partitions {
        if let Ok(window) = partition.open(&disk) {
            runs(&window);
            used(fs::probe(&window));
        }
    }
}

/// LVM: labels, metadata text, segments.
pub(super) fn lvm(input: &[u8]) {
    let Ok(physical) = lvm::Physical::open(Arc::new(Disk(input.to_vec()))) else { return };
    let Ok(volumes) = lvm::logical_volumes(&[physical]) else { return };
    for volume in volumes {
        used(volume.is_named("/dev/mapper/group-root"));
        if let Ok(disk) = volume.device {
            runs(&*disk);
            used(fs::probe(&*disk));
        }
    }
}

/// A qcow2 image; it is opened by path, so it goes through a file in memory.
pub(super) fn qcow2(input: &[u8]) {
    let Ok(mut file) = tempfile::Builder::new().prefix("fuzz").tempfile_in("/dev/shm") else {
        return;
    };
    if file.write_all(input).is_err() {
        return;
    }
    if let Ok(disk) = block::open_as(file.path(), Format::Qcow2) {
        runs(&*disk);
    }
}
