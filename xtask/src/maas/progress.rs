//! Progress of an upload: a bar with rate and time left on a terminal, a line per
//! event elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use super::upload::Event;
use crate::table;

/// How often the bar moves.
const EVERY: Duration = Duration::from_millis(100);
/// Cells of the bar.
const CELLS: u64 = 26;
/// Without a terminal, one line per this many percent.
const STEP: u64 = 10;

/// Shows events of one upload on standard error.
pub struct Meter {
    terminal: bool,
    /// When the first byte was sent, and how many were there already.
    begin: Option<(Instant, u64)>,
    drawn: Option<Instant>,
    percent: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(std::io::stderr().is_terminal())
    }
}

impl Meter {
    /// With or without a terminal.
    #[must_use]
    pub fn new(terminal: bool) -> Self {
        Self { terminal, begin: None, drawn: None, percent: 0 }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event) {
        if let Some(line) = self.line(event, Instant::now()) {
            let end = if self.terminal && matches!(event, Event::Sent { .. }) { "" } else { "\n" };
            let start = if self.terminal { "\r\x1b[K" } else { "" };
            eprint!("{start}{line}{end}");
        }
    }

    /// Shows how far reading the file is; on terminals only.
    pub fn check(&mut self, done: u64, total: u64) {
        let now = Instant::now();
        if self.terminal && self.drawn.is_none_or(|at| now.duration_since(at) >= EVERY) {
            self.drawn = Some(now);
            let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
            eprint!("\r\x1b[K  checking SHA-256  {percent} %");
        }
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        if self.terminal && self.drawn.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }

    fn line(&mut self, event: &Event, now: Instant) -> Option<String> {
        match event {
            Event::Note(text) => Some(format!("  {text}")),
            Event::Checking if self.terminal => None,
            Event::Checking => Some("  sent; MAAS checks it".into()),
            Event::Sent { done, total } => self.sent(*done, *total, now),
        }
    }

    fn sent(&mut self, done: u64, total: u64, now: Instant) -> Option<String> {
        let (since, from) = *self.begin.get_or_insert((now, done));
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        if self.terminal {
            let due = self.drawn.is_none_or(|at| now.duration_since(at) >= EVERY);
            if !due && done < total {
                return None;
            }
            self.drawn = Some(now);
        } else {
            if percent / STEP == self.percent / STEP {
                return None;
            }
            self.percent = percent;
        }
        let rate = rate(done.saturating_sub(from), now.duration_since(since));
        let left = total
            .saturating_sub(done)
            .checked_div(rate)
            .map_or_else(|| "-".into(), |seconds| table::minutes(Duration::from_secs(seconds)));
        let amount = format!("{}/{}", table::size(done), table::size(total));
        let figures = format!("{percent:>3} %  {amount}  {}/s  eta {left}", table::size(rate));
        Some(if self.terminal {
            format!("  {}  {figures}", bar(percent))
        } else {
            format!("  {figures}")
        })
    }
}

/// Bytes in a second.
fn rate(bytes: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / milliseconds
}

fn bar(percent: u64) -> String {
    let full = (percent.min(100) * CELLS) / 100;
    let cell = |index| if index < full { '\u{2588}' } else { '\u{2591}' };
    (0..CELLS).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn a_bar_with_rate_and_time_left() {
        let mut meter = Meter::new(true);
        let start = Instant::now();
        meter.sent(100 * MB, 400 * MB, start);
        let line = meter.sent(200 * MB, 400 * MB, start + Duration::from_secs(2)).unwrap();
        assert_eq!(
            line,
            "  \u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2588}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}\u{2591}   50 %  200 MB/400 MB  50 MB/s  eta 0:04"
        );
        assert_eq!(meter.sent(201 * MB, 400 * MB, start + Duration::from_millis(2050)), None);
    }

    #[test]
    fn ten_lines_elsewhere() {
        let mut meter = Meter::new(false);
        let start = Instant::now();
        let lines =
            (0..=400).filter_map(|n| meter.sent(n * MB, 400 * MB, start + Duration::from_secs(n)));
        let lines: Vec<String> = lines.collect();
        assert_eq!(lines.len(), 10);
        assert_eq!(lines[9], "  100 %  400 MB/400 MB  1.0 MB/s  eta 0:00");
        assert_eq!(meter.sent(0, 0, start), None);
    }
}
