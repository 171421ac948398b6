//! Runs provisioners with Packer's semantics.

mod env;
mod file;
mod local;
mod shell;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::error::{Kind, Trouble};
use super::events::{Event, Events};
use super::host::WorkPaths;
use super::spec::VmSpec;
use super::ssh::{Exit, Refusal, SshClient};
use super::step::{Action, Step};
use super::template::{self, Context};
use crate::signal::CancelToken;

/// Lines of a script's output that its error repeats.
const TAIL_LINES: usize = 20;

/// How long a lost connection may take to come back where Packer's options do
/// not say it.
const RECONNECT: Duration = Duration::from_secs(5 * 60);

/// Runs the provisioners of one build.
pub struct Provisioner<'a> {
    /// The source.
    pub spec: &'a VmSpec,
    /// Where to write, where scripts are.
    pub paths: &'a WorkPaths,
    /// Names for `{{ }}` that hold during provisioning.
    pub context: Context,
    /// `PACKER_HTTP_IP` and the port, for scripts.
    pub http: (String, u16),
    /// The guest.
    pub ssh: Option<&'a mut SshClient>,
    /// Who is told.
    pub events: &'a dyn Events,
    /// Stops everything.
    pub cancel: CancelToken,
    /// Texts that must not be shown.
    pub secrets: Vec<String>,
    /// Numbers temporary files.
    pub counter: u32,
}

impl Provisioner<'_> {
    /// Runs the steps that are for this source, in order.
    ///
    /// # Errors
    /// The first step that fails, with its name and the end of its output.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), Trouble> {
        let source = format!("qemu.{}", self.spec.name);
        let steps: Vec<&Step> = steps.iter().filter(|step| step.filter.allows(&source)).collect();
        if !steps.is_empty() && self.ssh.is_none() {
            return Err(Trouble::template(
                "provisioners need a communicator, but the source says communicator = \"none\"",
            ));
        }
        for (number, step) in (1..).zip(&steps) {
            let name = step.label();
            self.events.event(Event::Step { number, total: steps.len(), name: &name });
            self.step(step).map_err(|trouble| in_step(step, &name, trouble))?;
        }
        Ok(())
    }

    /// One step with its retries.
    fn step(&mut self, step: &Step) -> Result<(), Trouble> {
        let mut left = step.max_retries;
        loop {
            let Err(trouble) = self.attempt(step) else { return Ok(()) };
            if trouble.kind == Kind::Interrupted || self.cancel.is_set() {
                return Err(trouble);
            }
            if left > 0 {
                let text = format!("{}; {left} retries left", trouble.message);
                self.events.event(Event::Note(&text));
                left = left.saturating_sub(1);
            } else if step.continue_on_error {
                let text = format!("{}; going on (continue_on_error)", trouble.message);
                self.events.event(Event::Note(&text));
                return Ok(());
            } else {
                return Err(trouble);
            }
        }
    }

    /// One attempt within the step's `timeout`, its pause included, as in Packer.
    fn attempt(&mut self, step: &Step) -> Result<(), Trouble> {
        let Some(limit) = step.timeout else { return self.act(step) };
        let whole = self.cancel.clone();
        let alarm = Alarm::start(&whole, limit)?;
        self.use_token(&alarm.token);
        let result = self.act(step);
        self.use_token(&whole);
        match result {
            Err(trouble)
                if trouble.kind == Kind::Interrupted && alarm.rang() && !whole.is_set() =>
            {
                Err(Trouble::guest(format!("it did not end within {limit:?} (timeout)")))
            }
            other => other,
        }
    }

    fn use_token(&mut self, token: &CancelToken) {
        self.cancel = token.clone();
        if let Some(ssh) = &mut self.ssh {
            ssh.set_cancel(token);
        }
    }

    fn act(&mut self, step: &Step) -> Result<(), Trouble> {
        if !step.pause_before.is_zero() {
            self.say(&format!("waiting {:?} (pause_before)", step.pause_before));
            self.pause(step.pause_before)?;
        }
        match &step.action {
            Action::Shell(shell) => self.shell(shell),
            Action::File(file) => self.file(file),
            Action::ShellLocal(local) => self.shell_local(local),
            Action::Sleep(time) => self.pause(*time),
        }
    }

    fn say(&self, text: &str) {
        self.events.event(Event::Note(text));
    }

    fn pause(&self, time: Duration) -> Result<(), Trouble> {
        let start = Instant::now();
        while start.elapsed() < time {
            if self.cancel.is_set() {
                return Err(Trouble::interrupted());
            }
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
        Ok(())
    }

    fn render(&self, text: &str) -> Result<String, Trouble> {
        Ok(template::render(text, &self.context)?)
    }

    fn guest(&mut self) -> Result<&mut SshClient, Trouble> {
        self.ssh.as_deref_mut().ok_or_else(|| Trouble::template("there is no communicator"))
    }

    /// A name in the build's private directory that was not used before.
    fn temporary(&mut self, name: &str) -> PathBuf {
        self.counter = self.counter.wrapping_add(1);
        self.paths.secrets.join(format!("{name}-{}", self.counter))
    }

    /// Writes a private temporary file.
    fn temporary_with(&mut self, name: &str, bytes: &[u8]) -> Result<PathBuf, Trouble> {
        let path = self.temporary(name);
        std::fs::write(&path, bytes).map_err(|source| Trouble::io("write", &path, &source))?;
        Ok(path)
    }

    /// Does something in the guest that has no effect until it succeeds; after a
    /// lost connection again, until `limit` is over.
    fn retried(
        &mut self,
        limit: Duration,
        mut what: impl FnMut(&mut SshClient) -> Result<Exit, Trouble>,
    ) -> Result<Exit, Trouble> {
        let start = Instant::now();
        loop {
            let guest = self.guest()?;
            let why = match guest.attempt()? {
                Ok(()) => match what(guest) {
                    Ok(Exit::Disconnected) => "the connection was lost".to_owned(),
                    Ok(exit) => return Ok(exit),
                    Err(trouble) if trouble.kind == Kind::Guest => trouble.message,
                    Err(trouble) => return Err(trouble),
                },
                Err(Refusal::NotReady(why) | Refusal::Denied(why)) => why,
            };
            if start.elapsed() >= limit {
                return Err(Trouble::guest(format!("{why} (tried for {limit:?})")));
            }
            self.pause(Duration::from_secs(1))?;
        }
    }
}

fn in_step(step: &Step, name: &str, trouble: Trouble) -> Trouble {
    if trouble.kind == Kind::Interrupted {
        return trouble;
    }
    let origin = if step.origin.is_empty() { String::new() } else { format!(" ({})", step.origin) };
    let message = format!("{} provisioner `{name}`{origin}: {}", step.kind(), trouble.message);
    Trouble { message, ..trouble }
}

/// Sets a token after some time, unless it is dropped before.
struct Alarm {
    token: CancelToken,
    rang: Arc<AtomicBool>,
    off: Arc<AtomicBool>,
}

impl Alarm {
    fn start(parent: &CancelToken, after: Duration) -> Result<Self, Trouble> {
        let token = parent.child();
        let (rang, off) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (token2, rang2, off2) = (token.clone(), Arc::clone(&rang), Arc::clone(&off));
        let wait = move || {
            let start = Instant::now();
            while start.elapsed() < after {
                if off2.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            rang2.store(true, Ordering::Relaxed);
            token2.set();
        };
        let thread = std::thread::Builder::new().name("timeout".into()).spawn(wait);
        thread.map_err(|source| Trouble::host(format!("cannot start a thread: {source}")))?;
        Ok(Self { token, rang, off })
    }

    fn rang(&self) -> bool {
        self.rang.load(Ordering::Relaxed)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.off.store(true, Ordering::Relaxed);
    }
}

/// The last lines of a script's output.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<String>);

impl Tail {
    fn push(&mut self, line: &str) {
        if self.0.len() == TAIL_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    /// A message followed by the lines.
    pub(crate) fn after(&self, message: &str) -> String {
        let lines = self.0.iter().map(|line| format!("\n         | {line}"));
        std::iter::once(message.to_owned()).chain(lines).collect()
    }
}
