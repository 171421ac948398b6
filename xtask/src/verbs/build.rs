//! `cargo xtask build`: targets to checked artifacts.

use std::time::Instant;

use anyhow::Result;

use super::plan::PlanFlags;
use super::{Context, print, selected};
use crate::build::engine::{Choice, Engine};
use crate::build::run::{self, Outcome, Settings};
use crate::catalog::Target;
use crate::cli::Targets;
use crate::engine::host::View;
use crate::engine::run::OnError;
use crate::exit::{self, Coded, Exit};
use crate::finding::Findings;
use crate::maas::credentials::ServerFlags;
use crate::pipeline::Preparation;
use crate::signal::CancelToken;
use crate::table;

/// Which targets, and how they are built.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask build debian-12-mirror --setup\n  cargo xtask build rhel9 --iso rhel-9.6-x86_64-dvd.iso\n  cargo xtask build 'debian-1[23]' --keep-going --upload --profile admin"
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
    /// Stop at the first failure [default]
    #[arg(long)]
    fail_fast: bool,
    /// What happens to the VM of a failed build
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    on_error: OnErrorArg,
    /// Watch the VM: a window, or VNC on 127.0.0.1
    #[arg(long)]
    view: bool,
    /// Upload what was built to MAAS; the server is checked before the first build
    #[arg(long)]
    upload: bool,
    #[command(flatten)]
    server: ServerFlags,
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
    let targets = selected(&catalog, &args.targets)?;
    let mut preparation = Preparation::new(&context.repo, args.flags.firmware.clone());
    let settings = settings(args, context)?;
    if args.dry_run {
        return dry_run(&targets, &mut preparation, &settings);
    }
    let maas = args.upload.then(|| super::upload::ready(&args.server)).transpose()?;
    announce(&settings.engine, &mut preparation, &targets);
    let mut results = vec![];
    for target in &targets {
        let started = Instant::now();
        let result = run::build(&context.repo, &mut preparation, target, &settings);
        report(context, target, &result, started);
        let failed = result.is_err();
        results.push(result);
        if CancelToken::global().is_set() || (failed && !args.keep_going) {
            break;
        }
    }
    let exit = conclude(&results, context);
    let built = targets.iter().zip(&results).filter(|(_, r)| r.is_ok()).map(|(t, _)| *t);
    match maas {
        Some(maas) if exit != Exit::Interrupted => {
            let uploaded = super::upload::built(&maas, built, context)?;
            Ok(if exit == Exit::Ok { uploaded } else { exit })
        }
        _ => Ok(exit),
    }
}

fn settings(args: &Args, context: &Context) -> Result<Settings> {
    Ok(Settings {
        options: args.flags.options()?,
        engine: Engine::choose(args.engine)?,
        refresh: args.refresh,
        offline: args.offline,
        verbose: context.verbose,
        on_error: match args.on_error {
            OnErrorArg::Clean => OnError::Clean,
            OnErrorArg::Keep => OnError::Keep,
            OnErrorArg::Ask => OnError::Ask,
        },
        view: if args.view { View::Screen } else { View::None },
    })
}

fn dry_run(
    targets: &[&Target],
    preparation: &mut Preparation,
    settings: &Settings,
) -> Result<Exit> {
    for target in targets {
        let resolved = preparation.resolve(target, &settings.options).map_err(|findings| {
            Coded { exit: Exit::Usage, message: Findings(findings).to_string() }
        })?;
        print(&super::plan::text(&resolved.plan))?;
    }
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

fn report(context: &Context, target: &Target, result: &Result<Outcome>, started: Instant) {
    let path = context.repo.out_dir(&target.id).join(target.artifact_name());
    let path = context.repo.show(&path);
    match result {
        Ok(Outcome::UpToDate(manifest)) => eprintln!(
            "  up to date  {path}  sources last checked {}  ({} ms)",
            manifest.sources_checked,
            started.elapsed().as_millis()
        ),
        Ok(Outcome::Built { manifest, times }) => eprintln!(
            "  ok    {path}  {}  sha256 {}…  {times}",
            table::size(manifest.artifact.size),
            manifest.artifact.sha256.get(..12).unwrap_or_default(),
        ),
        Err(error) => {
            let text = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
            eprintln!("  FAIL  {}  after {}\n{text}", target.id, table::minutes(started.elapsed()));
        }
    }
}

/// One failure decides the exit code by its kind, several are exit 1.
fn conclude(results: &[Result<Outcome>], _context: &Context) -> Exit {
    let failed: Vec<&anyhow::Error> = results.iter().filter_map(|r| r.as_ref().err()).collect();
    if CancelToken::global().is_set() {
        return Exit::Interrupted;
    }
    if results.len() > 1 {
        eprintln!("{} of {} built", results.len() - failed.len(), results.len());
    }
    match failed.as_slice() {
        [] => Exit::Ok,
        [one] if results.len() == 1 => exit::of(one),
        _ => Exit::Failed,
    }
}
