//! Why a build failed, with the evidence.

use std::fmt;
use std::path::PathBuf;

use super::causes::Cause;
use super::events::Phase;
use super::template::TemplateError;
use crate::cmd::CmdError;

/// What kind of failure it is; decides the exit code and whether a retry can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The template asks for what the engine cannot do or is wrong.
    Template,
    /// This host lacks something: a tool, a device, disk space.
    Host,
    /// The guest failed.
    Guest,
    /// We were asked to stop.
    Interrupted,
}

/// A failure inside the engine, before evidence is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub kind: Kind,
    /// What, where, why, what to do.
    pub message: String,
}

impl Trouble {
    /// The template is wrong.
    pub fn template(message: impl Into<String>) -> Self {
        Self { kind: Kind::Template, message: message.into() }
    }

    /// The host is not able.
    pub fn host(message: impl Into<String>) -> Self {
        Self { kind: Kind::Host, message: message.into() }
    }

    /// The guest failed.
    pub fn guest(message: impl Into<String>) -> Self {
        Self { kind: Kind::Guest, message: message.into() }
    }

    /// We were asked to stop.
    pub fn interrupted() -> Self {
        Self { kind: Kind::Interrupted, message: "interrupted".into() }
    }

    /// An operation on a file of the host failed.
    pub fn io(doing: &str, path: &std::path::Path, source: &std::io::Error) -> Self {
        let hint = match source.kind() {
            std::io::ErrorKind::StorageFull => " (hint: free space there, or choose another --out)",
            _ => "",
        };
        Self::host(format!("cannot {doing} {}: {source}{hint}", path.display()))
    }
}

impl From<CmdError> for Trouble {
    fn from(error: CmdError) -> Self {
        if error.is_interrupted() { Self::interrupted() } else { Self::host(error.to_string()) }
    }
}

impl From<TemplateError> for Trouble {
    fn from(error: TemplateError) -> Self {
        Self::template(error.to_string())
    }
}

/// A console line as an error message can hold it: keys and dumps are long.
pub fn shortened(line: &str) -> String {
    const WIDTH: usize = 160;
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// A failed build.
#[derive(Clone, Debug)]
pub struct EngineError {
    /// Where it failed.
    pub phase: Phase,
    /// What happened.
    pub trouble: Trouble,
    /// What is behind it, if the console shows a known pattern.
    pub cause: Option<Cause>,
    /// Last lines of the serial console.
    pub serial_tail: Vec<String>,
    /// Serial console, complete.
    pub serial_log: Option<PathBuf>,
    /// Screen of the guest when it failed.
    pub screenshot: Option<PathBuf>,
    /// How many requests the guest made to our HTTP server, if there is one. With
    /// none the boot command missed, and another try may hit.
    pub fetched: Option<usize>,
    /// The VM still runs, for `cargo xtask ssh`.
    pub kept: bool,
}

impl EngineError {
    /// Whether xtask was asked to stop, which is no failure of the build.
    pub fn is_interrupted(&self) -> bool {
        self.trouble.kind == Kind::Interrupted
    }
}

impl std::error::Error for EngineError {}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phase, self.trouble.message)?;
        let log = self.serial_log.as_ref().filter(|_| !self.serial_tail.is_empty());
        for line in &self.serial_tail {
            write!(f, "\n  console   | {}", shortened(line))?;
        }
        if let Some(log) = log {
            write!(f, "\n  all of it {}", log.display())?;
        }
        if let Some(screenshot) = &self.screenshot {
            write!(f, "\n  screen    {}", screenshot.display())?;
        }
        if self.fetched == Some(0) {
            f.write_str("\n  fetched   nothing: the boot command did not reach the installer")?;
        }
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause     {}\n  try       {}", cause.cause, cause.fix)?;
        }
        Ok(())
    }
}
