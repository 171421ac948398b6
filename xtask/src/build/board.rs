//! What a run of builds shows: on a terminal a live line per build, elsewhere
//! a line per event, or JSON events for programs.

mod live;

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use self::live::{Line, Screen, Tally};

use crate::date;
use crate::table::minutes;

/// Version of the JSON events.
const VERSION: u32 = 1;

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Live,
    Lines,
    Json,
}

/// One build on the board.
#[derive(Clone, Debug)]
struct Row {
    target: String,
    started: Instant,
    expected: Option<Duration>,
    phase: String,
    detail: String,
    console: String,
    /// Phases with their starts.
    phases: Vec<(String, Instant)>,
}

#[derive(Debug)]
struct State {
    rows: Vec<Row>,
    drawn: usize,
    tally: Tally,
    start: Instant,
}

impl Default for State {
    fn default() -> Self {
        Self { rows: vec![], drawn: 0, tally: Tally::default(), start: Instant::now() }
    }
}

/// Shared by all builds of a run.
#[derive(Debug)]
pub struct Board {
    style: Style,
    state: Mutex<State>,
}

impl Board {
    /// Live on a terminal that can, unless somebody wants all details.
    #[must_use]
    pub fn new(json: bool, verbose: u8) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let live = std::io::stderr().is_terminal() && !dumb && verbose == 0;
        let style = match (json, live) {
            (true, _) => Style::Json,
            (false, true) => Style::Live,
            (false, false) => Style::Lines,
        };
        Self { style, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many builds there will be.
    pub fn expect(&self, total: usize) {
        let mut state = self.state();
        state.tally.total = total;
        state.start = Instant::now();
        self.event("", "run", &json!({ "targets": total }));
    }

    /// A build begins; `expected` is how long it took last time.
    pub fn begin(&self, target: &str, expected: Option<Duration>) {
        let mut state = self.state();
        state.rows.push(Row {
            target: target.to_owned(),
            started: Instant::now(),
            expected,
            phase: String::new(),
            detail: String::new(),
            console: String::new(),
            phases: vec![],
        });
        if let (Style::Lines, Some(time)) = (self.style, expected) {
            let text = format!("{:<10} about {} by its last build", "expected", minutes(time));
            write_line(&event_line(target, Duration::ZERO, &text));
        }
        let seconds = expected.map(|time| time.as_secs());
        self.event(target, "begin", &json!({ "expected_seconds": seconds }));
        self.draw(&mut state);
    }

    /// A build ended; how is said by [`Self::line`].
    pub fn end(&self, target: &str, result: &Value) {
        let mut state = self.state();
        state.rows.retain(|row| row.target != target);
        match result["result"].as_str() {
            Some("failed") => state.tally.failed += 1,
            _ => state.tally.good += 1,
        }
        self.event(target, "end", result);
        self.draw(&mut state);
    }

    /// A new phase, or a new step of one.
    pub fn phase(&self, target: &str, phase: &str, detail: &str) {
        let mut state = self.state();
        let elapsed = elapsed(&state, target);
        if let Some(row) = state.rows.iter_mut().find(|row| row.target == target) {
            if row.phase != phase {
                row.phases.push((phase.to_owned(), Instant::now()));
            }
            phase.clone_into(&mut row.phase);
            detail.clone_into(&mut row.detail);
        }
        match self.style {
            Style::Live => self.draw(&mut state),
            Style::Lines => {
                write_line(&event_line(target, elapsed, &format!("{phase:<10} {detail}")))
            }
            Style::Json => {
                self.event(target, "phase", &json!({ "phase": phase, "detail": detail }));
            }
        }
    }

    /// Seconds that each phase of a build took until now, in order.
    #[must_use]
    pub fn times(&self, target: &str) -> Vec<(String, f64)> {
        let state = self.state();
        let Some(row) = state.rows.iter().find(|row| row.target == target) else { return vec![] };
        let ends = row.phases.iter().skip(1).map(|(_, start)| *start).chain([Instant::now()]);
        let each = row.phases.iter().zip(ends);
        let seconds = |start: Instant, end: Instant| end.duration_since(start).as_secs_f64();
        each.map(|((name, start), end)| (name.clone(), seconds(*start, end))).collect()
    }

    /// Something worth a line that stays.
    pub fn say(&self, target: &str, text: &str) {
        let mut state = self.state();
        match self.style {
            Style::Json => self.event(target, "note", &json!({ "text": text.trim_end() })),
            Style::Live | Style::Lines => {
                let line = event_line(target, elapsed(&state, target), text);
                self.above(&mut state, &line);
            }
        }
    }

    /// The last line of a guest's console or of a script.
    pub fn console(&self, target: &str, text: &str) {
        let mut state = self.state();
        if let Some(row) = state.rows.iter_mut().find(|row| row.target == target) {
            text.trim().clone_into(&mut row.console);
        }
    }

    /// A line that belongs to no phase, such as the result of a build.
    pub fn line(&self, text: &str) {
        let mut state = self.state();
        self.above(&mut state, text);
    }

    /// Draws again: times go on while nothing happens.
    pub fn tick(&self) {
        let mut state = self.state();
        self.draw(&mut state);
    }

    fn event(&self, target: &str, event: &str, more: &Value) {
        if self.style != Style::Json {
            return;
        }
        let at = date::stamp(SystemTime::now());
        let mut all = json!({ "version": VERSION, "at": at, "event": event });
        if !target.is_empty() {
            all["target"] = json!(target);
        }
        if let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        // A reader that went away is no reason to stop a build.
        let _gone = writeln!(std::io::stdout().lock(), "{all}");
    }

    fn above(&self, state: &mut State, text: &str) {
        self.erase(state);
        let text = text.trim_end();
        match self.style {
            Style::Live => write_line(&screen().block(text)),
            Style::Lines | Style::Json => write_line(text),
        }
        self.draw(state);
    }

    fn erase(&self, state: &mut State) {
        if self.style == Style::Live && state.drawn > 0 {
            // Cursor up N lines, then clear to the end of the screen.
            write_raw(&format!("\x1b[{}A\x1b[J", state.drawn));
            state.drawn = 0;
        }
    }

    fn draw(&self, state: &mut State) {
        if self.style != Style::Live {
            return;
        }
        self.erase(state);
        let rows = state.rows.iter().map(|row| Line {
            target: &row.target,
            what: format!("{} {}", row.phase, row.detail),
            elapsed: row.started.elapsed(),
            expected: row.expected,
            console: &row.console,
        });
        let rows: Vec<Line<'_>> = rows.collect();
        let lines = screen().table(&rows, state.tally, state.start.elapsed());
        state.drawn = lines.len();
        write_raw(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    }
}

/// The terminal as it is now: windows are resized.
fn screen() -> Screen {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    let (width, height) = size.map_or((80, 24), |s| (s.ws_col.into(), s.ws_row.into()));
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // A terminal that does not know its size says 0.
    Screen { width, height: if height == 0 { 24 } else { height }, colour }
}

fn elapsed(state: &State, target: &str) -> Duration {
    state.rows.iter().find(|r| r.target == target).map_or(Duration::ZERO, |r| r.started.elapsed())
}

fn event_line(target: &str, elapsed: Duration, text: &str) -> String {
    format!("  {target}  {:>5}  {}", minutes(elapsed), text.trim_end())
}

fn write_line(text: &str) {
    write_raw(&format!("{text}\n"));
}

fn write_raw(text: &str) {
    // Nobody is left to be told that stderr is closed.
    let _gone = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_timed_until_now_and_steps_of_one_are_one() {
        let board = Board { style: Style::Json, state: Mutex::default() };
        board.begin("a", None);
        board.phase("a", "boot", "");
        std::thread::sleep(Duration::from_millis(30));
        board.phase("a", "provision", "1/2 x");
        board.phase("a", "provision", "2/2 y");
        let times = board.times("a");
        let names: Vec<&str> = times.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["boot", "provision"]);
        assert!(times[0].1 >= 0.03, "{times:?}");
        assert!(board.times("other").is_empty());
    }
}
