//! Watches a machine: its console, its life, the clock.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::{Progress, Run};
use crate::cmd::{Child, Cmd};
use crate::deploy::advice;
use crate::deploy::console::{Console, Marker};
use crate::deploy::machine::Machine;
use crate::deploy::report::Failure;
use crate::engine::qmp::Qmp;
use crate::exit::{Coded, Exit};
use crate::signal::CancelToken;

/// How often console, machine and clock are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How long a machine may take to end after its last word.
const POWER_OFF: Duration = Duration::from_secs(180);

/// How long QEMU may take to open its control socket.
const QMP: Duration = Duration::from_secs(60);
/// Longest time that GRUB's menu is photographed; Debian shows it for 5 s.
const GRUB_MENU: Duration = Duration::from_secs(8);
/// How often QEMU is asked for disk activity while the console is silent.
const ACTIVITY: Duration = Duration::from_secs(30);

/// A running machine with its console and control socket.
pub struct Watched {
    child: Child,
    console: Console,
    qmp: Qmp,
    screen: Option<PathBuf>,
    /// When GRUB first showed itself, and whether it still does.
    grub: Option<(Instant, bool)>,
    start: Instant,
    signs: Signs,
}

/// What grows while a machine lives.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Signs {
    console: u64,
    requests: usize,
    disk: u64,
    changed: Instant,
    asked: Instant,
}

impl Watched {
    /// Starts QEMU.
    pub fn start(run: &Run<'_>, machine: &Machine) -> Result<Self> {
        remove_old(machine)?;
        let log = run.settings.logs.join("qemu.log");
        let child = Cmd::new(&run.settings.qemu, "start the machine")
            .cwd(&run.work.output)
            .args(machine.argv())
            .log(&log)
            .spawn()?;
        let qmp = Qmp::connect(&machine.qmp, QMP, || child.is_running()).map_err(|error| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            anyhow!("QEMU did not start: {error}\n{}", said.trim_end())
        })?;
        let console = Console::new(&machine.serial);
        let screen = machine.screen.then(|| machine.serial.with_extension("png"));
        let now = Instant::now();
        let signs = Signs { console: 0, requests: 0, disk: 0, changed: now, asked: now };
        Ok(Self { child, console, qmp, screen, grub: None, start: now, signs })
    }

    /// The port on 127.0.0.1 that leads to the guest's SSH.
    pub fn ssh_port(&mut self) -> Result<u16> {
        let port = self.qmp.forwarded_port(22)?;
        port.context("QEMU does not say which port leads to the guest's SSH")
    }

    /// Keeps a picture of the screen; the machine may have none, or be gone.
    pub fn picture(&mut self) -> Option<PathBuf> {
        self.qmp.screendump(&self.screen.clone()?).ok()
    }

    /// Waits a moment and returns new lines of the console.
    pub fn tick(&mut self) -> Result<Vec<String>> {
        if CancelToken::global().is_set() {
            let message = "interrupted; the machine is stopped".into();
            return Err(Coded { exit: Exit::Interrupted, message }.into());
        }
        std::thread::sleep(TICK);
        let lines = self.console.read();
        self.follow_grub(&lines);
        Ok(lines)
    }

    /// Keeps the last picture of GRUB's menu.
    fn follow_grub(&mut self, lines: &[String]) {
        let Some(screen) = self.screen.clone() else { return };
        let said = |word: &str| lines.iter().any(|line| line.contains(word));
        if self.grub.is_none()
            && (said("GRUB") || self.console.tail().iter().any(|l| l.contains("GRUB")))
        {
            self.grub = Some((Instant::now(), true));
        }
        let over = said("Linux version") || said("Loading Linux");
        let Some((since, showing)) = &mut self.grub else { return };
        *showing = *showing && !over && since.elapsed() < GRUB_MENU;
        if *showing {
            // A machine without a screen has no picture, and that is no failure.
            drop(self.qmp.screendump(&screen.with_file_name("grub.png")));
        }
    }

    /// The pictures of GRUB and of the login that there are.
    pub fn pictures(&mut self) -> Vec<PathBuf> {
        let grub = self.screen.as_ref().map(|screen| screen.with_file_name("grub.png"));
        let grub = grub.filter(|path| path.is_file());
        grub.into_iter().chain(self.picture()).collect()
    }

    /// Why waiting on is useless, if it is.
    pub fn hopeless(&mut self, run: &Run<'_>) -> Option<String> {
        if let Some(cause) = self.console.cause().filter(|cause| cause.fatal) {
            return Some(cause.meaning.to_owned());
        }
        if !self.child.is_running() {
            return Some("the machine stopped".into());
        }
        let (limit, silence) = (run.settings.limit, run.settings.silence);
        if self.silent_for(run) > silence {
            let minutes = silence.as_secs() / 60;
            return Some(format!(
                "no sign of life on console, network and disk for {minutes} minutes"
            ));
        }
        (self.start.elapsed() > limit)
            .then(|| format!("not done after {} minutes", limit.as_secs() / 60))
    }

    fn silent_for(&mut self, run: &Run<'_>) -> Duration {
        let mut signs = self.signs;
        signs.console = self.console.bytes();
        signs.requests = run.maas.seen().count;
        if signs.asked.elapsed() > ACTIVITY {
            signs.asked = Instant::now();
            // No answer is no sign of life.
            signs.disk = self.qmp.disk_activity().unwrap_or(signs.disk);
        }
        let sum = |signs: &Signs| (signs.console, signs.requests, signs.disk);
        if sum(&signs) != sum(&self.signs) {
            signs.changed = Instant::now();
        }
        self.signs = signs;
        signs.changed.elapsed()
    }

    /// A failure with the console's last words.
    pub fn failure(&mut self, stage: &str, reason: impl Into<String>) -> Failure {
        // What the guest writes in its last moment.
        std::thread::sleep(TICK);
        self.console.read();
        let screen = self.picture();
        let known = self.console.cause().map(|cause| (cause.meaning, cause.fix));
        let cause = known.or_else(|| advice::of_stage(stage));
        Failure {
            stage: stage.to_owned(),
            reason: reason.into(),
            cause: cause.map(|(meaning, _)| meaning.to_owned()),
            fix: cause.map(|(_, fix)| fix.to_owned()),
            console: self.console.tail(),
            screen,
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

/// Log and pictures of an earlier run must not be taken for this one's.
fn remove_old(machine: &Machine) -> Result<()> {
    let pictures = ["grub.png", "boot.png"].map(|name| machine.serial.with_file_name(name));
    let pictures = pictures.iter().filter(|_| machine.screen);
    for path in [&machine.serial].into_iter().chain(pictures) {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("cannot replace {}", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
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
                Some(Marker::Look(text)) => run.look.push(text),
                Some(Marker::Ok) => {
                    run.begin("power off", progress);
                    return vm.power_off().map(|()| None);
                }
                Some(Marker::Fail(stage, reason)) => return Ok(Some(vm.failure(&stage, reason))),
                None => {}
            }
        }
        if let Some(reason) = vm.hopeless(run) {
            return Ok(Some(vm.failure(&run.stage(), reason)));
        }
    }
}
