//! Runs other programs. Nothing else in xtask uses [`std::process::Command`].
//!
//! ```ignore
//! let version = Cmd::new("qemu-img", "read the version of qemu-img")
//!     .cwd(root)
//!     .arg("--version")
//!     .timeout(Duration::from_secs(10))
//!     .output()?
//!     .stdout_text();
//! ```
//!
//! A command has a purpose ("failed to PURPOSE: ...") and a working directory,
//! both required. Standard input is empty unless bytes are given. The endings:
//!
//! * [`Cmd::run`]: wait; output goes to the log file, or to our stderr without one
//! * [`Cmd::output`]: wait; standard output and error are captured, bounded
//! * [`Cmd::stream`]: wait; every line goes to the log file and to a callback
//! * [`Cmd::spawn`]: do not wait; the [`Child`] ends its whole group when dropped
//! * [`Cmd::interactive`]: hand the terminal over (sudo, ssh)
//!
//! Every child leads its own process group, dies when xtask dies (see `spawn`),
//! and is ended by TERM, a grace time and KILL on a timeout or when the
//! [`CancelToken`] is set. What is left of a group when its leader exits is killed.

mod child;
mod display;
mod error;
mod packages;
mod pump;
mod spawn;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use child::{Child, Probe};
pub use display::shell_quote;
pub use error::{CmdError, Failure};
pub use packages::debian_package;
pub use pump::{Line, Source};
pub(crate) use spawn::kill_all_groups;

use crate::signal::CancelToken;

/// Bytes that [`Cmd::output`] keeps per stream unless [`Cmd::limit`] says otherwise.
const DEFAULT_LIMIT: usize = 16 << 20;

/// Time between TERM and KILL unless [`Cmd::grace`] says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);

static TRACE: AtomicBool = AtomicBool::new(false);

/// Prints every command to stderr before it runs (`-v`), secrets masked.
pub fn trace(on: bool) {
    TRACE.store(on, Ordering::Relaxed);
}

/// What a child reads from its standard input.
#[derive(Clone, Debug, Default)]
enum Stdin {
    #[default]
    Null,
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// How a child's life is tied to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    /// The kernel kills it when we die.
    Ours,
    /// The reaper kills it when we die, unless [`Child::detach`] lets it go.
    Keepable,
}

/// A change to the environment that the child inherits.
#[derive(Clone, Debug)]
enum EnvChange {
    Set(OsString),
    Secret(OsString),
    Remove,
}

/// A command without its working directory; [`CmdWithoutDir::cwd`] completes it.
#[must_use = "a command needs a working directory and an ending"]
#[derive(Debug)]
pub struct CmdWithoutDir {
    tool: OsString,
    purpose: String,
}

impl CmdWithoutDir {
    /// Sets the directory in which the command runs.
    pub fn cwd(self, dir: impl AsRef<Path>) -> Cmd {
        Cmd {
            tool: self.tool,
            purpose: self.purpose,
            cwd: dir.as_ref().to_path_buf(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: Stdin::Null,
            log: None,
            timeout: None,
            grace: DEFAULT_GRACE,
            success: vec![0],
            limit: DEFAULT_LIMIT,
            cancel: CancelToken::global(),
            secrets: Vec::new(),
            lifetime: Lifetime::Ours,
        }
    }
}

/// A command that is ready to run. `Display` is the line a user can paste.
#[must_use = "a command does nothing without an ending such as `run`"]
#[derive(Clone, Debug)]
pub struct Cmd {
    tool: OsString,
    purpose: String,
    cwd: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, EnvChange)>,
    stdin: Stdin,
    log: Option<PathBuf>,
    timeout: Option<Duration>,
    grace: Duration,
    success: Vec<i32>,
    limit: usize,
    cancel: CancelToken,
    secrets: Vec<Vec<u8>>,
    lifetime: Lifetime,
}

impl Cmd {
    /// Starts a command. `tool` is a name on `PATH` or a path; `purpose` completes
    /// the sentence "failed to ...", for example "validate rocky9".
    #[expect(
        clippy::new_ret_no_self,
        reason = "the working directory is required, so the type asks for it"
    )]
    pub fn new(tool: impl AsRef<OsStr>, purpose: impl Into<String>) -> CmdWithoutDir {
        CmdWithoutDir { tool: tool.as_ref().to_os_string(), purpose: purpose.into() }
    }

    /// Adds one argument. Never a secret: argv is readable by every local user.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_os_string());
        self
    }

    /// Adds arguments in order.
    pub fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    /// Sets an environment variable; it is shown when the command is printed.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let value = EnvChange::Set(value.as_ref().to_os_string());
        self.env.push((key.as_ref().to_os_string(), value));
        self
    }

    /// Sets an environment variable whose value is masked when the command is
    /// printed and wherever it appears in the output that we log.
    pub fn secret_env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref().to_os_string();
        self.secrets.push(value.as_encoded_bytes().to_vec());
        self.env.push((key.as_ref().to_os_string(), EnvChange::Secret(value)));
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_os_string(), EnvChange::Remove));
        self
    }

    /// Masks this text in every line of output that is logged or passed on.
    pub fn mask(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secrets.push(secret.as_ref().to_vec());
        self
    }

    /// Gives the child these bytes as its standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// Gives the child this file as its standard input.
    pub fn stdin_file(mut self, path: impl AsRef<Path>) -> Self {
        self.stdin = Stdin::File(path.as_ref().to_path_buf());
        self
    }

    /// Appends the child's output to this file; its directory must exist.
    pub fn log(mut self, path: impl AsRef<Path>) -> Self {
        self.log = Some(path.as_ref().to_path_buf());
        self
    }

    /// Ends the child after this time. Without one only cancellation ends it.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }

    /// Sets the time between TERM and KILL (5 s by default).
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Says which exit codes are success; `[0]` by default, empty for all.
    pub fn success(mut self, codes: &[i32]) -> Self {
        self.success = codes.to_vec();
        self
    }

    /// Sets how many bytes [`Cmd::output`] keeps per stream (16 MiB by default);
    /// more is an error.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Polls this token instead of the process-wide one.
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    /// Allows [`Child::detach`]. Such a child is killed by the reaper instead of
    /// the kernel when we die.
    pub fn keepable(mut self) -> Self {
        self.lifetime = Lifetime::Keepable;
        self
    }

    /// Waits for the command; its output goes to the log file, or to our stderr
    /// when there is none. Returns the exit code, which is one of
    /// [`Cmd::success`].
    pub fn run(&self) -> Result<i32, CmdError> {
        let quiet = self.log.is_some();
        self.stream(|line| {
            if !quiet {
                pump::to_stderr(line.bytes);
            }
        })
    }

    /// Waits for the command and returns what it wrote.
    pub fn output(&self) -> Result<Output, CmdError> {
        pump::capture(self)
    }

    /// Waits for the command; each line goes to the log file and to `on_line`
    /// without its newline. Bytes are passed on as they are, not as UTF-8.
    pub fn stream(&self, on_line: impl FnMut(Line<'_>)) -> Result<i32, CmdError> {
        pump::stream(self, on_line)
    }

    /// Starts the command and returns a guard that ends its whole group on drop.
    /// Output goes to the log file, or nowhere without one.
    pub fn spawn(&self) -> Result<Child, CmdError> {
        child::spawn(self)
    }

    /// Runs the command with our terminal and in our process group, so that it
    /// may ask for a password. No timeout, no capture.
    pub fn interactive(&self) -> Result<i32, CmdError> {
        child::interactive(self)
    }

    /// What the command is for, as given to [`Cmd::new`].
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    fn announce(&self) {
        if TRACE.load(Ordering::Relaxed) {
            let text = display::masked_text(&format!("{self:#}"), &self.secrets);
            eprintln!("+ {text}    (in {})", self.cwd.display());
        }
    }

    fn open_log(&self) -> Result<Option<File>, CmdError> {
        let Some(path) = &self.log else { return Ok(None) };
        let file = File::options().create(true).append(true).open(path);
        file.map(Some).map_err(|source| {
            let text = format!("cannot open its log {}: {source}", path.display());
            CmdError::new(self, Failure::CouldNotStart(text))
        })
    }
}

/// What a finished command wrote.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code, one of [`Cmd::success`].
    pub code: i32,
    /// Bytes of standard output.
    pub stdout: Vec<u8>,
    /// Bytes of standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text, invalid UTF-8 replaced, without trailing newlines.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches(['\r', '\n']).to_owned()
    }

    /// Standard error as text, invalid UTF-8 replaced, without trailing newlines.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end_matches(['\r', '\n']).to_owned()
    }
}

/// Finds `tool` the way a shell does: as a path if it contains `/`, else on `PATH`.
/// `None` if there is no executable file of that name.
pub fn which(tool: impl AsRef<OsStr>) -> Option<PathBuf> {
    let tool = Path::new(tool.as_ref());
    if tool.components().count() > 1 || tool.is_absolute() {
        return executable(tool).then(|| tool.to_path_buf());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|file| executable(file))
}

fn executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}
