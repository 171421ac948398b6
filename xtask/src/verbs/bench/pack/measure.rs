//! Runs of whole programs, with what they took.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::cmd::Cmd;

/// What one run took.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    /// Wall time.
    pub(super) wall: Duration,
    /// CPU time of the process and what it waited for.
    pub(super) cpu: Duration,
    /// Bytes of output.
    pub(super) bytes: u64,
    /// Largest resident set in bytes; 0 if not watched.
    pub(super) peak: u64,
    /// Large files besides the output that it had open for writing.
    pub(super) extra: Vec<String>,
}

/// The run of `all` that took least wall time, with the highest peak of any.
pub(super) fn best(all: &[Run]) -> Run {
    let fastest = all.iter().min_by_key(|run| run.wall).cloned().unwrap_or_default();
    let peak = all.iter().map(|run| run.peak).max().unwrap_or(0);
    let mut extra: Vec<String> = all.iter().flat_map(|run| run.extra.clone()).collect();
    extra.sort();
    extra.dedup();
    Run { peak, extra, ..fastest }
}

const LIMIT: Duration = Duration::from_secs(3600);
/// The lists beside the artifact stay below this; a copy of a disk does not.
pub(super) const LARGE: u64 = 16 << 20;
/// Between two looks at a running program.
const TICK: Duration = Duration::from_millis(20);

/// Runs a shell script in `dir` and takes the size of the file `output`.
pub(super) fn script(
    dir: &Path,
    purpose: &str,
    text: &str,
    env: &[(&str, &Path)],
    output: &str,
) -> Result<Run> {
    // `times` writes two lines: of the shell, then of its children.
    let text = format!("set -eu\n{text}\ntimes >times\n");
    let mut cmd = Cmd::new("bash", purpose).cwd(dir).args(["-c", &text]).timeout(LIMIT);
    for (name, value) in env {
        cmd = cmd.env(name, value);
    }
    let started = Instant::now();
    cmd.log(dir.join("bench.log")).run()?;
    let wall = started.elapsed();
    let times = fs::read_to_string(dir.join("times")).with_context(|| {
        let log = dir.join("bench.log");
        format!("{purpose}: the shell left no times; what it said is in {}", log.display())
    })?;
    let cpu: Duration = times.split_whitespace().filter_map(shell_time).sum();
    let bytes = made(dir, output)?;
    eprintln!("    {:.2} s, {:.1} s of CPU", wall.as_secs_f64(), cpu.as_secs_f64());
    Ok(Run { wall, cpu, bytes, ..Run::default() })
}

/// Size of what was made.
fn made(dir: &Path, output: &str) -> Result<u64> {
    let path = dir.join(output);
    let meta = fs::metadata(&path);
    let missing = || {
        let log = dir.join("bench.log");
        format!("{} was not made; what was said is in {}", path.display(), log.display())
    };
    Ok(meta.with_context(missing)?.len())
}

/// `1m2.345s`
fn shell_time(text: &str) -> Option<Duration> {
    let (minutes, seconds) = text.strip_suffix('s')?.split_once('m')?;
    let seconds: f64 = seconds.parse().ok()?;
    Duration::try_from_secs_f64(minutes.parse::<f64>().ok()? * 60.0 + seconds).ok()
}

/// Runs this program and watches its memory and its files. An artifact that
/// breaks the contract counts: the disk has no boot loader of its own.
pub(super) fn ourselves(dir: &Path, args: &[&str], output: &str) -> Result<Run> {
    let program = std::env::current_exe()?;
    let child =
        Cmd::new(program, "pack").cwd(dir).args(args).success(&[0, 1]).log(dir.join("bench.log"));
    let mut run = Run::default();
    let started = Instant::now();
    let child = child.spawn()?;
    let proc = PathBuf::from(format!("/proc/{}", child.id()));
    while child.is_running() {
        if started.elapsed() > LIMIT {
            bail!(
                "{output} takes more than an hour, which no machine needs\n  hint: see {}, and what \
                 else this machine does",
                dir.join("bench.log").display()
            );
        }
        look(&proc, output, &mut run);
        std::thread::sleep(TICK);
    }
    run.wall = started.elapsed();
    // It is still there, as a zombie, until it is waited for.
    run.cpu = cpu(&proc).unwrap_or(run.cpu);
    child.wait_within(None)?;
    let rejected = dir.join(format!("{output}.rejected"));
    if rejected.exists() {
        fs::rename(rejected, dir.join(output))?;
    }
    run.bytes = made(dir, output)?;
    eprintln!("    {:.2} s, {:.1} s of CPU", run.wall.as_secs_f64(), run.cpu.as_secs_f64());
    Ok(run)
}

fn look(proc: &Path, output: &str, run: &mut Run) {
    let status = fs::read_to_string(proc.join("status")).unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    run.peak = run.peak.max(kib.unwrap_or(0) * 1024);
    run.cpu = cpu(proc).unwrap_or(run.cpu);
    for entry in fs::read_dir(proc.join("fd")).into_iter().flatten().flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let shown = target.to_string_lossy().into_owned();
        let large = fs::metadata(entry.path()).is_ok_and(|meta| meta.len() >= LARGE);
        let writes =
            large && fs::symlink_metadata(entry.path()).is_ok_and(|meta| is_writable(&meta));
        let known = shown.contains(output) || shown.ends_with("bench.log");
        if writes && target.is_absolute() && !shown.starts_with("/dev/") && !known {
            run.extra.push(shown);
        }
    }
    run.extra.dedup();
}

/// Links in `/proc/PID/fd` carry the rights of the open file.
fn is_writable(meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    meta.permissions().mode() & 0o200 != 0
}

/// CPU time of this process.
pub(super) fn own_cpu() -> Duration {
    cpu(Path::new("/proc/self")).unwrap_or_default()
}

/// Time of a process in user and system mode: fields 14 and 15 of `proc(5)`.
fn cpu(proc: &Path) -> Option<Duration> {
    let stat = fs::read_to_string(proc.join("stat")).ok()?;
    let after = stat.rsplit_once(") ")?.1;
    let mut fields = after.split(' ').skip(11).map(str::parse::<u64>);
    let ticks = fields.next()?.ok()? + fields.next()?.ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Duration::from_millis(ticks * 1000 / per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_shells_write_them() {
        assert_eq!(shell_time("0m0.000s"), Some(Duration::ZERO));
        assert_eq!(shell_time("2m3.500s"), Some(Duration::from_millis(123_500)));
        assert_eq!(shell_time("x"), None);
    }

    #[test]
    fn our_own_process_has_used_time_and_has_files() {
        let mut run = Run::default();
        look(Path::new("/proc/self"), "nothing", &mut run);
        assert!(run.peak > 1 << 20, "{run:?}");
        let dir = tempfile::tempdir().unwrap();
        fs::File::create(dir.path().join("temp")).unwrap().set_len(LARGE - 1).unwrap();
        let file = fs::File::options().write(true).open(dir.path().join("temp")).unwrap();
        look(Path::new("/proc/self"), "nothing", &mut run);
        assert!(!run.extra.iter().any(|file| file.ends_with("/temp")), "{run:?}");
        file.set_len(LARGE).unwrap();
        look(Path::new("/proc/self"), "nothing", &mut run);
        assert!(run.extra.iter().any(|file| file.ends_with("/temp")), "{run:?}");
    }

    #[test]
    fn the_best_run_is_the_fastest_with_the_worst_peak() {
        let run = |ms, peak| Run { wall: Duration::from_millis(ms), peak, ..Run::default() };
        let best = best(&[run(3, 5), run(2, 1), run(4, 9)]);
        assert_eq!((best.wall.as_millis(), best.peak), (2, 9));
    }
}
