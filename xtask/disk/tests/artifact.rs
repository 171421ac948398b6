//! Artifacts of other makers, read back and compared.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "GNU tar and gzip make the input")]

mod packing;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use disk_image::ErrorKind;
use disk_image::artifact::{Artifact, NodeKind, Options, read};

fn archive(root: &Path, dir: &Path, flags: &[&str]) -> PathBuf {
    let output = dir.join("x.tar.gz");
    let status = Command::new("tar")
        .args(["-C".as_ref(), root.as_os_str()])
        .args(["-czf".as_ref(), output.as_os_str()])
        .args(flags)
        .arg(".")
        .status()
        .unwrap();
    assert!(status.success());
    output
}

fn open(path: &Path) -> disk_image::Result<Artifact> {
    read(path, Options { fingerprints: true, ..Options::default() })
}

/// Fingerprints differ only where content does.
#[test]
fn every_format_of_gnu_tar_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    packing::make_root(&root);
    let name = "n".repeat(180);
    fs::create_dir(root.join(&name)).unwrap();
    fs::write(root.join(&name).join(&name), "long").unwrap();
    let expected = packing::manifest(&root);
    let mut seen = Vec::new();
    for flags in [
        &["--format=pax", "--xattrs", "--sparse"][..],
        &["--format=pax"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=gnu", "--sparse"],
        &["--format=gnu"],
        &["--format=oldgnu", "--sparse"],
    ] {
        let artifact = open(&archive(&root, dir.path(), flags)).unwrap();
        assert_eq!(artifact.warnings, Vec::<String>::new(), "{flags:?}");
        assert_eq!(artifact.index.len(), expected.len(), "{flags:?}");
        for (path, facts) in &expected {
            let shown = String::from_utf8_lossy(path);
            let node = artifact.index.iter().find(|(p, _)| p == path).map(|(_, node)| node);
            let node = node.unwrap_or_else(|| panic!("{flags:?}: {shown} is missing"));
            if matches!(node.kind, NodeKind::HardLink(_)) {
                continue;
            }
            assert_eq!(u32::from(node.mode), facts.mode, "{shown}");
            assert_eq!(node.mtime.seconds, facts.mtime.0, "{shown}");
            assert_eq!(node.size, if facts.target.is_empty() { facts.size } else { 0 }, "{shown}");
            let xattrs = if flags.contains(&"--xattrs") { &facts.xattrs[..] } else { &[] };
            assert_eq!(node.xattrs, xattrs, "{flags:?} {shown}");
        }
        let prints: Vec<_> = artifact.index.iter().map(|(_, node)| node.fingerprint).collect();
        seen.push(prints);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "content differs by format");
}

#[test]
fn small_files_are_kept_and_links_followed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    packing::make_root(&root);
    let path = archive(&root, dir.path(), &[]);
    let artifact = open(&path).unwrap();
    assert_eq!(
        artifact.index.content("/etc/os-release").unwrap(),
        b"ID=debian\nVERSION_ID=\"12\"\n"
    );
    assert_eq!(artifact.index.content("/usr/sparse"), None);
    assert_eq!(artifact.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(artifact.sha256, packing::hash(&path));
}

#[test]
fn what_is_no_artifact_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let gzip = |data: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    };
    for (bytes, says) in [
        (vec![], "empty"),
        (b"QFI\xfb1234".to_vec(), "qcow2"),
        (b"\xfd7zXZ\0more".to_vec(), "xz"),
        (b"\x28\xb5\x2f\xfdmore".to_vec(), "zstd"),
        (b"<!DOCTYPE html>".to_vec(), "web page"),
        (b"noise".to_vec(), "not a gzip"),
        (gzip(b""), "nothing in it"),
        (gzip(b"hello"), "neither"),
        (b"\x1f\x8b\x08".to_vec(), ""),
        (b"\x1f\x8bgarbage garbage".to_vec(), ""),
    ] {
        let path = dir.path().join("x");
        fs::write(&path, &bytes).unwrap();
        let error = open(&path).unwrap_err();
        let kinds = [ErrorKind::NotThisFormat, ErrorKind::Damaged];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn truncated_and_damaged_gzip_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    packing::make_root(&root);
    let path = archive(&root, dir.path(), &["--sparse"]);
    let good = fs::read(&path).unwrap();
    for len in (0..good.len()).step_by(good.len() / 60 + 1).chain([good.len() - 1]) {
        fs::write(&path, &good[..len]).unwrap();
        assert!(open(&path).is_err(), "{len} of {} bytes", good.len());
    }
    let mut wrong_crc = good.clone();
    let at = good.len() - 6;
    wrong_crc[at] ^= 1;
    fs::write(&path, &wrong_crc).unwrap();
    assert_eq!(open(&path).unwrap_err().kind(), ErrorKind::Damaged);
    fs::write(&path, [&good[..], b"garbage"].concat()).unwrap();
    assert!(open(&path).is_err(), "GNU gzip complains, too, and curtin stops");
}
