//! Trees of files, images made of them, and manifests to compare.

#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "GNU tar and mke2fs are the references")]

pub mod bench;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

/// Everything about one file that an archive must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub kind: u32,
    pub mode: u32,
    pub owner: (u32, u32),
    pub size: u64,
    pub mtime: (i64, i64),
    pub links: u64,
    pub device: u64,
    pub target: Vec<u8>,
    pub content: [u8; 32],
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// All files below `root`, by path.
pub fn manifest(root: &Path) -> BTreeMap<Vec<u8>, Facts> {
    let mut all = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(path) = todo.pop() {
        let full = root.join(&path);
        let meta = fs::symlink_metadata(&full).unwrap();
        if meta.is_dir() {
            let entries = fs::read_dir(&full).unwrap();
            todo.extend(entries.map(|entry| path.join(entry.unwrap().file_name())));
        }
        all.insert(path.into_os_string().into_vec(), facts(&full, &meta));
    }
    all
}

fn facts(path: &Path, meta: &fs::Metadata) -> Facts {
    let target = fs::read_link(path).map(|t| t.into_os_string().into_vec()).unwrap_or_default();
    let content = if meta.is_file() { hash(path) } else { [0; 32] };
    Facts {
        kind: meta.mode() & 0o170_000,
        mode: meta.permissions().mode() & 0o7777,
        owner: (meta.uid(), meta.gid()),
        size: if meta.is_dir() { 0 } else { meta.size() },
        mtime: (meta.mtime(), meta.mtime_nsec()),
        links: if meta.is_dir() { 0 } else { meta.nlink() },
        device: meta.rdev(),
        target,
        content,
        xattrs: xattrs(path),
    }
}

/// SHA-256 of a file.
pub fn hash(path: &Path) -> [u8; 32] {
    let mut hash = Sha256::new();
    std::io::copy(&mut fs::File::open(path).unwrap(), &mut HashWriter(&mut hash)).unwrap();
    hash.finalize().into()
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn xattrs(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0; 64 << 10];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let mut list: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            (name.to_vec(), value[..len].to_vec())
        })
        .collect();
    list.sort();
    list
}

/// Runs a command that must succeed and returns its output.
pub fn run<const N: usize>(program: &str, args: [&OsStr; N]) -> Vec<u8> {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| {
        panic!("{program} cannot be run: {error}");
    });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {complaints}");
    output.stdout
}

/// Extracts a `.tar.gz` with the flags of curtin, plus `more`.
pub fn extract(artifact: &Path, more: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file = fs::File::open(artifact).unwrap();
    let mut gzip =
        Command::new("gzip").arg("-dc").stdin(file).stdout(Stdio::piped()).spawn().unwrap();
    let output = Command::new("tar")
        .arg("-C")
        .arg(dir.path())
        .args(["--xattrs", "--xattrs-include=*", "-Sxpf", "-", "--numeric-owner"])
        .args(more)
        .stdin(gzip.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(gzip.wait().unwrap().success());
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    dir
}

/// A small root with files that clean-up, sparse files and links care about.
pub fn make_root(root: &Path) {
    for dir in
        ["etc/ssh", "usr/lib", "var/log/journal/abc", "var/lib/cloud/data", "root/.ssh", "tmp"]
    {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    let write = |path: &str, content: &str| fs::write(root.join(path), content).unwrap();
    write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    write("etc/fstab", "UUID=x / ext4 defaults 0 1\n");
    write("etc/ssh/ssh_host_rsa_key", "secret\n");
    write("etc/ssh/sshd_config", "Port 22\n");
    write("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n");
    write("usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    std::os::unix::fs::symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
    write("root/.ssh/authorized_keys", "ssh-ed25519 AAAA builder\n");
    write("var/lib/cloud/data/instance-id", "i-1\n");
    write("var/log/syslog", "line\n");
    write("var/log/journal/abc/system.journal", "journal\n");
    write("tmp/script_1.sh", "x\n");
    write("etc/shared-a", "shared\n");
    fs::create_dir(root.join("etc/iscsi")).unwrap();
    write("etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.1993-08.org.debian:01:abc\n");
    fs::hard_link(root.join("etc/shared-a"), root.join("usr/shared-b")).unwrap();
    fs::hard_link(root.join("etc/fstab"), root.join("usr/fstab-copy")).unwrap();
    let sparse = fs::File::create(root.join("usr/sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"middle", 10 << 20).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"usr/\xff\xfe")), "not utf-8").unwrap();
    rustix::fs::setxattr(
        root.join("etc/passwd"),
        "user.test",
        b"v",
        rustix::fs::XattrFlags::empty(),
    )
    .unwrap();
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
}

/// The same with what curtin looks for on a whole disk.
pub fn make_dd_root(root: &Path) {
    make_root(root);
    fs::create_dir(root.join("curtin")).unwrap();
}

/// An ext4 image with the content of `root`.
pub fn make_ext4(root: &Path, image: &Path) {
    let [quiet, kind, ext4, from] = ["-q", "-t", "ext4", "-d"].map(OsStr::new);
    let size = OsStr::new("96M");
    run("/sbin/mke2fs", [quiet, kind, ext4, from, root.as_os_str(), image.as_os_str(), size]);
}

/// A GPT disk with these partitions: number, type, image (empty: 1 MiB of zeros).
pub fn make_disk(disk: &Path, parts: &[(u32, &str, &Path)]) {
    const MIB: u64 = 1 << 20;
    let file = fs::File::create(disk).unwrap();
    let (mut at, mut script) = (MIB, String::from("label: gpt\n"));
    for (number, guid, image) in parts {
        let content =
            if image.as_os_str().is_empty() { vec![0; 1 << 20] } else { fs::read(image).unwrap() };
        write_sparse(&file, &content, at);
        let size = u64::try_from(content.len()).unwrap();
        script.push_str(&format!(
            "{number}: start={}, size={}, type={guid}\n",
            at / 512,
            size / 512
        ));
        at += size;
    }
    file.set_len(at + MIB).unwrap();
    let mut sfdisk = Command::new("/sbin/sfdisk")
        .args(["--quiet", "--wipe=never"])
        .arg(disk)
        .stderr(Stdio::null())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut sfdisk.stdin.take().unwrap(), script.as_bytes()).unwrap();
    assert!(sfdisk.wait().unwrap().success());
}

fn write_sparse(file: &fs::File, content: &[u8], at: u64) {
    for (number, piece) in (0u64..).zip(content.chunks(1 << 16)) {
        if piece.iter().any(|&byte| byte != 0) {
            std::os::unix::fs::FileExt::write_all_at(file, piece, at + (number << 16)).unwrap();
        }
    }
}

/// Whether the tests run as root, which some comparisons need.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}
