//! The qcow2 reader against `qemu-img convert` and `qemu-img map`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk_image::ErrorKind;
use disk_image::block::{BlockRead, ExtentKind, Format, detect, open, open_as};
use support::image::{self, run};
use support::oddities::pattern;

const MIB: u64 = 1 << 20;

fn qemu_img(args: &str) -> String {
    run("qemu-img", &args.split_whitespace().collect::<Vec<_>>())
}

/// Writes to an image; `commands` as `qemu-io` takes them, one a line.
fn qemu_io(image: &Path, commands: &str) {
    let mut args = vec!["-f".to_owned(), "qcow2".to_owned()];
    for command in commands.lines() {
        args.extend(["-c".to_owned(), command.trim().to_owned()]);
    }
    args.push(image.display().to_string());
    run("qemu-io", &args);
}

/// Reads all of `disk` in pieces that fit no cluster.
fn content(disk: &dyn BlockRead) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(disk.len()).unwrap()];
    let mut at = 0;
    for (index, piece) in bytes.chunks_mut(333_333).enumerate() {
        // Start a little before, too, to cross boundaries in both ways.
        let overlap = (index % 7).min(at as usize);
        let mut buf = vec![0; piece.len() + overlap];
        disk.read_at(at - overlap as u64, &mut buf).unwrap();
        piece.copy_from_slice(&buf[overlap..]);
        at += piece.len() as u64;
    }
    bytes
}

/// The same disk by `qemu-img convert`; its tail of less than a sector is
/// padding that the virtual disk does not have.
fn reference(image: &Path) -> Vec<u8> {
    let raw = image.with_extension("reference");
    qemu_img(&format!("convert -f qcow2 -O raw {} {}", image.display(), raw.display()));
    fs::read(raw).unwrap()
}

/// Start, length and whether it holds data, joined where neighbours are alike.
fn joined(runs: impl IntoIterator<Item = (u64, u64, bool)>) -> Vec<(u64, u64, bool)> {
    let mut all: Vec<(u64, u64, bool)> = Vec::new();
    for (start, len, data) in runs {
        match all.last_mut() {
            Some(last) if last.2 == data => last.1 += len,
            _ => all.push((start, len, data)),
        }
    }
    all
}

fn map(disk: &dyn BlockRead) -> Vec<(u64, u64, bool)> {
    let mut at = 0;
    let runs = std::iter::from_fn(|| {
        (at < disk.len()).then(|| {
            let extent = disk.extent_at(at).unwrap();
            at += extent.len;
            (at - extent.len, extent.len, extent.kind == ExtentKind::Data)
        })
    });
    joined(runs)
}

fn reference_map(image: &Path) -> Vec<(u64, u64, bool)> {
    let json = qemu_img(&format!("map -f qcow2 --output=json {}", image.display()));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    joined(json.as_array().unwrap().iter().map(|run| {
        let number = |key: &str| run[key].as_u64().unwrap();
        (number("start"), number("length"), run["data"].as_bool().unwrap())
    }))
}

fn assert_same(image: &Path, what: &str) {
    let disk = open(image).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (found, expected) = (content(&*disk), reference(image));
    assert_eq!(found.len(), expected.len(), "{what}: size");
    if found != expected {
        let at = found.iter().zip(&expected).position(|(a, b)| a != b);
        panic!("{what}: differs from byte {at:?} on");
    }
    assert_eq!(map(&*disk), reference_map(image), "{what}: map");
}

/// A raw disk of `len` bytes with data, compressible data and holes.
fn raw(path: &Path, len: u64) {
    let mut disk = vec![0; usize::try_from(len).unwrap()];
    for (seed, start) in (0..len).step_by(700_001).enumerate() {
        let start = start as usize;
        let data = pattern(seed as u64 + 1, 150_000);
        let data = if seed % 2 == 0 { data } else { b"compressible ".repeat(11_000) };
        let end = (start + data.len()).min(disk.len());
        disk[start..end].copy_from_slice(&data[..end - start]);
    }
    fs::write(path, disk).unwrap();
}

fn scratch_image(dir: &Path, options: &str, len: u64) -> PathBuf {
    let image = dir.join("disk.qcow2");
    qemu_img(&format!("create -q -f qcow2 {options} {} {len}", image.display()));
    image
}

#[test]
fn every_version_cluster_size_and_compression() {
    let dir = image::scratch();
    let source = dir.path().join("source.raw");
    raw(&source, 9 * MIB + 512);
    for options in [
        "-o compat=0.10",
        "-o compat=0.10,cluster_size=512",
        "-c -o compat=0.10",
        "-o cluster_size=4k",
        "-o cluster_size=2M",
        "-c -o cluster_size=512",
        "-c",
        "-c -o cluster_size=2M",
        "-c -o compression_type=zstd",
        "-c -o compression_type=zstd,cluster_size=4k",
        "-o preallocation=metadata",
        "-o preallocation=falloc,lazy_refcounts=on",
        "-S 0",
    ] {
        let image = dir.path().join("disk.qcow2");
        let (from, to) = (source.display(), image.display());
        qemu_img(&format!("convert -q -f raw -O qcow2 {options} {from} {to}"));
        assert_eq!(detect(&image).unwrap(), Format::Qcow2);
        assert_same(&image, options);
    }
}

#[test]
fn backing_chain_with_zeros_discards_and_different_sizes() {
    let dir = image::scratch();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("sub")).unwrap();
    raw(&path("sub/base.raw"), 3 * MIB + 1024);
    // Names are relative to the image that has them, not to the process.
    qemu_img(&format!("create -q -f qcow2 -b base.raw -F raw {} 5M", path("sub/middle").display()));
    let middle = path("sub/middle");
    qemu_io(&middle, "write -P 17 100k 300k\nwrite -z 1M 128k\nwrite -P 3 4M 10k");
    let top = path("top");
    qemu_img(&format!("create -q -f qcow2 -b sub/middle -F qcow2 {} 7M", top.display()));
    qemu_io(&top, "write -P 99 150k 1k\nwrite -z 2M 256k\ndiscard 0 64k\nwrite -P 4 6M 100");
    assert_same(&top, "chain");
    let larger = path("larger");
    qemu_img(&format!("create -q -f qcow2 -b top -F qcow2 {} 1M", larger.display()));
    assert_same(&larger, "smaller than its backing file");
}

#[test]
fn snapshots_bitmaps_and_unclean_images_read_as_they_are() {
    let dir = image::scratch();
    let image = scratch_image(dir.path(), "-o lazy_refcounts=on", 4 * MIB);
    qemu_io(&image, "write -P 1 0 1M");
    qemu_img(&format!("snapshot -c before {}", image.display()));
    qemu_io(&image, "write -P 2 512k 1M");
    qemu_img(&format!("bitmap --add {} changes", image.display()));
    // Killed with the dirty bit set: reference counts are stale, data is not.
    #[expect(clippy::disallowed_methods, reason = "tests may run programs directly")]
    let mut command = std::process::Command::new("qemu-io");
    let commands = ["-f", "qcow2", "-c", "write -P 3 3M 64k", "-c", "flush", "-c", "abort"];
    assert!(!command.args(commands).arg(&image).output().unwrap().status.success());
    assert_eq!(fs::read(&image).unwrap()[79] & 1, 1, "the image should be dirty");
    let found = content(&*open(&image).unwrap());
    assert_same(&image, "snapshot and dirty");
    assert_eq!((found[0], found[600 << 10], found[3 << 20]), (1, 2, 3));
}

#[test]
fn what_cannot_be_read_is_named() {
    for (options, expected) in
        [("-o extended_l2=on", "subclusters"), ("-o data_file=DIR/data.raw", "external file")]
    {
        let dir = image::scratch();
        let options = options.replace("DIR", &dir.path().display().to_string());
        let error = open(&scratch_image(dir.path(), &options, MIB)).err().unwrap();
        let message = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{message}");
        assert!(message.contains(expected) && message.contains("qemu-img convert"), "{message}");
    }
    for format in ["vmdk", "vdi", "vhdx", "vpc", "qed", "parallels"] {
        let dir = image::scratch();
        let path = dir.path().join("disk");
        qemu_img(&format!("create -q -f {format} {} 8M", path.display()));
        let message = open(&path).err().unwrap().to_string();
        assert!(message.contains("convert it first"), "{format}: {message}");
    }
}

/// Changes one 8-byte number of the header.
fn patch(image: &Path, at: usize, change: impl FnOnce(u64) -> u64) {
    let mut bytes = fs::read(image).unwrap();
    let field = &mut bytes[at..at + 8];
    let value = u64::from_be_bytes(field.try_into().unwrap());
    field.copy_from_slice(&change(value).to_be_bytes());
    fs::write(image, bytes).unwrap();
}

#[test]
fn damaged_and_hostile_headers_are_errors() {
    let size_and_bits = |bits: u64, size: u32| (bits << 32) | u64::from(size);
    let hostile: [(usize, u64, &str); 10] = [
        (32, (2 << 32) | 1, "the image is encrypted"),
        (72, 2, "marked the image as corrupt"),
        (72, 1 << 40, "feature bit 40"),
        (24, 1 << 60, "level 1 entries"),
        (40, 1 << 40, "truncated"),
        (40, u64::MAX, "truncated"),
        (16, size_and_bits(0, 40), "cluster size"),
        (16, size_and_bits(0, 8), "cluster size"),
        (8, 1 << 50, "name of the backing file"),
        (0, u64::from_be_bytes(*b"QFI\xfb\0\0\0\x01"), "version 1"),
    ];
    for (at, value, expected) in hostile {
        let dir = image::scratch();
        let image = scratch_image(dir.path(), "", MIB);
        patch(&image, at, |_| value);
        let message = open(&image).err().unwrap().to_string();
        assert!(message.contains(expected), "{at}: {message}");
    }
    // A petabyte needs a level 1 table that the file does not have.
    let dir = image::scratch();
    let image = scratch_image(dir.path(), "", MIB);
    patch(&image, 24, |_| 1 << 50);
    patch(&image, 32, |_| u64::from(u32::MAX));
    let message = open(&image).err().unwrap().to_string();
    assert!(message.contains("truncated"), "{message}");
}

#[test]
fn a_truncated_image_is_an_error_not_zeros() {
    let dir = image::scratch();
    let image = scratch_image(dir.path(), "", 8 * MIB);
    qemu_io(&image, "write -P 7 0 8M");
    let len = fs::metadata(&image).unwrap().len();
    for cut in [1, 4096, MIB, 4 * MIB] {
        fs::File::options().write(true).open(&image).unwrap().set_len(len - cut).unwrap();
        let disk = open(&image).unwrap();
        let mut bytes = vec![0; 8 << 20];
        let message = disk.read_at(0, &mut bytes).unwrap_err().to_string();
        assert!(message.contains("truncated"), "cut by {cut}: {message}");
    }
}

#[test]
fn backing_files_that_lead_nowhere_or_back() {
    let dir = image::scratch();
    let path = |name: &str| dir.path().join(name);
    let create = |name: &str, backing: &str| {
        let options = format!("-u -b {backing} -F qcow2");
        qemu_img(&format!("create -q -f qcow2 {options} {} 1M", path(name).display()));
        path(name)
    };
    create("a", "b");
    create("b", "a");
    let failures = [
        (create("self", "self"), "own backing file"),
        (path("a"), "own backing file"),
        (create("orphan", "missing"), "missing"),
        (create("remote", "nbd://host/disk"), "not a file on this machine"),
        (create("json", "json:{}"), "not a file on this machine"),
    ];
    for (image, expected) in failures {
        let message = open(&image).err().unwrap().to_string();
        assert!(message.contains(expected), "{}: {message}", image.display());
    }
}

/// A guest can write a qcow2 header into its raw disk; opened by guess it
/// would show any file of the host.
#[test]
fn an_undeclared_backing_file_must_not_lead_further() {
    let dir = image::scratch();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("secret"), vec![b's'; 1 << 20]).unwrap();
    qemu_img(&format!("create -q -f qcow2 -b {0} -F raw {1}", path("secret"), path("forged")));
    qemu_img(&format!("create -q -f qcow2 -b {0} -F raw {1}", path("forged"), path("top")));
    // Drop the recorded format by turning its extension into an unknown one.
    let undeclare = |name: &str| {
        let mut bytes = fs::read(path(name)).unwrap();
        let at = bytes.windows(4).position(|bytes| bytes == [0xe2, 0x79, 0x2a, 0xca]).unwrap();
        bytes[at..at + 4].copy_from_slice(b"none");
        fs::write(path(name), bytes).unwrap();
    };
    let declared = open(path("top").as_ref()).unwrap();
    assert_eq!(content(&*declared)[..3], *b"QFI", "declared as raw");
    undeclare("top");
    let message = open(path("top").as_ref()).err().unwrap().to_string();
    assert!(message.contains("not recorded"), "{message}");
    // The same for a plain raw or qcow2 file is harmless.
    fs::rename(path("secret"), path("forged")).unwrap();
    assert_eq!(content(&*open(path("top").as_ref()).unwrap())[..3], *b"sss");
}

#[test]
fn raw_is_whatever_the_caller_says() {
    let dir = image::scratch();
    let image = scratch_image(dir.path(), "", MIB);
    let disk: Arc<dyn BlockRead> = open_as(&image, Format::Raw).unwrap();
    assert_eq!(disk.len(), fs::metadata(&image).unwrap().len());
    let gzip = dir.path().join("disk.gz");
    fs::write(&gzip, [0x1f, 0x8b, 8, 0]).unwrap();
    let message = open(&gzip).err().unwrap().to_string();
    assert!(message.contains("gzip") && message.contains("unpack"), "{message}");
    let message = open_as(&gzip, Format::Qcow2).err().unwrap().to_string();
    assert!(message.contains("magic"), "{message}");
}
