//! The course of a run of many builds: what waits, what runs, what happens
//! after a failure. Pure: no clock, no threads, no files; `many` moves it with
//! real builds, the tests with simulated ones.

use super::schedule::{self, Budget, Load};

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

/// Targets by their place in a list; each is in one state at a time.
#[derive(Clone, Debug)]
pub struct Queue {
    policy: Policy,
    loads: Vec<Load>,
    waiting: Vec<usize>,
    running: Vec<usize>,
    stopped: bool,
}

impl Queue {
    /// Nothing runs yet.
    #[must_use]
    pub fn new(loads: Vec<Load>, policy: Policy) -> Self {
        let waiting = schedule::order(&loads);
        Self { policy, loads, waiting, running: vec![], stopped: false }
    }

    /// Takes the next target that fits beside those that run. The caller starts
    /// it and says with [`Self::ended`] when it is over.
    pub fn take(&mut self) -> Option<usize> {
        if self.stopped {
            return None;
        }
        let of = |list: &[usize]| list.iter().filter_map(|i| self.loads.get(*i).copied()).collect();
        let (waiting, running): (Vec<Load>, Vec<Load>) = (of(&self.waiting), of(&self.running));
        let position = schedule::next(&waiting, &running, &self.policy.budget)?;
        let index = self.waiting.remove(position);
        self.running.push(index);
        Some(index)
    }

    /// A build is over. Returns whether those that still run must be ended too.
    pub fn ended(&mut self, index: usize, failed: bool) -> bool {
        self.running.retain(|running| *running != index);
        if failed && self.policy.after_failure != AfterFailure::KeepGoing {
            self.stopped = true;
        }
        failed && self.policy.after_failure == AfterFailure::EndAll
    }

    /// Starts no more.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether something runs or may start.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        !self.running.is_empty() || (!self.stopped && !self.waiting.is_empty())
    }

    /// What was not started, in the order in which it would have been.
    #[must_use]
    pub fn waiting(&self) -> &[usize] {
        &self.waiting
    }

    /// What the target is expected to take.
    #[must_use]
    pub fn load(&self, index: usize) -> Option<&Load> {
        self.loads.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(after_failure: AfterFailure) -> Queue {
        let load = Load { memory_mib: 1024, cpus: 1, disk: 0, expected: None };
        let budget = Budget { memory_mib: 1 << 20, cpus: 2, disk: 1 << 40, jobs: 9 };
        Queue::new(vec![load; 4], Policy { budget, after_failure, retries: 0 })
    }

    #[test]
    fn a_failure_means_what_the_policy_says() {
        for (policy, ends_others, goes_on) in [
            (AfterFailure::StartNoMore, false, false),
            (AfterFailure::KeepGoing, false, true),
            (AfterFailure::EndAll, true, false),
        ] {
            let mut queue = queue(policy);
            assert_eq!((queue.take(), queue.take(), queue.take()), (Some(0), Some(1), None));
            assert!(!queue.ended(0, false));
            assert_eq!(queue.take(), Some(2));
            assert_eq!(queue.ended(1, true), ends_others, "{policy:?}");
            assert_eq!(queue.take().is_some(), goes_on, "{policy:?}");
            assert!(queue.is_unfinished(), "{policy:?}: 2 still runs");
        }
    }

    #[test]
    fn what_is_stopped_ends_with_what_runs() {
        let mut queue = queue(AfterFailure::KeepGoing);
        assert_eq!(queue.take(), Some(0));
        queue.stop();
        assert_eq!(queue.take(), None);
        assert!(queue.is_unfinished());
        queue.ended(0, true);
        assert!(!queue.is_unfinished());
        assert_eq!(queue.waiting(), [1, 2, 3]);
    }
}
