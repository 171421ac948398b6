//! A running child as a guard: it ends the whole group and waits when dropped.

use std::io::Write;
use std::process::{self, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::spawn::{self, Streams};
use super::{Cmd, CmdError, Failure, Stdin};

/// How often a wait looks at the child, the clock and the cancel token.
const TICK: Duration = Duration::from_millis(20);

/// A running program with its group. Dropping it sends TERM, waits for the
/// grace time, sends KILL and waits for the end.
#[derive(Debug)]
pub struct Child {
    inner: process::Child,
    group: Option<Pid>,
    cmd: Cmd,
}

pub(super) fn spawn(cmd: &Cmd) -> Result<Child, CmdError> {
    let log = cmd.open_log()?;
    let null = |source: std::io::Error| CmdError::from_spawn(cmd, &source);
    let (stdout, stderr) = match log {
        Some(file) => (Stdio::from(file.try_clone().map_err(null)?), Stdio::from(file)),
        None => (Stdio::null(), Stdio::null()),
    };
    start(cmd, stdout, stderr)
}

/// Starts the child and feeds its standard input from a thread.
pub(super) fn start(cmd: &Cmd, stdout: Stdio, stderr: Stdio) -> Result<Child, CmdError> {
    cmd.announce();
    if cmd.cancel.is_set() {
        return Err(CmdError::new(cmd, Failure::Interrupted));
    }
    let stdin = match &cmd.stdin {
        Stdin::Null => Stdio::null(),
        Stdin::Bytes(_) => Stdio::piped(),
        Stdin::File(path) => std::fs::File::open(path).map(Stdio::from).map_err(|source| {
            let text = format!("cannot open its input {}: {source}", path.display());
            CmdError::new(cmd, Failure::CouldNotStart(text))
        })?,
    };
    let inner = spawn::group(cmd, Streams { stdin, stdout, stderr })
        .map_err(|source| CmdError::from_spawn(cmd, &source))?;
    let group = spawn::pid_of(&inner);
    let mut child = Child { inner, group, cmd: cmd.clone() };
    child.feed_stdin()?;
    Ok(child)
}

pub(super) fn interactive(cmd: &Cmd) -> Result<i32, CmdError> {
    cmd.announce();
    let mut child = spawn::interactive(cmd).map_err(|source| CmdError::from_spawn(cmd, &source))?;
    let status = child.wait().map_err(|source| CmdError::from_spawn(cmd, &source))?;
    check(cmd, status, Vec::new())
}

/// Turns an exit status into the code or the failure it stands for.
pub(super) fn check(cmd: &Cmd, status: ExitStatus, tail: Vec<String>) -> Result<i32, CmdError> {
    use std::os::unix::process::ExitStatusExt;
    let failure = match (status.code(), status.signal()) {
        (Some(code), _) if cmd.success.is_empty() || cmd.success.contains(&code) => {
            return Ok(code);
        }
        (Some(code), _) => Failure::Exited(code),
        (None, Some(signal)) => Failure::Signal(signal),
        (None, None) => Failure::CouldNotStart(format!("it ended as {status}")),
    };
    Err(CmdError::new(cmd, failure).with_tail(tail))
}

impl Child {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.inner.id()
    }

    /// Takes the pipe of standard output, if it was asked for.
    pub(super) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.inner.stdout.take()
    }

    /// Takes the pipe of standard error, if it was asked for.
    pub(super) fn take_stderr(&mut self) -> Option<process::ChildStderr> {
        self.inner.stderr.take()
    }

    fn feed_stdin(&mut self) -> Result<(), CmdError> {
        let (Some(mut pipe), Stdin::Bytes(bytes)) = (self.inner.stdin.take(), &self.cmd.stdin)
        else {
            return Ok(());
        };
        let bytes = bytes.clone();
        // A child that does not read its input is its own business: its exit
        // code tells, a broken pipe here does not.
        let feed = move || drop(pipe.write_all(&bytes));
        let thread = std::thread::Builder::new().name("stdin".into()).spawn(feed);
        thread.map(drop).map_err(|source| CmdError::from_spawn(&self.cmd, &source))
    }

    /// A handle that tells whether the child runs, for a thread that watches.
    pub fn probe(&self) -> Probe {
        Probe { pid: self.group }
    }

    /// Whether the leader is still running. Its group is intact either way.
    pub fn is_running(&self) -> bool {
        self.probe().is_running()
    }

    /// Waits until the child ends, the time is over or cancellation is asked for.
    /// Ends the group in every case and returns the exit code.
    ///
    /// # Errors
    /// As for [`Cmd::run`]; `limit` counts from now.
    pub fn wait_within(mut self, limit: Option<Duration>) -> Result<i32, CmdError> {
        let start = Instant::now();
        while self.is_running() {
            if let Some(failure) = self.stop_reason(start, limit) {
                self.end();
                return Err(CmdError::new(&self.cmd, failure));
            }
            std::thread::sleep(TICK);
        }
        self.finish(Vec::new())
    }

    /// Why the child must end now, if it must.
    pub(super) fn stop_reason(&self, start: Instant, limit: Option<Duration>) -> Option<Failure> {
        if self.cmd.cancel.is_set() {
            return Some(Failure::Interrupted);
        }
        limit.filter(|limit| start.elapsed() >= *limit).map(Failure::TimedOut)
    }

    /// Reaps the child that has ended, kills what it left behind, checks its code.
    pub(super) fn finish(&mut self, tail: Vec<String>) -> Result<i32, CmdError> {
        self.kill_group();
        let status = self.reap().map_err(|source| CmdError::from_spawn(&self.cmd, &source))?;
        check(&self.cmd, status, tail)
    }

    /// Asks the whole group to end (TERM), insists after the grace time (KILL)
    /// and waits. Does nothing to a child that was reaped or detached.
    pub fn end(&mut self) {
        let Some(group) = self.group else { return };
        spawn::signal_group(group, Signal::TERM);
        let start = Instant::now();
        while self.is_running() && start.elapsed() < self.cmd.grace && !self.cmd.cancel.is_urgent()
        {
            std::thread::sleep(TICK);
        }
        self.kill_group();
        // The process is dead or dying by KILL; an error here means it was
        // reaped already, and there is nothing left to do about it.
        drop(self.reap());
    }

    /// Lets the child live on after us, with all its files. Only for a command
    /// marked [`Cmd::keepable`]: the kernel would kill any other. Returns the
    /// process id.
    pub fn detach(mut self) -> u32 {
        if let Some(group) = self.group.take() {
            spawn::forget(group);
        }
        self.inner.id()
    }

    fn kill_group(&self) {
        if let Some(group) = self.group {
            spawn::signal_group(group, Signal::KILL);
        }
    }

    fn reap(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.inner.wait();
        if let Some(group) = self.group.take() {
            spawn::forget(group);
        }
        status
    }
}

/// Tells whether a child runs; does not keep it alive, does not reap it.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    pid: Option<Pid>,
}

impl Probe {
    /// Whether the child has neither ended nor been reaped.
    pub fn is_running(&self) -> bool {
        let Some(pid) = self.pid else { return false };
        // NOWAIT leaves the zombie, so its group id cannot be given to others
        // before `finish` has killed what is left of the group.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(rustix::process::waitid(WaitId::Pid(pid), options), Ok(None))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}
