//! Disk images made on the spot with e2fsprogs.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Runs a program to success and returns its standard output.
#[expect(clippy::disallowed_methods, reason = "tests may run programs directly")]
pub fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> String {
    let line: Vec<_> = args.iter().map(|arg| arg.as_ref().to_string_lossy()).collect();
    let line = format!("{program} {}", line.join(" "));
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("cannot run `{line}`: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{line}`: {}\n{stderr}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A directory for one test's images, removed afterwards. In memory where the
/// machine has such a place: the tools sync after each step.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let mut builder = tempfile::Builder::new();
    builder.prefix("disk-image-test-").tempdir_in(parent).expect("a scratch directory")
}

/// A new file system of `mib` MiB in `dir`, made with the words of `options`.
pub fn make(dir: &Path, mib: u64, options: &str) -> PathBuf {
    make_filled(dir, mib, options, None)
}

/// The same with the tree below `source` copied into it.
pub fn make_filled(dir: &Path, mib: u64, options: &str, source: Option<&Path>) -> PathBuf {
    let path = dir.join("fs.img");
    let file = File::create(&path).expect("an image file");
    file.set_len(mib << 20).expect("room for the image");
    let mut args: Vec<&OsStr> = vec![OsStr::new("-q"), OsStr::new("-F")];
    args.extend(options.split_whitespace().map(OsStr::new));
    if let Some(source) = source {
        args.extend([OsStr::new("-d"), source.as_os_str()]);
    }
    args.push(path.as_os_str());
    run("mke2fs", &args);
    path
}

/// A new XFS of `mib` MiB in `dir`, made with the words of `options`.
pub fn make_xfs(dir: &Path, mib: u64, options: &str) -> PathBuf {
    let path = dir.join("xfs.img");
    let file = File::create(&path).expect("an image file");
    file.set_len(mib << 20).expect("room for the image");
    // mkfs.xfs refuses less than 300 MiB, except to its own tests.
    let mut args = vec!["TEST_DEV=x", "TEST_DIR=x", "QA_CHECK_FS=x", "mkfs.xfs", "-q", "-f"];
    args.extend(options.split_whitespace());
    let mut args: Vec<&OsStr> = args.into_iter().map(OsStr::new).collect();
    args.push(path.as_os_str());
    run("env", &args);
    path
}

/// Copies `image` beside itself, holes kept.
pub fn copy(image: &Path, name: &str) -> PathBuf {
    let target = image.with_file_name(name);
    run("cp", &[OsStr::new("--sparse=always"), image.as_os_str(), target.as_os_str()]);
    target
}

/// Runs one or more debugfs commands that change `image`.
pub fn debugfs(image: &Path, commands: &[&str]) {
    for command in commands {
        run(
            "debugfs",
            &[OsStr::new("-w"), OsStr::new("-R"), OsStr::new(command), image.as_os_str()],
        );
    }
}
