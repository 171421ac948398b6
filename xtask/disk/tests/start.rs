//! Kernel and initrd of a disk. Disks are synthetic: mke2fs of a tree.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]

mod packing;

use std::fs;
use std::path::Path;

use disk_image::block::Format;
use disk_image::start;
use packing::bench::{Bench, bench};

/// A root with initramfs-tools and these files in `/boot`, which hold their names.
fn disk(tools: bool, boot: &[&str]) -> Bench {
    bench(|root| {
        packing::make_root(root);
        let make = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).unwrap();
            fs::write(&path, path.file_name().unwrap().as_encoded_bytes()).unwrap();
        };
        fs::create_dir_all(root.join("boot")).unwrap();
        boot.iter().for_each(|name| make(&format!("boot/{name}")));
        if tools {
            make("usr/share/initramfs-tools/init");
        }
    })
}

#[test]
fn the_newest_kernel_with_an_initrd_is_found() {
    let names = ["vmlinuz-6.1.0-9-x", "initrd.img-6.1.0-9-x", "vmlinuz-6.1.0-28-x"];
    let bench = disk(true, &[&names[..], &["initrd.img-6.1.0-28-x", "vmlinuz-9.9"]].concat());
    let start = start::read(&bench.disk, None).unwrap();
    assert_eq!((start.version.as_str(), start.root.len()), ("6.1.0-28-x", 36));
    assert_eq!((start.kernel, start.initrd), (names[2].into(), b"initrd.img-6.1.0-28-x".to_vec()));
}

#[test]
fn a_disk_that_cannot_be_started_so_says_why() {
    let pair = ["vmlinuz-6.1", "initrd.img-6.1"];
    for (tools, boot, why) in [
        (false, &pair[..], "no initramfs-tools"),
        (true, &pair[..1], "no /boot/vmlinuz-VERSION with"),
        (true, &[], "no /boot/vmlinuz-VERSION with"),
    ] {
        let error = start::read(&disk(tools, boot).disk, None).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("disk.raw"), "{error}");
    }
    let error = start::read(Path::new("/nowhere.qcow2"), None).unwrap_err();
    assert!(error.to_string().contains("/nowhere.qcow2"), "{error}");
    // As what it is not, and as what it is: zeros.
    let dir = tempfile::tempdir().unwrap();
    let zeros = dir.path().join("zeros");
    fs::File::create(&zeros).unwrap().set_len(1 << 20).unwrap();
    for format in [None, Some(Format::Qcow2)] {
        let error = start::read(&zeros, format).unwrap_err().to_string();
        assert!(error.contains("zeros"), "{error}");
    }
}
