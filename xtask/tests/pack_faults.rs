//! `pack` when the disk cannot be read, and when it is killed: nothing appears
//! under the final name but a whole artifact.
//!
//! Needs root for a loop device that gives I/O errors; it never skips.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Moments at which a run is killed.
const KILLS: u32 = 24;

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A disk without partitions: 24 MiB that do not compress.
fn disk(dir: &Path) -> PathBuf {
    let root = dir.join("root");
    for path in ["etc", "usr/lib", "curtin"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    fs::write(root.join("etc/hostname"), "x\n").unwrap();
    for number in 0..6_u32 {
        let mut file = fs::File::create(root.join(format!("usr/lib/{number}"))).unwrap();
        let mut state = number + 1;
        let noise = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_be_bytes()
        });
        file.write_all(&noise.take(1 << 20).flatten().collect::<Vec<u8>>()).unwrap();
    }
    let disk = dir.join("disk.raw");
    let (root, path) = (root.to_str().unwrap(), disk.to_str().unwrap());
    run("/sbin/mke2fs", &["-q", "-t", "ext4", "-d", root, path, "48M"]);
    fs::remove_dir_all(dir.join("root")).unwrap();
    disk
}

fn pack(dir: &Path, disk: &str, output: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .current_dir(dir)
        .env("XTASK_ROOT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/catalog"))
        .args(["pack", disk, "-o", output, "--force"]);
    command
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// A block device whose second half cannot be read any more: the file behind
/// it was cut after the device was made.
struct Broken(String);

impl Broken {
    fn new(image: &Path) -> Self {
        let device = run("losetup", &["-f", "--show", "-r", image.to_str().unwrap()]);
        let file = fs::File::options().write(true).open(image).unwrap();
        file.set_len(file.metadata().unwrap().len() / 3).unwrap();
        Self(device)
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        drop(Command::new("losetup").args(["-d", &self.0]).output());
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_an_error_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let device = Broken::new(&disk(dir.path()));
    let before = names(dir.path());
    for output in ["x.tar.gz", "x.dd.gz"] {
        let result = pack(dir.path(), &device.0, output).output().unwrap();
        let said = String::from_utf8_lossy(&result.stderr);
        assert_eq!(result.status.code(), Some(1), "{output}: {said}");
        assert!(said.contains("Input/output error"), "{output}: {said}");
        assert_eq!(names(dir.path()), before, "{output}: {said}");
    }
}

fn start(dir: &Path, output: &str) -> Child {
    let mut command = pack(dir, "disk.raw", output);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// SHA-256 of the whole artifact, and how long it takes to make it.
fn whole(dir: &Path, output: &str, kept: &str) -> (String, Duration) {
    let start = Instant::now();
    drop(pack(dir, "disk.raw", output).output().unwrap());
    let took = start.elapsed();
    let sum = run("sha256sum", &[dir.join(kept).to_str().unwrap()]);
    fs::remove_file(dir.join(kept)).unwrap();
    (sum.split(' ').next().unwrap().to_owned(), took)
}

#[test]
fn killed_at_any_moment_it_leaves_no_half_artifact() {
    let dir = tempfile::tempdir().unwrap();
    disk(dir.path());
    // No operating system is on it, so the artifact is kept as rejected.
    let (output, kept) = ("x.tar.gz", "x.tar.gz.rejected");
    let (sum, took) = whole(dir.path(), output, kept);
    let (mut unfinished, mut partial) = (0, 0);
    for kill in 0..KILLS {
        let mut child = start(dir.path(), output);
        std::thread::sleep(took * kill / KILLS);
        child.kill().unwrap();
        child.wait().unwrap();
        partial += u32::from(names(dir.path()).iter().any(|name| name.contains(".unverified")));
        for name in [output, kept] {
            let path = dir.path().join(name);
            if path.exists() {
                let found = run("sha256sum", &[path.to_str().unwrap()]);
                assert!(found.starts_with(&sum), "{name} is there, but not whole");
                fs::remove_file(path).unwrap();
            } else {
                unfinished += 1;
            }
        }
    }
    assert!(partial > 0, "never killed while it wrote");
    println!("{KILLS} kills, {partial} while writing, {unfinished} names not there");
    // What a killed run left is in nobody's way.
    assert_eq!(whole(dir.path(), output, kept).0, sum);
    assert!(!names(dir.path()).iter().any(|name| name.contains(".unverified")));
}
