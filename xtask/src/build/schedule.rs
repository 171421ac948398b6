//! Which build starts next. Pure: what a host has and what builds take goes in,
//! an index comes out.

use std::time::Duration;

use crate::plan::machine::Size;

/// What one build takes while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Memory of the VM in MiB.
    pub memory_mib: u64,
    /// Its virtual CPUs.
    pub cpus: u64,
    /// Bytes its disk and artifact are expected to fill.
    pub disk: u64,
    /// How long it took last time; `None` if it was never built here.
    pub expected: Option<Duration>,
}

/// What builds may take together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Virtual CPUs.
    pub cpus: u64,
    /// Bytes of disk.
    pub disk: u64,
    /// Builds at once.
    pub jobs: usize,
}

/// What QEMU takes besides the guest's memory, in MiB: its own code, device
/// buffers and the translation cache of emulation (own runs: 150 to 700).
const QEMU_OVERHEAD_MIB: u64 = 256;

impl Load {
    /// What a planned machine takes.
    #[must_use]
    pub fn of(machine: &Size, expected: Option<Duration>) -> Self {
        let Size { memory_mib, cpus, disk } = *machine;
        // As the check before a build: a system fills a quarter of its disk.
        Self { memory_mib, cpus, disk: disk / 4, expected }
    }

    /// Memory on the host in MiB.
    #[must_use]
    pub fn host_memory_mib(&self) -> u64 {
        self.memory_mib.saturating_add(QEMU_OVERHEAD_MIB)
    }
}

/// Order in which to start: what was never timed first, for it may be the
/// longest, then the longest; equals stay as they are.
#[must_use]
pub fn order(loads: &[Load]) -> Vec<usize> {
    let mut all: Vec<usize> = (0..loads.len()).collect();
    let longest = |&i: &usize| {
        std::cmp::Reverse(loads.get(i).and_then(|l| l.expected).unwrap_or(Duration::MAX))
    };
    all.sort_by_key(longest);
    all
}

/// Position in `waiting` of the next build to start beside `running`, if any
/// fits.
#[must_use]
pub fn next(waiting: &[Load], running: &[Load], budget: &Budget) -> Option<usize> {
    if !running.is_empty() && running.len() >= budget.jobs {
        return None;
    }
    waiting.iter().position(|load| fits(load, running, budget))
}

/// Whether a build can run beside others. Alone, it always may: less than it
/// wants is better than never.
#[must_use]
pub fn fits(load: &Load, running: &[Load], budget: &Budget) -> bool {
    let sum = |part: fn(&Load) -> u64| running.iter().map(part).fold(0, u64::saturating_add);
    let memory = budget.memory_mib.saturating_sub(sum(Load::host_memory_mib));
    let cpus = budget.cpus.saturating_sub(sum(|l| l.cpus));
    let disk = budget.disk.saturating_sub(sum(|l| l.disk));
    let alone = running.is_empty();
    alone || (load.host_memory_mib() <= memory && load.cpus <= cpus && load.disk <= disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(memory_mib: u64, cpus: u64, minutes: Option<u64>) -> Load {
        let expected = minutes.map(|m| Duration::from_secs(m * 60));
        Load { memory_mib, cpus, disk: 1 << 30, expected }
    }

    const HOST: Budget = Budget { memory_mib: 8192, cpus: 8, disk: 100 << 30, jobs: 4 };

    #[test]
    fn the_longest_and_the_unknown_start_first() {
        let all =
            [load(1, 1, Some(5)), load(1, 1, Some(60)), load(1, 1, None), load(1, 1, Some(60))];
        assert_eq!(order(&all), [2, 1, 3, 0]);
    }

    #[test]
    fn the_first_that_fits_starts() {
        let big = load(6000, 2, None);
        let small = load(1024, 2, None);
        assert_eq!(next(&[big, small], &[big], &HOST), Some(1));
        assert_eq!(next(&[big], &[big], &HOST), None);
        assert_eq!(next(&[load(1024, 7, None)], &[small], &HOST), None);
        let full = Load { disk: 99 << 30, ..small };
        assert_eq!(next(&[full, small], &[full], &HOST), Some(1));
    }

    #[test]
    fn alone_everything_may_start_and_jobs_are_a_limit() {
        let huge = load(1 << 20, 64, None);
        assert_eq!(next(&[huge], &[], &HOST), Some(0));
        assert_eq!(next(&[], &[], &HOST), None);
        let small = load(1, 1, None);
        assert_eq!(next(&[small], &[small; 4], &HOST), None);
        assert_eq!(next(&[small], &[small; 3], &HOST), Some(0));
    }
}
