//! One build: prepare, boot, type, connect, provision, shut down, finish.

mod clock;
mod drive;
mod failure;
mod installed;
mod prepare;

use std::path::PathBuf;
use std::time::Duration;

use self::clock::Clock;
use self::drive::Drive;
pub use self::installed::FETCH_LIMIT;
pub(crate) use self::installed::{must_fetch, nothing_fetched};
use self::prepare::Ready;
use super::activity::STALL;
use super::argv;
use super::disk::Workshop;
use super::error::{EngineError, Trouble};
use super::events::{Event, Events, Phase};
use super::host::{QemuHost, View, WorkPaths};
use super::http::{Request, Server};
use super::spec::VmSpec;
use super::step::Step;
use super::vm::Start;
use super::watch::{Watch, Watcher};
use crate::signal::CancelToken;

/// What to do with the VM of a failed build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// End it.
    #[default]
    Clean,
    /// Let it run, for `cargo xtask ssh`.
    Keep,
    /// Ask, by [`Events::keep_after`].
    Ask,
}

/// Choices of the user for one build.
#[derive(Clone, Debug)]
pub struct Options {
    /// After a failure.
    pub on_error: OnError,
    /// How to watch.
    pub view: View,
    /// How long nothing may happen; `None` turns the check off.
    pub stall: Option<Duration>,
    /// From the last key to the first request for an answer file.
    pub fetch: Duration,
    /// Multiplies `ssh_timeout` and `shutdown_timeout`, which templates state for
    /// hardware virtualization; for emulation.
    pub patience: u32,
    /// How often a picture of the screen is kept; `None`: only of failures.
    pub screenshots: Option<Duration>,
    /// Texts that must appear in no log.
    pub secrets: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            on_error: OnError::Clean,
            view: View::None,
            stall: Some(STALL),
            fetch: FETCH_LIMIT,
            patience: 1,
            screenshots: None,
            secrets: Vec::new(),
        }
    }
}

/// Everything a build is made from.
#[derive(Clone, Debug)]
pub struct Job {
    /// The source.
    pub spec: VmSpec,
    /// Provisioners in order.
    pub steps: Vec<Step>,
    /// The host.
    pub host: QemuHost,
    /// The build's files.
    pub paths: WorkPaths,
    /// The user's choices.
    pub options: Options,
}

/// A finished build.
#[derive(Clone, Debug)]
pub struct DiskResult {
    /// The disk, and additional ones.
    pub disks: Vec<PathBuf>,
    /// The file that the disk builds on, if it does: both are needed to read it.
    pub backing: Option<PathBuf>,
    /// How long each phase took, in order.
    pub timings: Vec<(Phase, Duration)>,
    /// What the guest fetched.
    pub requests: Vec<Request>,
    /// Serial console of the guest.
    pub serial_log: Option<PathBuf>,
}

/// Builds. Leaves nothing behind but the work directory, and in it neither
/// sockets nor secrets, unless the VM is kept.
///
/// # Errors
/// The phase, the reason and the evidence.
pub fn run(
    job: &Job,
    events: &dyn Events,
    cancel: &CancelToken,
) -> Result<DiskResult, Box<EngineError>> {
    let mut build = Build { job, events, cancel, clock: Clock::start(events) };
    let result = build.run();
    if !result.as_ref().is_err_and(|error| error.kept) {
        job.paths.remove_private();
    }
    result
}

struct Build<'a> {
    job: &'a Job,
    events: &'a dyn Events,
    cancel: &'a CancelToken,
    clock: Clock<'a>,
}

impl Build<'_> {
    fn run(&mut self) -> Result<DiskResult, Box<EngineError>> {
        let Job { spec, host, paths, .. } = self.job;
        let shop = Workshop { spec, host, paths, cancel: self.cancel };
        let ready = prepare::prepare(self.job, &shop).map_err(|t| self.error(t))?;
        let disks = ready.machine.disks.clone();
        let requests = self.machine(ready)?;
        self.clock.enter(Phase::Finish);
        if let Some(disk) = disks.first() {
            shop.compress(disk).map_err(|trouble| self.error(trouble))?;
        }
        let backed = spec.disk_image && spec.disk.use_backing_file && !spec.disk.compress;
        Ok(DiskResult {
            disks,
            backing: backed.then(|| spec.medium.clone()),
            timings: self.clock.stop(),
            requests,
            serial_log: argv::serial_file(spec, paths),
        })
    }

    /// Everything between power-on and power-off. Returns what was fetched.
    fn machine(&mut self, ready: Ready) -> Result<Vec<Request>, Box<EngineError>> {
        self.clock.enter(Phase::Boot);
        let Job { spec, host, paths, options, .. } = self.job;
        // The TPM lives as long as this function.
        let Ready { machine, http, tpm: _tpm } = ready;
        let keepable = options.on_error != OnError::Clean;
        let start = Start { spec, host, paths, keepable, cancel: self.cancel };
        let vm = start.run(machine).map_err(|trouble| self.error(trouble))?;
        self.events.event(Event::Note(vm.command()));
        let serial = argv::serial_file(spec, paths);
        let watch = Watch::new(serial.as_deref(), options.stall, self.cancel);
        let watcher = Watcher::new(&watch, &vm, paths, http.as_ref(), self.events)
            .with_screenshots(options.screenshots);
        let mut drive = Drive::new(self, &vm, &watch, http.as_ref());
        let result = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("watch".into());
            let result = match thread.spawn_scoped(scope, || watcher.run()) {
                Ok(_) => drive.run(),
                Err(source) => Err(Trouble::host(format!("cannot start a thread: {source}"))),
            };
            // While the VM still runs: its screen is evidence.
            let result = result.map_err(|trouble| drive.evidence(trouble));
            watch.finish();
            result
        });
        let destination = drive.destination();
        let requests = http.as_ref().map(Server::requests);
        match result {
            Ok(()) => vm.finish().map_err(|trouble| self.error(trouble))?,
            Err(mut error) => {
                error.fetched = requests.map(|requests| requests.len());
                return Err(self.after_failure(vm, error, destination));
            }
        }
        Ok(requests.unwrap_or_default())
    }
}
