//! `cargo xtask build`: targets to checked artifacts.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use packer_hcl::duration;

use super::plan::PlanFlags;
use super::{Context, deploy_test, selected};
use crate::build::board::Board;
use crate::build::engine::{Choice, Engine};
use crate::build::html;
use crate::build::ledger::{Gate, Ledger};
use crate::build::many::{self, AfterFailure, Crew, Ended, Policy};
use crate::build::output::{write_atomic, write_shared};
use crate::build::run::{Limits, Outcome, Settings};
use crate::build::sign::Signer;
use crate::build::summary::{self, LastRun};
use crate::catalog::Target;
use crate::cli::{Format, Targets};
use crate::deploy::outputs;
use crate::engine::host::View;
use crate::engine::run::OnError;
use crate::exit::{self, Coded, Exit};
use crate::finding::Findings;
use crate::given;
use crate::maas::credentials::ServerFlags;
use crate::pipeline::Preparation;
use crate::signal::CancelToken;

/// Which targets, and how they are built.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask build debian-12-mirror --setup\n  cargo xtask build rhel9 --iso rhel-9.6-x86_64-dvd.iso\n  cargo xtask build 'debian-1[23]' --jobs 2 --upload --profile admin\n  cargo xtask build debian-12-mirror --deploy-test\n  cargo xtask build --rerun-failed --retries 2 --junit out/build.xml\n  cargo xtask build debian-12 --sign gpg:images@example.org --screenshots=5"
)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    flags: PlanFlags,
    /// Who runs the VM
    #[arg(long, value_enum, default_value_t, env = "XTASK_ENGINE")]
    engine: Choice,
    /// Build even if nothing changed
    #[arg(long, visible_alias = "force")]
    refresh: bool,
    /// Touch no network; media must be there
    #[arg(long)]
    offline: bool,
    /// Trust a checksum list whose signature is missing or wrong
    #[arg(long, env = "XTASK_UNSIGNED_MEDIA")]
    unsigned_media: bool,
    /// Show what would be done; nothing runs
    #[arg(long)]
    dry_run: bool,
    /// Install what is missing first
    #[arg(long)]
    setup: bool,
    /// Do not ask before installing
    #[arg(long, requires = "setup")]
    yes: bool,
    /// Go on with other targets after a failure
    #[arg(long, conflicts_with = "fail_fast")]
    keep_going: bool,
    /// After a failure also end the builds that run [default: only start no more]
    #[arg(long)]
    fail_fast: bool,
    /// Builds at once [default: as many as memory, CPUs and disk carry]
    #[arg(long, short, value_name = "N", value_parser = at_least_one)]
    jobs: Option<usize>,
    /// Memory for all VMs together, in MiB [default: what is free, less 1024]
    #[arg(long, value_name = "MIB", value_parser = mebibytes)]
    memory: Option<u64>,
    /// More attempts after a failure that may pass by itself, such as of a network
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = given::number::<u32>)]
    retries: u32,
    /// Build what failed or was not started in the last run
    #[arg(long, conflicts_with_all = ["targets", "all"])]
    rerun_failed: bool,
    /// Also write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Progress for people on stderr, or events for programs on stdout
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// What happens to the VM of a failed build
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    on_error: OnErrorArg,
    /// Watch the VM: a window, or VNC on 127.0.0.1
    #[arg(long)]
    view: bool,
    /// Keep a picture of the guest's screen every N seconds; shown in the report
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", require_equals = true,
        value_parser = clap::value_parser!(u64).range(1..))]
    screenshots: Option<u64>,
    /// Give up a guest in which nothing happens for that long
    #[arg(long, value_name = "TIME", default_value = "20m", value_parser = time)]
    stall: Duration,
    /// Give up a guest that asked for no answer file that long after the last key;
    /// emulated guests get six times as long
    #[arg(long, value_name = "TIME", default_value = "4m", value_parser = time)]
    fetch: Duration,
    /// Sign SHA256SUMS: gpg:KEYID (its agent asks for the passphrase) or minisign:FILE
    /// (passphrase from the file that XTASK_SIGN_PASSWORD_FILE names)
    #[arg(long, value_name = "TOOL:KEY")]
    sign: Option<Signer>,
    /// Deploy what was built in a VM of its own; what fails is not uploaded
    #[arg(long)]
    deploy_test: bool,
    /// Upload what was built to MAAS; the server is checked before the first build
    #[arg(long)]
    upload: bool,
    #[command(flatten)]
    server: ServerFlags,
}

fn mebibytes(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a number of MiB is needed, for example 8192".into())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "a number from 1 on is needed".into())
}

/// A time as templates write it.
fn time(text: &str) -> Result<Duration, String> {
    match duration::parse(text)? {
        Duration::ZERO => Err("a time such as 90s or 20m is needed".into()),
        time => Ok(time),
    }
}

/// `--on-error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnErrorArg {
    /// End it
    #[default]
    Clean,
    /// Let it run, for `cargo xtask ssh`
    Keep,
    /// Ask
    Ask,
}

/// Builds.
///
/// # Errors
/// Usage, host or catalog problems; failed builds are reported and counted.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    if args.setup {
        super::setup::run(&super::setup::Args { yes: args.yes, ..Default::default() }, context)?;
    }
    let catalog = context.repo.catalog()?;
    let targets = selected(&catalog, &wanted(args, context)?)?;
    let mut preparation = Preparation::new(&context.repo, args.flags.firmware.clone());
    let mut settings = settings(args, context)?;
    if args.dry_run {
        return dry_run(&targets, &mut preparation, &settings, args.format);
    }
    args.sign.as_ref().map(Signer::check).transpose()?;
    let maas = args.upload.then(|| super::upload::ready(&args.server)).transpose()?;
    announce(&settings.engine, &mut preparation, &targets);
    let kvm = targets.first().is_some_and(|t| preparation.accelerator(t.arch) == "kvm");
    let budget = many::budget(&context.repo.out, kvm, args.jobs, args.memory);
    let ledger = Ledger::of_user().inspect_err(|why| eprintln!("warning: {why:#}")).ok();
    LastRun::begin(&context.repo.out, &targets)?;
    let device = device(&context.repo.out);
    settings.gate = ledger.map(|ledger| Gate { ledger, budget, device });
    let crew = Crew {
        repo: &context.repo,
        preparation: &Mutex::new(preparation),
        settings: &settings,
        board: &Arc::new(Board::new(args.format == Format::Json, context.verbose)),
        policy: Policy { budget, after_failure: after_failure(args), retries: args.retries },
    };
    let start = Instant::now();
    let ended = crew.run(&targets);
    let page = Page { engine: engine_of(&settings, kvm), wall: start.elapsed() };
    page.write(context, &targets, &ended)?;
    let mut exit = conclude(args, context, &targets, &ended)?;
    if args.deploy_test && exit != Exit::Interrupted {
        let tested = deploy_tests(context, &targets, &ended)?;
        // With the tests on it.
        page.write(context, &targets, &ended)?;
        exit = if exit == Exit::Ok { tested } else { exit };
    }
    match maas {
        Some(maas) if exit != Exit::Interrupted => {
            let good = ended.iter().filter(|e| matches!(e.result, Some(Ok(_))));
            let built = good.filter_map(|e| targets.get(e.index).copied());
            let built = built.filter(|target| !args.deploy_test || passed(context, target));
            let uploaded = super::upload::built(&maas, built, context)?;
            Ok(if exit == Exit::Ok { uploaded } else { exit })
        }
        _ => Ok(exit),
    }
}

/// The file system of the outputs.
fn device(out: &Path) -> u64 {
    std::fs::metadata(out).map_or(0, |meta| meta.dev())
}

/// The page's name in the output directory.
const REPORT: &str = "report.html";

/// Deploys what was built, one after the other: each takes two VMs.
fn deploy_tests(context: &Context, targets: &[&Target], ended: &[Ended]) -> Result<Exit> {
    let mut exit = Exit::Ok;
    for e in ended.iter().filter(|e| matches!(e.result, Some(Ok(_)))) {
        let Some(target) = targets.get(e.index) else { continue };
        let report = deploy_test::test(&deploy_test::Args::of_target(&target.id), context)?;
        eprint!("{report}");
        if !report.passed {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

/// Whether the last deploy test of a target's artifact passed.
fn passed(context: &Context, target: &Target) -> bool {
    outputs::last(&context.repo.out_dir(&target.id)).is_some_and(|report| report.passed)
}

/// What the page says about the whole run.
struct Page {
    engine: String,
    wall: Duration,
}

/// Who ran the VMs, and how fast.
fn engine_of(settings: &Settings, kvm: bool) -> String {
    let speed = if kvm { "KVM" } else { "emulation" };
    format!("{} · {speed}", settings.engine.describe())
}

impl Page {
    /// Writes it, unless nothing had to be done.
    fn write(&self, context: &Context, targets: &[&Target], ended: &[Ended]) -> Result<()> {
        if ended.iter().all(|e| matches!(e.result, Some(Ok(Outcome::UpToDate(_))))) {
            return Ok(());
        }
        let Self { engine, wall } = self;
        let path = context.repo.out.join(REPORT);
        let page =
            html::page(&html::Run { repo: &context.repo, targets, ended, engine, wall: *wall });
        write_shared(&context.repo.out, REPORT, page.as_bytes())?;
        eprintln!("report: {}", context.repo.show(&path));
        Ok(())
    }
}

/// The targets named, or those that the last run left.
fn wanted(args: &Args, context: &Context) -> Result<Targets> {
    if !args.rerun_failed {
        return Ok(args.targets.clone());
    }
    let unfinished = LastRun::read(&context.repo.out).unfinished();
    if unfinished.is_empty() {
        return Err(Coded::nothing(
            "--rerun-failed: no build of the last run failed, so there is nothing to do\n  hint: name targets to build others",
        ));
    }
    Ok(Targets { targets: unfinished, ..args.targets.clone() })
}

const fn after_failure(args: &Args) -> AfterFailure {
    match (args.keep_going, args.fail_fast) {
        (true, _) => AfterFailure::KeepGoing,
        (_, true) => AfterFailure::EndAll,
        _ => AfterFailure::StartNoMore,
    }
}

fn settings(args: &Args, context: &Context) -> Result<Settings> {
    let on_error = match args.on_error {
        OnErrorArg::Clean => OnError::Clean,
        OnErrorArg::Keep => OnError::Keep,
        OnErrorArg::Ask => OnError::Ask,
    };
    Ok(Settings {
        options: args.flags.options()?,
        engine: Engine::choose(args.engine, on_error)?,
        refresh: args.refresh,
        offline: args.offline,
        unsigned_media: args.unsigned_media,
        verbose: context.verbose,
        on_error,
        view: if args.view { View::Screen } else { View::None },
        screenshots: args.screenshots.map(Duration::from_secs),
        limits: Limits { stall: args.stall, fetch: args.fetch },
        sign: args.sign.clone(),
        cancel: CancelToken::global().child(),
        gate: None,
    })
}

fn dry_run(
    targets: &[&Target],
    preparation: &mut Preparation,
    settings: &Settings,
    format: Format,
) -> Result<Exit> {
    let mut plans = vec![];
    for target in targets {
        let resolved = preparation.resolve(target, &settings.options).map_err(|findings| {
            Coded { exit: Exit::Usage, message: Findings(findings).to_string() }
        })?;
        plans.push(resolved.plan);
    }
    super::plan::write(&plans, targets, preparation.root(), format)?;
    Ok(Exit::Ok)
}

/// The first line: who builds, with what, how slowly.
fn announce(engine: &Engine, preparation: &mut Preparation, targets: &[&Target]) {
    let Some(first) = targets.first() else { return };
    let who = match engine {
        Engine::Builtin { why } => format!("built-in engine ({why})"),
        packer @ Engine::Packer(_) => packer.describe(),
    };
    let qemu = preparation.qemu(first.arch).and_then(|q| q.version);
    let version = qemu.map_or_else(|| "missing".into(), |v| v.to_string());
    let speed = match preparation.accelerator(first.arch) {
        "kvm" => "KVM",
        _ => "no usable KVM: emulation, expect about 6 times the time",
    };
    eprintln!("{who} · QEMU {version} · {speed}");
}

/// One failure decides the exit code by its kind, several are exit 1.
fn conclude(args: &Args, context: &Context, targets: &[&Target], ended: &[Ended]) -> Result<Exit> {
    if let Some(path) = &args.junit {
        write_atomic(path, summary::junit(targets, ended).as_bytes())?;
    }
    summary::tell_github(targets, ended)?;
    if CancelToken::global().is_set() {
        return Ok(Exit::Interrupted);
    }
    for never in ended.iter().filter(|e| e.result.is_none()) {
        let target = targets.get(never.index);
        eprintln!(
            "{}",
            target.map_or_else(String::new, |t| summary::line(&context.repo, t, never))
        );
    }
    let failed: Vec<&anyhow::Error> =
        ended.iter().filter_map(|e| e.result.as_ref()?.as_ref().err()).collect();
    if ended.len() > 1 {
        let good = ended.iter().filter(|e| matches!(e.result, Some(Ok(_)))).count();
        eprintln!("{good} of {} built", ended.len());
        let ids: Vec<&str> = targets.iter().map(|target| target.id.as_str()).collect();
        eprint!("{}", summary::left(&ids, ended));
    }
    Ok(match failed.as_slice() {
        [] => Exit::Ok,
        [one] if ended.len() == 1 => exit::of(one),
        _ => Exit::Failed,
    })
}
