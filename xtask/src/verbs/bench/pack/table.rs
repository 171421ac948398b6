//! Figures beside their bars.

use std::time::Duration;

use super::measure::LARGE;
use super::rivals::{CONVERT, FUSE, MOUNT, Rival};
use super::{Run, best};
use crate::table;

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) read: Vec<Run>,
    pub(super) limit: Vec<Run>,
    pub(super) qcow2: Vec<Run>,
    pub(super) raw: Vec<Run>,
    pub(super) fast: Vec<Run>,
    pub(super) dd: Vec<Run>,
    pub(super) fuse: Vec<Run>,
    pub(super) mount: Vec<Run>,
    pub(super) convert: Vec<Run>,
}

/// Most memory, whatever the size of the image.
const PEAK: u64 = 300 << 20;
/// Least share of what the bare compressor does.
const SHARE: f64 = 0.85;

/// A measured figure and whether it is good enough.
struct Bar {
    what: String,
    figure: String,
    bar: String,
    /// `None`: it was not measured.
    good: Option<bool>,
}

impl Results {
    /// All runs as a table, all bars as another, and whether one was missed.
    pub(super) fn show(&self, limits_only: bool) -> (String, bool) {
        let bars = self.bars(limits_only);
        let count = |state| bars.iter().filter(|bar| bar.good == state).count();
        let (passed, failed, skipped) = (count(Some(true)), count(Some(false)), count(None));
        let rows: Vec<_> = bars.iter().map(Bar::row).collect();
        let text = format!(
            "{}\n{}{} build, {} CPUs: {passed} passed, {failed} failed, {skipped} skipped\n",
            self.runs(),
            table::render(&["BAR", "FIGURE", "WANTED", "RESULT"], &rows),
            if cfg!(debug_assertions) { "debug" } else { "release" },
            crate::host::resources::cpus(),
        );
        (text, failed > 0)
    }

    fn runs(&self) -> String {
        let all = [
            ("bare read of the stored bytes, raw", &self.read),
            ("bare compressor, the archive's bytes in memory", &self.limit),
            ("pack: qcow2 to tar.gz", &self.qcow2),
            ("pack: raw to tar.gz", &self.raw),
            ("pack: qcow2 to tar.gz, --level fast", &self.fast),
            ("pack: qcow2 to dd.gz", &self.dd),
            (FUSE.name, &self.fuse),
            (MOUNT.name, &self.mount),
            (CONVERT.name, &self.convert),
        ];
        let rows: Vec<_> = all.iter().filter(|(_, runs)| !runs.is_empty()).map(row).collect();
        table::render(&["RUN (best)", "WALL", "CPU", "BYTES", "PEAK"], &rows)
    }

    fn bars(&self, limits_only: bool) -> Vec<Bar> {
        let (qcow2, raw, dd) = (best(&self.qcow2), best(&self.raw), best(&self.dd));
        let mut bars = vec![self.share(&qcow2), self.share_of_cpu(&qcow2)];
        bars.extend([&qcow2, &raw, &dd].map(|run| peak(run, &qcow2, &raw)));
        bars.push(no_temporary(&[&qcow2, &raw, &dd]));
        if !limits_only {
            bars.extend(against(&FUSE, &qcow2, &self.fuse, 10.0));
            bars.extend(against(&MOUNT, &raw, &self.mount, 2.5));
            bars.extend(against(&CONVERT, &dd, &self.convert, 10.0).into_iter().take(1));
        }
        bars
    }

    fn share(&self, ours: &Run) -> Bar {
        let share = best(&self.limit).wall.as_secs_f64() / seconds(ours.wall);
        Bar {
            what: "share of the compression limit, wall".into(),
            figure: format!("{:.1} %", share * 100.0),
            bar: format!("{:.0} %", SHARE * 100.0),
            good: Some(share >= SHARE),
        }
    }

    /// Other load counts twice in wall time, hardly in this.
    fn share_of_cpu(&self, ours: &Run) -> Bar {
        let share = best(&self.limit).cpu.as_secs_f64() / seconds(ours.cpu);
        Bar {
            what: "share of the compression limit, CPU".into(),
            figure: format!("{:.1} %", share * 100.0),
            bar: "shown only".into(),
            good: Some(true),
        }
    }
}

fn against(rival: &Rival, ours: &Run, theirs: &[Run], times: f64) -> Vec<Bar> {
    let run = best(theirs);
    let ratio = run.wall.as_secs_f64() / seconds(ours.wall);
    let measured = |good| (!theirs.is_empty()).then_some(good);
    let faster = Bar {
        what: format!("faster than {}", rival.name),
        figure: format!("{ratio:.1}x"),
        bar: format!("{times:.1}x"),
        good: measured(ratio >= times),
    };
    let smaller = Bar {
        what: "  and not larger".into(),
        figure: format!("{} to {}", table::size(ours.bytes), table::size(run.bytes)),
        bar: "<=".into(),
        good: measured(ours.bytes <= run.bytes),
    };
    vec![faster, smaller]
}

fn peak(run: &Run, qcow2: &Run, raw: &Run) -> Bar {
    let what = match run.bytes {
        _ if std::ptr::eq(run, qcow2) => "qcow2 to tar.gz",
        _ if std::ptr::eq(run, raw) => "raw to tar.gz",
        _ => "qcow2 to dd.gz",
    };
    Bar {
        what: format!("peak memory, {what}"),
        figure: format!("{} MiB", run.peak >> 20),
        bar: format!("< {} MiB", PEAK >> 20),
        good: Some(run.peak < PEAK),
    }
}

fn no_temporary(runs: &[&Run]) -> Bar {
    let extra: Vec<&str> = runs.iter().flat_map(|run| &run.extra).map(String::as_str).collect();
    Bar {
        what: format!("temporary disk: files over {} MiB besides the output", LARGE >> 20),
        figure: if extra.is_empty() { "none".into() } else { extra.join(" ") },
        bar: "none".into(),
        good: Some(extra.is_empty()),
    }
}

impl Bar {
    fn row(&self) -> Vec<String> {
        let result = match self.good {
            None => "skipped",
            Some(true) => "pass",
            Some(false) => "FAIL",
        };
        let figure = if self.good.is_none() { "-".into() } else { self.figure.clone() };
        vec![self.what.clone(), figure, self.bar.clone(), result.into()]
    }
}

fn row((what, runs): &(&str, &Vec<Run>)) -> Vec<String> {
    let run = best(runs);
    let or_dash = |there: bool, text: String| if there { text } else { "-".into() };
    vec![
        (*what).to_owned(),
        format!("{:.2} s", run.wall.as_secs_f64()),
        or_dash(!run.cpu.is_zero(), format!("{:.1} s", run.cpu.as_secs_f64())),
        run.bytes.to_string(),
        or_dash(run.peak > 0, format!("{} MiB", run.peak >> 20)),
    ]
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64().max(1e-9)
}
