//! A VM that outlives a failed build, so that somebody can look inside.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::askpass;
use super::error::Trouble;
use super::host::WorkPaths;
use super::qmp::Qmp;
use super::ssh::Destination;
use crate::cmd::Cmd;

/// What `cargo xtask ssh` needs; stored as JSON in the build's work directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptVm {
    /// Process id of QEMU.
    pub pid: u32,
    /// When it started, in clock ticks since boot: a process with another number
    /// is another process.
    pub started: u64,
    /// QEMU's control socket.
    pub qmp: PathBuf,
    /// Directories with passwords and sockets, to remove at the end.
    pub private: Vec<PathBuf>,
    /// How to log in; `None` for a source without communicator.
    pub ssh: Option<Destination>,
    /// VNC address, if there is one.
    pub vnc: Option<String>,
}

impl KeptVm {
    /// Describes a QEMU that runs.
    pub fn new(pid: u32, paths: &WorkPaths, ssh: Option<Destination>, vnc: Option<String>) -> Self {
        let private = vec![paths.sockets.clone(), paths.secrets.clone()];
        Self { pid, started: started(pid).unwrap_or(0), qmp: paths.qmp(), private, ssh, vnc }
    }

    /// Writes the description, complete or not at all.
    ///
    /// # Errors
    /// The work directory cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Trouble> {
        let temporary = path.with_extension("tmp");
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Trouble::host(format!("cannot describe the VM: {error}")))?;
        fs::write(&temporary, text)
            .and_then(|()| fs::File::open(&temporary)?.sync_all())
            .and_then(|()| fs::rename(&temporary, path))
            .map_err(|source| Trouble::io("write", path, &source))
    }

    /// Reads a description; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read or is damaged.
    pub fn load(path: &Path) -> Result<Option<Self>, Trouble> {
        match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| {
                Trouble::host(format!(
                    "{} is damaged: {error}\n  hint: remove it, and end the QEMU of that \
                         build if one still runs (`ps -C qemu-system-x86_64`)",
                    path.display()
                ))
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Trouble::io("read", path, &error)),
        }
    }

    /// Whether that very QEMU still runs.
    pub fn is_running(&self) -> bool {
        started(self.pid).is_some_and(|started| started == self.started)
    }

    /// The SSH client for a person at a terminal; `command` is empty for a shell.
    pub fn ssh_command(&self, program: &Path, cwd: &Path, command: &[String]) -> Option<Cmd> {
        let ssh = self.ssh.as_ref()?;
        let cmd = Cmd::new("ssh", "log in to the kept VM").cwd(cwd).args(ssh.options(None));
        let cmd = cmd.arg(ssh.user_at_host()).args(command);
        let file = ssh.auth.password_file.as_deref();
        let environment = file.map(|file| askpass::environment(program, file));
        let set = environment.into_iter().flatten();
        Some(set.fold(cmd, |cmd, (key, value)| cmd.env(key, value)))
    }

    /// Ends the VM and removes its private files. Does nothing to another
    /// process that has got the same id.
    pub fn end(&self) {
        if self.is_running()
            && let Ok(mut qmp) = Qmp::connect(&self.qmp, Duration::from_secs(2), || true)
        {
            // If it does not listen, KILL below does.
            drop(qmp.quit());
        }
        let start = Instant::now();
        while self.is_running() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.is_running()) {
            let kill = rustix::process::Signal::KILL;
            let _: rustix::io::Result<()> = rustix::process::kill_process(pid, kill);
        }
        for dir in &self.private {
            drop(fs::remove_dir_all(dir));
        }
    }
}

/// Start time of a process that is no zombie, in clock ticks since boot.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    if matches!(fields.first(), Some(&"Z" | &"X")) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_id_and_start() {
        let dir = tempfile::tempdir().unwrap();
        let paths = WorkPaths::create(&dir.path().join("w"), dir.path()).unwrap();
        let mut kept = KeptVm::new(std::process::id(), &paths, None, Some("127.0.0.1:5900".into()));
        assert!(kept.is_running());
        kept.save(&paths.kept()).unwrap();
        assert_eq!(KeptVm::load(&paths.kept()).unwrap().as_ref(), Some(&kept));
        kept.started += 1;
        assert!(!kept.is_running());
        // Another process: it is left alone, the private files are removed.
        kept.end();
        assert!(!paths.secrets.exists());
        assert_eq!(KeptVm::load(&dir.path().join("absent")).unwrap(), None);
        fs::write(paths.kept(), "{").unwrap();
        assert!(KeptVm::load(&paths.kept()).unwrap_err().message.contains("is damaged"));
    }
}
