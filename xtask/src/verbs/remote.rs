//! `cargo xtask remote`: images that are on a MAAS.

mod attempt;
mod listing;
mod prune;

use anyhow::Result;

pub(super) use listing::document;

use super::upload::{AfterFailedTest, Job, one_resource, prepare, send_all};
use super::{Context, print, selected};
use crate::arch::Arch;
use crate::catalog::Target;
use crate::cli::{Format, Targets};
use crate::exit::{Coded, Exit};
use crate::maas::artifact::{self, OfferFlags, Which};
use crate::maas::connect::Connection;
use crate::maas::credentials::ServerFlags;
use crate::maas::offer::shown_name;
use crate::maas::resource::Resource;
use crate::table;

/// What to do there.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask remote list --profile admin\n  cargo xtask remote show custom/debian-12"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show every uploaded image
    #[command(after_help = "Example: cargo xtask remote list --format json | jq '.images[].name'")]
    List(ListArgs),
    /// Show one image with its sets and files
    #[command(after_help = "Example: cargo xtask remote show custom/debian-12")]
    Show(ShowArgs),
    /// Delete one image with all its sets
    #[command(
        after_help = "Example: cargo xtask remote delete custom/debian-12 --architecture amd64"
    )]
    Delete(ShowArgs),
    /// Delete images by name and age
    #[command(
        after_help = "Examples:\n  cargo xtask remote prune 'custom/*-candidate' --older-than 14\n  cargo xtask remote prune 'custom/*-candidate' --older-than 14 --yes"
    )]
    Prune(prune::PruneArgs),
    /// Give a tested candidate its real name: it is deleted, then its artifact uploaded
    #[command(
        after_help = "Example:\n  cargo xtask remote promote debian-12-mirror --candidate custom/debian-12-rc"
    )]
    Promote(PromoteArgs),
    /// Upload the artifact of the build before the last
    #[command(after_help = "Example: cargo xtask remote rollback debian-12-mirror")]
    Rollback(RollbackArgs),
    /// Allocate a machine, deploy the image, log in, release it
    #[command(after_help = "Example: cargo xtask remote try debian-12-mirror --tag imagetest")]
    Try(attempt::TryArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    server: ServerFlags,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct NameArgs {
    /// Name in MAAS, for example custom/debian-12
    #[arg(value_name = "NAME")]
    name: String,
    /// Which, if the name is there for several
    #[arg(long, value_name = "ARCH")]
    architecture: Option<String>,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    name: NameArgs,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct PromoteArgs {
    /// The target whose artifact was uploaded as the candidate
    #[arg(value_name = "TARGET")]
    target: String,
    /// Name of the candidate [default: the target's name with -candidate]
    #[arg(long, value_name = "NAME")]
    candidate: Option<String>,
    /// Architecture where the target names none [default: the host's]
    #[arg(long, value_enum, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Delete the image that has the real name first
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// The target
    #[arg(value_name = "TARGET")]
    target: String,
    /// Architecture where the target names none [default: the host's]
    #[arg(long, value_enum, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Delete the image that is there first; MAAS 3.8 may need it
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    server: ServerFlags,
}

/// Runs one of them.
///
/// # Errors
/// No such image or server, a refusal, or a failed upload or deployment.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    match &args.action {
        Action::List(args) => listing::list(&Connection::open(&args.server)?, args.format),
        Action::Show(args) => {
            let connection = Connection::open(&args.name.server)?;
            let wanted = args.name.architecture.as_deref();
            let resource = one_resource(&connection, &args.name.name, wanted)?;
            listing::show(&resource, args.format)
        }
        Action::Delete(args) => {
            let connection = Connection::open(&args.name.server)?;
            let wanted = args.name.architecture.as_deref();
            let resource = one_resource(&connection, &args.name.name, wanted)?;
            if args.format == Format::Json {
                return prune::as_json(&connection, &[resource], true);
            }
            delete(&connection, &resource)?;
            Ok(Exit::Ok)
        }
        Action::Prune(args) => prune::run(args),
        Action::Promote(args) => promote(args, context),
        Action::Rollback(args) => rollback(args, context),
        Action::Try(args) => attempt::run(args, context),
    }
}

/// Deletes a resource and says what went.
fn delete(connection: &Connection, resource: &Resource) -> Result<()> {
    connection.require_admin()?;
    connection.api.delete(resource.id)?;
    print(&format!(
        "deleted {} ({}): {} sets, {}\n",
        resource.full_name(),
        resource.architecture,
        resource.sets.values().filter(|s| !s.files.is_empty()).count(),
        table::size(resource.stored())
    ))
}

/// The one target a word means.
fn one_target<'c>(
    word: &str,
    arch: Option<Arch>,
    catalog: &'c crate::catalog::Catalog,
) -> Result<&'c Target> {
    let wanted = Targets { targets: vec![word.to_owned()], all: false, arch };
    super::only(word, &selected(catalog, &wanted)?)
}

/// The artifact of a target as a job.
fn job<'c>(target: &'c Target, which: Which, context: &Context) -> Result<Vec<Job<'c>>> {
    let found = artifact::of_target(&context.repo, target, which)?;
    let failed = match which {
        Which::Last => AfterFailedTest::Refuse,
        // Whoever goes back knows that image from the machines it was on.
        Which::Previous => AfterFailedTest::Warn,
    };
    prepare(vec![found], &OfferFlags::default(), context, failed)
}

/// The candidate goes before its bytes come under the real name: MAAS 3.8 keeps
/// the same bytes only once.
fn promote(args: &PromoteArgs, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let target = one_target(&args.target, args.arch, &catalog)?;
    let jobs = job(target, Which::Last, context)?;
    let connection = Connection::open(&args.server)?;
    connection.require_admin()?;
    let real = shown_name(&target.facts.maas.name);
    let name = args.candidate.clone().unwrap_or_else(|| format!("{real}-candidate"));
    if shown_name(&name) == real {
        return Err(Coded::usage(format!(
            "{name} has its real name already: there is nothing to promote\n  hint: a candidate is \
             uploaded with --name custom/SOMETHING-candidate"
        )));
    }
    let arch = target.arch.name();
    let candidate = one_resource(&connection, &name, Some(arch))?;
    for job in &jobs {
        let newest = candidate.deployable().and_then(|set| set.only_file());
        if newest.is_none_or(|f| f.sha256 != job.offer.sha256) {
            return Err(Coded {
                exit: Exit::Failed,
                message: format!(
                    "{name} is not the artifact in {}: what was tested is not what would be \
                     promoted\n  hint: cargo xtask upload {} --name {name}, and test again",
                    job.offer.path.display(),
                    target.id
                ),
            }
            .into());
        }
    }
    delete(&connection, &candidate)?;
    let exit = send_all(&connection, &jobs, args.replace, Format::Text)?;
    if exit != Exit::Ok {
        eprintln!(
            "  now: {name} is deleted and {real} is as it was\n  hint: cargo xtask upload {}",
            target.id
        );
    }
    Ok(exit)
}

fn rollback(args: &RollbackArgs, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let target = one_target(&args.target, args.arch, &catalog)?;
    let jobs = job(target, Which::Previous, context)?;
    let connection = Connection::open(&args.server)?;
    send_all(&connection, &jobs, args.replace, Format::Text)
}
