//! What the ephemeral system is given: the installer, the stand-in for curtin,
//! the plan; as a tar archive that is one of its disks.

use std::io::{self, Read as _};

use disk_image::fs::{FileExtent, Timestamp};
use disk_image::tar::{Body, Entry, TarWriter};
use serde_json::Value;

/// Where it all lies in the ephemeral system. Not below `/run`, which is
/// mounted `noexec`.
pub const HOME: &str = "/var/lib/deploy-test";

/// A file of the bundle.
#[derive(Clone, Copy, Debug)]
struct File {
    path: &'static str,
    text: &'static str,
    executable: bool,
}

macro_rules! bundle {
    ($($path:literal $mode:ident),* $(,)?) => {
        &[$(File {
            path: $path,
            text: include_str!(concat!("../../deploy/", $path)),
            executable: matches!(stringify!($mode).as_bytes(), b"program"),
        }),*]
    };
}

const FILES: &[File] = bundle![
    "start" program,
    "installer.py" program,
    "storage.py" module,
    "bin/curtin" program,
    "bin/smtar" program,
    "bin/wget" program,
    "curtin/__init__.py" module,
    "curtin/__main__.py" module,
    "curtin/block.py" module,
    "curtin/config.py" module,
    "curtin/distro.py" module,
    "curtin/log.py" module,
    "curtin/paths.py" module,
    "curtin/swap.py" module,
    "curtin/util.py" module,
    "curtin/commands/__init__.py" module,
    "curtin/commands/apply_net.py" module,
    "curtin/commands/apt_config.py" module,
    "curtin/commands/block_meta.py" module,
    "curtin/commands/curthooks.py" module,
    "curtin/commands/redhat.py" module,
];

/// A tar archive of the installer and `plan`, paths from the root.
///
/// # Errors
/// What writing says.
pub fn archive(plan: &Value, out: impl io::Write) -> io::Result<()> {
    let mut tar = TarWriter::new(out);
    for File { path, text, executable } in FILES {
        append(&mut tar, path, text, if *executable { 0o755 } else { 0o644 })?;
    }
    // It holds MAAS's credentials.
    append(&mut tar, "plan.json", &plan.to_string(), 0o600)?;
    tar.finish()?.flush()
}

fn append(
    tar: &mut TarWriter<impl io::Write>,
    path: &str,
    text: &str,
    mode: u16,
) -> io::Result<()> {
    let path = format!("{}/{path}", HOME.trim_start_matches('/'));
    let size = text.len() as u64;
    let entry = Entry {
        path: path.as_bytes(),
        body: Body::File { size, extents: &[FileExtent { offset: 0, len: size }] },
        mode,
        uid: 0,
        gid: 0,
        mtime: Timestamp::default(),
        xattrs: &[],
    };
    let mut rest = text.as_bytes();
    tar.append(&entry, |_, buffer| rest.read_exact(buffer))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_file_of_the_directory_is_in_the_bundle() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        let on_disk: BTreeSet<String> = walkdir::WalkDir::new(&dir)
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(&dir).unwrap().display().to_string())
            .filter(|path| !path.contains("__pycache__") && !path.starts_with("tests/"))
            .filter(|path| path != "README.md")
            .collect();
        let bundled: BTreeSet<String> = FILES.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(bundled, on_disk);
    }

    #[test]
    fn programs_are_executable() {
        for file in FILES {
            assert_eq!(file.executable, file.text.starts_with("#!"), "{}", file.path);
        }
    }

    #[test]
    fn an_archive_unpacks_to_programs_and_the_plan() {
        let dir = tempfile::tempdir().unwrap();
        let (file, plan) = (dir.path().join("bundle.tar"), json!({ "key": "a\n'\"#: value" }));
        archive(&plan, std::fs::File::create(&file).unwrap()).unwrap();
        let tar = crate::cmd::Cmd::new("tar", "unpack the bundle").cwd(dir.path());
        tar.args(["-xf", "bundle.tar"]).output().unwrap();
        let path = |name: &str| dir.path().join(format!(".{HOME}/{name}"));
        let mode = |name| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            [mode("start"), mode("curtin/util.py"), mode("plan.json")],
            [0o755, 0o644, 0o600]
        );
        let read = |name: &str| std::fs::read(path(name)).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&read("plan.json")).unwrap(), plan);
        assert_eq!(FILES.iter().find(|f| f.text.as_bytes() != read(f.path)).map(|f| f.path), None);
        // As a disk it must have whole sectors.
        assert_eq!(std::fs::metadata(&file).unwrap().len() % 512, 0);
    }

    #[test]
    fn the_first_program_is_a_shell_script_without_mistakes() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        let checked = crate::cmd::Cmd::new("sh", "parse the first program").cwd(dir);
        let checked = checked.args(["-n", "start"]);
        assert!(checked.output().is_ok());
    }

    /// The Python side has its own tests; they run where ours run.
    #[test]
    fn the_tests_of_the_python_side_pass() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        let result = crate::cmd::Cmd::new("python3", "test the installer and the stand-in")
            .cwd(dir)
            .args(["-B", "-m", "unittest", "discover", "-s", "tests"])
            .output();
        assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}
