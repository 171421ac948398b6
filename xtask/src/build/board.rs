//! What a run of builds shows: on a terminal a live line per build, elsewhere
//! a line per event, or JSON events for programs.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

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
}

#[derive(Debug, Default)]
struct State {
    rows: Vec<Row>,
    drawn: usize,
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
        self.event(target, "end", result);
        self.draw(&mut state);
    }

    /// A new phase, or a new step of one.
    pub fn phase(&self, target: &str, phase: &str, detail: &str) {
        let mut state = self.state();
        let elapsed = elapsed(&state, target);
        if let Some(row) = state.rows.iter_mut().find(|row| row.target == target) {
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
        let mut all = json!({ "version": VERSION, "event": event, "target": target });
        if let (Some(all), Some(more)) = (all.as_object_mut(), more.as_object()) {
            all.extend(more.clone());
        }
        // A reader that went away is no reason to stop a build.
        let _gone = writeln!(std::io::stdout().lock(), "{all}");
    }

    fn above(&self, state: &mut State, text: &str) {
        self.erase(state);
        write_line(text.trim_end());
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
        let width = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |s| s.ws_col);
        let pad = state.rows.iter().map(|row| row.target.len()).max().unwrap_or(0);
        let lines: String =
            state.rows.iter().map(|row| live_line(row, pad, width.into()) + "\n").collect();
        write_raw(&lines);
        state.drawn = state.rows.len();
    }
}

fn elapsed(state: &State, target: &str) -> Duration {
    state.rows.iter().find(|r| r.target == target).map_or(Duration::ZERO, |r| r.started.elapsed())
}

fn event_line(target: &str, elapsed: Duration, text: &str) -> String {
    format!("  {target}  {:>5}  {}", minutes(elapsed), text.trim_end())
}

/// `target  phase  detail  0:12 of ~4:30  last console line`, cut to the width.
fn live_line(row: &Row, pad: usize, width: usize) -> String {
    let of = row.expected.map_or_else(String::new, |time| format!("of ~{}", minutes(time)));
    let time = minutes(row.started.elapsed());
    let what = format!("{} {}", row.phase, row.detail);
    let target = &row.target;
    let line = format!("  {target:<pad$}  {what:<28.28} {time:>5} {of:<9}  {}", row.console);
    line.chars().filter(|c| !c.is_control()).take(width.saturating_sub(1)).collect()
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
    fn a_live_line_fits_and_has_no_control_characters() {
        let row = Row {
            target: "debian-12-mirror-amd64".into(),
            started: Instant::now(),
            expected: Some(Duration::from_secs(270)),
            phase: "provision".into(),
            detail: "2/4 boot.sh".into(),
            console: "\x1b[32m[  OK  ] Reached target\r".into(),
        };
        let wide = live_line(&row, 24, 200);
        assert!(wide.contains("provision 2/4 boot.sh"), "{wide}");
        assert!(wide.contains("0:00 of ~4:30   [32m[  OK  ] Reached target"), "{wide}");
        assert!(!wide.contains('\x1b'));
        assert_eq!(live_line(&row, 24, 60).chars().count(), 59);
    }
}
