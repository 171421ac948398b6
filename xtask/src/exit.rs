//! Exit codes, the one place that documents them.

use std::fmt;
use std::process::ExitCode;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Ok = 0,
    /// Findings, or at least one build, test or upload failed.
    Failed = 1,
    /// The command line, `image.toml` or a template is wrong.
    Usage = 2,
    /// This host lacks something; `cargo xtask doctor` says what.
    HostNotReady = 3,
    /// The selection matched no target.
    NothingSelected = 4,
    /// SIGINT or SIGTERM (128 + SIGINT, as shells do).
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows its exit code; put it anywhere in an `anyhow` chain.
#[derive(Debug)]
pub struct Coded {
    /// The code `main` returns.
    pub exit: Exit,
    /// What, where, why and what to do.
    pub message: String,
}

impl Coded {
    /// A wrong command line or file of ours: exit code 2.
    pub fn usage(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::Usage, message: message.into() }.into()
    }

    /// The host lacks something: exit code 3.
    pub fn host(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::HostNotReady, message: message.into() }.into()
    }

    /// Nothing matched: exit code 4.
    pub fn nothing(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::NothingSelected, message: message.into() }.into()
    }
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// The exit code an error asks for, 1 if it does not say.
#[must_use]
pub fn of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(|e| e.downcast_ref::<Coded>()).map_or(Exit::Failed, |c| c.exit)
}
