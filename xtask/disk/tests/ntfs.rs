//! The NTFS reader against a volume that ntfs-3g has written: a committed one
//! (`fixtures/make-ntfs`), and a larger one compared with a mount.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use disk_image::block::Raw;
use disk_image::fs::{FileKind, FileSystem, NodeId};
use disk_image::ntfs::Ntfs;
use support::image;
use support::mount::Mount;
use support::oddities::pattern;

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<_> = std::env::split_paths(&path).collect();
    dirs.extend(["/sbin".into(), "/usr/sbin".into()]);
    dirs.iter().any(|dir| dir.join(program).exists())
}

/// The committed volume.
fn fixture() -> Vec<u8> {
    let packed: &[u8] = include_bytes!("fixtures/ntfs.img.gz");
    let mut bytes = Vec::new();
    let mut gzip = flate2::read::GzDecoder::new(packed);
    std::io::Read::read_to_end(&mut gzip, &mut bytes).unwrap();
    bytes
}

fn open(bytes: Vec<u8>) -> Ntfs {
    Ntfs::open(Arc::new(bytes)).unwrap()
}

fn node(fs: &Ntfs, path: &str) -> NodeId {
    path.split('/').fold(fs.root(), |node, name| {
        let entries = fs.read_dir(node).unwrap();
        let found = entries.iter().find(|entry| entry.name == name.as_bytes());
        found.unwrap_or_else(|| panic!("no {name}")).node
    })
}

fn content(fs: &Ntfs, node: NodeId) -> Vec<u8> {
    let size = fs.metadata(node).unwrap().size;
    let mut bytes = vec![0xee; usize::try_from(size).unwrap()];
    assert_eq!(fs.read_file_at(node, 0, &mut bytes).unwrap(), bytes.len());
    bytes
}

#[test]
fn names_content_and_facts_of_the_volume() {
    let fs = open(fixture());
    assert_eq!((fs.label(), fs.kind_name()), (b"Windows".to_vec(), "ntfs"));
    assert_eq!(fs.uuid().unwrap().len(), 16);
    assert_eq!(content(&fs, node(&fs, "curtin/curtin-hooks")), b"#!/bin/sh\nexit 0\n");
    assert_eq!(content(&fs, node(&fs, "gr\u{fc}\u{df}e \u{20ac}")), b"x");
    let many = fs.read_dir(node(&fs, "many")).unwrap();
    assert_eq!(many.len(), 120);
    for entry in many {
        let name = String::from_utf8(entry.name).unwrap();
        assert_eq!(content(&fs, entry.node), name.rsplit(' ').next().unwrap().as_bytes());
    }
    let pieces = content(&fs, node(&fs, "pieces"));
    let wanted: Vec<u8> = (0..60 * 4096).map(|at| b'0' + (at / 4096 % 10) as u8).collect();
    assert!(pieces == wanted, "{} bytes", pieces.len());
    let hole = node(&fs, "hole");
    let bytes = content(&fs, hole);
    assert!(bytes.len() == (1 << 20) + 3 && bytes.ends_with(b"\0end"));
    let stored: u64 = fs.extents(hole).unwrap().iter().map(|extent| extent.len).sum();
    assert!(stored <= 4096, "{stored} bytes of a hole");
    let meta = fs.metadata(node(&fs, "Windows/System32")).unwrap();
    assert_eq!((meta.kind, meta.mode), (FileKind::Directory, 0o755));
    assert!(fs.read_dir(hole).is_err() && fs.read_file_at(fs.root(), 0, &mut [0]).is_err());
}

#[test]
fn a_volume_that_windows_has_not_let_go_is_told() {
    assert_eq!(open(fixture()).unclean().unwrap(), None);
    // $VOLUME_INFORMATION: type 0x70, 40 bytes long, 12 of them a value of
    // version 3.1 whose last field are the flags.
    let mut dirty = fixture();
    let head = [0x70, 0, 0, 0, 0x28, 0, 0, 0, 0, 0];
    let all: Vec<usize> = (0..dirty.len()).filter(|at| dirty[*at..].starts_with(&head)).collect();
    assert!(!all.is_empty(), "the volume's record and its copy");
    all.into_iter().for_each(|at| dirty[at + 24 + 10] |= 1);
    assert!(open(dirty).unclean().unwrap().unwrap().contains("check"));
}

#[test]
fn a_volume_of_a_sleeping_windows_is_told() {
    if !is_installed("mount.ntfs-3g") {
        // Past the capture of tests that pass.
        std::io::stderr()
            .write_all(b"skipped: ntfs-3g is not installed (apt install ntfs-3g)\n")
            .unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sleeping.img");
    fs::write(&path, fixture()).unwrap();
    let mount = Mount::of("ntfs-3g", &path, 0, "rw");
    fs::write(mount.path().join("hiberfil.sys"), b"HIBR and more").unwrap();
    drop(mount);
    let fs = open(fs::read(&path).unwrap());
    assert!(fs.unclean().unwrap().unwrap().contains("hibernates"));
}

/// Every path below the root with what it holds; `None` for directories.
fn of_reader(fs: &Ntfs) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut left = vec![(Vec::new(), fs.root())];
    while let Some((path, node)) = left.pop() {
        for entry in fs.read_dir(node).unwrap() {
            let path = [&path[..], b"/", &entry.name].concat();
            match fs.metadata(entry.node).unwrap().kind {
                FileKind::Directory => {
                    all.insert(path.clone(), None);
                    left.push((path, entry.node));
                }
                _ => drop(all.insert(path, Some(content(fs, entry.node)))),
            }
        }
    }
    all
}

fn of_mount(root: &Path) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut left = vec![(Vec::new(), root.to_owned())];
    while let Some((path, dir)) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let path = [&path[..], b"/", entry.file_name().as_encoded_bytes()].concat();
            if entry.file_type().unwrap().is_dir() {
                all.insert(path.clone(), None);
                left.push((path, entry.path()));
            } else {
                all.insert(path, Some(fs::read(entry.path()).unwrap()));
            }
        }
    }
    all
}

/// A file in so many pieces that its runs need several records, a directory of
/// hundreds of names in a tree of several levels, deleted names between.
fn fill(root: &Path) {
    fs::create_dir_all(root.join("deep/er/still")).unwrap();
    fs::create_dir(root.join("names")).unwrap();
    for index in 0..900_u64 {
        let path = root.join(format!("names/{index} {}", "n".repeat((index % 180) as usize)));
        fs::write(path, pattern(index, index % 900)).unwrap();
    }
    for index in (0..900_u64).step_by(3) {
        let path = root.join(format!("names/{index} {}", "n".repeat((index % 180) as usize)));
        fs::remove_file(path).unwrap();
    }
    fs::write(root.join("resident"), "small").unwrap();
    fs::write(root.join("empty"), "").unwrap();
    let mut files = ["deep/a", "deep/er/b"].map(|name| fs::File::create(root.join(name)).unwrap());
    for index in 0..300 {
        for file in &mut files {
            std::io::Write::write_all(file, &pattern(index, 4096)).unwrap();
            // Without it the two would not grow in turn on the disk.
            file.sync_all().unwrap();
        }
    }
}

#[test]
fn the_tree_is_the_one_that_ntfs_3g_shows() {
    if !is_installed("mount.ntfs-3g") || !is_installed("mkntfs") {
        // Past the capture of tests that pass.
        std::io::stderr()
            .write_all(b"skipped: ntfs-3g is not installed (apt install ntfs-3g)\n")
            .unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ntfs.img");
    for options in ["--cluster-size=512", "--cluster-size=65536"] {
        fs::File::create(&path).unwrap().set_len(96 << 20).unwrap();
        image::run("mkntfs", &["-F", "-Q", "-q", options, path.to_str().unwrap()]);
        let mount = Mount::of("ntfs-3g", &path, 0, "rw");
        fill(mount.path());
        drop(mount);
        let mount = Mount::of("ntfs-3g", &path, 0, "ro");
        let wanted = of_mount(mount.path());
        let fs = Ntfs::open(Arc::new(Raw::open(&path).unwrap())).unwrap();
        let found = of_reader(&fs);
        let missing = wanted.keys().filter(|path| !found.contains_key(*path)).count();
        assert_eq!((found.len(), missing), (wanted.len(), 0), "{options}");
        for (path, bytes) in &wanted {
            assert!(found[path] == *bytes, "{options} {}", String::from_utf8_lossy(path));
        }
        assert_eq!(fs.unclean().unwrap(), None);
    }
}
