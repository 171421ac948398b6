//! What is written beside an artifact, for images of both families.

#![allow(clippy::unwrap_used, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "the validator is no tool of ours")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use disk_image::artifact::{Artifact, Index, Node, NodeKind};
use disk_image::fs::Timestamp;
use disk_image::pack::Manifest;
use disk_image::policy::Kind;
use serde_json::Value;
use xtask::contents::{self, Contents};

/// Synthetic; names that need escaping in package URLs.
const STATUS: &str = "\
Package: libstdc++6
Status: install ok installed
Maintainer: Debian GCC Maintainers <debian-gcc@lists.debian.org>
Architecture: amd64
Version: 1:12.2.0-14+deb12u1~x

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: nobody
Status: install ok installed
Architecture: all
Version: 2
";

/// Of the disk crate's tests; made by rpm, see the README there.
const RPMDB: &[u8] = include_bytes!("../disk/tests/rpmdb/rpmdb.sqlite.gz");

fn image(release: &str, database: (&str, Vec<u8>)) -> Artifact {
    let mut index = Index::default();
    let files = [("etc/os-release", release.as_bytes().to_vec()), database];
    for (path, bytes) in files {
        let node = Node {
            kind: NodeKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: u64::try_from(bytes.len()).unwrap(),
            mtime: Timestamp::default(),
            xattrs: Vec::new(),
            fingerprint: None,
        };
        index.insert(path.into(), node);
        index.insert_content(path.into(), bytes);
    }
    let root = Ok("archive".into());
    let (bytes, unpacked, warnings) = (1, 1, Vec::new());
    Artifact { kind: Kind::Tgz, bytes, sha256: [7; 32], index, root, unpacked, warnings }
}

fn debian() -> Artifact {
    image("ID=debian\nVERSION_ID=\"12\"\n", ("var/lib/dpkg/status", STATUS.into()))
}

fn rhel() -> Artifact {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(RPMDB), &mut bytes).unwrap();
    image("ID=\"rhel\"\nVERSION_ID=\"9.4\"\n", ("var/lib/rpm/rpmdb.sqlite", bytes))
}

fn neither() -> Artifact {
    image("", ("var/lib/rpm/Packages", vec![0; 16]))
}

/// Writes all three files and returns where.
fn write(dir: &Path, artifact: &Artifact) -> PathBuf {
    let path = dir.join("x.tar.gz");
    let manifest = Manifest::of(&artifact.index);
    let contents = Contents { name: "x.tar.gz", artifact, manifest: &manifest, changes: &[] };
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    contents::write(contents, &path, now).unwrap();
    path
}

fn json(path: &Path, end: &str) -> Value {
    let text = std::fs::read_to_string(format!("{}{end}", path.display())).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn package_lists_of_both_families() {
    let dir = tempfile::tempdir().unwrap();
    for (artifact, database, count) in [(debian(), "dpkg", 2), (rhel(), "rpm", 14)] {
        let document = json(&write(dir.path(), &artifact), ".contents.json");
        assert_eq!(document["packages"]["database"], database);
        assert_eq!(document["packages"]["list"].as_array().unwrap().len(), count);
        assert_eq!(document["artifact"]["entries"], 2);
    }
    let document = json(&write(dir.path(), &neither()), ".contents.json");
    let reason = document["packages"]["reason"].as_str().unwrap();
    assert!(reason.contains("BerkeleyDB"), "{reason}");
    let files = std::fs::read_to_string(dir.path().join("x.tar.gz.files.txt")).unwrap();
    assert_eq!(files.lines().count(), 2);
}

#[test]
fn spdx_names_every_package_once() {
    let dir = tempfile::tempdir().unwrap();
    for (artifact, count, purl) in [
        (
            debian(),
            3,
            "pkg:deb/debian/libstdc%2B%2B6@1%3A12.2.0-14%2Bdeb12u1~x?arch=amd64&distro=debian-12",
        ),
        (rhel(), 15, "pkg:rpm/rhel/sample-plain@4.5-3.el9?arch=noarch&distro=rhel-9.4&epoch=0"),
        (neither(), 1, ""),
    ] {
        let document = json(&write(dir.path(), &artifact), ".spdx.json");
        let packages = document["packages"].as_array().unwrap();
        assert_eq!(packages.len(), count);
        let ids: BTreeSet<&str> = packages.iter().map(|p| p["SPDXID"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), count, "unique");
        let relationships = document["relationships"].as_array().unwrap();
        assert_eq!(relationships.len(), count);
        assert!(
            relationships.iter().all(|it| ids.contains(it["relatedSpdxElement"].as_str().unwrap()))
        );
        let locators =
            packages.iter().filter_map(|p| p["externalRefs"][0]["referenceLocator"].as_str());
        assert_eq!(
            locators.filter(|locator| *locator == purl).count(),
            usize::from(!purl.is_empty())
        );
        assert_eq!(document["creationInfo"]["created"], "2023-11-14T22:13:20Z");
    }
}

/// `PYSPDXTOOLS` names the validator of SPDX (`pip install spdx-tools`).
#[test]
#[ignore = "needs SPDX's own validator"]
fn spdx_is_valid() {
    let tool = std::env::var_os("PYSPDXTOOLS").unwrap_or_else(|| "pyspdxtools".into());
    let dir = tempfile::tempdir().unwrap();
    for artifact in [debian(), rhel(), neither()] {
        let path = format!("{}.spdx.json", write(dir.path(), &artifact).display());
        let output = Command::new(&tool).args(["-i", &path]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let path = format!("{}.spdx.json", dir.path().join("x.tar.gz").display());
    let text = std::fs::read_to_string(&path).unwrap().replace("CC0-1.0", "CC-BY-4.0");
    std::fs::write(&path, text).unwrap();
    let output = Command::new(&tool).args(["-i", &path]).output().unwrap();
    assert!(!output.status.success(), "the validator must be able to fail");
}
