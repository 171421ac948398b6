//! Random file systems packed by us, and by GNU tar over a kernel mount: the
//! same members, field by field. Some are packed as a crash left them.
//!
//! Needs root; see `support::mount` for why it never skips.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use disk_image::fs::FileKind;
use disk_image::gzip;
use disk_image::pack::{PackRequest, RootSelector, Watch, pack};
use disk_image::policy::{Kind, STANDARD};
use flate2::read::MultiGzDecoder;
use support::churn::populate;
use support::gnu_tar::{self, Entry};
use support::image;
use support::mount::Mount;

/// Rounds of the default run and of the long one; `ROUNDS` and `SEED` ask for others.
const ROUNDS: u64 = 8;
const LONG: u64 = 400;
const OPERATIONS: u64 = 300;
/// File systems that take turns.
const KINDS: [(&str, &str); 8] = [
    ("ext4", "-t ext4 -b 4096"),
    ("xfs", ""),
    ("ext4", "-t ext4 -b 1024 -O inline_data,ea_inode -I 256"),
    ("xfs", "-b size=1024 -n size=8192 -l size=12m"),
    ("ext4", "-t ext3 -b 1024"),
    ("xfs", "-m bigtime=0,reflink=0 -i size=1024"),
    ("ext4", "-t ext2 -b 2048 -I 128"),
    ("xfs", "-m rmapbt=1 -i nrext64=1 -d agcount=5 -b size=2048"),
];

type Members = BTreeMap<Vec<u8>, Entry>;

/// Further names of a file as copies of the first, and which names belong
/// together: archivers may visit them in another order.
fn resolved(archive: &Members) -> (Members, BTreeMap<Vec<u8>, Vec<u8>>) {
    let mut groups: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    let (mut members, mut first_of) = (Members::new(), BTreeMap::new());
    for (path, entry) in archive {
        let owner = if entry.kind.is_none() { &entry.content } else { path };
        let first = groups.entry(owner).or_insert_with(|| path.clone());
        first_of.insert(path.clone(), first.clone());
        let mut entry = archive.get(owner).expect("a link to what is in the archive").clone();
        // The kernel lists XFS's access control lists under two names.
        entry.xattrs.retain(|(name, _)| !name.starts_with(b"trusted.SGI_ACL_"));
        entry.xattrs.sort();
        members.insert(path.clone(), entry);
    }
    (members, first_of)
}

fn packed(disk: &Path) -> Members {
    let output = disk.with_extension("tar.gz");
    let request = PackRequest {
        disk: disk.to_owned(),
        disk_format: None,
        root: RootSelector::Auto,
        mounts: Vec::new(),
        kind: Kind::Tgz,
        keep: STANDARD.iter().map(|rule| rule.id.to_string()).collect(),
        add: Vec::new(),
        gzip: gzip::Options::default(),
        output: output.clone(),
        allow_tiny: true,
    };
    pack(&request, &Watch::default()).unwrap();
    let mut bytes = Vec::new();
    MultiGzDecoder::new(File::open(output).unwrap()).read_to_end(&mut bytes).unwrap();
    gnu_tar::parse(&bytes)
}

fn by_gnu_tar(kind: &str, disk: &Path) -> Members {
    let archive = disk.with_extension("tar");
    // Replays what is to be replayed.
    drop(Mount::of(kind, disk, 0, "rw,noatime"));
    let mount = Mount::of(kind, disk, 0, "ro");
    let options = "--format=posix --xattrs --xattrs-include=* --numeric-owner --sparse -cf";
    let mut args: Vec<&OsStr> = options.split(' ').map(OsStr::new).collect();
    args.extend([archive.as_os_str(), "-C".as_ref(), mount.path().as_os_str(), ".".as_ref()]);
    image::run("tar", &args);
    gnu_tar::parse(&fs::read(archive).unwrap())
}

/// A file system that `seed` decides, clean or as a crash leaves it.
fn make(dir: &Path, seed: u64) -> (&'static str, String, PathBuf) {
    let (kind, options) = KINDS[seed as usize % KINDS.len()];
    let mut path = match kind {
        "xfs" => image::make_xfs(dir, 320, options),
        _ => image::make(dir, 64, options),
    };
    let mount = Mount::of(kind, &path, 0, "rw");
    for name in ["etc", "usr"] {
        fs::create_dir(mount.path().join(name)).unwrap();
    }
    populate(mount.path(), seed, OPERATIONS);
    let crash = (seed / KINDS.len() as u64) % 2 == 1 && !options.contains("ext2");
    if crash {
        rustix::fs::syncfs(File::open(mount.path()).unwrap()).unwrap();
        path = image::copy(&path, "cut-off.img");
    }
    drop(mount);
    (kind, format!("SEED={seed} {kind} {options}, crash {crash}"), path)
}

fn round(seed: u64) -> usize {
    let dir = image::scratch();
    let (kind, what, path) = make(dir.path(), seed);
    println!("{what}");
    let (ours, our_links) = resolved(&packed(&path));
    let (theirs, their_links) = resolved(&by_gnu_tar(kind, &path));
    let shown = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    for (path, expected) in &theirs {
        let found =
            ours.get(path).unwrap_or_else(|| panic!("{what}: {:?} is missing", shown(path)));
        assert_eq!(found, expected, "{what}: {:?}", shown(path));
    }
    let extra = ours.keys().find(|path| !theirs.contains_key(*path));
    assert_eq!(extra.map(|path| shown(path)), None, "{what}: GNU tar has it not");
    assert!(our_links == their_links, "{what}: other names belong together");
    assert!(ours.values().any(|entry| entry.kind == Some(FileKind::Regular)), "{what}: no file");
    ours.len()
}

fn rounds(count: u64) {
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let (first, count) = (number("SEED", 1), number("ROUNDS", count));
    let members: usize = (first..first + count).map(round).sum();
    println!("{count} rounds, {members} members");
}

#[test]
fn gnu_tar_agrees_on_random_file_systems() {
    rounds(ROUNDS);
}

#[test]
#[ignore = "long: a step of `cargo xtask test --all`"]
fn gnu_tar_agrees_on_hundreds_of_random_file_systems() {
    rounds(LONG);
}
