//! Many builds at once: starts what fits, collects how each ended.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::board::Board;
use super::history::{self, History};
use super::queue::Queue;
pub use super::queue::{AfterFailure, Policy};
use super::run::{self, Outcome, Settings};
use super::schedule::{Budget, Load};
use super::summary::{self, LastRun};
use crate::catalog::Target;
use crate::engine::causes;
use crate::media::MediaError;
use crate::pipeline::Preparation;
use crate::repo::Repo;

/// How one target ended.
#[derive(Debug)]
pub struct Ended {
    /// Its place in the list that was given.
    pub index: usize,
    /// How long it took, all attempts together.
    pub time: Duration,
    /// What it usually takes.
    pub usual: Option<Duration>,
    /// Seconds per phase as they were told, in order; the last one is that of a
    /// failure.
    pub phases: Vec<(String, f64)>,
    /// `None`: it was never started.
    pub result: Option<anyhow::Result<Outcome>>,
}

impl Ended {
    fn never(index: usize) -> Self {
        Self { index, time: Duration::ZERO, usual: None, phases: vec![], result: None }
    }
}

/// How often the board is drawn.
const TICK: Duration = Duration::from_millis(500);

/// Everything a build needs besides its target.
#[derive(Debug)]
pub struct Crew<'a> {
    /// The tree.
    pub repo: &'a Repo,
    /// Resolves targets, one at a time.
    pub preparation: &'a Mutex<Preparation>,
    /// The user's choices.
    pub settings: &'a Settings,
    /// Where it is shown.
    pub board: &'a Arc<Board>,
    /// How many at once, and what failures mean.
    pub policy: Policy,
}

/// What a target usually takes in time, and now of the host, for the schedule.
#[must_use]
pub fn load(
    repo: &Repo,
    preparation: &Mutex<Preparation>,
    target: &Target,
    settings: &Settings,
    history: &History,
) -> Load {
    let size = preparation.lock().ok().and_then(|mut preparation| {
        preparation.canonical(target, &settings.options).ok().map(|r| r.plan.machine)
    });
    let engine = settings.engine.describe();
    let expected = history::expected(history, &repo.out, &target.id, &engine);
    let unknown = Load { memory_mib: 0, cpus: 1, disk: 0, expected };
    size.map_or(unknown, |size| Load::of(&size, expected))
}

impl Crew<'_> {
    /// Builds all targets; the results are in their order.
    #[must_use]
    pub fn run(&self, targets: &[&Target]) -> Vec<Ended> {
        let history = History::read(&self.repo.out);
        let of = |t: &&Target| load(self.repo, self.preparation, t, self.settings, &history);
        let loads: Vec<Load> = targets.iter().map(of).collect();
        self.board.expect(targets.len());
        let (sender, receiver) = channel();
        let mut ended = std::thread::scope(|scope| {
            let queue = Queue::new(loads, self.policy);
            let mut shift = Shift { crew: self, targets, queue, ended: vec![] };
            shift.work(scope, &sender, &receiver);
            shift.ended
        });
        ended.sort_by_key(|e| e.index);
        ended
    }

    fn one(&self, target: &Target) -> anyhow::Result<Outcome> {
        let mut left = self.policy.retries;
        loop {
            let result = run::build(self.repo, self.preparation, target, self.settings, self.board);
            match result {
                Err(error)
                    if left > 0 && is_transient(&error) && !self.settings.cancel.is_set() =>
                {
                    left -= 1;
                    self.board.say(&target.id, &format!("{error:#}; trying again, {left} more"));
                }
                result => return result,
            }
        }
    }
}

/// Whether another attempt may succeed although nothing was changed: the
/// network failed. A checksum or a script that fails will fail again.
#[must_use]
pub fn is_transient(error: &anyhow::Error) -> bool {
    error.chain().any(|e| matches!(e.downcast_ref(), Some(MediaError::Network { .. })))
        || error.to_string().lines().any(causes::is_transient)
}

/// A run in threads: one per build.
struct Shift<'s, 'a> {
    crew: &'s Crew<'a>,
    targets: &'s [&'s Target],
    queue: Queue,
    ended: Vec<Ended>,
}

impl<'s> Shift<'s, '_> {
    fn work<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, 's>,
        sender: &Sender<Ended>,
        receiver: &Receiver<Ended>,
    ) where
        's: 'scope,
    {
        while self.queue.is_unfinished() {
            if self.crew.settings.cancel.is_set() {
                self.queue.stop();
            }
            while let Some(index) = self.queue.take() {
                self.start(index, scope, sender);
            }
            match receiver.recv_timeout(TICK) {
                Ok(ended) => self.finish(ended),
                Err(RecvTimeoutError::Timeout) => self.crew.board.tick(),
                // We hold a sender, so this cannot be.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.ended.extend(self.queue.waiting().iter().map(|index| Ended::never(*index)));
    }

    fn start<'scope>(
        &mut self,
        index: usize,
        scope: &'scope Scope<'scope, 's>,
        sender: &Sender<Ended>,
    ) where
        's: 'scope,
    {
        let Some(target) = self.targets.get(index).copied() else { return };
        let expected = self.queue.load(index).and_then(|load| load.expected);
        let (crew, sender) = (self.crew, sender.clone());
        crew.board.begin(&target.id, expected);
        scope.spawn(move || {
            let start = Instant::now();
            let result = crew.one(target);
            let (time, phases) = (start.elapsed(), crew.board.times(&target.id));
            let ended = Ended { index, time, usual: expected, phases, result: Some(result) };
            // The receiver lives as long as the scope.
            let _sent = sender.send(ended);
        });
    }

    fn finish(&mut self, ended: Ended) {
        let failed = matches!(ended.result, Some(Err(_)));
        if self.queue.ended(ended.index, failed) {
            self.crew.settings.cancel.set();
        }
        if let Some(target) = self.targets.get(ended.index) {
            self.crew.board.end(&target.id, &summary::event(&ended));
            self.crew.board.line(&summary::line(self.crew.repo, target, &ended));
            self.remember(target, &ended);
        }
        self.ended.push(ended);
    }

    /// For `--rerun-failed` and the next schedule, at once: we may be killed
    /// before the end.
    fn remember(&self, target: &Target, ended: &Ended) {
        let out = &self.crew.repo.out;
        let result = [(target.id.clone(), summary::word(ended).to_owned())];
        let told = LastRun::add(out, result).and_then(|()| match &ended.result {
            Some(Ok(Outcome::Built { manifest, .. })) => History::add(out, manifest),
            _ => Ok(()),
        });
        if let Err(why) = told {
            self.crew.board.say(&target.id, &format!("warning: {why:#}"));
        }
    }
}

/// What this host can carry: all memory but a reserve for the host itself, all
/// CPUs (twice under KVM, where an installer mostly waits), the free disk.
#[must_use]
pub fn budget(out: &Path, kvm: bool, jobs: Option<usize>, memory_mib: Option<u64>) -> Budget {
    let memory = crate::host::resources::memory().available >> 20;
    let cpus =
        std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap_or(1));
    let disk = crate::host::resources::space("out", out).map_or(u64::MAX, |space| space.free);
    Budget {
        memory_mib: memory_mib.unwrap_or_else(|| memory.saturating_sub(RESERVE_MIB)),
        cpus: if jobs.is_some() {
            u64::MAX
        } else if kvm {
            cpus.saturating_mul(2)
        } else {
            cpus
        },
        disk,
        jobs: jobs.unwrap_or(usize::MAX),
    }
}

/// Memory in MiB that stays for the host: packing, page cache, other people.
const RESERVE_MIB: u64 = 1024;
