//! What the engine needs to know about this host, and where it may write.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::spec::Accelerator;

/// QEMU and its companions on this host, for one target architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QemuHost {
    /// The emulator for the target's architecture.
    pub qemu_system: PathBuf,
    /// `qemu-img`.
    pub qemu_img: PathBuf,
    /// Version of the emulator.
    pub version: (u32, u32, u32),
    /// The best accelerator that really runs a guest of this architecture here.
    pub accelerator: Accelerator,
    /// `xorriso`, for `cd_content` and `cd_files`.
    pub xorriso: Option<PathBuf>,
    /// UEFI pair for this target, for templates that only say `efi_boot = true`.
    pub firmware: Option<Efi>,
    /// Whether QEMU may open a window (`DISPLAY` and QEMU's GTK module are there).
    pub window: bool,
    /// Program that prints the content of the file named in `XTASK_ASKPASS_FILE`:
    /// xtask itself.
    pub askpass: PathBuf,
}

/// A flash chip's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// The file.
    pub path: PathBuf,
    /// `raw` or `qcow2`.
    pub format: &'static str,
}

/// UEFI code and variable store of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Efi {
    /// Read-only code.
    pub code: Flash,
    /// Variable store: the distribution's template, or a build's private copy.
    pub vars: Flash,
}

/// How the user watches the VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Not at all.
    #[default]
    None,
    /// `--view`: a window if the host can, else VNC on 127.0.0.1.
    Screen,
}

/// Longest path of a Unix socket (`sun_path` is 108 bytes with its NUL) minus
/// what OpenSSH appends while it creates one (a dot and 16 characters).
const MAX_SOCKET: usize = 107 - 17;

/// Files of one build. Everything the engine writes is below `root`, sockets
/// excepted if `root` is too long for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkPaths {
    /// The build's own directory.
    pub root: PathBuf,
    /// The template directory: working directory of `shell-local`, base of
    /// relative paths, read-only to us.
    pub template: PathBuf,
    /// Where disks, CD and firmware variables go; `{{ .OutputDir }}`.
    pub output: PathBuf,
    /// Serial console, command output, screenshots: what the user keeps.
    pub logs: PathBuf,
    /// Passwords and keys of this build, mode 0700.
    pub secrets: PathBuf,
    /// Sockets.
    pub sockets: PathBuf,
}

impl WorkPaths {
    /// Lays out the directories below `root`; nothing is created.
    pub fn at(root: &Path, template: &Path) -> Self {
        let sockets = root.join("s");
        let short = sockets.join("qmp.sock").as_os_str().len() <= MAX_SOCKET;
        Self {
            root: root.to_path_buf(),
            template: template.to_path_buf(),
            output: root.join("output"),
            logs: root.join("logs"),
            secrets: root.join("secrets"),
            sockets: if short { sockets } else { runtime_dir(root) },
        }
    }

    /// Lays out and creates the directories below `root`.
    ///
    /// # Errors
    /// A directory cannot be created.
    pub fn create(root: &Path, template: &Path) -> io::Result<Self> {
        let paths = Self::at(root, template);
        for dir in [&paths.root, &paths.output, &paths.logs] {
            fs::create_dir_all(dir)?;
        }
        for dir in [&paths.secrets, &paths.sockets] {
            private_dir(dir)?;
        }
        Ok(paths)
    }

    /// QMP of the engine.
    pub fn qmp(&self) -> PathBuf {
        self.sockets.join("qmp.sock")
    }

    /// Control socket of the SSH master connection.
    pub fn ssh_control(&self) -> PathBuf {
        self.sockets.join("ssh")
    }

    /// Control socket of the emulated TPM.
    pub fn tpm(&self) -> PathBuf {
        self.sockets.join("tpm")
    }

    /// Serial console of the guest.
    pub fn serial(&self) -> PathBuf {
        self.logs.join("serial.log")
    }

    /// What QEMU itself says.
    pub fn qemu_log(&self) -> PathBuf {
        self.logs.join("qemu.log")
    }

    /// Output of provisioners and helpers.
    pub fn build_log(&self) -> PathBuf {
        self.logs.join("build.log")
    }

    /// What `cargo xtask ssh` needs to enter a VM that was kept.
    pub fn kept(&self) -> PathBuf {
        self.root.join("kept.json")
    }

    /// Removes sockets and secrets; disks and logs stay.
    pub fn remove_private(&self) {
        for dir in [&self.sockets, &self.secrets] {
            // Missing is what we want; anything else the next run meets again.
            drop(fs::remove_dir_all(dir));
        }
    }
}

fn private_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// A short directory that belongs to `root`: its name is derived from the path,
/// so that a later run finds and removes what a killed one left.
fn runtime_dir(root: &Path) -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let base = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let base = base.filter(|dir| dir.is_dir()).unwrap_or_else(|| PathBuf::from("/tmp"));
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    base.join(format!("xtask-{}-{:016x}", rustix::process::getuid().as_raw(), hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_short_whatever_the_work_directory_is() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("a".repeat(90));
        for root in [dir.path().join("w"), long] {
            let paths = WorkPaths::create(&root, Path::new("/t")).unwrap();
            assert!(paths.qmp().as_os_str().len() <= MAX_SOCKET, "{paths:?}");
            let mode = fs::metadata(&paths.secrets).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
            assert!(paths.sockets.is_dir());
            paths.remove_private();
            assert!(!paths.sockets.exists() && !paths.secrets.exists());
        }
    }
}
