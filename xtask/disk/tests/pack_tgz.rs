//! Disk to archive, compared with the tree that the disk was made of.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]

mod packing;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use disk_image::ErrorKind;
use disk_image::artifact::{Options, read};
use disk_image::gzip;
use disk_image::pack::{AddTree, PackRequest, RootSelector, Watch, pack};
use disk_image::policy::{Kind, STANDARD};
use packing::bench::bench;

fn all_rules() -> Vec<String> {
    STANDARD.iter().map(|rule| rule.id.to_string()).collect()
}

#[test]
fn without_clean_up_the_archive_is_the_tree() {
    let bench = bench(packing::make_root);
    let request = PackRequest { keep: all_rules(), ..bench.request("x.tar.gz") };
    let packed = bench.pack(&request).unwrap();
    assert!(packed.changes.is_empty());
    let out = packing::extract(&request.output, &[]);
    let (mut expected, found) = (packing::manifest(&bench.root), packing::manifest(out.path()));
    // mke2fs makes it; the others keep their times.
    let mut found: BTreeMap<_, _> = found;
    found.remove(&b"lost+found"[..]);
    if !packing::is_root() {
        eprintln!("not root: owners are not compared");
        expected.values_mut().chain(found.values_mut()).for_each(|facts| facts.owner = (0, 0));
    }
    for (path, facts) in &expected {
        let mut facts = facts.clone();
        let got = found.get(path).unwrap_or_else(|| panic!("{} is missing", lossy(path)));
        // mke2fs before 1.47.1 copies whole seconds only, and stamps the root.
        assert!(path.is_empty() || got.mtime.0 == facts.mtime.0, "{}", lossy(path));
        facts.mtime = got.mtime;
        assert_eq!(got, &facts, "{}", lossy(path));
    }
    assert_eq!(found.len(), expected.len());
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[test]
fn clean_up_happens_in_the_stream_and_is_reported() {
    let bench = bench(packing::make_root);
    let curtin = bench.dir.path().join("hooks");
    fs::create_dir(&curtin).unwrap();
    fs::write(curtin.join("curtin-hooks"), "#!/bin/sh\nexit 0\n").unwrap();
    let add = vec![AddTree { at: "/curtin".into(), from: curtin }];
    let request = PackRequest { add, ..bench.request("x.tar.gz") };
    let before = fs::read(&bench.disk).unwrap();
    let packed = bench.pack(&request).unwrap();
    assert!(fs::read(&bench.disk).unwrap() == before, "the disk was changed");

    let out = packing::extract(&request.output, &[]);
    let text = |path: &str| fs::read_to_string(out.path().join(path));
    assert_eq!(text("etc/machine-id").unwrap(), "");
    assert_eq!(text("etc/fstab").unwrap(), "");
    assert_eq!(text("etc/iscsi/initiatorname.iscsi").unwrap(), "GenerateName=yes\n");
    // Another name of the same inode is another file, and not cleaned.
    assert!(text("usr/fstab-copy").unwrap().starts_with("UUID=x"));
    assert_eq!(text("var/log/syslog").unwrap(), "");
    assert_eq!(text("usr/shared-b").unwrap(), "shared\n");
    assert_eq!(text("curtin/curtin-hooks").unwrap(), "#!/bin/sh\nexit 0\n");
    for gone in ["etc/ssh/ssh_host_rsa_key", "root/.ssh/authorized_keys", "var/lib/cloud/data"] {
        assert!(!out.path().join(gone).exists(), "{gone}");
    }
    for kept in ["tmp", "var/lib/cloud", "root/.ssh", "var/log/journal", "etc/ssh/sshd_config"] {
        assert!(out.path().join(kept).exists(), "{kept}");
    }
    let change = |path: &str| packed.changes.iter().find(|change| change.path == path).unwrap();
    assert_eq!(
        (change("/var/lib/cloud").rule, change("/var/lib/cloud").entries),
        ("cloud-init-state", 2)
    );
    assert_eq!((change("/etc/machine-id").action, change("/etc/machine-id").bytes), ("empty", 33));
    assert_eq!(packed.manifest.unwrap().os_release.get("VERSION_ID"), "12");
}

#[test]
fn the_same_disk_gives_the_same_bytes() {
    let bench = bench(packing::make_root);
    let mut hashes = Vec::new();
    for (name, threads) in [("a", 1), ("b", 2), ("c", 5)] {
        let gzip = gzip::Options { threads, ..gzip::Options::default() };
        let packed = bench.pack(&PackRequest { gzip, ..bench.request(name) }).unwrap();
        let written = fs::read(bench.dir.path().join(name)).unwrap();
        assert_eq!(packed.bytes, u64::try_from(written.len()).unwrap());
        hashes.push(packed.sha256);
    }
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn what_cannot_deploy_is_refused_and_leaves_no_file() {
    let empty = bench(|_| {});
    let no_root = bench(|root| fs::write(root.join("readme"), "x").unwrap());
    let tiny = bench(packing::make_root);
    for (bench, allow_tiny, says) in
        [(&empty, true, "empty"), (&no_root, true, "/etc and /usr"), (&tiny, false, "too small")]
    {
        let request = PackRequest { allow_tiny, ..bench.request("x.tar.gz") };
        let error = bench.pack(&request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        let left = fs::read_dir(bench.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.into_iter().all(|name| name == "root" || name == "disk.raw"));
    }
}

#[test]
fn unknown_rules_and_impossible_requests_are_usage_errors() {
    let bench = bench(packing::make_root);
    let keep = PackRequest { keep: vec!["fstap".into()], ..bench.request("x") };
    let add = vec![AddTree { at: "/curtin".into(), from: "/".into() }];
    let add = PackRequest { kind: Kind::Ddgz, add, ..bench.request("x") };
    let number = PackRequest { root: RootSelector::Number(7), ..bench.request("x") };
    let mounts = vec![("/boot".into(), 2)];
    let mounts = PackRequest { mounts, ..bench.request("x") };
    for request in [keep, add, number, mounts] {
        let error = bench.pack(&request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}

#[test]
fn a_cancelled_run_leaves_no_file() {
    let bench = bench(packing::make_root);
    let cancel = || true;
    let error = pack(&bench.request("x"), &Watch::default().cancelled_by(&cancel)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(!bench.dir.path().join("x.partial").exists());
}

#[test]
fn a_whole_disk_round_trips() {
    let bench = bench(packing::make_dd_root);
    let request = PackRequest { kind: Kind::Ddgz, ..bench.request("x.dd.gz") };
    let packed = bench.pack(&request).unwrap();
    let unpacked = packing::run("gzip", ["-dc".as_ref(), request.output.as_os_str()]);
    assert!(unpacked == fs::read(&bench.disk).unwrap());
    // Nothing is cleaned, but what should have been is told; fstab may stay.
    assert!(packed.changes.iter().any(|change| change.rule == "machine-id"));
    assert!(packed.changes.iter().all(|change| change.rule != "fstab"));
}

#[test]
fn a_whole_disk_reads_back_like_its_archive() {
    let bench = bench(packing::make_dd_root);
    let image = bench.dir.path().join("root.img");
    fs::rename(&bench.disk, &image).unwrap();
    packing::make_disk(&bench.disk, &[(1, ROOT, &image)]);
    let tgz = PackRequest { keep: all_rules(), ..bench.request("x.tar.gz") };
    let ddgz = PackRequest { kind: Kind::Ddgz, ..bench.request("x.dd.gz") };
    bench.pack(&tgz).unwrap();
    bench.pack(&ddgz).unwrap();
    let options = Options { fingerprints: true, temp: Some(bench.dir.path()), cancel: None };
    let (archive, disk) =
        (read(&tgz.output, options).unwrap(), read(&ddgz.output, options).unwrap());
    assert_eq!((archive.kind, disk.kind), (Kind::Tgz, Kind::Ddgz));
    assert_eq!(disk.root.as_deref(), Ok("partition 1 (ext4)"));
    let (a, b): (Vec<_>, Vec<_>) = (archive.index.iter().collect(), disk.index.iter().collect());
    assert_eq!(a, b);
}

const ROOT: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const BOOT: &str = "bc13c2ff-59e6-4262-a352-b275fd6f7172";
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

#[test]
fn the_root_is_found_by_type_by_content_or_by_number() {
    let bench = bench(packing::make_root);
    let image = bench.dir.path().join("root.img");
    fs::rename(&bench.disk, &image).unwrap();
    let (none, root) = (Path::new(""), image.as_path());
    let auto = RootSelector::Auto;
    for (parts, selector, expected) in [
        (&[(1, ROOT, root), (15, ESP, none)][..], auto.clone(), Ok("")),
        (&[(14, ESP, none), (3, LINUX, root)], auto.clone(), Ok("")),
        (&[(2, ROOT, root), (3, LINUX, root)], auto.clone(), Ok("")),
        (&[(2, LINUX, root), (3, LINUX, root)], RootSelector::Number(3), Ok("")),
        (&[(2, LINUX, root), (3, ROOT, root)], RootSelector::TypeGuid(ROOT.to_uppercase()), Ok("")),
        (&[(2, LINUX, root), (3, LINUX, root)], auto.clone(), Err("several look like a root")),
        (&[(15, ESP, none)], auto, Err("partition 15: no file system that can be read")),
        (&[(1, LINUX, root), (15, ESP, none)], RootSelector::Number(15), Err("partition 15")),
        (&[(1, LINUX, root)], RootSelector::Number(9), Err("the disk has 1")),
    ] {
        packing::make_disk(&bench.disk, parts);
        let request = PackRequest { root: selector, ..bench.request("x.tar.gz") };
        match (bench.pack(&request), expected) {
            (Ok(_), Ok(_)) => {}
            (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{error}"),
            (result, expected) => panic!("{parts:?}: {result:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_boot_partition_is_part_of_the_tree() {
    let bench = bench(|root| {
        packing::make_root(root);
        fs::create_dir(root.join("boot")).unwrap();
    });
    let boot = bench.dir.path().join("boot");
    let [root_image, boot_image] = ["root.img", "boot.img"].map(|name| bench.dir.path().join(name));
    fs::create_dir(&boot).unwrap();
    fs::write(boot.join("vmlinuz-6.1.0"), "kernel").unwrap();
    packing::make_ext4(&boot, &boot_image);
    fs::rename(&bench.disk, &root_image).unwrap();
    for (kind, mounts) in [(BOOT, vec![]), (LINUX, vec![("/boot".to_string(), 16)])] {
        packing::make_disk(&bench.disk, &[(1, ROOT, &root_image), (16, kind, &boot_image)]);
        let request = PackRequest { mounts, ..bench.request("x.tar.gz") };
        let packed = bench.pack(&request).unwrap();
        let out = packing::extract(&request.output, &[]);
        assert_eq!(fs::read(out.path().join("boot/vmlinuz-6.1.0")).unwrap(), b"kernel");
        assert_eq!(packed.manifest.unwrap().kernels[0].version, "6.1.0");
    }
    let mounts = vec![("/no/such/dir".to_string(), 16)];
    let error = bench.pack(&PackRequest { mounts, ..bench.request("x.tar.gz") }).unwrap_err();
    assert!(error.to_string().contains("/no/such/dir"), "{error}");
}
