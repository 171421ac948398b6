//! Watches a VM while others work with it: the console, QEMU's events, activity.
//! What it finds stops the build at once instead of after a long timeout.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::activity::{self, ASK, Activity, Signs, fatal_event};
use super::causes::Cause;
use super::console::Console;
use super::error::{Trouble, shortened};
use super::events::{Event, Events};
use super::host::WorkPaths;
use super::http::Server;
use super::qmp::{Qmp, QmpError};
use super::shots::Shots;
use super::vm::{Vm, qemu_said};
use crate::cmd::Probe;
use crate::signal::CancelToken;

/// How often the console is read.
const TICK: Duration = Duration::from_millis(250);

/// How long the console may go on after a fatal line, for the error's tail.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What the watcher and those who work with the VM share.
#[derive(Debug)]
pub struct Watch {
    /// Set when something fatal was found; a child of the build's token.
    pub token: CancelToken,
    reason: Mutex<Option<Trouble>>,
    console: Mutex<Console>,
    expect_exit: AtomicBool,
    busy_counts: AtomicBool,
    marks: AtomicU64,
    done: AtomicBool,
    stall: Option<Duration>,
}

impl Watch {
    /// Follows `serial`; `stall` is how long nothing may happen.
    pub fn new(serial: Option<&Path>, stall: Option<Duration>, cancel: &CancelToken) -> Self {
        Self {
            token: cancel.child(),
            reason: Mutex::default(),
            console: Mutex::new(Console::new(serial.unwrap_or(Path::new("/dev/null")))),
            expect_exit: AtomicBool::new(false),
            busy_counts: AtomicBool::new(false),
            marks: AtomicU64::new(0),
            done: AtomicBool::new(false),
            stall,
        }
    }

    /// From now on, that QEMU ends is what we wait for.
    pub fn expect_exit(&self) {
        self.expect_exit.store(true, Ordering::SeqCst);
    }

    /// Whether CPU use of the guest counts as activity: while scripts run, which
    /// may compute in silence. While it boots or installs it does not, because
    /// firmware and loaders wait in busy loops.
    pub fn busy_counts(&self, on: bool) {
        self.busy_counts.store(on, Ordering::SeqCst);
    }

    /// Something happened, such as a line of a script's output.
    pub fn mark(&self) {
        self.marks.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the watcher's thread.
    pub fn finish(&self) {
        self.done.store(true, Ordering::SeqCst);
    }

    /// Why the watcher stopped the build, if it did.
    pub fn reason(&self) -> Option<Trouble> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the console shows, and the cause if a pattern is known.
    pub fn console(&self) -> (Vec<String>, Option<&'static Cause>) {
        let console = self.console.lock().unwrap_or_else(PoisonError::into_inner);
        (console.tail(), console.cause())
    }

    fn stop(&self, reason: Trouble) {
        let mut known = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert(reason);
        self.token.set();
    }

    fn read_console(&self, events: &dyn Events) -> (u64, bool) {
        let mut console = self.console.lock().unwrap_or_else(PoisonError::into_inner);
        console.poll(|line| events.event(Event::Serial(line)));
        (console.bytes(), console.cause().is_some_and(|cause| cause.fatal))
    }
}

/// The watcher's own part.
pub struct Watcher<'a> {
    watch: &'a Watch,
    events: &'a dyn Events,
    paths: &'a WorkPaths,
    http: Option<&'a Server>,
    probe: Probe,
    qmp: Arc<Mutex<Qmp>>,
    pid: u64,
    fatal_since: Option<Instant>,
    asked: Instant,
    activity: Activity,
    shots: Option<Shots>,
}

impl<'a> Watcher<'a> {
    /// For a VM that runs.
    pub fn new(
        watch: &'a Watch,
        vm: &Vm,
        paths: &'a WorkPaths,
        http: Option<&'a Server>,
        events: &'a dyn Events,
    ) -> Self {
        let now = Instant::now();
        Self {
            watch,
            events,
            paths,
            http,
            probe: vm.probe(),
            qmp: vm.qmp_handle(),
            pid: vm.id().into(),
            fatal_since: None,
            asked: now,
            activity: Activity::default(),
            shots: None,
        }
    }

    /// Keeps a picture of the screen every so often.
    #[must_use]
    pub fn with_screenshots(mut self, every: Option<Duration>) -> Self {
        self.shots = every.map(Shots::new);
        self
    }

    /// Watches until [`Watch::finish`].
    pub fn run(mut self) {
        while !self.watch.done.load(Ordering::SeqCst) {
            self.look();
            std::thread::sleep(TICK);
        }
        // What came since, for the log and the tail.
        self.watch.read_console(self.events);
    }

    fn look(&mut self) {
        let running = self.probe.is_running();
        let (console, fatal) = self.watch.read_console(self.events);
        if fatal {
            let since = *self.fatal_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= AFTERMATH {
                self.watch.stop(Trouble::guest(self.fatal_message()));
            }
            return;
        }
        if !running {
            if !self.watch.expect_exit.load(Ordering::SeqCst) {
                self.watch.stop(self.ended());
            }
            return;
        }
        if let Some(shots) = self.shots.as_mut().filter(|shots| shots.is_due()) {
            let mut qmp = self.qmp.lock().unwrap_or_else(PoisonError::into_inner);
            shots.take(&mut qmp, &self.paths.logs);
        }
        if self.asked.elapsed() >= ASK {
            self.asked = Instant::now();
            self.ask(console);
        }
    }

    fn fatal_message(&self) -> String {
        let console = self.watch.console.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = console.cause().map(|cause| cause.cause.as_str());
        let cause = cause.unwrap_or("the console shows that the guest is lost");
        format!("{cause}: {}", shortened(console.sign()))
    }

    fn ended(&self) -> Trouble {
        let said = qemu_said(self.paths);
        let said = if said.is_empty() { "it gave no reason".into() } else { said };
        Trouble::guest(format!(
            "QEMU ended before the build did: {said} (hint: the guest turned itself off, or this \
             host ran out of memory: see `dmesg`)"
        ))
    }

    fn ask(&mut self, console: u64) {
        let mut qmp = self.qmp.lock().unwrap_or_else(PoisonError::into_inner);
        let events = match qmp.take_events() {
            Ok(events) => events,
            // The next look sees that it ended.
            Err(QmpError::Closed) => return,
            Err(_) => Vec::new(),
        };
        if let Some(trouble) = events.iter().find_map(fatal_event) {
            self.watch.stop(trouble);
        }
        let signs = Signs {
            console,
            http: self.http.map_or(0, Server::bytes_sent),
            marks: self.watch.marks.load(Ordering::Relaxed),
            ..Signs::ask(&mut qmp, self.pid)
        };
        drop(qmp);
        let idle = self.activity.idle(signs, self.watch.busy_counts.load(Ordering::SeqCst));
        if let Some(limit) = self.watch.stall.filter(|limit| idle >= *limit) {
            self.watch.stop(activity::stalled(limit));
        }
    }
}
