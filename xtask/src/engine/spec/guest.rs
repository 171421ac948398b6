//! How a guest is entered and turned off.

use std::path::PathBuf;
use std::time::Duration;

/// `communicator`.
#[derive(Clone, Debug, PartialEq)]
pub enum Communicator {
    /// Nothing is run in the guest; it installs and turns itself off.
    None,
    /// Provisioners run over SSH.
    Ssh(Box<Ssh>),
}

/// `ssh_*`.
#[derive(Clone, PartialEq)]
pub struct Ssh {
    /// `ssh_username`.
    pub username: String,
    /// `ssh_password`.
    pub password: Option<String>,
    /// `ssh_private_key_file`, relative to the template directory.
    pub private_key_file: Option<PathBuf>,
    /// `temporary_key_pair_type` and `temporary_key_pair_bits` (0: default), for
    /// a source with neither password nor key. Default `rsa`, which the oldest
    /// guests know too.
    pub temporary_key: (String, u32),
    /// `ssh_port` in the guest. Default 22.
    pub port: u16,
    /// `ssh_timeout` until the first login; `None` is for ever. Default 5 min.
    pub timeout: Option<Duration>,
    /// `ssh_handshake_attempts`: refused logins before we give up; `None` is no
    /// limit. Default 10 if `ssh_timeout` is not set either.
    pub handshake_attempts: Option<u32>,
    /// `pause_before_connecting`: wait after the first login.
    pub pause: Duration,
    /// `ssh_pty`: give every command a terminal.
    pub pty: bool,
    /// `ssh_ciphers`; empty is OpenSSH's default.
    pub ciphers: Vec<String>,
    /// `ssh_key_exchange_algorithms`; empty is OpenSSH's default.
    pub kex: Vec<String>,
    /// `ssh_keep_alive_interval`. Default 5 s; zero turns it off.
    pub keep_alive: Duration,
}

impl Ssh {
    /// The defaults for a user.
    pub fn new(username: &str) -> Self {
        Self {
            username: username.to_owned(),
            password: None,
            private_key_file: None,
            temporary_key: ("rsa".into(), 0),
            port: 22,
            timeout: Some(Duration::from_secs(5 * 60)),
            handshake_attempts: Some(10),
            pause: Duration::ZERO,
            pty: false,
            ciphers: Vec::new(),
            kex: Vec::new(),
            keep_alive: Duration::from_secs(5),
        }
    }
}

/// Not derived: a password must not get into a log by `{:?}`.
impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ssh")
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "********"))
            .field("private_key_file", &self.private_key_file)
            .field("port", &self.port)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// `shutdown_command` and `shutdown_timeout`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Command for the guest; without one the VM is simply ended, as by Packer.
    pub command: Option<String>,
    /// From the command (or, without a communicator, from boot) to power-off.
    /// Default 5 min.
    pub timeout: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { command: None, timeout: Duration::from_secs(5 * 60) }
    }
}
