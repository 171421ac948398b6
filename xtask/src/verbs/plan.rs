//! `cargo xtask plan`: what a build would do; nothing runs.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Context, print, selected};
use crate::arch::Arch;
use crate::catalog::Target;
use crate::cli::{Format, Targets};
use crate::exit::{Coded, Exit};
use crate::finding::Findings;
use crate::given;
use crate::host::firmware;
use crate::pipeline::Preparation;
use crate::plan::{Options, Plan, show};

/// Flags that change a plan; shared with `build`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Template options")]
pub struct PlanFlags {
    /// Sets a variable of the template; the READMEs list them
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_value)]
    pub vars: Vec<(String, String)>,
    /// Reads variables from a file
    #[arg(long, value_name = "FILE")]
    pub var_file: Vec<PathBuf>,
    /// Your installation medium
    #[arg(long, value_name = "FILE")]
    pub iso: Option<PathBuf>,
    /// Script that runs as root in the VM after everything is installed
    #[arg(long, value_name = "FILE")]
    pub customize: Option<PathBuf>,
    /// Firmware code and variables instead of the host's: CODE.fd,VARS.fd
    #[arg(long, env = "XTASK_FIRMWARE", value_name = "CODE,VARS")]
    pub firmware: Option<String>,
}

impl PlanFlags {
    /// The options with absolute paths; files that do not exist are errors now.
    ///
    /// # Errors
    /// A file that is not there (exit 2).
    pub fn options(&self) -> Result<Options> {
        let file = |flag, path: &Option<PathBuf>| {
            path.as_ref().map(|path| given::file(flag, path)).transpose()
        };
        if let Some(text) = &self.firmware {
            // Otherwise the host's would silently take its place.
            firmware::from_override(text, Arch::Amd64).map_err(|why| {
                let hint = "`cargo xtask doctor` shows the firmware of this host";
                Coded::usage(format!("--firmware: {why}\n  hint: {hint}"))
            })?;
        }
        let var_files = self.var_file.iter().map(|path| given::file("--var-file", path));
        Ok(Options {
            vars: self.vars.clone(),
            var_files: var_files.collect::<Result<_>>()?,
            iso: file("--iso", &self.iso)?,
            customize: file("--customize", &self.customize)?,
            real: false,
        })
    }
}

fn name_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(n, v)| (n.to_owned(), v.to_owned()))
        .ok_or_else(|| "NAME=VALUE is needed, for example memory=4096".into())
}

/// Which targets, and how the plan is printed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask plan debian-12\n  cargo xtask plan debian-12 --format json | jq .plans[0].argv\n  cargo xtask plan rocky9 --file ks.cfg"
)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    flags: PlanFlags,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Prints only this file, as the guest gets it: an answer file, for example `ks.cfg`
    #[arg(long, value_name = "NAME", conflicts_with = "format")]
    file: Option<String>,
}

/// Prints the plans.
///
/// # Errors
/// An unknown target, a template that does not evaluate, or a file that no
/// plan has (exit 2).
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let mut preparation = Preparation::new(&context.repo, args.flags.firmware.clone());
    let options = args.flags.options()?;
    let targets = selected(&catalog, &args.targets)?;
    let mut plans = vec![];
    for target in &targets {
        let ready = preparation.resolve(target, &options).map_err(|findings| Coded {
            exit: Exit::Usage,
            message: Findings(findings).to_string(),
        })?;
        plans.push(ready.plan);
    }
    if let Some(name) = &args.file {
        return file(name, &plans);
    }
    write(&plans, &targets, &context.repo.root, args.format)?;
    Ok(Exit::Ok)
}

/// Prints plans as asked; `build --dry-run` too. `root` shortens their files'
/// names.
///
/// # Errors
/// They cannot be written.
pub fn write(plans: &[Plan], targets: &[&Target], root: &Path, format: Format) -> Result<()> {
    match format {
        Format::Json => {
            let document = serde_json::json!({ "version": 1, "plans": plans });
            print(&format!("{}\n", serde_json::to_string_pretty(&document)?))
        }
        Format::Text => {
            let pairs = plans.iter().zip(targets);
            let texts = pairs.map(|(plan, target)| show::text(plan, target, root));
            print(&texts.collect::<Vec<_>>().join(
                "
",
            ))
        }
    }
}

/// A rendered file of the plans: secrets are masked in it.
fn file(name: &str, plans: &[Plan]) -> Result<Exit> {
    let all: Vec<_> = plans.iter().flat_map(|plan| show::rendered(&plan.source)).collect();
    let found: Vec<_> = all.iter().filter(|(n, _)| n == name.trim_start_matches('/')).collect();
    if found.is_empty() {
        let mut names: Vec<_> = all.iter().map(|(n, _)| n.as_str()).collect();
        names.dedup();
        let have = if names.is_empty() { "none".into() } else { names.join(", ") };
        return Err(Coded::usage(format!(
            "the guest is given no rendered file `{name}`\n  hint: it gets {have}"
        )));
    }
    found.iter().try_for_each(|(_, text)| print(text))?;
    Ok(Exit::Ok)
}
