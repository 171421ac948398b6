//! Five ways to fail, five sentences; plus being interrupted.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Cmd, packages};

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No such program on `PATH`.
    NotInstalled,
    /// The program is there but did not start, with the reason.
    CouldNotStart(String),
    /// It ended with an exit code that is not success.
    Exited(i32),
    /// A signal of this number killed it.
    Signal(i32),
    /// It ran longer than it may.
    TimedOut(Duration),
    /// It wrote more than the caller accepts, in bytes.
    TooMuchOutput(usize),
    /// We were asked to stop (Ctrl-C, TERM), so we stopped it.
    Interrupted,
}

/// A failed command: what it was for, what it was, how it failed, its last lines.
#[derive(Clone, Debug)]
pub struct CmdError {
    /// How it failed.
    pub failure: Failure,
    /// The end of its output, at most 20 lines, secrets masked.
    pub tail: Vec<String>,
    what: Box<What>,
}

/// The command as it is told to the user; boxed to keep results small.
#[derive(Clone, Debug)]
struct What {
    purpose: String,
    tool: String,
    command: String,
    cwd: PathBuf,
    log: Option<PathBuf>,
}

impl CmdError {
    pub(super) fn new(cmd: &Cmd, failure: Failure) -> Self {
        let what = What {
            purpose: cmd.purpose.clone(),
            tool: cmd.tool.to_string_lossy().into_owned(),
            command: super::display::masked_text(&format!("{cmd:#}"), &cmd.secrets),
            cwd: cmd.cwd.clone(),
            log: cmd.log.clone(),
        };
        Self { failure, tail: Vec::new(), what: Box::new(what) }
    }

    pub(super) fn with_tail(mut self, tail: Vec<String>) -> Self {
        self.tail = tail;
        self
    }

    /// Sorts out why a spawn failed. The operating system says "not found" alike
    /// for the program, its interpreter and the working directory.
    pub(super) fn from_spawn(cmd: &Cmd, source: &std::io::Error) -> Self {
        let missing = source.kind() == std::io::ErrorKind::NotFound;
        let failure = if missing && !cmd.cwd.is_dir() {
            Failure::CouldNotStart(format!("its directory {} does not exist", cmd.cwd.display()))
        } else if missing && super::which(&cmd.tool).is_some() {
            Failure::CouldNotStart("the interpreter in its first line is missing".into())
        } else if missing {
            Failure::NotInstalled
        } else {
            Failure::CouldNotStart(source.to_string())
        };
        Self::new(cmd, failure)
    }

    /// Whether the command was stopped because xtask is to stop.
    pub fn is_interrupted(&self) -> bool {
        self.failure == Failure::Interrupted
    }
}

impl std::error::Error for CmdError {}

impl fmt::Display for CmdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let What { purpose, tool, command, cwd, log } = &*self.what;
        write!(f, "failed to {purpose}: ")?;
        match &self.failure {
            Failure::NotInstalled => return self.fmt_not_installed(f),
            Failure::CouldNotStart(why) => write!(f, "`{tool}` could not start: {why}")?,
            Failure::Exited(code) => write!(f, "`{tool}` exited with {code}")?,
            Failure::Signal(number) => {
                write!(f, "`{tool}` was killed by {}", signal_name(*number))?
            }
            Failure::TimedOut(after) => write!(f, "`{tool}` did not end within {after:?}")?,
            Failure::TooMuchOutput(limit) => write!(f, "`{tool}` wrote more than {limit} bytes")?,
            Failure::Interrupted => return write!(f, "interrupted, `{tool}` was stopped"),
        }
        write!(f, "\n  command  {command}\n  in       {}", cwd.display())?;
        for line in &self.tail {
            write!(f, "\n         | {line}")?;
        }
        if let Some(log) = log {
            write!(f, "\n  log      {}", log.display())?;
        }
        Ok(())
    }
}

impl CmdError {
    fn fmt_not_installed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not installed", self.what.tool)?;
        match packages::debian_package(&self.what.tool) {
            Some(package) => write!(f, " (hint: sudo apt-get install {package})"),
            None => Ok(()),
        }
    }
}

/// The usual name of a signal, such as `SIGKILL`.
fn signal_name(number: i32) -> String {
    let known = signal_hook::low_level::signal_name(number);
    known.map_or_else(|| format!("signal {number}"), str::to_owned)
}
