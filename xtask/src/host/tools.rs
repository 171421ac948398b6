//! Programs: where they are and which version.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::version::Version;
use crate::arch::Arch;
use crate::cmd::Cmd;

/// A system emulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qemu {
    /// Program.
    pub path: PathBuf,
    /// `7.2.22`.
    pub version: Option<Version>,
    /// The whole first line it prints.
    pub text: String,
}

/// A program that builds may need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Program. Use this path: it may lie outside `PATH`.
    pub path: PathBuf,
    /// Version, for programs that print one.
    pub version: Option<Version>,
}

/// A program to look for.
#[derive(Clone, Copy, Debug)]
pub struct ToolSpec {
    /// Name of the program.
    pub name: &'static str,
    /// Arguments that make it print its version; none if nothing does.
    pub version_args: &'static [&'static str],
    /// What it is for, for `doctor`.
    pub purpose: &'static str,
    /// Who needs it.
    pub group: Group,
}

/// Who needs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Builds.
    Build,
    /// Builds by an ordinary user.
    Rootless,
    /// `validate`, which skips and counts checks without it.
    Validate,
    /// The tests of this repository, which make disks to read.
    Test,
}

const fn tool(
    name: &'static str,
    version_args: &'static [&'static str],
    purpose: &'static str,
    group: Group,
) -> ToolSpec {
    ToolSpec { name, version_args, purpose, group }
}

/// Every program that some target or command of ours may run.
pub const TOOLS: &[ToolSpec] = &[
    tool("qemu-img", &["--version"], "makes and converts disks", Group::Build),
    tool("mmdebstrap", &["--version"], "bootstraps Debian and Ubuntu from a mirror", Group::Build),
    tool("xorriso", &["-version"], "makes seed and answer-file CDs", Group::Build),
    tool("ssh", &["-V"], "runs provisioners in the guest", Group::Build),
    tool("ssh-keygen", &[], "makes the key of one build", Group::Build),
    tool("mcopy", &["--version"], "writes files into FAT file systems", Group::Build),
    tool("mkfs.vfat", &[], "makes EFI system partitions", Group::Build),
    tool("mke2fs", &["-V"], "makes ext4 file systems from directories", Group::Build),
    tool("sfdisk", &["--version"], "writes partition tables", Group::Build),
    tool("tar", &["--version"], "unpacks bootstrapped roots", Group::Build),
    tool("gpgv", &["--version"], "checks who signed checksum lists", Group::Build),
    tool("git", &["--version"], "tells which commit an image is from", Group::Build),
    tool("python3", &["--version"], "puts the deploy hook into ESXi's disk", Group::Build),
    tool("swtpm", &["--version"], "emulates the TPM that Windows 11 wants", Group::Build),
    tool("newuidmap", &[], "lets mmdebstrap work without root", Group::Rootless),
    tool("shellcheck", &["--version"], "checks scripts", Group::Validate),
    tool("mkfs.xfs", &["-V"], "makes XFS file systems for tests", Group::Test),
    tool("gpg", &["--version"], "signs lists for tests", Group::Test),
    tool("pvcreate", &["--version"], "makes LVM volumes for tests", Group::Test),
    tool("ksvalidator", &[], "checks kickstarts", Group::Validate),
    tool("cloud-init", &["--version"], "checks user-data", Group::Validate),
    tool("xmllint", &["--version"], "checks XML answer files", Group::Validate),
];

/// Where administration programs are on Debian. An ordinary user's `PATH` has
/// neither, though `mke2fs` and `sfdisk` serve every user.
const SYSTEM_DIRS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// No program of the table takes longer to print its version, even under load.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Finds a program on `PATH`, then in the system directories, then where
/// `setup` installs what no distribution packages.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let system = || SYSTEM_DIRS.iter().find_map(|dir| crate::cmd::which(Path::new(dir).join(name)));
    let own = || crate::cmd::which(own_tool_dir(name)?.join("bin").join(name));
    crate::cmd::which(name).or_else(system).or_else(own)
}

/// Where `setup` installs a tool for this user: in `$XDG_DATA_HOME` or
/// `~/.local/share`. `None` without a home.
#[must_use]
pub fn own_tool_dir(name: &str) -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = var("XDG_DATA_HOME").or_else(|| Some(var("HOME")?.join(".local/share")))?;
    Some(base.join("maas-xtask").join(name))
}

/// The emulator for `arch`, if it is installed and starts.
#[must_use]
pub fn qemu(arch: Arch) -> Option<Qemu> {
    let path = find(arch.qemu_binary())?;
    let printed = ask(&path, &["--version"])?;
    let text = printed.lines().next().unwrap_or_default().to_owned();
    Some(Qemu { path, version: Version::find_in(&text), text })
}

/// Looks for one program.
#[must_use]
pub fn probe(spec: &ToolSpec) -> Option<Tool> {
    let path = find(spec.name)?;
    let printed = if spec.version_args.is_empty() { None } else { ask(&path, spec.version_args) };
    Some(Tool { version: printed.as_deref().and_then(Version::find_in), path })
}

/// Everything a program prints when asked for its version. Any exit code will
/// do; one that does not end, or does not start, gives `None`.
fn ask(path: &Path, args: &[&str]) -> Option<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let output = Cmd::new(path, format!("ask {name} for its version"))
        .cwd("/")
        .args(args)
        .env("LC_ALL", "C")
        .success(&[])
        .timeout(VERSION_TIMEOUT)
        .output()
        .ok()?;
    Some(format!("{}\n{}", output.stdout_text(), output.stderr_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_outside_path() {
        assert!(find("mke2fs").is_some(), "e2fsprogs is on every Debian");
        assert_eq!(find("no-such-program"), None);
    }

    #[test]
    fn a_version_on_stderr_counts() {
        let spec = TOOLS.iter().find(|spec| spec.name == "mke2fs").unwrap();
        assert!(probe(spec).unwrap().version.is_some());
    }
}
