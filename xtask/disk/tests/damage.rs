//! Bytes changed at random: every answer is fine but a panic, a hang or
//! memory without end.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;
use support::image;
use support::mount::Mount;
use support::oddities::pattern;
use support::torture::{limit_memory, many, metadata_sectors, torture, torture_and};

/// A small tree with every structure that mke2fs copies.
fn tree(dir: &Path) -> PathBuf {
    let tree = dir.join("tree");
    fs::create_dir_all(tree.join("large")).unwrap();
    for index in 0..400 {
        let name = format!("{index}-{}", "n".repeat(index % 90));
        fs::write(tree.join("large").join(name), b"content!".repeat(index % 20)).unwrap();
    }
    fs::write(tree.join("file"), b"content!".repeat(100_000)).unwrap();
    let holes = fs::File::create(tree.join("holes")).unwrap();
    for tooth in 0..200 {
        use std::os::unix::fs::FileExt;
        holes.write_all_at(&b"content!".repeat(128), tooth * 8192).unwrap();
    }
    for len in [10, 100, 900] {
        std::os::unix::fs::symlink("t".repeat(len), tree.join(format!("link-{len}"))).unwrap();
    }
    tree
}

#[test]
fn file_systems() {
    limit_memory();
    for options in [
        "-t ext4 -b 1024",
        "-t ext4 -b 1024 -O ^metadata_csum,inline_data -I 256",
        "-t ext4 -b 1024 -O ^metadata_csum,bigalloc,meta_bg,^resize_inode -C 2048",
        "-t ext3 -b 1024",
        "-t ext2 -b 4096 -I 128",
    ] {
        let dir = image::scratch();
        let image = image::make_filled(dir.path(), 4, options, Some(&tree(dir.path())));
        let xattr = "ea_set /file user.name value";
        image::debugfs(&image, &[xattr, "ea_set /link-10 security.selinux label"]);
        torture(options, &image);
    }
}

#[test]
fn ntfs() {
    limit_memory();
    let dir = image::scratch();
    let image = dir.path().join("ntfs.img");
    let packed: &[u8] = include_bytes!("fixtures/ntfs.img.gz");
    let mut gzip = flate2::read::GzDecoder::new(packed);
    std::io::copy(&mut gzip, &mut fs::File::create(&image).unwrap()).unwrap();
    // Most of the others are a table of capital letters that no reader needs.
    let bytes = fs::read(&image).unwrap();
    let len = |at: usize| match &bytes[at..at + 4] {
        b"FILE" => 2,
        b"INDX" => 8,
        _ => 0,
    };
    let sectors = (0..bytes.len()).step_by(512);
    let used: Vec<usize> =
        sectors.flat_map(|at| (0..len(at)).map(move |index| at + index * 512)).collect();
    torture_and("ntfs", &image, &used, |_, _| {});
}

#[test]
fn fat() {
    limit_memory();
    for (mib, options) in [(6, "-F 12 -s 4"), (9, "-F 16 -s 2"), (34, "-F 32 -s 1")] {
        let dir = image::scratch();
        let tree = tree(dir.path());
        for len in [10, 100, 900] {
            fs::remove_file(tree.join(format!("link-{len}"))).unwrap();
        }
        let image = dir.path().join("fat.img");
        fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        let path = image.to_str().unwrap();
        image::run("sh", &["-c", &format!("mkfs.vfat {options} {path}")]);
        let copy = format!("mcopy -s -i {path} {}/* ::", tree.display());
        image::run("sh", &["-c", &copy]);
        torture(options, &image);
    }
}

/// Start, length and place of the checksum of the record of XFS around a
/// sector. Blocks and inodes are of 1 KiB and 512 bytes.
fn xfs_record(bytes: &[u8], sector: usize) -> Option<(usize, usize, usize)> {
    let block = sector / 1024 * 1024;
    let starts = |at: usize, magic: &[u8]| bytes[at..].starts_with(magic);
    let attributes = [[0x3b, 0xee], [0x3e, 0xbe]].iter().any(|magic| starts(block + 8, magic));
    Some(match () {
        () if starts(sector, b"IN") => (sector, 512, 100),
        () if starts(sector, b"XFSB") => (sector, 512, 224),
        () if starts(block, b"XDB3") || starts(block, b"XDD3") => (block, 1024, 4),
        () if starts(block, b"BMA3") => (block, 1024, 64),
        () if starts(block, b"XSLM") || starts(block, b"XARM") => (block, 1024, 12),
        () if attributes => (block, 1024, 12),
        () => return None,
    })
}

/// Makes the checksums of XFS right again, so that what is behind them is
/// reached.
fn mend_xfs(bytes: &mut [u8], sector: usize) {
    let Some((start, len, crc_at)) = xfs_record(bytes, sector) else { return };
    bytes[start + crc_at..start + crc_at + 4].fill(0);
    let step = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    let byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), step);
    let crc = !bytes[start..start + len].iter().fold(u32::MAX, byte);
    bytes[start + crc_at..start + crc_at + 4].copy_from_slice(&crc.to_le_bytes());
}

/// An image that the kernel has filled; needs root, see `support::mount`.
fn xfs_image(dir: &Path) -> PathBuf {
    let image = image::make_xfs(dir, 32, "-b size=1024 -d agcount=2 -l size=4m");
    let mount = Mount::of("xfs", &image, 0, "rw");
    let source = tree(dir);
    image::run("sh", &["-c", &format!("cp -r {}/* {}", source.display(), mount.path().display())]);
    let mut names = Vec::new();
    for index in 0..60_u64 {
        names.push((format!("user.attribute-{index}"), 30 + index * 3));
    }
    names.push(("trusted.large".to_owned(), 5000));
    for (file, count) in [("file", names.len()), ("holes", 8), ("large", 2), ("link-900", 0)] {
        let path = mount.path().join(file);
        for (name, len) in names.iter().rev().take(count) {
            rustix::fs::lsetxattr(&path, name, &pattern(1, *len), XattrFlags::empty()).unwrap();
        }
    }
    // Two trees of extents: many teeth, and a directory between them.
    let comb = fs::File::create(mount.path().join("comb")).unwrap();
    for tooth in 0..900 {
        use std::os::unix::fs::FileExt;
        comb.write_all_at(&b"content!".repeat(128), tooth * 2048).unwrap();
    }
    drop((comb, mount));
    image
}

#[test]
fn xfs() {
    limit_memory();
    let dir = image::scratch();
    let image = xfs_image(dir.path());
    torture("XFS", &image);
    let bytes = fs::read(&image).unwrap();
    let mut used = metadata_sectors(&bytes);
    used.retain(|&sector| xfs_record(&bytes, sector).is_some());
    assert!(used.len() > 500, "only {} sectors with records", used.len());
    torture_and("XFS, checksums mended", &image, &used, mend_xfs);
}

#[test]
fn journals() {
    limit_memory();
    for (journal, features) in [("jo", "^metadata_csum"), ("jo -c -v 3", "metadata_csum")] {
        let dir = image::scratch();
        let options = format!("-t ext4 -b 1024 -J size=1 -O {features}");
        let image = image::make_filled(dir.path(), 4, &options, Some(&tree(dir.path())));
        let script = dir.path().join("script");
        let file = dir.path().join("blocks");
        fs::write(&file, pattern(1, 30 * 1024)).unwrap();
        let file = file.display();
        let lines =
            format!("{journal}\njw -b 3500-3529 {file}\njw -r 3501-3510\njw -b 3511 {file}\njc\n");
        fs::write(&script, lines).unwrap();
        image::run(
            "debugfs",
            &["-w".as_ref(), "-f".as_ref(), script.as_os_str(), image.as_os_str()],
        );
        torture(journal, &image);
    }
}

#[test]
fn disks() {
    limit_memory();
    let dir = image::scratch();
    let source = image::make_filled(dir.path(), 4, "-t ext4 -b 1024", Some(&tree(dir.path())));
    let disk = dir.path().join("disk.raw");
    let mut bytes = vec![0; 1 << 20];
    bytes.extend(fs::read(source).unwrap());
    bytes.extend(vec![0; 1 << 20]);
    fs::write(&disk, bytes).unwrap();
    image::run(
        "sh",
        &["-c", &format!("echo 'label: gpt\nstart=2048,size=8192' | sfdisk -q {}", disk.display())],
    );
    torture("GPT", &disk);
    for options in
        ["", "-c", "-c -o compression_type=zstd", "-o cluster_size=512", "-o compat=0.10"]
    {
        let image = dir.path().join("disk.qcow2");
        let mut args: Vec<&str> = "convert -q -f raw -O qcow2".split(' ').collect();
        args.extend(options.split_whitespace());
        args.extend([disk.to_str().unwrap(), image.to_str().unwrap()]);
        image::run("qemu-img", &args);
        torture(&format!("qcow2 {options}"), &image);
    }
}

/// A root and a second volume, with what LVM's tools write around them.
#[test]
fn volumes() {
    limit_memory();
    let dir = image::scratch();
    let source = image::make_filled(dir.path(), 4, "-t ext4 -b 1024", Some(&tree(dir.path())));
    let disk = dir.path().join("lvm.raw");
    let script = r#"set -e
        truncate -s 6M "$1"; loop=$(losetup -f --show "$1"); trap 'losetup -d "$loop"' EXIT
        name=damage$$; flags="--driverloaded n --devices $loop"
        pvcreate -q --metadatasize 64k $flags "$loop"; vgcreate -q -s 1M $flags "$name" "$loop"
        lvcreate -q -an -Zn -Wn -l 4 -n root $flags "$name"
        start=$(pvs --noheadings --units s --nosuffix -o pe_start $flags)
        dd if="$2" of="$loop" bs=512 seek="$((start))" conv=notrunc,fsync"#;
    let paths = [disk.to_str().unwrap(), source.to_str().unwrap()];
    image::run("sh", &["-c", script, "sh", paths[0], paths[1]]);
    torture("LVM", &disk);
}

/// An XFS with most of its newest state in the log.
#[test]
fn dirty_logs() {
    limit_memory();
    let dir = image::scratch();
    let image = image::make_xfs(dir.path(), 32, "-b size=1024 -d agcount=2 -l size=4m");
    let mount = Mount::of("xfs", &image, 0, "rw");
    let source = tree(dir.path());
    let target = mount.path().to_str().unwrap().to_owned();
    image::run("sh", &["-c", &format!("cp -r {}/* {target}", source.display())]);
    image::run("xfs_io", &["-x", "-c", "shutdown -f", &target]);
    drop(mount);
    let bytes = fs::read(&image).unwrap();
    // From the first record with content to the end of the log.
    let is_record = |at: usize| {
        bytes[at..].starts_with(&[0xfe, 0xed, 0xba, 0xbe]) && bytes[at + 12..at + 16] != [0; 4]
    };
    let records: Vec<usize> = (0..bytes.len()).step_by(512).filter(|&at| is_record(at)).collect();
    let (first, last) = (records[0], *records.last().unwrap());
    let mut used = metadata_sectors(&bytes);
    used.retain(|sector| (first..last + 32_768).contains(sector));
    assert!(used.len() > 100, "only {} sectors in the log", used.len());
    torture_and("XFS, dirty log", &image, &used, |_, _| {});
    // Without checksums in the records, as old kernels wrote them.
    let mut plain = bytes.clone();
    records.iter().for_each(|at| plain[at + 32..at + 36].fill(0));
    fs::write(&image, plain).unwrap();
    torture_and("XFS, dirty log without checksums", &image, &used, |_, _| {});
}

#[test]
#[ignore = "long: a step of `cargo xtask test --all`"]
fn by_the_thousand() {
    many();
    for all in [file_systems, fat, xfs, dirty_logs, journals, disks, volumes] {
        all();
    }
}
