//! File systems copied while mounted, so that their newest state is only in
//! the journal. The reference is the kernel, which replays it when it mounts.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk_image::block::Raw;
use disk_image::ext4::Ext4;
use disk_image::{Error, ErrorKind};
use support::image;
use support::manifest::{assert_same, of_kernel, of_reader};
use support::mount::Mount;
use support::oddities::pattern;

fn open(image: &Path) -> Result<Ext4, Error> {
    Ext4::open(Arc::new(Raw::open(image)?))
}

/// Commits the journal without writing metadata to its place, as `sync` would.
fn commit(dir: &Path) {
    File::open(dir).unwrap().sync_all().unwrap();
}

/// Several rounds of changes, each in its own transaction.
fn churn(root: &Path, rounds: u64) {
    for round in 0..rounds {
        let dir = root.join(format!("round-{round}"));
        fs::create_dir(&dir).unwrap();
        for index in 0..40 {
            let name = dir.join(format!("{index}-{}", "n".repeat(100)));
            fs::write(&name, pattern(index, 300 + index)).unwrap();
        }
        commit(&dir);
        if round % 2 == 1 {
            let old = root.join(format!("round-{}", round - 1));
            fs::rename(&old, root.join(format!("renamed-{round}"))).unwrap();
            fs::remove_file(dir.join(format!("3-{}", "n".repeat(100)))).unwrap();
        }
        if round % 4 == 3 {
            fs::remove_dir_all(&dir).unwrap();
            // The blocks of the directory go to a file: its journaled
            // versions are revoked and must not come back.
            fs::write(root.join(format!("reuse-{}", round % 12)), pattern(round, 3 << 20)).unwrap();
        }
        commit(root);
    }
}

/// A copy of `image` as if the machine had lost power after the churn.
fn interrupted(dir: &Path, options: &str, mount: &str, rounds: u64) -> PathBuf {
    let path = image::make(dir, 48, options);
    let mount = Mount::new(&path, 0, mount);
    churn(mount.path(), rounds);
    // What the journal must escape: a block that looks like one of its own.
    // It is journaled only where the mount options journal content.
    fs::write(mount.path().join("magic"), [0xc0, 0x3b, 0x39, 0x98].repeat(1024)).unwrap();
    commit(&mount.path().join("magic"));
    let copy = image::copy(&path, "interrupted.img");
    drop(mount);
    copy
}

/// The kernel writes when it replays, so the mount cannot be read-only.
fn replaying(dirty: &Path) -> Mount {
    Mount::new(dirty, 0, "rw,noatime")
}

fn round(options: &str, mount: &str, rounds: u64) {
    let dir = image::scratch();
    let dirty = interrupted(dir.path(), options, mount, rounds);
    let fs = open(&dirty).unwrap();
    assert!(fs.replayed_blocks() > 20, "{options}: nothing in the journal to test with");
    let reader = of_reader(&fs);
    let kernel = of_kernel(replaying(&dirty).path());
    let count = assert_same(&format!("{options} {mount}"), &kernel, &reader);
    println!("{options} {mount}: {count} entries, {} blocks replayed", fs.replayed_blocks());
}

#[test]
fn kernel_agrees_after_power_loss() {
    for (options, mount) in [
        ("-t ext4 -b 4096", "rw"),
        ("-t ext4 -b 1024 -O ^metadata_csum,^64bit", "rw"),
        ("-t ext4 -b 4096 -O ^metadata_csum", "rw,journal_checksum"),
        ("-t ext4 -b 4096", "rw,journal_async_commit,data=writeback"),
        ("-t ext4 -b 2048", "rw,data=journal"),
        ("-t ext3 -b 1024", "rw,data=journal"),
        ("-t ext4 -b 4096 -O inline_data,orphan_file,bigalloc", "rw"),
    ] {
        round(options, mount, 8);
    }
}

#[test]
fn kernel_agrees_after_the_log_wrapped_around() {
    // 1024 blocks, the smallest journal, and several times that in commits.
    round("-t ext4 -b 1024 -J size=1", "rw,data=journal", 13);
    round("-t ext4 -b 4096 -J size=4", "rw", 60);
}

#[test]
fn kernel_agrees_while_files_are_open_but_deleted() {
    let dir = image::scratch();
    let path = image::make(dir.path(), 48, "-t ext4 -b 4096");
    let mount = Mount::new(&path, 0, "rw");
    let file = File::create(mount.path().join("deleted")).unwrap();
    file.set_len(5 << 20).unwrap();
    fs::write(mount.path().join("kept"), pattern(1, 5000)).unwrap();
    fs::remove_file(mount.path().join("deleted")).unwrap();
    commit(mount.path());
    let dirty = image::copy(&path, "orphans.img");
    drop(file);
    drop(mount);
    let reader = of_reader(&open(&dirty).unwrap());
    let kernel = of_kernel(replaying(&dirty).path());
    assert_same("orphans", &kernel, &reader);
    assert!(!reader.contains_key(&b"deleted"[..]));
}

#[test]
fn kernel_needed_for_fast_commits() {
    let dir = image::scratch();
    let path = image::make(dir.path(), 48, "-t ext4 -b 4096 -O fast_commit");
    let mount = Mount::new(&path, 0, "rw");
    churn(mount.path(), 1);
    for index in 0..5 {
        let name = mount.path().join(format!("fast-{index}"));
        fs::write(&name, "x").unwrap();
        commit(&name);
    }
    let dirty = image::copy(&path, "fast.img");
    drop(mount);
    let error = open(&dirty).err().expect("fast commits cannot be replayed");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("fast commit"), "{error}");
    // Once the kernel has replayed them the file system is like any other.
    let kernel = of_kernel(replaying(&dirty).path());
    assert!(kernel.contains_key(&b"fast-4"[..]));
    assert_same("fast commits", &kernel, &of_reader(&open(&dirty).unwrap()));
}

/// Journals of older kernels, written by debugfs: no mount involved.
#[test]
fn logs_of_every_checksum_version_replay() {
    for (journal, features) in [
        ("", "^metadata_csum"),
        ("-c", "^metadata_csum"),
        ("-c -v 2", "metadata_csum"),
        ("-c -v 3", "metadata_csum"),
        ("-c -v 2", "metadata_csum,^64bit"),
        ("-c -v 3", "metadata_csum,^64bit"),
    ] {
        let dir = image::scratch();
        fs::write(dir.path().join("file"), [b'o'; 4 * 1024]).unwrap();
        let options = format!("-t ext4 -b 1024 -O {features}");
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), [b'o'; 4 * 1024]).unwrap();
        let path = image::make_filled(dir.path(), 8, &options, Some(&tree));
        let blocks = image::run(
            "debugfs",
            &[OsStr::new("-R"), OsStr::new("blocks /file"), path.as_os_str()],
        );
        let blocks: Vec<&str> = blocks.split_whitespace().collect();
        let new = dir.path().join("new");
        fs::write(&new, [[0xc0, 0x3b, 0x39, 0x98].repeat(256), vec![b'n'; 1024]].concat()).unwrap();
        // Two blocks are written, then one of them is revoked and a third written.
        let script = dir.path().join("script");
        let new = new.display();
        let (first, second, third) = (blocks[0], blocks[1], blocks[2]);
        // debugfs 1.47 counts revoke blocks into the CRC-32 of a commit, which
        // the kernel does not: it calls such a journal corrupt.
        let (second, revoke) = match journal {
            "-c" => ("", String::new()),
            _ => (second, format!("jw -r {second}\n")),
        };
        let pair = [first, second].join(",");
        let lines = format!("jo {journal}\njw -b {pair} {new}\n{revoke}jw -b {third} {new}\njc\n");
        fs::write(&script, lines).unwrap();
        image::run(
            "debugfs",
            &[OsStr::new("-w"), OsStr::new("-f"), script.as_os_str(), path.as_os_str()],
        );
        let what = format!("{journal} {features}");
        let fs = open(&path).unwrap_or_else(|error| panic!("{what}: {error}"));
        let reader = of_reader(&fs);
        assert_eq!(fs.replayed_blocks(), 2, "{what}");
        let expected: Vec<u8> = [
            [0xc0, 0x3b, 0x39, 0x98].repeat(256),
            vec![b'o'; 1024],
            [0xc0, 0x3b, 0x39, 0x98].repeat(256),
            vec![b'o'; 1024],
        ]
        .concat();
        let mut found = vec![0; 4096];
        let node = reader[&b"file"[..]].node;
        disk_image::fs::FileSystem::read_file_at(&fs, node, 0, &mut found).unwrap();
        assert!(found == expected, "{what}: wrong content after replay");
    }
}
