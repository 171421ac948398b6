//! The deployed machine over SSH, with OpenSSH's client and the key that MAAS
//! gave to the machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cmd::{Cmd, CmdError, Failure};

/// A key pair of this run.
#[derive(Clone, Debug)]
pub struct Key {
    /// Private key file.
    pub path: PathBuf,
    /// Public key, one line.
    pub public: String,
}

impl Key {
    /// Makes one in `dir`.
    ///
    /// # Errors
    /// `ssh-keygen` is missing or fails.
    pub fn generate(dir: &Path) -> Result<Self> {
        let path = dir.join("key");
        // The key lives as long as the run, so it has no passphrase.
        Cmd::new("ssh-keygen", "make the key of this run")
            .cwd(dir)
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "deploy-test", "-f"])
            .arg(&path)
            .timeout(Duration::from_secs(60))
            .output()?;
        let file = path.with_extension("pub");
        let public = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self { path, public: public.trim().to_owned() })
    }
}

/// How a session ended that was not one.
#[derive(Debug)]
pub enum SshError {
    /// No connection, or the key was refused; OpenSSH's words. Worth a retry.
    NotYet(String),
    /// The session began, and its command failed.
    Command(String),
    /// Anything else: no `ssh`, interrupted.
    Other(CmdError),
}

/// OpenSSH's exit code for errors of its own.
const SSH_FAILED: i32 = 255;

/// Runs a shell script as root through `user` and its `sudo`; returns its
/// standard output.
///
/// # Errors
/// [`SshError`].
pub fn run_as_root(
    key: &Key,
    port: u16,
    user: &str,
    script: &str,
    limit: Duration,
) -> Result<String, SshError> {
    let dir = key.path.parent().unwrap_or(Path::new("/"));
    let result = Cmd::new("ssh", "look into the deployed machine")
        .cwd(dir)
        .args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"])
        // The machine is new: its host key is what a check looks at.
        .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
        .args(["-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=30", "-o", "LogLevel=ERROR"])
        .arg("-i")
        .arg(&key.path)
        .args(["-p", &port.to_string(), &format!("{user}@127.0.0.1")])
        .arg("sudo --non-interactive sh -s")
        .stdin(script)
        .timeout(limit)
        .success(&[])
        .output();
    match result {
        Ok(output) if output.code == 0 => Ok(output.stdout_text()),
        Ok(output) if output.code == SSH_FAILED => Err(SshError::NotYet(output.stderr_text())),
        Ok(output) => Err(SshError::Command(format!(
            "`sudo sh` ended with {}: {}",
            output.code,
            output.stderr_text()
        ))),
        Err(error) => match error.failure {
            Failure::TimedOut(_) => Err(SshError::NotYet("the session did not end in time".into())),
            _ => Err(SshError::Other(error)),
        },
    }
}
