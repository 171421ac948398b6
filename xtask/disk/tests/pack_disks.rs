//! Disks with several file systems, and what makes a whole disk deployable.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]

mod packing;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use disk_image::ErrorKind;
use disk_image::artifact::{Artifact, Options, read};
use disk_image::gzip;
use disk_image::pack::PackRequest;
use disk_image::policy::Kind;
use packing::bench::{Bench, bench};

const ROOT: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
const BOOT_UUID: &str = "6d6f7265-0000-4000-8000-00000000b007";

fn run(program: &str, args: &[&str]) {
    #[expect(clippy::disallowed_methods, reason = "tests may run programs directly")]
    let output = std::process::Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

/// A FAT image that holds one file or directory at its top.
fn make_esp(dir: &Path, serial: &str, content: &Path) -> PathBuf {
    let image = dir.join(format!("esp-{serial}.img"));
    fs::File::create(&image).unwrap().set_len(4 << 20).unwrap();
    let path = image.to_str().unwrap();
    run("mkfs.vfat", &["-F", "12", "-i", serial, path]);
    run("mcopy", &["-s", "-i", path, content.to_str().unwrap(), "::/"]);
    image
}

/// A disk with a root whose fstab is `fstab`, a /boot and an ESP.
fn three_partitions(fstab: &str) -> Bench {
    let bench = bench(|root| {
        packing::make_root(root);
        fs::create_dir(root.join("boot")).unwrap();
        fs::write(root.join("boot/hidden"), "what is mounted over does not show").unwrap();
        fs::write(root.join("etc/fstab"), fstab).unwrap();
    });
    let dir = bench.dir.path();
    let boot = dir.join("boot");
    fs::create_dir_all(boot.join("efi")).unwrap();
    fs::write(boot.join("vmlinuz-6.1.0"), "kernel").unwrap();
    let boot_image = dir.join("boot.img");
    packing::make_ext4(&boot, &boot_image);
    let uuid = ["-U", BOOT_UUID].map(OsStr::new);
    packing::run("tune2fs", [uuid[0], uuid[1], boot_image.as_os_str()]);
    let efi = dir.join("EFI");
    fs::create_dir(&efi).unwrap();
    fs::write(efi.join("grubx64.efi"), "loader").unwrap();
    let esp = make_esp(dir, "1234abcd", &efi);
    let root = dir.join("root.img");
    fs::rename(&bench.disk, &root).unwrap();
    packing::make_disk(&bench.disk, &[(1, ROOT, &root), (2, LINUX, &boot_image), (15, ESP, &esp)]);
    bench
}

#[test]
fn fstab_says_what_belongs_to_the_tree() {
    let line = |spec: &str| format!("UUID=x / ext4 defaults 0 1\n{spec}\n");
    let boot = line(&format!("UUID={BOOT_UUID} /boot ext4 defaults 0 2"));
    let both = format!("{boot}UUID=1234-ABCD /boot/efi vfat umask=0077 0 1\n");
    // Each: fstab, whether the kernel is found, whether the loader is.
    for (fstab, kernel, loader) in [
        (both.as_str(), true, true),
        (boot.as_str(), true, false),
        (&line("/dev/vda2 /boot ext4"), true, false),
        (&line("UUID=0000-0000 /boot ext4 nofail"), false, false),
        (&line("UUID=0000-0000 /srv ext4 defaults"), false, false),
        (&line(""), false, false),
    ] {
        let bench = three_partitions(fstab);
        let request = bench.request("x.tar.gz");
        let packed = bench.pack(&request).unwrap_or_else(|error| panic!("{fstab}: {error}"));
        let out = packing::extract(&request.output, &[]);
        let has = |path: &str| out.path().join(path).exists();
        assert_eq!((has("boot/vmlinuz-6.1.0"), has("boot/hidden")), (kernel, !kernel), "{fstab}");
        assert_eq!(has("boot/efi/EFI/grubx64.efi"), loader, "{fstab}");
        assert_eq!(packed.manifest.unwrap().kernels.len(), usize::from(kernel), "{fstab}");
    }
}

#[test]
fn a_missing_boot_partition_is_refused() {
    let bench = three_partitions("UUID=0000-0000 /boot ext4 defaults 0 2\n");
    let error = bench.pack(&bench.request("x.tar.gz")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("UUID=0000-0000"), "{error}");
}

#[test]
fn a_whole_disk_needs_the_directory_that_curtin_looks_for() {
    let bench = bench(packing::make_root);
    let dir = bench.dir.path().to_owned();
    let root = dir.join("root.img");
    fs::rename(&bench.disk, &root).unwrap();
    let [efi, curtin] = ["EFI", "curtin"].map(|name| dir.join(name));
    fs::create_dir(&efi).unwrap();
    fs::create_dir(&curtin).unwrap();
    fs::write(curtin.join("curtin-hooks"), "#!/bin/sh\n").unwrap();
    let (plain, marked) = (make_esp(&dir, "1", &efi), make_esp(&dir, "2", &curtin));
    let file = dir.join("file/curtin");
    fs::create_dir(dir.join("file")).unwrap();
    fs::write(&file, "not a directory").unwrap();
    let file = make_esp(&dir, "3", &file);
    let volume = ntfs();
    let windows = dir.join("ntfs.img");
    fs::write(&windows, &volume).unwrap();
    let without = dir.join("without.img");
    fs::write(&without, replaced(&volume, "curtin", "nitruc")).unwrap();
    let none = Path::new("");
    for (parts, expected) in [
        (&[(1, ROOT, root.as_path()), (15, ESP, &plain)][..], false),
        (&[(1, ROOT, &root), (15, ESP, &file)], false),
        (&[(1, ROOT, &root), (15, ESP, &marked)], true),
        (&[(1, ESP, &marked), (2, LINUX, none)], true),
        (&[(1, ESP, &plain), (2, LINUX, none)], false),
        (&[(1, ESP, &plain), (2, LINUX, &windows)], true),
        (&[(1, ESP, &plain), (2, LINUX, &without)], false),
    ] {
        packing::make_disk(&bench.disk, parts);
        let request = PackRequest { kind: Kind::Ddgz, ..bench.request("x.dd.gz") };
        match bench.pack(&request) {
            Ok(_) => {
                assert!(expected, "{parts:?}");
                fs::remove_file(&request.output).unwrap();
            }
            Err(error) => {
                assert!(!expected && error.to_string().contains("/curtin"), "{parts:?}: {error}");
                assert_eq!(error.kind(), ErrorKind::Refused);
                assert!(!request.output.exists());
            }
        }
    }
}

/// The volume of `fixtures/make-ntfs`.
fn ntfs() -> Vec<u8> {
    let packed: &[u8] = include_bytes!("fixtures/ntfs.img.gz");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut bytes).unwrap();
    bytes
}

/// With another name of the same length for every entry of that name.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let (from, to) = (wide(from), wide(to));
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - from.len() {
        // The hooks' names start the same.
        if bytes[at..].starts_with(&from) && bytes[at + from.len()] != b'-' {
            bytes[at..at + to.len()].copy_from_slice(&to);
        }
    }
    bytes
}

#[test]
fn an_ntfs_that_linux_would_not_mount_is_refused() {
    let bench = bench(packing::make_root);
    let dir = bench.dir.path().to_owned();
    let part = dir.join("ntfs.img");
    let mut dirty = ntfs();
    // The value of $VOLUME_INFORMATION in the volume's record and its copy.
    let head = [0x70, 0, 0, 0, 0x28, 0, 0, 0, 0, 0];
    let all: Vec<usize> = (0..dirty.len()).filter(|at| dirty[*at..].starts_with(&head)).collect();
    all.into_iter().for_each(|at| dirty[at + 24 + 10] |= 1);
    let mut broken = vec![0; 1 << 20];
    broken[3..11].copy_from_slice(b"NTFS    ");
    for (bytes, kind, says) in [
        (dirty, ErrorKind::Refused, "partition 2 (ntfs): Windows has marked it for a check"),
        (broken, ErrorKind::Damaged, "partition 2: NTFS boot sector: impossible"),
    ] {
        fs::write(&part, bytes).unwrap();
        packing::make_disk(&bench.disk, &[(2, LINUX, &part)]);
        let error = bench.pack(&PackRequest { kind: Kind::Ddgz, ..bench.request("x.dd.gz") });
        let error = error.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(error.kind(), kind);
    }
}

#[test]
fn a_whole_disk_is_inspected_with_all_its_file_systems() {
    let fstab = format!("UUID={BOOT_UUID} /boot ext4\nUUID=1234-ABCD /boot/efi vfat\n");
    let bench = three_partitions(&fstab);
    let hooks = bench.dir.path().join("curtin");
    fs::create_dir(&hooks).unwrap();
    let esp = make_esp(bench.dir.path(), "1234abcd", &hooks);
    let images = ["root.img", "boot.img"].map(|name| bench.dir.path().join(name));
    packing::make_disk(
        &bench.disk,
        &[(1, ROOT, &images[0]), (2, LINUX, &images[1]), (15, ESP, &esp)],
    );
    let request = PackRequest { kind: Kind::Ddgz, ..bench.request("x.dd.gz") };
    let packed = bench.pack(&request).unwrap();
    let artifact = read(&request.output, Options::default()).unwrap();
    assert_same(&packed.artifact, &artifact);
    for path in ["/etc/passwd", "/boot/vmlinuz-6.1.0", "/boot/efi/curtin"] {
        assert!(artifact.index.get(path).is_some(), "{path}");
    }
}

/// What packing saw in passing is what reading the file finds.
fn assert_same(seen: &Artifact, read: &Artifact) {
    assert_eq!(seen.index, read.index);
    assert_eq!((seen.kind, seen.bytes, seen.sha256), (read.kind, read.bytes, read.sha256));
    assert_eq!((&seen.root, seen.unpacked), (&read.root, read.unpacked));
    assert_eq!(seen.warnings, read.warnings);
}

#[test]
fn packing_sees_what_reading_finds() {
    let bench = bench(packing::make_dd_root);
    for format in [gzip::Format::Members, gzip::Format::Single] {
        let mut request = bench.request("x.tar.gz");
        request.gzip.format = format;
        let packed = bench.pack(&request).unwrap();
        assert_same(&packed.artifact, &read(&request.output, Options::default()).unwrap());
    }
}
