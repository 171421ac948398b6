//! The shortest plan there is for a few builds, found by trying every order.

use std::time::Duration;

use super::super::schedule::{Budget, Load};

/// More builds than this have too many orders to try: 7! is 5040.
const MOST: usize = 7;

/// A build with a place in the plan.
type Placed<'a> = (Duration, Duration, &'a Load);

/// How long the builds take at least, whoever plans them and knows all times
/// beforehand; without the pause between boots. `None` if there are too many.
///
/// Of the plans where no build can start earlier one is the shortest, and each
/// of them comes from placing the builds one by one, in some order, at the
/// first moment at which they fit (active schedules; Sprecher, Kolisch and
/// Drexl, 1995).
pub fn shortest(builds: &[(Duration, Load)], budget: &Budget) -> Option<Duration> {
    if builds.len() > MOST {
        return None;
    }
    let mut best: Duration = builds.iter().map(|(time, _)| *time).sum();
    let mut order: Vec<usize> = (0..builds.len()).collect();
    each_order(&mut order, 0, &mut |order| best = best.min(length(order, builds, budget)));
    Some(best)
}

fn each_order(order: &mut [usize], from: usize, visit: &mut dyn FnMut(&[usize])) {
    if from == order.len() {
        return visit(order);
    }
    for other in from..order.len() {
        order.swap(from, other);
        each_order(order, from + 1, visit);
        order.swap(from, other);
    }
}

fn length(order: &[usize], builds: &[(Duration, Load)], budget: &Budget) -> Duration {
    let mut placed: Vec<Placed<'_>> = vec![];
    for (time, load) in order.iter().map(|&place| &builds[place]) {
        let moments = placed.iter().map(|(_, end, _)| *end).chain([Duration::ZERO]);
        let start = moments.filter(|at| fits(*at, *time, load, &placed, budget)).min();
        // After all others it fits.
        let start = start.unwrap_or_default();
        placed.push((start, start + *time, load));
    }
    placed.iter().map(|(_, end, _)| *end).max().unwrap_or_default()
}

/// Whether there is room for it all the time. Use grows only where builds start.
fn fits(at: Duration, time: Duration, load: &Load, placed: &[Placed<'_>], budget: &Budget) -> bool {
    let starts = placed.iter().map(|(start, _, _)| *start);
    let mut moments = starts.filter(|start| *start > at && *start < at + time).chain([at]);
    moments.all(|now| {
        let there = placed.iter().filter(|(start, end, _)| *start <= now && now < *end);
        let all: Vec<&Load> = there.map(|(_, _, load)| *load).chain([load]).collect();
        all.iter().map(|l| l.host_memory_mib()).sum::<u64>() <= budget.memory_mib
            && all.iter().map(|l| l.cpus).sum::<u64>() <= budget.cpus
            && all.iter().map(|l| l.disk).sum::<u64>() <= budget.disk
            && all.len() <= budget.jobs
    })
}

#[test]
fn three_builds_of_which_two_fit_take_two_turns() {
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let load = Load { memory_mib: 2048, cpus: 2, disk: 1, expected: None };
    let budget = Budget { memory_mib: 1 << 20, cpus: 4, disk: 9, jobs: 9 };
    let build = |n| (minutes(n), load);
    assert_eq!(shortest(&[build(3), build(3), build(3)], &budget), Some(minutes(6)));
    assert_eq!(shortest(&[build(2), build(2), build(3), build(4)], &budget), Some(minutes(6)));
    assert_eq!(shortest(&[build(1); 8], &budget), None);
}
