//! Partition tables written by `sfdisk`, whole and damaged.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use disk_image::block::BlockRead;
use disk_image::partition::{Guid, Partition, PartitionKind, Scheme, Table, read};
use support::image;

const MIB: u64 = 1 << 20;
const GPT: &str = "label: gpt
label-id: 11111111-2222-3333-4444-555555555555
start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, name=\"boot\", uuid=AAAAAAAA-BBBB-CCCC-DDDD-000000000001
start=4096, size=4096, type=U, uuid=AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE
15 : start=8192, size=8192, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=AAAAAAAA-BBBB-CCCC-DDDD-000000000015, name=\"gr\u{f6}\u{df}e\", attrs=\"LegacyBIOSBootable\"
";
const MBR: &str = "label: dos
label-id: 0xdeadbeef
start=2048, size=2048, type=83, bootable
start=4096, size=16384, type=f
start=20480, size=2048, type=ef
5 : start=6144, size=2048, type=83
6 : start=10240, size=4096, type=82
";

/// A disk of 16 MiB with the table that `script` describes.
fn disk(dir: &Path, script: &str) -> Vec<u8> {
    let path = dir.join("disk.img");
    File::create(&path).unwrap().set_len(16 * MIB).unwrap();
    #[expect(clippy::disallowed_methods, reason = "tests may run programs directly")]
    let mut command = Command::new("sfdisk");
    // Names are converted from the locale's encoding.
    command.env("LC_ALL", "C.UTF-8").arg("-q").arg(&path).stdin(Stdio::piped());
    let mut child = command.spawn().expect("sfdisk (package fdisk)");
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    fs::read(path).unwrap()
}

fn gpt() -> Vec<u8> {
    disk(image::scratch().path(), GPT)
}

fn table(disk: &Vec<u8>) -> Table {
    read(disk).unwrap().expect("a table")
}

fn places(table: &Table) -> Vec<(u32, u64, u64)> {
    table.partitions.iter().map(|it| (it.number, it.start / 512, it.len / 512)).collect()
}

#[test]
fn gpt_is_read_in_full() {
    let table = table(&gpt());
    assert_eq!((table.scheme, &table.warnings[..]), (Scheme::Gpt, &[][..]));
    assert_eq!(table.disk_id, "11111111-2222-3333-4444-555555555555");
    assert_eq!(places(&table), [(1, 2048, 2048), (2, 4096, 4096), (15, 8192, 8192)]);
    assert_eq!(table.partitions[0].name, "boot");
    assert_eq!(table.partitions[1].id, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
    assert!(table.partitions[1].is_efi_system());
    let Partition { kind, name, attributes, .. } = &table.partitions[2];
    assert_eq!(*kind, PartitionKind::Gpt(Guid::ROOT_X86_64));
    assert_eq!((name.as_str(), *attributes), ("gr\u{f6}\u{df}e", 4));
}

#[test]
fn gpt_backup_stands_in_for_a_damaged_primary() {
    let good = table(&gpt()).partitions;
    for (what, at) in [("signature", 512), ("header", 512 + 60), ("entry", 1024 + 40)] {
        let mut disk = gpt();
        disk[at] ^= 1;
        let table = table(&disk);
        assert_eq!(table.partitions, good, "{what}");
        assert!(table.warnings[0].contains("backup is used"), "{what}: {:?}", table.warnings);
    }
}

#[test]
fn gpt_with_a_missing_backup_is_read_with_a_warning() {
    let mut disk = gpt();
    disk.truncate(15 << 20);
    let table = table(&disk);
    assert_eq!(table.partitions.len(), 3);
    assert!(table.warnings[0].contains("backup"), "{:?}", table.warnings);
}

#[test]
fn gpt_with_both_headers_damaged_is_an_error() {
    let mut disk = gpt();
    let backup = disk.len() - 512;
    disk[600] ^= 1;
    disk[backup + 20] ^= 1;
    let error = read(&disk).unwrap_err().to_string();
    assert!(
        error.contains("neither header") && error.contains("sector 1: its checksum"),
        "{error}"
    );
}

#[test]
fn a_partition_past_the_end_fails_when_opened() {
    let mut disk = gpt();
    disk.truncate(6 << 20);
    let partitions = table(&disk).partitions;
    let disk: std::sync::Arc<dyn BlockRead> = std::sync::Arc::new(disk);
    assert_eq!(partitions[1].open(&disk).unwrap().len(), 2 * MIB);
    let error = partitions[2].open(&disk).err().unwrap().to_string();
    assert!(error.contains("partition 15") && error.contains("truncated"), "{error}");
}

#[test]
fn mbr_with_logical_partitions() {
    let table = table(&disk(image::scratch().path(), MBR));
    assert_eq!((table.scheme, table.disk_id.as_str()), (Scheme::Mbr, "deadbeef"));
    let expected = [(1, 2048, 2048), (3, 20480, 2048), (5, 6144, 2048), (6, 10240, 4096)];
    assert_eq!(places(&table), expected);
    assert_eq!(table.partitions[0].attributes, 4, "active");
    assert_eq!(table.partitions[2].id, "deadbeef-05");
    assert_eq!(table.partitions[3].kind, PartitionKind::Mbr(0x82));
    assert!(table.partitions[1].is_efi_system());
}

#[test]
fn a_chain_of_logical_partitions_that_loops_is_an_error() {
    let mut disk = disk(image::scratch().path(), MBR);
    // The link of the first envelope (second entry) made to point at itself.
    let link = 4096 * 512 + 446 + 16 + 8;
    disk[link..link + 4].fill(0);
    let error = read(&disk).unwrap_err().to_string();
    assert!(error.contains("does not end"), "{error}");
}

#[test]
fn a_boot_sector_is_not_a_table() {
    let dir = image::scratch();
    let path = dir.path().join("fat.img");
    File::create(&path).unwrap().set_len(4 * MIB).unwrap();
    image::run("mkfs.vfat", &[&path]);
    let disk = fs::read(path).unwrap();
    assert_eq!(disk[510..512], [0x55, 0xaa]);
    assert_eq!(read(&disk).unwrap(), None);
}
