//! `cargo xtask plan`: what a build would do; nothing runs.

use std::path::PathBuf;

use anyhow::Result;

use super::{Context, print, selected};
use crate::arch::Arch;
use crate::cli::{Format, Targets};
use crate::exit::{Coded, Exit};
use crate::finding::Findings;
use crate::given;
use crate::host::firmware;
use crate::pipeline::Preparation;
use crate::plan::{Options, Plan};
use crate::table;

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
            firmware::from_override(text, Arch::Amd64)
                .map_err(|why| Coded::usage(format!("--firmware: {why}")))?;
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
    pair.map(|(n, v)| (n.to_owned(), v.to_owned())).ok_or_else(|| "NAME=VALUE is needed".into())
}

/// Which targets, and how the plan is printed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask plan debian-12\n  cargo xtask plan debian-12 --format json | jq .plans[0].argv"
)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    flags: PlanFlags,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the plans.
///
/// # Errors
/// An unknown target, or a template that does not evaluate (exit 2).
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let mut preparation = Preparation::new(&context.repo, args.flags.firmware.clone());
    let options = args.flags.options()?;
    let mut plans = vec![];
    for target in selected(&catalog, &args.targets)? {
        let ready = preparation.resolve(target, &options).map_err(|findings| Coded {
            exit: Exit::Usage,
            message: Findings(findings).to_string(),
        })?;
        plans.push(ready.plan);
    }
    show(&plans, args.format)?;
    Ok(Exit::Ok)
}

/// Prints plans as asked; `build --dry-run` too.
///
/// # Errors
/// They cannot be written.
pub fn show(plans: &[Plan], format: Format) -> Result<()> {
    match format {
        Format::Json => {
            let document = serde_json::json!({ "version": 1, "plans": plans });
            print(&format!("{}\n", serde_json::to_string_pretty(&document)?))
        }
        Format::Text => print(&plans.iter().map(text).collect::<Vec<_>>().join("\n")),
    }
}

/// One plan for people.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let mut out = format!("{}  {}\n", plan.target, plan.title);
    let mut line = |name: &str, value: String| out.push_str(&format!("  {name:<10} {value}\n"));
    line("template", plan.template.display().to_string());
    line("media", format!("{} (checked against {})", plan.media.url, plan.media.checksum));
    let size = plan.machine;
    line(
        "machine",
        format!(
            "{} CPUs, {} MiB memory, disk up to {}",
            size.cpus,
            size.memory_mib,
            table::size(size.disk)
        ),
    );
    let name = |p: &serde_json::Value| {
        let kind = p["type"].as_str().unwrap_or_default().to_owned();
        let detail = p["scripts"].as_array().or(p["source"].as_array()).map(|list| {
            let names = list.iter().filter_map(|s| s.as_str()?.rsplit('/').next());
            names.collect::<Vec<_>>().join(" ")
        });
        let file = p["destination"].as_str().and_then(|d| d.rsplit('/').next()).map(str::to_owned);
        format!("{kind} {}", detail.or(file).unwrap_or_else(|| "inline".into()))
    };
    for (i, step) in plan.provisioners.iter().enumerate() {
        line(&format!("step {}", i + 1), name(step));
    }
    if let Some(argv) = &plan.argv {
        let quoted: Vec<_> = argv.iter().map(|a| crate::cmd::shell_quote(a)).collect();
        line("qemu", quoted.join(" "));
    }
    line("artifact", plan.artifact.display().to_string());
    out
}
