//! Opens the master connection and keeps trying until the guest is ready.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::super::askpass;
use super::super::error::Trouble;
use super::SshClient;
use crate::cmd::Cmd;

/// How long the guest may take from the first byte to the login, key exchange
/// and password included. An emulated guest that is still booting is slow.
const LOGIN: Duration = Duration::from_secs(60);

/// How long a listening sshd may take for its greeting.
const GREETING: Duration = Duration::from_secs(10);

/// Pause between attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Why there is no connection yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing answers, or what answers is no SSH server yet.
    NotReady(String),
    /// The guest refused the login.
    Denied(String),
}

/// What a caller learns between attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Attempts so far.
    pub attempts: u32,
    /// Logins that the guest refused so far.
    pub denied: u32,
    /// The last refusal.
    pub last: Refusal,
}

impl SshClient {
    /// Connects, trying again until `limit` is over or the guest has refused
    /// the login `max_denied` times.
    ///
    /// # Errors
    /// Too late, refused too often, or we are to stop.
    pub fn connect(
        &mut self,
        limit: Option<Duration>,
        max_denied: Option<u32>,
        mut on_progress: impl FnMut(&Progress),
    ) -> Result<(), Trouble> {
        let start = Instant::now();
        let mut progress =
            Progress { attempts: 0, denied: 0, last: Refusal::NotReady("not tried".into()) };
        loop {
            let refusal = match self.attempt()? {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            progress.attempts = progress.attempts.saturating_add(1);
            if let Refusal::Denied(_) = refusal {
                progress.denied = progress.denied.saturating_add(1);
            }
            progress.last = refusal;
            on_progress(&progress);
            if max_denied.is_some_and(|max| progress.denied >= max) {
                return Err(self.denied(&progress));
            }
            if limit.is_some_and(|limit| start.elapsed() >= limit) {
                return Err(self.too_late(limit, &progress));
            }
            self.pause(PAUSE)?;
        }
    }

    /// Sleeps, unless we are to stop.
    ///
    /// # Errors
    /// We are to stop.
    pub fn pause(&self, time: Duration) -> Result<(), Trouble> {
        let start = Instant::now();
        while start.elapsed() < time {
            if self.cancel.is_set() {
                return Err(Trouble::interrupted());
            }
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
        Ok(())
    }

    fn denied(&self, progress: &Progress) -> Trouble {
        let user = &self.destination.username;
        let (Refusal::Denied(why) | Refusal::NotReady(why)) = &progress.last;
        Trouble::guest(format!(
            "the guest refused the login of `{user}` {} times: {why} (hint: does the answer file \
             or seed give `{user}` this build's password or key, and does sshd allow it?)",
            progress.denied
        ))
    }

    fn too_late(&self, limit: Option<Duration>, progress: &Progress) -> Trouble {
        let (Refusal::Denied(why) | Refusal::NotReady(why)) = &progress.last;
        let limit = limit.unwrap_or_default();
        let hint = match why.contains("Permission denied") {
            true => {
                "the guest answers but refuses: check ssh_username and what sets the credential"
            }
            false => "the guest never answered: its console and screen show how far it came",
        };
        let time = format!("no SSH login within {limit:?} (ssh_timeout)");
        Trouble::guest(format!("{time}; at the end: {why} (hint: {hint})"))
    }

    /// One attempt: look whether an SSH server greets, then log in.
    ///
    /// # Errors
    /// The client cannot be run, or we are to stop. A refusal is no error.
    pub fn attempt(&mut self) -> Result<Result<(), Refusal>, Trouble> {
        if self.is_connected() {
            return Ok(Ok(()));
        }
        self.disconnect();
        if self.cancel.is_set() {
            return Err(Trouble::interrupted());
        }
        // QEMU accepts for the guest before anything listens there, so that a
        // connection alone says nothing. The greeting does, at no cost.
        if let Err(why) = greeting(self.destination.port) {
            return Ok(Err(Refusal::NotReady(why)));
        }
        self.log_in()
    }

    fn log_in(&mut self) -> Result<Result<(), Refusal>, Trouble> {
        let mut cmd = Cmd::new("ssh", "log in to the guest")
            .cwd(&self.root)
            .args(self.options())
            .args(["-M", "-N", "-T"])
            .arg(self.destination.user_at_host())
            .log(&self.log)
            .grace(Duration::from_secs(1));
        if let Some(file) = &self.destination.auth.password_file {
            for (key, value) in askpass::environment(&self.askpass, file) {
                cmd = cmd.env(key, value);
            }
        }
        let logged = fs::metadata(&self.log).map_or(0, |data| data.len());
        let master = self.masked(cmd).spawn()?;
        let start = Instant::now();
        // The client makes its control socket once the login succeeded.
        while !self.control.exists() {
            if self.cancel.is_set() {
                return Err(Trouble::interrupted());
            }
            if !master.is_running() {
                return Ok(Err(self.refusal(logged)));
            }
            if start.elapsed() > LOGIN {
                return Ok(Err(Refusal::NotReady(format!("the login took over {LOGIN:?}"))));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.master = Some(master);
        Ok(Ok(()))
    }

    /// Reads why the client gave up from what it logged since `offset`.
    fn refusal(&self, offset: u64) -> Refusal {
        let text = fs::read(&self.log).unwrap_or_default();
        let offset = usize::try_from(offset).unwrap_or(0);
        let text = String::from_utf8_lossy(text.get(offset..).unwrap_or_default()).into_owned();
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        let last = last.unwrap_or("the client gave no reason").to_owned();
        let denied =
            ["Permission denied", "Too many authentication failures", "Host key verification"];
        if denied.iter().any(|sign| text.contains(sign)) {
            Refusal::Denied(last)
        } else {
            Refusal::NotReady(last)
        }
    }

    /// Forgets the guest's host key: after an expected restart it may have made
    /// new ones.
    pub fn forget_host_key(&self) {
        // Nothing to forget is fine too.
        drop(fs::remove_file(&self.destination.known_hosts));
    }
}

/// Waits for `SSH-` from the server.
fn greeting(port: u16) -> Result<(), String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let read = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, GREETING)?;
        stream.set_read_timeout(Some(GREETING))?;
        let mut start = [0; 4];
        stream.read_exact(&mut start)?;
        Ok(&start == b"SSH-")
    };
    match read() {
        Ok(true) => Ok(()),
        Ok(false) => Err("what listens on the guest's port is no SSH server".into()),
        Err(_) => Err("the guest does not listen for SSH".into()),
    }
}
