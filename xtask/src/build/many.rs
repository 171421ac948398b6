//! Many builds at once: starts what fits, collects how each ended.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;
use std::time::{Duration, Instant};

use super::board::Board;
use super::manifest;
use super::run::{self, Outcome, Settings};
use super::schedule::{self, Budget, Load};
use super::summary;
use crate::catalog::Target;
use crate::media::MediaError;
use crate::pipeline::Preparation;
use crate::repo::Repo;

/// What a failure means for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterFailure {
    /// Those that run go on, no other starts.
    #[default]
    StartNoMore,
    /// All others are built.
    KeepGoing,
    /// Those that run are ended as well.
    EndAll,
}

/// How to run them.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What builds may take together.
    pub budget: Budget,
    /// What a failure means.
    pub after_failure: AfterFailure,
    /// More attempts after a failure that may pass by itself.
    pub retries: u32,
}

/// How one target ended.
#[derive(Debug)]
pub struct Ended {
    /// Its place in the list that was given.
    pub index: usize,
    /// How long it took, all attempts together.
    pub time: Duration,
    /// `None`: it was never started.
    pub result: Option<anyhow::Result<Outcome>>,
}

/// Pause between two starts: firmware and boot menus wait for typed keys, and
/// two guests that start together on few CPUs make each other miss them.
const STAGGER: Duration = Duration::from_secs(5);

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

/// What a target took last time and takes now, for the schedule.
#[must_use]
pub fn load(
    repo: &Repo,
    preparation: &Mutex<Preparation>,
    target: &Target,
    settings: &Settings,
) -> Load {
    let size = preparation.lock().ok().and_then(|mut preparation| {
        preparation.canonical(target, &settings.options).ok().map(|r| r.plan.machine)
    });
    let seconds = manifest::read(&repo.out_dir(&target.id))
        .map(|m| m.phases.iter().map(|(_, seconds)| seconds).sum::<f64>());
    Load {
        memory_mib: size.map_or(0, |size| size.memory_mib),
        cpus: size.map_or(1, |size| size.cpus),
        // As the check before a build: a system fills a quarter of its disk.
        disk: size.map_or(0, |size| size.disk / 4),
        expected: seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()),
    }
}

impl Crew<'_> {
    /// Builds all targets; the results are in their order.
    #[must_use]
    pub fn run(&self, targets: &[&Target]) -> Vec<Ended> {
        let loads: Vec<Load> = targets
            .iter()
            .map(|target| load(self.repo, self.preparation, target, self.settings))
            .collect();
        let (sender, receiver) = channel();
        let mut ended = std::thread::scope(|scope| {
            let mut shift = Shift {
                crew: self,
                targets,
                loads: &loads,
                waiting: schedule::order(&loads),
                running: vec![],
                ended: vec![],
                started: None,
                stopped: false,
            };
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
        || TRANSIENT.iter().any(|text| error.to_string().contains(text))
}

/// What apt, dnf and curl print when a mirror or a name server fails for a
/// moment: apt 2.6 (own run without network), dnf and curl by their sources'
/// message tables.
const TRANSIENT: [&str; 5] = [
    "Temporary failure resolving",
    "Temporary failure in name resolution",
    "Hash Sum mismatch",
    "Failed to download metadata for repo",
    "Could not resolve host",
];

/// The state of a run.
struct Shift<'s, 'a> {
    crew: &'s Crew<'a>,
    targets: &'s [&'s Target],
    loads: &'s [Load],
    waiting: Vec<usize>,
    running: Vec<usize>,
    ended: Vec<Ended>,
    started: Option<Instant>,
    stopped: bool,
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
        while self.is_unfinished() {
            while let Some(index) = self.pick() {
                self.start(index, scope, sender);
            }
            match receiver.recv_timeout(TICK) {
                Ok(ended) => self.finish(ended),
                Err(RecvTimeoutError::Timeout) => self.crew.board.tick(),
                // We hold a sender, so this cannot be.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let never = std::mem::take(&mut self.waiting);
        let never = never.into_iter();
        self.ended.extend(never.map(|index| Ended { index, time: Duration::ZERO, result: None }));
    }

    fn is_unfinished(&self) -> bool {
        !self.running.is_empty() || (!self.stopped && !self.waiting.is_empty())
    }

    /// Takes the next target that fits out of the queue.
    fn pick(&mut self) -> Option<usize> {
        let soon =
            self.started.is_some_and(|at| at.elapsed() < STAGGER) && !self.running.is_empty();
        if self.stopped || soon || self.crew.settings.cancel.is_set() {
            self.stopped |= self.crew.settings.cancel.is_set();
            return None;
        }
        let of = |list: &[usize]| list.iter().filter_map(|i| self.loads.get(*i).copied()).collect();
        let (waiting, running): (Vec<Load>, Vec<Load>) = (of(&self.waiting), of(&self.running));
        let budget = &self.crew.policy.budget;
        let position = schedule::next(&waiting, &running, budget)?;
        Some(self.waiting.remove(position))
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
        let expected = self.loads.get(index).and_then(|load| load.expected);
        self.running.push(index);
        self.started = Some(Instant::now());
        let (crew, sender) = (self.crew, sender.clone());
        crew.board.begin(&target.id, expected);
        scope.spawn(move || {
            let start = Instant::now();
            let result = crew.one(target);
            // The receiver lives as long as the scope.
            let _sent = sender.send(Ended { index, time: start.elapsed(), result: Some(result) });
        });
    }

    fn finish(&mut self, ended: Ended) {
        self.running.retain(|index| *index != ended.index);
        let failed = matches!(ended.result, Some(Err(_)));
        match self.crew.policy.after_failure {
            AfterFailure::KeepGoing => {}
            AfterFailure::StartNoMore => self.stopped |= failed,
            AfterFailure::EndAll if failed => {
                self.stopped = true;
                self.crew.settings.cancel.set();
            }
            AfterFailure::EndAll => {}
        }
        if let Some(target) = self.targets.get(ended.index) {
            self.crew.board.end(&target.id, &summary::event(&ended));
            self.crew.board.line(&summary::line(self.crew.repo, target, &ended));
        }
        self.ended.push(ended);
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
