//! Which phase it is, and how long each took.

use std::time::{Duration, Instant};

use crate::engine::events::{Event, Events, Phase};

/// Tells the events of each phase and measures it.
pub(super) struct Clock<'a> {
    events: &'a dyn Events,
    phase: Phase,
    since: Instant,
    start: Instant,
    timings: Vec<(Phase, Duration)>,
}

impl<'a> Clock<'a> {
    /// Starts with [`Phase::Prepare`].
    pub fn start(events: &'a dyn Events) -> Self {
        let now = Instant::now();
        events.event(Event::Phase(Phase::Prepare));
        Self { events, phase: Phase::Prepare, since: now, start: now, timings: Vec::new() }
    }

    /// Ends the phase before and begins this one.
    pub fn enter(&mut self, phase: Phase) {
        self.lap();
        self.phase = phase;
        self.events.event(Event::Phase(phase));
    }

    /// The phase that runs.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Since the start of the build.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Ends the last phase and returns all.
    pub fn stop(&mut self) -> Vec<(Phase, Duration)> {
        self.lap();
        std::mem::take(&mut self.timings)
    }

    fn lap(&mut self) {
        let now = Instant::now();
        self.timings.push((self.phase, now.duration_since(self.since)));
        self.since = now;
    }
}
