//! Watches Packer's VM from outside: the serial file and the control socket are
//! the template's own. What it finds ends Packer at once, as the built-in engine
//! ends its VM.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::fetch::Fetch;
use crate::build::engine::Request;
use crate::engine::activity::{self, ASK, Activity, Signs, fatal_event};
use crate::engine::causes::Cause;
use crate::engine::console::Console;
use crate::engine::error::{Trouble, shortened};
use crate::engine::qmp::{Qmp, QmpError};
use crate::engine::run::{must_fetch, nothing_fetched};
use crate::engine::shots::{self, Shots};
use crate::engine::{decode, spec::Accelerator};
use crate::signal::CancelToken;

/// How often the console is read.
const TICK: Duration = Duration::from_millis(500);

/// How long a greeting may take before the next try: whoever listens may not be
/// QEMU, and we must see that the build is over.
const GREETING: Duration = Duration::from_secs(1);

/// How long the console may go on after a fatal line, for the error's tail.
const AFTERMATH: Duration = Duration::from_secs(2);

/// How often the screen is looked at, for failures after which Packer ends its
/// VM before anybody can look.
const PICTURE: Duration = Duration::from_secs(10);

/// What the thread that watches and the one that reads Packer's output share.
pub struct Watch<'a> {
    request: &'a Request<'a>,
    /// Ends Packer; a child of the build's token.
    pub token: CancelToken,
    done: AtomicBool,
    console: Mutex<Console>,
    reason: Mutex<Option<Trouble>>,
    picture: Mutex<Option<PathBuf>>,
    lines: AtomicU64,
    scripts: AtomicBool,
    port: AtomicU16,
    typed: Mutex<Option<Instant>>,
    /// The guest has to fetch its answer file, and whether it did is known.
    fetched: Mutex<Option<bool>>,
}

impl<'a> Watch<'a> {
    /// Nothing is seen yet.
    pub fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            token: request.settings.cancel.child(),
            done: AtomicBool::new(false),
            console: Mutex::new(Console::new(&request.paths.serial())),
            reason: Mutex::default(),
            picture: Mutex::default(),
            lines: AtomicU64::new(0),
            scripts: AtomicBool::new(false),
            port: AtomicU16::new(0),
            typed: Mutex::default(),
            fetched: Mutex::default(),
        }
    }

    /// A line of Packer's output is activity, and some tell more.
    pub fn line(&self, said: &str) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        if let Some(port) = said.strip_prefix("Starting HTTP server on port ") {
            self.port.store(port.trim().parse().unwrap_or(0), Ordering::SeqCst);
        } else if said.starts_with("Waiting for ") {
            // For SSH or the end: all keys were typed.
            held(&self.typed).get_or_insert_with(Instant::now);
        }
    }

    /// While scripts run, computing in silence is work.
    pub fn phase(&self, phase: &str) {
        self.scripts.store(phase == "provision", Ordering::SeqCst);
    }

    /// Packer ended.
    pub fn finish(&self) {
        self.done.store(true, Ordering::SeqCst);
    }

    /// Why the watcher ended Packer, if it did.
    pub fn reason(&self) -> Option<Trouble> {
        held(&self.reason).clone()
    }

    /// The console's last lines, and the cause if a pattern is known.
    pub fn console(&self) -> (Vec<String>, Option<&'static Cause>) {
        let mut console = held(&self.console);
        console.poll(|_| ());
        (console.tail(), console.cause())
    }

    /// The last picture of the screen, by its name.
    pub fn picture(&self) -> Option<PathBuf> {
        held(&self.picture).clone()
    }

    /// Whether the answer file that the guest must fetch was asked for.
    pub fn fetched(&self) -> Option<bool> {
        *held(&self.fetched)
    }

    /// A picture of a build that did not fail says nothing that is not in its log.
    pub fn forget_picture(&self) {
        if let Some(path) = held(&self.picture).take() {
            drop(fs::remove_file(path));
        }
    }

    /// Watches until [`Self::finish`], or until there is a reason to stop.
    pub fn run(&self) {
        let (mut guest, mut lost) = (None, None);
        while !self.done.load(Ordering::SeqCst) && !self.token.is_set() {
            std::thread::sleep(TICK);
            if guest.is_none() {
                guest = Guest::find(self);
            }
            let alive = guest.as_mut().is_some_and(|guest| guest.look(self));
            if let Some(why) = self.read_console() {
                let since = *lost.get_or_insert_with(Instant::now);
                if since.elapsed() >= AFTERMATH {
                    self.stop(why, guest.as_mut());
                }
            }
            if !alive {
                guest = None;
            }
        }
    }

    /// Why the guest is lost, if its console says so.
    fn read_console(&self) -> Option<Trouble> {
        let mut console = held(&self.console);
        console.poll(|line| self.request.reporter.noise(line));
        let cause = console.cause().filter(|cause| cause.fatal)?;
        Some(Trouble::guest(format!("{}: {}", cause.cause, shortened(console.sign()))))
    }

    fn stop(&self, reason: Trouble, guest: Option<&mut Guest>) {
        if let Some(guest) = guest {
            guest.picture(self);
        }
        held(&self.reason).get_or_insert(reason);
        self.token.set();
    }

    fn logs(&self) -> &Path {
        &self.request.paths.logs
    }

    /// Emulation gets six times the time, as in the built-in engine.
    fn patience(&self) -> u32 {
        if self.request.host.accelerator == Accelerator::Kvm { 1 } else { 6 }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The VM while it runs.
struct Guest {
    qmp: Qmp,
    pid: u64,
    start: Instant,
    asked: Instant,
    drawn: Instant,
    activity: Activity,
    shots: Option<Shots>,
    fetch: Option<Fetch>,
}

impl Guest {
    /// `None` while there is no VM. QEMU takes one connection to the socket.
    fn find(watch: &Watch<'_>) -> Option<Self> {
        let paths = &watch.request.paths;
        let socket = crate::plan::conventions::template_qmp(paths);
        let mut qmp = Qmp::connect(&socket, GREETING, || socket.exists()).ok()?;
        let cpus = qmp.execute("query-cpus-fast", json!({})).unwrap_or_default();
        let spec = decode::job(&watch.request.resolved.source).ok();
        let wanted = spec.is_some_and(|(spec, _)| must_fetch(&spec));
        let fetch = wanted.then(|| Fetch::start(&mut qmp, &paths.root.join("fetch"))).flatten();
        *held(&watch.fetched) = fetch.is_some().then_some(false);
        let now = Instant::now();
        Some(Self {
            pid: activity::cpu_thread(&cpus),
            qmp,
            start: now,
            asked: now,
            drawn: now,
            activity: Activity::default(),
            shots: watch.request.settings.screenshots.map(Shots::new),
            fetch,
        })
    }

    /// False when QEMU ended.
    fn look(&mut self, watch: &Watch<'_>) -> bool {
        if let Some(shots) = self.shots.as_mut().filter(|shots| shots.is_due()) {
            shots.take(&mut self.qmp, watch.logs());
        }
        if self.drawn.elapsed() >= PICTURE {
            self.picture(watch);
        }
        self.look_for_request(watch);
        if self.asked.elapsed() < ASK {
            return true;
        }
        self.asked = Instant::now();
        self.ask(watch)
    }

    /// Whether keys reached the installer is known in minutes, not in hours.
    fn look_for_request(&mut self, watch: &Watch<'_>) {
        let Some(fetch) = self.fetch.as_mut() else { return };
        if let Some(path) = fetch.look(watch.port.load(Ordering::SeqCst)) {
            watch.request.reporter.detail(&format!("the guest fetched {path}"));
            *held(&watch.fetched) = Some(true);
            if let Some(fetch) = self.fetch.take() {
                fetch.stop(&mut self.qmp);
            }
            return;
        }
        let limit = watch.request.settings.limits.fetch.saturating_mul(watch.patience());
        let typed = *held(&watch.typed);
        if typed.is_some_and(|typed| typed.elapsed() >= limit) {
            watch.stop(nothing_fetched(limit), Some(self));
        }
    }

    fn ask(&mut self, watch: &Watch<'_>) -> bool {
        let events = match self.qmp.take_events() {
            Ok(events) => events,
            Err(QmpError::Closed) => return false,
            Err(_) => Vec::new(),
        };
        if let Some(trouble) = events.iter().find_map(fatal_event) {
            watch.stop(trouble, Some(&mut *self));
        }
        let console = held(&watch.console).bytes();
        let marks = watch.lines.load(Ordering::Relaxed);
        let signs = Signs { console, marks, ..Signs::ask(&mut self.qmp, self.pid) };
        let idle = self.activity.idle(signs, watch.scripts.load(Ordering::SeqCst));
        let limit = watch.request.settings.limits.stall;
        if idle >= limit {
            watch.stop(activity::stalled(limit), Some(self));
        }
        true
    }

    /// Replaces the picture before it, once the new one is whole.
    fn picture(&mut self, watch: &Watch<'_>) {
        self.drawn = Instant::now();
        let Ok(new) = self.qmp.screendump(&watch.logs().join("next")) else { return };
        let extension = new.extension().unwrap_or_default();
        let name = format!("{}-last", shots::name(self.start.elapsed()));
        let path = watch.logs().join(name).with_extension(extension);
        if fs::rename(&new, &path).is_ok()
            && let Some(old) = held(&watch.picture).replace(path.clone())
            && old != path
        {
            drop(fs::remove_file(old));
        }
    }
}
