//! The live table on a terminal. Pure: rows and a size go in, lines come out.

use std::time::Duration;

use crate::table::minutes;

/// One build that runs.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// Target id.
    pub target: &'a str,
    /// Phase, and step of it.
    pub what: String,
    /// Since its start.
    pub elapsed: Duration,
    /// What it usually takes.
    pub expected: Option<Duration>,
    /// Last line of its console or scripts.
    pub console: &'a str,
}

/// Builds by how they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of the run; 0: not known.
    pub total: usize,
    /// Ended well.
    pub good: usize,
    /// Ended otherwise.
    pub failed: usize,
}

/// The terminal.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Whether colours are wanted: not with `NO_COLOR` (no-color.org).
    pub colour: bool,
}

/// Codes of ECMA-48, section 8.3.117.
const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

impl Screen {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// The table and, under it, where the run stands. Rows that do not fit on the
    /// screen are counted: a table that scrolls cannot be drawn over.
    #[must_use]
    pub fn table(self, lines: &[Line<'_>], tally: Tally, elapsed: Duration) -> Vec<String> {
        let fits = self.height.saturating_sub(3).max(1);
        let pad = lines.iter().map(|line| line.target.len()).max().unwrap_or(0);
        let mut all: Vec<String> =
            lines.iter().take(fits).map(|line| self.line(line, pad)).collect();
        let hidden = lines.len().saturating_sub(fits);
        if hidden > 0 {
            all.push(self.paint(DIM, &format!("  and {hidden} more")));
        }
        if tally.total > 1 && !lines.is_empty() {
            all.push(self.status(lines.len(), tally, elapsed));
        }
        all
    }

    /// `target  phase step  0:12 of ~4:30  last console line`, cut to the width.
    fn line(self, line: &Line<'_>, pad: usize) -> String {
        let of = line.expected.map_or_else(String::new, |time| format!(" of ~{}", minutes(time)));
        let time = format!("{:>5}{of:<9}", minutes(line.elapsed));
        let room = if self.width >= 110 { 38 } else { 26 };
        let target = format!("{:pad$}", line.target);
        let what = format!("{:room$}", cut(&line.what, room));
        let (phase, step) = what.split_at(what.find(' ').unwrap_or(what.len()));
        let used = 2 + target.len() + 2 + what.chars().count() + 1 + time.len() + 2;
        let left = self.width.saturating_sub(1);
        let Some(console) = left.checked_sub(used) else {
            return cut(&format!("  {target}  {what} {time}"), left);
        };
        let late = line.expected.is_some_and(|usual| line.elapsed > usual.mul_f64(1.3));
        format!(
            "  {}  {}{step} {}  {}",
            self.paint(BOLD, &target),
            self.paint(CYAN, phase),
            if late { self.paint(YELLOW, &time) } else { time },
            self.paint(DIM, &cut(line.console, console)),
        )
        .trim_end()
        .to_owned()
    }

    fn status(self, running: usize, tally: Tally, elapsed: Duration) -> String {
        let Tally { total, good, failed } = tally;
        let waiting = total.saturating_sub(running + good + failed);
        let count = |count: usize, word: &str, code: &str| {
            (count > 0).then(|| self.paint(code, &format!("{count} {word}")))
        };
        let parts = [
            count(failed, "failed", RED),
            count(good, "ok", GREEN),
            count(running, "running", BOLD),
            count(waiting, "waiting", DIM),
            Some(minutes(elapsed)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("  {}", parts.join(" · "))
    }

    /// A block that stays, with the word that tells how a build ended in colour.
    #[must_use]
    pub fn block(self, text: &str) -> String {
        let lines = text.lines().map(|line| {
            let word = |word: &str| line.strip_prefix(word);
            if let Some(rest) = word("  FAIL  ") {
                format!("  {}{rest}", self.paint("1;31", "FAIL  "))
            } else if let Some(rest) = word("  ok    ") {
                format!("  {}{rest}", self.paint(GREEN, "ok    "))
            } else if let Some(rest) = word("error: ") {
                format!("{}{}", self.paint(RED, "error: "), self.paint(BOLD, rest))
            } else if line.starts_with("  cause ") || line.starts_with("  try ") {
                self.paint(BOLD, line)
            } else {
                line.to_owned()
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// The first characters that a terminal shows, without control characters.
fn cut(text: &str, width: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Screen = Screen { width: 120, height: 24, colour: false };

    fn line(target: &str) -> Line<'_> {
        Line {
            target,
            what: "provision 2/4 boot.sh".into(),
            elapsed: Duration::from_secs(12),
            expected: Some(Duration::from_secs(270)),
            console: "[  OK  ] Reached\x1b target\r",
        }
    }

    #[test]
    fn a_line_fits_and_has_no_control_characters() {
        let lines = [line("debian-12-mirror-amd64"), line("ol8-amd64")];
        let wide = PLAIN.table(&lines, Tally::default(), Duration::ZERO);
        let shown = "  ol8-amd64               provision 2/4 boot.sh";
        assert!(wide[1].starts_with(shown), "{wide:?}");
        assert!(wide[0].contains(" 0:12 of ~4:30  [  OK  ] Reached target"), "{wide:?}");
        for width in 0..130 {
            let screen = Screen { width, ..PLAIN };
            for line in screen.table(&lines, Tally::default(), Duration::ZERO) {
                assert!(line.chars().count() <= width.saturating_sub(1), "{width}: {line}");
                assert!(!line.chars().any(char::is_control));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_the_run_is_summed_up() {
        let lines: Vec<Line<'_>> = (0..30).map(|_| line("a")).collect();
        let tally = Tally { total: 40, good: 3, failed: 1 };
        let screen = Screen { height: 10, ..PLAIN };
        let all = screen.table(&lines, tally, Duration::from_secs(65));
        assert_eq!(all.len(), 9, "{all:?}");
        assert_eq!(all[7], "  and 23 more");
        assert_eq!(all[8], "  1 failed · 3 ok · 30 running · 6 waiting · 1:05");
        let one = Tally { total: 1, ..Tally::default() };
        assert_eq!(PLAIN.table(&lines[..1], one, Duration::ZERO).len(), 1, "one needs no sum");
        assert!(PLAIN.table(&[], tally, Duration::ZERO).is_empty());
    }

    #[test]
    fn colours_mark_how_a_build_ended_and_are_off_when_not_wanted() {
        let text = "  FAIL  x  after 0:44\nerror: boot: panic\n  console   | ok    x";
        assert_eq!(PLAIN.block(text), text);
        let screen = Screen { colour: true, ..PLAIN };
        let painted = screen.block(text);
        assert!(painted.starts_with("  \x1b[1;31mFAIL  \x1b[0mx"), "{painted:?}");
        assert!(painted.ends_with("\n  console   | ok    x"), "{painted:?}");
        let late = Line { elapsed: Duration::from_secs(400), ..line("a") };
        assert!(screen.line(&late, 1).contains("\x1b[33m 6:40 of ~4:30"));
    }
}
