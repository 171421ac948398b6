//! A disk as RHEL and SLES lay it out, XFS root and XFS /boot, to an archive
//! and back, compared with what the kernel shows. Needs root, see
//! `support::mount`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod packing;
mod support;

use std::fs;
use std::path::Path;

use disk_image::artifact::{Options, read};
use disk_image::pack::{PackRequest, RootSelector, Watch, pack};
use disk_image::policy::{Kind, STANDARD};
use disk_image::{gzip, partition};
use support::image;
use support::mount::Mount;

const ROOT: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const BOOT_UUID: &str = "6d6f7265-0000-4000-8000-00000000b007";

fn request(disk: &Path, output: &Path) -> PackRequest {
    PackRequest {
        disk: disk.into(),
        disk_format: None,
        root: RootSelector::Auto,
        mounts: Vec::new(),
        kind: Kind::Tgz,
        keep: STANDARD.iter().map(|rule| rule.id.to_string()).collect(),
        add: Vec::new(),
        gzip: gzip::Options::default(),
        output: output.into(),
        allow_tiny: true,
    }
}

#[test]
fn an_xfs_root_with_its_boot_partition() {
    let dir = image::scratch();
    let path = |name: &str| dir.path().join(name);
    let boot = image::make_xfs(dir.path(), 64, &format!("-m uuid={BOOT_UUID}"));
    fs::rename(boot, path("boot.img")).unwrap();
    let mounted = Mount::of("xfs", &path("boot.img"), 0, "rw");
    fs::write(mounted.path().join("vmlinuz-5.14.0"), vec![1; 300_000]).unwrap();
    drop(mounted);
    let root = image::make_xfs(dir.path(), 300, "-b size=4096");
    let mounted = Mount::of("xfs", &root, 0, "rw");
    packing::make_root(mounted.path());
    fs::create_dir(mounted.path().join("boot")).unwrap();
    let fstab = format!("/dev/x / xfs defaults 0 0\nUUID={BOOT_UUID} /boot xfs defaults 0 0\n");
    fs::write(mounted.path().join("etc/fstab"), fstab).unwrap();
    for number in 0..2000 {
        fs::write(mounted.path().join(format!("usr/lib/{number}")), format!("{number}")).unwrap();
    }
    drop(mounted);
    let (disk, output) = (path("disk.raw"), path("x.tar.gz"));
    packing::make_disk(&disk, &[(1, LINUX, &path("boot.img")), (2, ROOT, &root)]);

    let packed = pack(&request(&disk, &output), &Watch::default()).unwrap();
    let out = packing::extract(&output, &[]);
    let found = packing::manifest(out.path());
    // What the kernel shows, mounted into each other.
    let table = partition::read(&disk_image::block::Raw::open(&disk).unwrap()).unwrap().unwrap();
    let start = |number: u32| table.partitions.iter().find(|it| it.number == number).unwrap().start;
    let kernel = Mount::of("xfs", &disk, start(2), "ro");
    let mut expected = packing::manifest(kernel.path());
    drop(kernel);
    let kernel = Mount::of("xfs", &disk, start(1), "ro");
    for (name, facts) in packing::manifest(kernel.path()) {
        let name = if name.is_empty() { b"boot".to_vec() } else { [b"boot/", &name[..]].concat() };
        expected.insert(name, facts);
    }
    for (name, facts) in &expected {
        let shown = String::from_utf8_lossy(name);
        let got = found.get(name).unwrap_or_else(|| panic!("{shown} is missing"));
        assert_eq!(got, facts, "{shown}");
    }
    assert_eq!(found.len(), expected.len());

    // What was seen in passing is what is in the file.
    let again = read(&output, Options::default()).unwrap();
    assert_eq!(again.index, packed.artifact.index);
    assert_eq!(again.sha256, packed.artifact.sha256);
}
