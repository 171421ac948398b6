//! The FAT reader against trees that mtools has written.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use disk_image::block::Raw;
use disk_image::fat::Fat;
use disk_image::fs::{FileKind, FileSystem};
use support::image;
use support::manifest::{Entry, Manifest, of_kernel, of_reader};
use support::oddities::pattern;

fn make(dir: &Path, mib: u64, options: &str) -> PathBuf {
    let path = dir.join("fat.img");
    File::create(&path).unwrap().set_len(mib << 20).unwrap();
    let mut args: Vec<&str> = options.split_whitespace().collect();
    args.push(path.to_str().unwrap());
    image::run("mkfs.vfat", &args);
    path
}

/// One of mtools, in UTC and with names in UTF-8.
#[expect(clippy::disallowed_methods, reason = "tests may run programs directly")]
fn mtool(program: &str, image: &Path, args: &[&str]) {
    let output = Command::new(program)
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .env("MTOOLS_SKIP_CHECK", "1")
        .arg("-i")
        .arg(image)
        .args(args)
        .output();
    let output = output.unwrap_or_else(|error| panic!("cannot run {program}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
}

fn fill(root: &Path) {
    for dir in ["EFI/BOOT", "EFI/debian", "curtin", "empty", "many", "gaps"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let names = [
        "EFI/BOOT/BOOTX64.EFI",
        "lower.txt",
        "UPPER",
        "lower.EXT",
        "MiXed.Case",
        "a name with spaces and more than one.dot",
        "gr\u{fc}\u{df}e \u{20ac}.txt",
        "exactly-13-ch",
        "exactly-26-characters-here",
        ".hidden",
        "no-extension-but-long",
    ];
    for (seed, name) in (0..).zip(names) {
        fs::write(root.join(name), pattern(seed, seed * 777)).unwrap();
    }
    fs::write(root.join("n".repeat(200)), "long name").unwrap();
    for index in 0..300 {
        fs::write(root.join(format!("many/file number {index}")), format!("{index}")).unwrap();
    }
}

/// Copies the tree, deletes some of it and adds files in the gaps, which are
/// then in pieces.
fn write(root: &Path, image: &Path) {
    let source = root.to_str().unwrap();
    let mut args = vec!["-s".to_owned(), "-m".to_owned()];
    let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name());
    args.extend(names.map(|name| format!("{source}/{}", name.to_str().unwrap())));
    args.push("::/".into());
    mtool("mcopy", image, &args.iter().map(String::as_str).collect::<Vec<_>>());
    for index in (0..300).step_by(3) {
        let name = format!("many/file number {index}");
        fs::remove_file(root.join(&name)).unwrap();
        mtool("mdel", image, &[&format!("::/{name}")]);
    }
    for size in [0, 1, 511, 512, 513, 200_000] {
        let path = root.join(format!("gaps/size-{size}"));
        fs::write(&path, pattern(size, size)).unwrap();
        mtool("mcopy", image, &["-m", path.to_str().unwrap(), "::/gaps/"]);
    }
}

/// What FAT can hold of an entry: times count two seconds.
fn comparable(manifest: Manifest) -> BTreeMap<Vec<u8>, (FileKind, u64, i64, Vec<u8>)> {
    let of = |entry: Entry| {
        let file = entry.kind == FileKind::Regular;
        let time = if file { entry.mtime.seconds / 2 } else { 0 };
        (entry.kind, if file { entry.size } else { 0 }, time, entry.content)
    };
    manifest.into_iter().map(|(path, entry)| (path, of(entry))).collect()
}

#[test]
fn what_mtools_wrote_is_read() {
    for (mib, options) in [
        (2, "-F 12 -s 1"),
        (16, "-F 12 -s 16 -r 512"),
        (20, "-F 16 -s 4"),
        (40, "-F 16 -s 2 -n LABEL"),
        (48, "-F 32 -s 1"),
        (300, "-F 32 -s 8 -f 1"),
    ] {
        let dir = image::scratch();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        fill(&root);
        let path = make(dir.path(), mib, options);
        write(&root, &path);
        let fs = Fat::open(Arc::new(Raw::open(&path).unwrap())).unwrap();
        let (expected, found) = (comparable(of_kernel(&root)), comparable(of_reader(&fs)));
        for (path, entry) in &expected {
            let shown = String::from_utf8_lossy(path);
            assert_eq!(found.get(path), Some(entry), "{options}: {shown}");
        }
        assert_eq!(found.len(), expected.len(), "{options}");
        let blkid = |tag: &str| {
            let args = ["-p", "-o", "value", "-s", tag, path.to_str().unwrap()];
            image::run("blkid", &args).trim().to_owned()
        };
        assert_eq!(fs.uuid().unwrap(), blkid("UUID"));
        let label = if options.contains("LABEL") { &b"LABEL"[..] } else { b"" };
        assert_eq!(fs.label(), label);
        println!("{options}: {} entries", found.len());
    }
}

#[test]
fn short_names_and_attributes() {
    let dir = image::scratch();
    let path = make(dir.path(), 4, "-F 12");
    let source = dir.path().join("x");
    fs::write(&source, pattern(1, 5000)).unwrap();
    let source = source.to_str().unwrap();
    mtool("mmd", &path, &["::/EFI", "::/EFI/BOOT"]);
    mtool("mcopy", &path, &[source, "::/EFI/BOOT/GRUBX64.EFI"]);
    mtool("mcopy", &path, &[source, "::/lower.cfg"]);
    mtool("mattrib", &path, &["+r", "::/lower.cfg"]);
    let fs = disk_image::fs::open(Arc::new(Raw::open(&path).unwrap())).unwrap();
    let manifest = of_reader(&*fs);
    let found: Vec<_> = manifest.iter().map(|(path, e)| (&path[..], e.size, e.mode)).collect();
    let expected: [(&[u8], u64, u32); 5] = [
        (b"", 0, 0o755),
        (b"EFI", 0, 0o755),
        (b"EFI/BOOT", 0, 0o755),
        (b"EFI/BOOT/GRUBX64.EFI", 5000, 0o755),
        (b"lower.cfg", 5000, 0o555),
    ];
    assert_eq!(found, expected);
}
