//! What the die says: hosts, builds, failures.

use std::time::Duration;

use super::super::queue::{AfterFailure, Policy};
use super::super::schedule::{Budget, Load};
use super::TARGETS;

/// `SplitMix64`: seeds give the same case on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.next() % choices.len() as u64).unwrap()]
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// How one attempt of the simulated engine goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Good,
    /// A failure that may pass by itself: `--retries` tries again.
    Transient,
    /// A script fails, or somebody kills QEMU: no retry, but the next run builds it.
    Once,
    /// Fails in every run.
    Always,
}

pub struct Case {
    pub loads: Vec<Load>,
    pub times: Vec<Duration>,
    pub fates: Vec<Fate>,
    pub policy: Policy,
    pub processes: usize,
    /// When the first process is killed (true: -9, false: Ctrl-C).
    pub end: Option<(Duration, bool)>,
}

pub fn case(dice: &mut Dice) -> Case {
    let cpus = dice.of(&[4, 8, 12, 16]);
    let memory_mib = cpus * dice.of(&[2048, 3072, 4096]);
    let budget = Budget {
        memory_mib,
        cpus,
        disk: dice.of(&[100 << 30, 200 << 30, 400 << 30]),
        jobs: dice.of(&[2, 3, 4, usize::MAX, usize::MAX]),
    };
    let after_failure = AfterFailure::KeepGoing;
    let mut all = Case {
        loads: vec![],
        times: vec![],
        fates: vec![],
        policy: Policy { budget, after_failure, retries: 2 },
        processes: if dice.percent(25) { 2 } else { 1 },
        end: None,
    };
    for _ in 0..TARGETS {
        // 3 to 45 minutes, as many short as long ones.
        let time = Duration::from_secs_f64(180.0 * 15_f64.powf(dice.share()));
        let known = dice.percent(80);
        let off = 0.8 + 0.45 * dice.share();
        all.loads.push(Load {
            memory_mib: dice.of(&[2048, 2048, 4096]),
            cpus: dice.of(&[2, 2, 2, 4]),
            disk: dice.of(&[4 << 30, 6 << 30, 10 << 30, 16 << 30]),
            expected: known.then(|| time.mul_f64(off)),
        });
        all.times.push(time);
        all.fates.push(match dice.next() % 10 {
            0 => Fate::Transient,
            1 => Fate::Once,
            2 => Fate::Always,
            _ => Fate::Good,
        });
    }
    if dice.percent(50) {
        let total: Duration = all.times.iter().sum();
        all.end = Some((total.mul_f64(0.3 * dice.share()), dice.percent(50)));
    }
    all
}
