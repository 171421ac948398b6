//! Tests only: 12 targets, a SIMULATED engine and SIMULATED time around the real
//! queue, schedule, ledger, locks and `--rerun-failed`. Builds take as long as a
//! seeded die says, and it also says which fail, whose VM or whole process is
//! killed, and how much the host carries.

mod best;
mod cases;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::ledger::{Ledger, STAGGER, Seat, Who};
use super::lock::Lock;
use super::queue::Queue;
use super::schedule::{self, Budget, Load};
use super::summary::LastRun;
use cases::{Case, Dice, Fate, case};

const TARGETS: usize = 12;

fn id(index: usize) -> String {
    format!("simulated-{index}-amd64")
}

/// One build of the simulated engine.
struct Job {
    target: usize,
    _lock: Lock,
    seat: Option<Seat>,
    since: Duration,
    until: Duration,
    fate: Fate,
}

/// One simulated xtask process.
struct Process {
    queue: Queue,
    /// Place in the queue to target.
    targets: Vec<usize>,
    retries: Vec<u32>,
    jobs: Vec<Job>,
}

/// The host and what happened on it.
struct World<'a> {
    case: &'a Case,
    dice: Dice,
    out: &'a Path,
    ledger: Ledger,
    now: Duration,
    fates: Vec<Fate>,
    built: Vec<usize>,
    processes: Vec<Process>,
    /// Of this run: time with a VM by target.
    used: BTreeMap<usize, Duration>,
}

impl World<'_> {
    fn start_process(&mut self, targets: Vec<usize>) {
        let begun = targets.iter().map(|t| (id(*t), "skipped".to_owned()));
        LastRun::add(self.out, begun).unwrap();
        let loads = targets.iter().map(|t| self.case.loads[*t]).collect();
        let queue = Queue::new(loads, self.case.policy);
        let retries = vec![self.case.policy.retries; targets.len()];
        self.processes.push(Process { queue, targets, retries, jobs: vec![] });
    }

    fn job(&self, target: usize) -> Job {
        // Fails if another simulated process builds the same target.
        let lock = Lock::take(self.out, &id(target)).unwrap();
        let (since, until) = (self.now, Duration::MAX);
        Job { target, _lock: lock, seat: None, since, until, fate: self.fates[target] }
    }

    /// Starts and seats what can be; true if anything moved.
    fn settle(&mut self) {
        for p in 0..self.processes.len() {
            while let Some(place) = self.processes[p].queue.take() {
                let job = self.job(self.processes[p].targets[place]);
                self.processes[p].jobs.push(job);
            }
            for j in 0..self.processes[p].jobs.len() {
                if self.processes[p].jobs[j].seat.is_none() {
                    self.seat(p, j);
                }
            }
        }
        self.check_budget();
    }

    fn seat(&mut self, p: usize, j: usize) {
        let target = self.processes[p].jobs[j].target;
        let load = self.case.loads[target];
        let who = Who { id: &id(target), device: 1, now: self.now };
        let budget = self.case.policy.budget;
        let fits = |others: &[Load]| schedule::fits(&load, others, &budget);
        let Some(seat) = self.ledger.enter(&who, &load, fits).unwrap() else { return };
        let time = self.case.times[target];
        let job = &mut self.processes[p].jobs[j];
        let share = if job.fate == Fate::Good { 1.0 } else { self.dice.share() };
        (job.seat, job.since) = (Some(seat), self.now);
        job.until = self.now + time.mul_f64(share);
    }

    /// Never over budget, whoever started the VMs.
    fn check_budget(&self) {
        let Budget { memory_mib, cpus, disk, jobs } = self.case.policy.budget;
        let seated: Vec<Load> = (self.processes.iter().flat_map(|p| &p.jobs))
            .filter(|job| job.seat.is_some())
            .map(|job| self.case.loads[job.target])
            .collect();
        assert!(seated.iter().map(Load::host_memory_mib).sum::<u64>() <= memory_mib);
        assert!(seated.iter().map(|l| l.cpus).sum::<u64>() <= cpus);
        assert!(seated.iter().map(|l| l.disk).sum::<u64>() <= disk);
        assert!(self.processes.iter().all(|p| p.jobs.len() <= jobs));
    }

    /// Ends what is over at this moment.
    fn finish(&mut self) {
        for p in 0..self.processes.len() {
            while let Some(j) = self.processes[p].jobs.iter().position(|job| job.until <= self.now)
            {
                let job = self.processes[p].jobs.swap_remove(j);
                self.ended(p, job);
            }
        }
    }

    fn ended(&mut self, p: usize, job: Job) {
        let target = job.target;
        let place = self.processes[p].targets.iter().position(|t| *t == target).unwrap();
        *self.used.entry(target).or_default() += self.now - job.since;
        let fate = job.fate;
        drop(job);
        let left = &mut self.processes[p].retries[place];
        if fate == Fate::Transient && *left > 0 {
            *left -= 1;
            self.fates[target] = Fate::Good;
            let again = self.job(target);
            self.processes[p].jobs.push(again);
            return;
        }
        if fate == Fate::Once {
            self.fates[target] = Fate::Good;
        }
        let good = fate == Fate::Good;
        self.built[target] += usize::from(good);
        let word = if good { "built" } else { "failed" };
        LastRun::add(self.out, [(id(target), word.to_owned())]).unwrap();
        self.processes[p].queue.ended(place, !good);
    }

    /// `kill -9`, or Ctrl-C, of the first process.
    fn end_first(&mut self, kill: bool) {
        if self.processes.is_empty() {
            return;
        }
        let mut process = self.processes.remove(0);
        process.queue.stop();
        for mut job in process.jobs {
            *self.used.entry(job.target).or_default() += match job.seat {
                Some(_) => self.now - job.since,
                None => Duration::ZERO,
            };
            if kill {
                // The kernel drops the locks; the files stay.
                job.seat.take().into_iter().for_each(Seat::killed);
            } else {
                LastRun::add(self.out, [(id(job.target), "failed".to_owned())]).unwrap();
            }
        }
    }

    /// Runs until nothing is left. Returns the wall time and its lower bound.
    fn run(&mut self, mut end: Option<(Duration, bool)>) -> (Duration, Duration) {
        let start = self.now;
        self.used.clear();
        loop {
            self.finish();
            if let Some((at, kill)) = end
                && self.now >= at
            {
                self.end_first(kill);
                end = None;
            }
            self.settle();
            self.processes.retain(|p| p.queue.is_unfinished());
            if self.processes.is_empty() {
                return (self.now - start, self.bound());
            }
            let jobs = self.processes.iter().flat_map(|p| &p.jobs);
            let waits = jobs.clone().any(|job| job.seat.is_none());
            let ends = jobs.map(|job| job.until).chain(end.map(|(at, _)| at));
            let again = waits.then(|| self.now + STAGGER);
            self.now = ends.chain(again).min().unwrap();
        }
    }

    fn told(&self, wall: Duration, bound: Duration) -> Run {
        let over = |least: Duration| wall.as_secs_f64() / least.as_secs_f64().max(1.0);
        let builds: Vec<(Duration, Load)> =
            self.used.iter().map(|(t, time)| (*time, self.case.loads[*t])).collect();
        let best = best::shortest(&builds, &self.case.policy.budget);
        let over_best = best.map(|best| over(best.max(bound)));
        let plain = over(self.bound_by(1));
        Run { targets: builds.len(), ratio: over(bound), plain, over_best }
    }

    /// The longest of: one build; all work over what the host carries, where a
    /// host carries whole builds.
    fn bound(&self) -> Duration {
        self.bound_by(4)
    }

    /// With `parts` = 1 work over capacity as numbers, as if builds could be cut.
    fn bound_by(&self, parts: u64) -> Duration {
        let Budget { memory_mib, cpus, disk, jobs } = self.case.policy.budget;
        let jobs = u64::try_from(jobs).unwrap().saturating_mul(self.case.processes as u64);
        type Part = fn(&Load) -> u64;
        let resources: [(Part, u64); 4] = [
            (Load::host_memory_mib, memory_mib),
            (|l| l.cpus, cpus),
            (|l| l.disk, disk),
            (|_| 1, jobs),
        ];
        let work = |part: Part, all: u64, parts: u64| {
            let share = |(t, time): (&usize, &Duration)| {
                time.as_secs_f64() * share(part(&self.case.loads[*t]), all, parts)
            };
            self.used.iter().map(share).sum::<f64>()
        };
        let longest = self.used.values().max().copied().unwrap_or_default();
        let work =
            resources.iter().flat_map(|(part, all)| (0..parts).map(|n| work(*part, *all, n)));
        Duration::from_secs_f64(work.fold(longest.as_secs_f64(), f64::max))
    }
}

/// What a build takes of a resource, as a share of what the host can carry. A
/// host of 8 GiB does not carry two builds of 5: `parts` > 0 counts only what is
/// more than 1/(parts + 1) of it, in whole parts. The sum over builds that fit
/// together is at most 1 for every `parts` (Fekete and Schepers' dual feasible
/// functions), so all of them bound the time from below.
fn share(part: u64, all: u64, parts: u64) -> f64 {
    let scaled = u128::from(part) * u128::from(parts + 1);
    if parts == 0 || scaled % u128::from(all) == 0 {
        return part as f64 / all as f64;
    }
    (scaled / u128::from(all)) as f64 / parts as f64
}

/// How one run went: the targets in it, its wall time over its bound.
struct Run {
    targets: usize,
    ratio: f64,
    /// The same over max(longest, work/capacity), as if builds could be cut.
    plain: f64,
    /// Over the shortest plan there is, where that can be had.
    over_best: Option<f64>,
}

/// Runs one case to its end. `wild`: with a second process and kills of
/// processes.
fn play(seed: u64, wild: bool) -> Vec<Run> {
    let mut dice = Dice(seed);
    let mut case = case(&mut dice);
    if !wild {
        (case.processes, case.end) = (1, None);
    }
    // In memory where there is such a place: results are synced to disk.
    let shm = Path::new("/dev/shm");
    let dir = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
    let mut world = World {
        fates: case.fates.clone(),
        dice,
        out: dir.path(),
        ledger: Ledger::at(&dir.path().join("ledger")).unwrap(),
        now: Duration::ZERO,
        built: vec![0; TARGETS],
        processes: vec![],
        used: BTreeMap::new(),
        case: &case,
    };
    for p in 0..case.processes {
        world.start_process((0..TARGETS).filter(|t| t % case.processes == p).collect());
    }
    let mut runs = vec![];
    let mut end = case.end;
    for _ in 0..3 {
        let (wall, bound) = world.run(end.take());
        runs.push(world.told(wall, bound));
        let left = LastRun::read(dir.path()).unfinished();
        let left: Vec<usize> = (0..TARGETS).filter(|t| left.contains(&id(*t))).collect();
        if left.is_empty() {
            break;
        }
        world.start_process(left);
    }
    for (target, fate) in case.fates.iter().enumerate() {
        let once = usize::from(*fate != Fate::Always);
        assert_eq!(world.built[target], once, "seed {seed}: target {target}, {fate:?}");
    }
    runs
}

/// One xtask; builds fail, their VMs are killed, the host has limits. The bound
/// is for the 12 targets: three builds that are left over for a second run, of
/// which two fit, take two turns whoever plans them. So those are compared with
/// the shortest plan there is. That plan knows beforehand which build fails
/// early and how long one takes that was never timed; a schedule does not, and
/// where only few are left nothing makes up for it (seed 10: expected 45
/// minutes, failed after 5). List scheduling never takes twice the best.
#[test]
fn of_200_simulated_matrices_each_takes_at_most_4_thirds_of_the_bound() {
    let (mut worst, mut again, mut plain) = (0.0_f64, vec![], vec![]);
    for seed in 0..200 {
        for Run { targets, ratio, plain: cut, over_best } in play(seed, false) {
            if targets == TARGETS {
                plain.push(cut);
                assert!(ratio <= 4.0 / 3.0, "seed {seed}: {ratio:.3} times the bound");
                worst = worst.max(ratio);
            } else if let Some(over) = over_best {
                assert!(over <= 1.5, "seed {seed}: {targets} again, {over:.3} times the best");
                again.push(over);
            }
        }
    }
    let (runs, worst_again) = (again.len(), again.iter().copied().fold(0.0, f64::max));
    let good = again.iter().filter(|over| **over <= 4.0 / 3.0).count();
    println!("200 matrices: wall time at most {worst:.3} times the bound");
    let (all, within) = (plain.len(), plain.iter().filter(|cut| **cut <= 4.0 / 3.0).count());
    let most = plain.iter().copied().fold(0.0, f64::max);
    println!("{within} of {all} also where builds could be cut to fill the host, all {most:.3}");
    println!(
        "{runs} runs of what was left over: {good} at most 4/3 of the best plan, all {worst_again:.3}"
    );
    assert!(runs > 200, "failures leave something for more runs: {runs}");
    assert!(good * 100 >= runs * 99, "{good} of {runs}");
}

/// Two xtasks share the host, one is killed or interrupted; what is left is
/// built by `--rerun-failed`. [`play`] and [`World`] check the rest.
#[test]
fn of_200_simulated_matrices_none_is_over_budget_lost_or_built_twice() {
    let runs: Vec<Run> = (0..200).flat_map(|seed| play(seed, true)).collect();
    let worst = runs.iter().map(|run| run.ratio).fold(0.0, f64::max);
    println!("200 matrices, {} runs, wall time at most {worst:.3} times the bound", runs.len());
    assert!(runs.len() > 400, "kills and failures leave something for more runs");
    // A process that is killed leaves its half of the host empty: its targets
    // wait for the next run.
    assert!(worst <= 2.0, "{worst:.3} times the bound");
}
