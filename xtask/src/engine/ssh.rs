//! The guest over SSH, by OpenSSH's client.
//!
//! One master connection is opened, all commands and files go through it. It is
//! our child in the foreground (no `ControlPersist`), so nothing outlives us.
//! Passwords go through askpass, commands with secrets through standard input:
//! neither stands in argv.

mod connect;
mod options;
mod transfer;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Trouble;
use super::host::{QemuHost, WorkPaths};
use super::spec::Ssh;
use crate::cmd::{Child, Cmd, Line};
use crate::signal::CancelToken;

pub use connect::{Progress, Refusal};
pub use options::{Auth, Destination};
pub(crate) use transfer::permissions;
pub use transfer::remote_quote;

/// How a command in the guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// The connection was lost meanwhile.
    Disconnected,
}

/// A way into the guest.
#[derive(Debug)]
pub struct SshClient {
    destination: Destination,
    root: PathBuf,
    log: PathBuf,
    build_log: PathBuf,
    control: PathBuf,
    askpass: PathBuf,
    pty: bool,
    secrets: Vec<String>,
    cancel: CancelToken,
    master: Option<Child>,
}

impl SshClient {
    /// Writes the credentials into the work directory; does not connect.
    ///
    /// # Errors
    /// The key cannot be read, made or written.
    pub fn new(
        ssh: &Ssh,
        port: u16,
        host: &QemuHost,
        paths: &WorkPaths,
        secrets: &[String],
        cancel: &CancelToken,
    ) -> Result<Self, Trouble> {
        let destination = Destination::prepare(ssh, port, paths, cancel)?;
        Ok(Self {
            destination,
            root: paths.root.clone(),
            log: paths.logs.join("ssh.log"),
            build_log: paths.build_log(),
            control: paths.ssh_control(),
            askpass: host.askpass.clone(),
            pty: ssh.pty,
            secrets: secrets.to_vec(),
            cancel: cancel.clone(),
            master: None,
        })
    }

    /// Where it connects to and how it logs in.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Uses another token from now on, such as one with a time limit.
    pub fn set_cancel(&mut self, cancel: &CancelToken) {
        self.cancel = cancel.clone();
    }

    /// Whether the master connection is up.
    pub fn is_connected(&self) -> bool {
        self.master.as_ref().is_some_and(Child::is_running)
    }

    /// Runs a command that holds no secret by the guest's login shell, with
    /// nothing on its standard input.
    ///
    /// # Errors
    /// The client cannot be run, or we are to stop.
    pub fn run(
        &mut self,
        purpose: &str,
        command: &str,
        on_line: impl FnMut(Line<'_>),
    ) -> Result<Exit, Trouble> {
        let tty = if self.pty { "-tt" } else { "-T" };
        let cmd = self.session(purpose).arg(tty).arg(self.destination.user_at_host()).arg(command);
        self.finish(cmd.stream(on_line)?)
    }

    /// Runs a command with a file as its standard input.
    ///
    /// # Errors
    /// As for [`SshClient::run`].
    pub fn run_with_input(
        &mut self,
        purpose: &str,
        command: &str,
        input: &Path,
    ) -> Result<(Exit, String), Trouble> {
        let host = self.destination.user_at_host();
        let cmd = self.session(purpose).arg("-T").arg(host).arg(command).stdin_file(input);
        let mut said = String::new();
        let code = cmd.stream(|line| {
            said.push_str(&line.text());
            said.push('\n');
        })?;
        Ok((self.finish(code)?, said.trim_end().to_owned()))
    }

    /// A command through the master connection.
    fn session(&self, purpose: &str) -> Cmd {
        let cmd = Cmd::new("ssh", purpose).cwd(&self.root).args(self.options());
        // Should the master be gone, the client would connect anew; it must not.
        let cmd = cmd.args(["-o", "ControlMaster=no", "-o", "ProxyCommand=false"]);
        self.masked(cmd.log(&self.build_log).success(&[]))
    }

    fn masked(&self, cmd: Cmd) -> Cmd {
        self.secrets.iter().fold(cmd.cancel(&self.cancel), |cmd, secret| cmd.mask(secret))
    }

    fn options(&self) -> Vec<OsString> {
        self.destination.options(Some(&self.control))
    }

    /// 255 is the client's own failure or the command's code; the master tells.
    fn finish(&self, code: i32) -> Result<Exit, Trouble> {
        if self.cancel.is_set() {
            return Err(Trouble::interrupted());
        }
        if code != 255 {
            return Ok(Exit::Code(code));
        }
        // The session notices a broken connection a moment before the master ends.
        std::thread::sleep(Duration::from_millis(300));
        Ok(if self.is_connected() { Exit::Code(code) } else { Exit::Disconnected })
    }

    /// Ends the master connection.
    pub fn disconnect(&mut self) {
        self.master = None;
        // A killed master leaves its socket; the next one needs the name.
        drop(fs::remove_file(&self.control));
    }
}

impl Drop for SshClient {
    fn drop(&mut self) {
        self.disconnect();
    }
}
