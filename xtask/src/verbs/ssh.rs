//! `cargo xtask ssh`: into a VM that `build --on-error keep` left running.

use anyhow::{Result, anyhow};

use super::{Context, selected};
use crate::cli::Targets;
use crate::engine::host::WorkPaths;
use crate::engine::keep::KeptVm;
use crate::exit::{Coded, Exit};
use crate::plan::conventions::Place;

/// Which VM, and what to run in it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask ssh debian-12-mirror\n  cargo xtask ssh debian-12-mirror -- journalctl -b\n  cargo xtask ssh debian-12-mirror --end"
)]
pub struct Args {
    /// The target whose VM was kept
    #[arg(value_name = "TARGET")]
    target: String,
    /// Command to run there [default: a shell]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// End the VM instead
    #[arg(long, conflicts_with = "command")]
    end: bool,
}

/// Logs in, or ends the VM.
///
/// # Errors
/// No VM was kept, it is gone, or its source has no SSH.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let wanted = Targets { targets: vec![args.target.clone()], all: false, arch: None };
    let targets = selected(&catalog, &wanted)?;
    let target = super::only(&args.target, &targets)?;
    let work = Place::work_dir(&context.repo.out, &target.id);
    let paths = WorkPaths::at(&work, &context.repo.root.join(&target.image));
    let vm = KeptVm::load(&paths.kept())
        .map_err(|t| anyhow!(t.message))?
        .filter(KeptVm::is_running)
        .ok_or_else(|| none(&target.id))?;
    if args.end {
        vm.end();
        eprintln!("the VM of {} has ended", target.id);
        return Ok(Exit::Ok);
    }
    let program = std::env::current_exe()?;
    let command = vm
        .ssh_command(&program, &context.repo.root, &args.command)
        .ok_or_else(|| without_ssh(&target.id))?;
    command.interactive()?;
    Ok(Exit::Ok)
}

fn without_ssh(target: &str) -> anyhow::Error {
    Coded::usage(format!(
        "the VM of {target} takes no SSH: its template has communicator = \"none\"\n  hint: \
         cargo xtask build {target} --view shows its screen; cargo xtask ssh {target} --end ends it"
    ))
}

fn none(target: &str) -> anyhow::Error {
    Coded::nothing(format!(
        "no VM of {target} is running\n  hint: cargo xtask build {target} --on-error keep leaves one if the build fails"
    ))
}
