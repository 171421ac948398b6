//! `cargo xtask test`: what CI runs, and what to run before a commit.

mod counts;
mod steps;

pub(crate) use self::steps::is_cargos_own;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use self::counts::Counts;
use self::steps::{Program, Step};
use super::{Context, print, setup};
use crate::arch::Arch;
use crate::cmd::{Cmd, CmdError, Line, which};
use crate::exit::{Coded, Exit};
use crate::host;
use crate::table;

/// How much to run.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask test --quick\n  cargo xtask test --setup --yes   \
                        what CI runs\n  cargo xtask test --only clippy --only tests\n\nThe last \
                        line on standard output is `N passed, N failed`, with `, N skipped` if \
                        something was."
)]
pub struct Args {
    /// Leave out the steps that run a virtual machine
    #[arg(long)]
    quick: bool,
    /// Everything: also Debian 13, every machine of a deploy test, the engine's VMs, setup in fresh
    /// systems; deploy tests add to records/. Hours without KVM, as root
    #[arg(long, conflicts_with = "quick")]
    all: bool,
    /// First install what is missing (`cargo xtask setup`)
    #[arg(long)]
    setup: bool,
    /// Do not ask before installing
    #[arg(long, short, requires = "setup")]
    yes: bool,
    /// Run only these steps; may be repeated
    #[arg(long, value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(steps::NAMES))]
    only: Vec<String>,
    /// Show the steps and their commands, run none
    #[arg(long)]
    list: bool,
    /// Time for everything, in minutes; steps that do not fit fail. The goal is 35 for a quiet
    /// machine with 2 cores and no KVM [default: 75, with --all 600]
    #[arg(long, value_name = "MINUTES")]
    limit: Option<u64>,
}

/// What all steps together should take without `--all` on 2 quiet cores without
/// KVM. No limit: a machine that others slow down answers late, but it answers.
pub(crate) const GOAL: Duration = Duration::from_secs(35 * 60);

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

struct Done {
    name: &'static str,
    took: Duration,
    outcome: Outcome,
    counts: Counts,
}

/// Runs the steps, prints how each ended and the total.
///
/// # Errors
/// A failed setup (exit 3), an interrupt, or a log directory that cannot be
/// made. A failed step is no error but exit code 1.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let arch = Arch::host().unwrap_or(Arch::Amd64);
    let only = |step: &Step| args.only.is_empty() || args.only.iter().any(|name| name == step.name);
    let more = if args.all { steps::more(arch, &context.repo.media) } else { vec![] };
    let steps: Vec<Step> = steps::all(arch)
        .into_iter()
        .chain(more)
        .filter(|step| !(args.quick && step.vm) && only(step))
        .collect();
    let tools = Tools::find()?;
    if args.list {
        let lines =
            steps.iter().map(|s| format!("{:<15} {:#}\n", s.name, tools.command(s, context)));
        print(&lines.collect::<String>())?;
        return Ok(Exit::Ok);
    }
    if args.setup {
        install(args, context)?;
    }
    let logs = context.repo.out.join("test");
    std::fs::create_dir_all(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let limit = args.limit.unwrap_or(if args.all { 600 } else { 75 });
    let runner = Runner { tools, logs, deadline: deadline(limit), context };
    let done = runner.all(&steps)?;
    let total = total(&done);
    let goal = if args.all { Duration::MAX } else { GOAL };
    print(&summary(&done, &total, &runner.logs, goal))?;
    Ok(if total.failed == 0 { Exit::Ok } else { Exit::Failed })
}

fn deadline(minutes: u64) -> Instant {
    let limit = Duration::from_secs(minutes.saturating_mul(60));
    let now = Instant::now();
    now.checked_add(limit).unwrap_or(now)
}

fn install(args: &Args, context: &Context) -> Result<()> {
    let options = host::Options::new(&context.repo.out, &context.repo.media, None);
    // Everything means stand-in media of both architectures.
    let arch = if args.all { vec![Arch::Amd64, Arch::Arm64] } else { vec![] };
    // `validate --strict` makes a skipped validator an error.
    let wanted = setup::Args { yes: args.yes, validators: true, arch, ..setup::Args::default() };
    setup::ensure(&wanted, &host::probe(&options)).map(drop)
}

/// The programs that steps run. Found once: `cargo test` may replace the very
/// file we run from, and then the kernel calls it `… (deleted)`.
struct Tools {
    cargo: PathBuf,
    xtask: PathBuf,
    bash: PathBuf,
}

impl Tools {
    fn find() -> Result<Self> {
        let cargo = which("cargo").or_else(|| std::env::var_os("CARGO").map(PathBuf::from));
        let missing = || Coded::host("`cargo` is not on PATH\n  hint: https://rustup.rs");
        let xtask = std::env::current_exe().context("cannot tell which file this program is")?;
        Ok(Self { cargo: cargo.ok_or_else(missing)?, xtask, bash: "bash".into() })
    }

    /// The step as a command without what `cargo run` put into our environment:
    /// a cargo that inherits it builds everything again.
    fn command(&self, step: &Step, context: &Context) -> Cmd {
        let repo = &context.repo;
        let dir = |path: &Path| path.as_os_str().to_owned();
        let (program, global): (&Path, Vec<OsString>) = match step.program {
            Program::Cargo => (&self.cargo, vec![]),
            Program::Script => (&self.bash, vec![]),
            Program::Tool => (Path::new(step.args.first().map_or("", String::as_str)), vec![]),
            Program::Xtask => (
                &self.xtask,
                vec![
                    "--root".into(),
                    dir(&repo.root),
                    "--out".into(),
                    dir(&repo.out),
                    "--media-dir".into(),
                    dir(&repo.media),
                ],
            ),
        };
        let names = std::env::vars_os().map(|(name, _)| name);
        let leaked = names.filter(|name| name.to_str().is_some_and(is_cargos_own));
        let command = Cmd::new(program, format!("pass `{}`", step.name)).cwd(&repo.root);
        let own = usize::from(step.program == Program::Tool);
        let command = command.args(global).args(step.args.iter().skip(own));
        let command =
            step.env.iter().fold(command, |command, (name, value)| command.env(name, value));
        leaked.fold(command, Cmd::env_remove)
    }
}

struct Runner<'c> {
    tools: Tools,
    logs: PathBuf,
    deadline: Instant,
    context: &'c Context,
}

impl Runner<'_> {
    fn all(&self, steps: &[Step]) -> Result<Vec<Done>> {
        let mut done: Vec<Done> = vec![];
        for step in steps {
            let passed =
                |name: &str| done.iter().all(|d| d.name != name || d.outcome == Outcome::Passed);
            let result = match step.after.iter().find(|name| !passed(name)) {
                Some(name) => skipped(step, &format!("`{name}` did not pass")),
                None => match step.needs.and_then(|need| need.missing()) {
                    Some(why) => skipped(step, &why),
                    None => self.one(step)?,
                },
            };
            done.push(result);
        }
        Ok(done)
    }

    fn one(&self, step: &Step) -> Result<Done> {
        let start = Instant::now();
        let left = self.deadline.saturating_duration_since(start);
        if left.is_zero() {
            let why = "no time left (--limit)".to_owned();
            return Ok(finished(step, start, Outcome::Failed(why), Counts::default()));
        }
        let log = self.logs.join(format!("{}.log", step.name));
        drop(std::fs::remove_file(&log)); // the command appends
        let command = self.tools.command(step, self.context);
        eprintln!("== {}: {command:#}", step.name);
        let command = command.log(&log).timeout(step.limit.min(left));
        let mut counts = Counts::default();
        let verbose = self.context.verbose > 0;
        let result = command.stream(|line: Line<'_>| {
            let text = String::from_utf8_lossy(line.bytes);
            counts.add_line(&text);
            if verbose || !counts::is_noise(&text) {
                eprintln!("{}", text.trim_end());
            }
        });
        match result {
            Ok(_) => Ok(finished(step, start, Outcome::Passed, counts)),
            Err(error) if error.is_interrupted() => {
                Err(Coded { exit: Exit::Interrupted, message: error.to_string() }.into())
            }
            Err(error) => Ok(finished(step, start, Outcome::Failed(headline(&error)), counts)),
        }
    }
}

/// The first line of an error: its output went by already.
fn headline(error: &CmdError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn skipped(step: &Step, why: &str) -> Done {
    eprintln!("== {}: skip: {why}", step.name);
    let outcome = Outcome::Skipped(why.to_owned());
    Done { name: step.name, took: Duration::ZERO, outcome, counts: Counts::default() }
}

fn finished(step: &Step, start: Instant, outcome: Outcome, counts: Counts) -> Done {
    let took = start.elapsed();
    eprintln!("== {}: {} in {}", step.name, word(&outcome), table::minutes(took));
    Done { name: step.name, took, outcome, counts: counts.settled() }
}

const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "ok",
        Outcome::Failed(_) => "FAIL",
        Outcome::Skipped(_) => "skip",
    }
}

/// A step counts as the tests it ran, or as one if it is no step of tests.
fn total(done: &[Done]) -> Counts {
    let mut total = Counts::default();
    for step in done {
        let own = &step.counts;
        total.passed += own.passed;
        total.failed += own.failed;
        total.skipped += own.skipped;
        match step.outcome {
            Outcome::Passed if own.passed == 0 && !own.results => total.passed += 1,
            Outcome::Failed(_) if own.failed == 0 => total.failed += 1,
            Outcome::Skipped(_) => total.skipped += 1,
            Outcome::Passed | Outcome::Failed(_) => {}
        }
    }
    total
}

fn summary(done: &[Done], total: &Counts, logs: &Path, goal: Duration) -> String {
    let mut text = String::new();
    for step in done {
        let note = match &step.outcome {
            Outcome::Passed => String::new(),
            Outcome::Failed(why) => format!("{why}; log {}/{}.log", logs.display(), step.name),
            Outcome::Skipped(why) => why.clone(),
        };
        let time = table::minutes(step.took);
        let line = format!("  {:<5} {:<15} {time:>6}  {note}", word(&step.outcome), step.name);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let time: Duration = done.iter().map(|step| step.took).sum();
    let late = if time > goal {
        format!(", over the goal of {}", table::minutes(goal))
    } else {
        String::new()
    };
    text.push_str(&format!("{} steps in {}{late}\n{total}\n", done.len(), table::minutes(time)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &'static str, outcome: Outcome, counts: (u64, u64, u64)) -> Done {
        let counts =
            Counts { passed: counts.0, failed: counts.1, skipped: counts.2, ..Counts::default() };
        Done { name, took: Duration::from_secs(61), outcome, counts }
    }

    #[test]
    fn the_last_line_is_the_total() {
        let all = [
            done("fmt", Outcome::Passed, (0, 0, 0)),
            done("tests", Outcome::Passed, (40, 0, 2)),
            done("build", Outcome::Failed("x".into()), (0, 0, 0)),
            done("deploy", Outcome::Skipped("`build` did not pass".into()), (0, 0, 0)),
        ];
        let text = summary(&all, &total(&all), Path::new("/o"), GOAL);
        assert_eq!(text.lines().last(), Some("41 passed, 1 failed, 3 skipped"));
        assert!(text.contains("  FAIL  build             1:01  x; log /o/build.log\n"), "{text}");
        let good = [done("fmt", Outcome::Passed, (0, 0, 0))];
        let text = summary(&good, &total(&good), Path::new("/o"), Duration::from_secs(60));
        assert!(text.contains("1 steps in 1:01, over the goal of 1:00\n"), "{text}");
        assert_eq!(text.lines().last(), Some("1 passed, 0 failed"));
    }

    #[test]
    fn a_step_whose_only_test_could_not_run_did_not_pass() {
        let mut counts = Counts::default();
        counts.add_line("skipped: Wine is not installed");
        counts.add_line("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured");
        let all = [Done { counts: counts.settled(), ..done("x", Outcome::Passed, (0, 0, 0)) }];
        assert_eq!(total(&all).to_string(), "0 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_test_step_that_does_not_compile_fails() {
        let all = [done("tests", Outcome::Failed("exit 101".into()), (12, 0, 0))];
        assert_eq!(total(&all).to_string(), "12 passed, 1 failed");
    }
}
