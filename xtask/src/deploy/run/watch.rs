//! Watches a machine: its console, its life, the clock.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{Progress, Run};
use crate::cmd::{Child, Cmd};
use crate::deploy::console::{Console, Marker};
use crate::deploy::machine::Machine;
use crate::deploy::report::Failure;
use crate::exit::{Coded, Exit};
use crate::signal::CancelToken;

/// How often console, machine and clock are looked at.
const TICK: Duration = Duration::from_millis(500);
/// Lines of the console in a failure.
const TAIL: usize = 14;
/// How long a machine may take to end after its last word.
const POWER_OFF: Duration = Duration::from_secs(180);

/// A running machine with its console.
pub struct Watched {
    child: Child,
    console: Console,
    start: Instant,
    last_sign: (u64, usize, Instant),
}

impl Watched {
    /// Starts QEMU.
    pub fn start(run: &Run<'_>, machine: &Machine) -> Result<Self> {
        // A log of an earlier run must not be taken for this one's.
        match std::fs::remove_file(&machine.serial) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e)
                    .with_context(|| format!("cannot replace {}", machine.serial.display()));
            }
            _ => {}
        }
        let child = Cmd::new(machine.program(), "start the machine")
            .cwd(run.work)
            .args(machine.argv())
            .log(run.settings.logs.join("qemu.log"))
            .spawn()?;
        let console = Console::new(&machine.serial);
        let now = Instant::now();
        Ok(Self { child, console, start: now, last_sign: (0, 0, now) })
    }

    /// Waits a moment and returns new lines of the console.
    pub fn tick(&mut self) -> Result<Vec<String>> {
        if CancelToken::global().is_set() {
            let message = "interrupted; the machine is stopped".into();
            return Err(Coded { exit: Exit::Interrupted, message }.into());
        }
        std::thread::sleep(TICK);
        self.console.read().context("cannot read the serial console's log")
    }

    /// Why waiting on is useless, if it is.
    pub fn hopeless(&mut self, run: &Run<'_>) -> Option<String> {
        if let Some(cause) = self.console.cause().filter(|cause| cause.fatal) {
            return Some(format!("the console says \"{}\"", cause.pattern));
        }
        if !self.child.is_running() {
            return Some("the machine stopped".into());
        }
        let signs = (self.console.bytes(), run.maas.seen().requests.len());
        if signs != (self.last_sign.0, self.last_sign.1) {
            self.last_sign = (signs.0, signs.1, Instant::now());
        }
        let (limit, silence) = (run.settings.limit, run.settings.silence);
        if self.last_sign.2.elapsed() > silence {
            let minutes = silence.as_secs() / 60;
            return Some(format!("no sign of life on console and network for {minutes} minutes"));
        }
        (self.start.elapsed() > limit)
            .then(|| format!("not done after {} minutes", limit.as_secs() / 60))
    }

    /// A failure with the console's last words.
    pub fn failure(&mut self, stage: &str, reason: impl Into<String>) -> Failure {
        // What the guest wrote in its last moment; a read error only costs lines.
        std::thread::sleep(TICK);
        drop(self.console.read());
        let cause = self.console.cause();
        Failure {
            stage: stage.to_owned(),
            reason: reason.into(),
            cause: cause.map(|cause| cause.meaning.to_owned()),
            fix: cause.map(|cause| cause.fix.to_owned()),
            console: self.console.tail(TAIL),
        }
    }

    /// Waits for the end of a machine that powers itself off.
    fn power_off(mut self) -> Result<()> {
        let start = Instant::now();
        while self.child.is_running() && start.elapsed() < POWER_OFF {
            self.tick()?;
        }
        // Dropping the child ends a machine that hangs in its shutdown; its
        // file systems are unmounted by then.
        Ok(())
    }
}

/// Runs the ephemeral system until its installer is done.
pub fn deployment(
    run: &mut Run<'_>,
    machine: &Machine,
    progress: Progress<'_>,
) -> Result<Option<Failure>> {
    let mut vm = Watched::start(run, machine)?;
    loop {
        for line in vm.tick()? {
            match Marker::parse(&line) {
                Some(Marker::Stage(stage)) => run.begin(&stage, progress),
                Some(Marker::Facts(json)) => run.add_facts(&json),
                Some(Marker::Ok) => {
                    run.begin("power off", progress);
                    return vm.power_off().map(|()| None);
                }
                Some(Marker::Fail(stage, reason)) => return Ok(Some(vm.failure(&stage, reason))),
                None => {}
            }
        }
        if let Some(reason) = vm.hopeless(run) {
            let reason = match run.maas.seen().requests.is_empty() {
                true => format!("{reason}; the ephemeral system never fetched its seed"),
                false => reason,
            };
            return Ok(Some(vm.failure(&run.stage(), reason)));
        }
    }
}
