//! `cargo xtask upload`: artifacts to MAAS.

mod report;

use std::path::Path;
use std::sync::Mutex;

use anyhow::Result;

use super::{Context, print, selected};
use crate::build::lock::Lock;
use crate::catalog::{Catalog, Target};
use crate::cli::{Format, Targets};
use crate::exit::{Coded, Exit};
use crate::given;
use crate::maas::artifact::{self, Found, OfferFlags, Which};
use crate::maas::connect::Connection;
use crate::maas::credentials::{self, ServerFlags, Surroundings};
use crate::maas::offer::{self, Offer, problems_there, shown_name};
use crate::maas::progress::Meter;
use crate::maas::resource::Resource;
use crate::maas::tested;
use crate::maas::upload::{Event, Failure, Outcome, Upload};
use crate::media::Progress;
use crate::signal::CancelToken;
use crate::table;

/// What goes where.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask upload debian-12-mirror --profile admin\n  \
                  cargo xtask upload 'debian-1[23]' rhel9\n  \
                  cargo xtask upload ./my.tar.gz --name custom/mine --base-image ubuntu/noble\n  \
                  cargo xtask upload debian-12-mirror --name custom/debian-12-candidate\n  \
                  cargo xtask upload debian-12-mirror --print-command\n  \
                  cargo xtask upload debian-12-mirror --format json | jq -r '.uploads[].set'\n\n\
                  The image before stays deployable until MAAS has read the new one back; it also \
                  stays afterwards and takes its space. --replace deletes it first.")]
pub struct Args {
    /// Targets as for `build`, or files
    #[arg(value_name = "TARGET|FILE", required = true)]
    what: Vec<String>,
    #[command(flatten)]
    server: ServerFlags,
    #[command(flatten)]
    offer: OfferFlags,
    /// Delete the image of that name first: frees its space, and until the upload ends MAAS has none
    #[arg(long)]
    replace: bool,
    /// Upload it although its last deploy test failed
    #[arg(long)]
    force: bool,
    /// Print the command of the `maas` CLI instead; nothing is sent
    #[arg(long, conflicts_with = "format")]
    print_command: bool,
    /// Text for people, JSON for programs: one document when all is done
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One file, ready to go.
pub(super) struct Job<'c> {
    pub offer: Offer,
    pub target: Option<&'c Target>,
    /// Keeps builds of the target away.
    _lock: Option<Lock>,
}

/// Uploads, or prints what the `maas` CLI would need.
///
/// # Errors
/// Nothing to upload, a problem found before the first byte, or a failed upload.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let found = find(&args.what, context, &catalog)?;
    if found.len() > 1 && args.offer.name.is_some() {
        return Err(Coded::usage(format!(
            "--name names one image, and this is {}\n  hint: one command for each, or leave --name out",
            found.len()
        )));
    }
    let failed = if args.force { AfterFailedTest::Warn } else { AfterFailedTest::Refuse };
    if args.print_command {
        return print_commands(&found, args, &context.repo.out, failed);
    }
    let jobs = prepare(found, &args.offer, context, failed)?;
    let connection = Connection::open(&args.server)?;
    send_all(&connection, &jobs, args.replace, args.format)
}

/// Targets and files, in the order given.
fn find<'c>(what: &[String], context: &Context, catalog: &'c Catalog) -> Result<Vec<Found<'c>>> {
    let mut all = vec![];
    for word in what {
        let path = Path::new(word);
        if given::is_meant(word) {
            given::file("the artifact", path)?;
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            all.push(artifact::of_file(&path, catalog)?);
            continue;
        }
        let wanted = Targets { targets: vec![word.clone()], all: false, arch: None };
        for target in selected(catalog, &wanted)? {
            all.push(artifact::of_target(&context.repo, target, Which::Last)?);
        }
    }
    Ok(all)
}

fn print_commands(
    found: &[Found<'_>],
    args: &Args,
    out: &Path,
    failed: AfterFailedTest,
) -> Result<Exit> {
    let server = credentials::find(&args.server, &Surroundings::of_process()).ok();
    let profile = args.server.profile.clone().or_else(|| server.and_then(|s| s.profile));
    for one in found {
        let offer = artifact::offer(one, &args.offer, &|_| {})?;
        refuse(listed(&offer, &offer.problems()))?;
        check_test(&offer, out, failed)?;
        print(&format!("{}\n", offer::command(&offer, profile.as_deref())))?;
    }
    Ok(Exit::Ok)
}

/// What to do with an artifact whose last deploy test failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterFailedTest {
    /// It stays here.
    Refuse,
    /// The user wants it.
    Warn,
}

/// Hashes every file and judges every offer by itself.
pub(super) fn prepare<'c>(
    found: Vec<Found<'c>>,
    flags: &OfferFlags,
    context: &Context,
    failed: AfterFailedTest,
) -> Result<Vec<Job<'c>>> {
    let mut jobs = vec![];
    let mut problems = String::new();
    for one in found {
        let lock = one.target.map(|t| Lock::take(&context.repo.out, &t.id)).transpose()?;
        let meter = Mutex::new(Meter::default());
        let progress = |p: Progress| {
            if let (Ok(mut meter), Some(total)) = (meter.lock(), p.total) {
                meter.check(p.done, total);
            }
        };
        let offer = artifact::offer(&one, flags, &progress);
        if let Ok(mut meter) = meter.lock() {
            meter.clear();
        }
        let offer = offer?;
        problems += &listed(&offer, &offer.problems());
        check_test(&offer, &context.repo.out, failed)?;
        jobs.push(Job { offer, target: one.target, _lock: lock });
    }
    refuse(problems)?;
    Ok(jobs)
}

/// An image that did not deploy here will not deploy there.
fn check_test(offer: &Offer, out: &Path, failed: AfterFailedTest) -> Result<()> {
    let Some(test) = tested::last(out, &offer.sha256).filter(|test| !test.passed) else {
        return Ok(());
    };
    let (file, date, why) = (offer.path.display(), &test.date, test.why());
    if failed == AfterFailedTest::Warn {
        eprintln!("warning: {file} failed its deploy test of {date} ({why})");
        return Ok(());
    }
    Err(Coded {
        exit: Exit::Failed,
        message: format!(
            "{file} failed its last deploy test, on {date}\n  {why}\n  hint: mend and build it, or \
             run `cargo xtask deploy-test` again; `cargo xtask upload --force` sends it as it is"
        ),
    }
    .into())
}

/// A server that takes images, for `build --upload`: better to know before the build.
pub(super) fn ready(flags: &ServerFlags) -> Result<Connection> {
    let connection = Connection::open(flags)?;
    connection.require_admin()?;
    Ok(connection)
}

/// Uploads what was built, over one connection.
pub(super) fn built<'c>(
    connection: &Connection,
    targets: impl Iterator<Item = &'c Target>,
    context: &Context,
) -> Result<Exit> {
    let found: Result<Vec<Found<'_>>> =
        targets.map(|t| artifact::of_target(&context.repo, t, Which::Last)).collect();
    let jobs = prepare(found?, &OfferFlags::default(), context, AfterFailedTest::Refuse)?;
    send_all(connection, &jobs, false, Format::Text)
}

/// The problems of one offer as lines, or nothing.
fn listed(offer: &Offer, problems: &[String]) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let list: Vec<String> = problems.iter().map(|p| format!("  {p}\n")).collect();
    format!("{} cannot be uploaded so:\n{}", offer.path.display(), list.concat())
}

/// All problems of all offers in one go.
fn refuse(problems: String) -> Result<()> {
    let text = problems.trim_end();
    if text.is_empty() { Ok(()) } else { Err(Coded::usage(text)) }
}

/// Uploads one after the other over one connection. Everything that can be known
/// before is checked for all of them first.
pub(super) fn send_all(
    connection: &Connection,
    jobs: &[Job<'_>],
    replace: bool,
    format: Format,
) -> Result<Exit> {
    connection.require_admin()?;
    let synced = connection.api.resources("synced")?;
    let there = |job: &Job<'_>| {
        listed(&job.offer, &problems_there(&job.offer, &connection.version, &synced))
    };
    refuse(jobs.iter().map(there).collect())?;
    let (mut exit, mut rows) = (Exit::Ok, vec![]);
    for job in jobs {
        if CancelToken::global().is_set() {
            rows.push(report::row(job, None));
            continue;
        }
        let ending = send(connection, &job.offer, replace);
        match &ending {
            Ok(outcome) if format == Format::Text => {
                print(&report::text(connection, job, outcome))?;
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("error: {error}");
                exit = Exit::Failed;
            }
        }
        rows.push(report::row(job, Some(&ending)));
    }
    if format == Format::Json {
        print(&report::document(connection, &rows))?;
    }
    Ok(if CancelToken::global().is_set() { Exit::Interrupted } else { exit })
}

/// Sends one, with its progress on stderr.
fn send(connection: &Connection, offer: &Offer, replace: bool) -> Result<Outcome, Failure> {
    let base = if offer.base_image.is_empty() { "MAAS's choice" } else { &offer.base_image };
    eprintln!(
        "{} · {} · {} · {} · base {base} → {}",
        shown_name(&offer.name),
        offer.architecture,
        offer.filetype.name,
        table::size(offer.size),
        connection.shown(),
    );
    let mut meter = Meter::default();
    let mut on = |event: Event| meter.show(&event);
    let outcome = Upload::new(&connection.api, &connection.version, offer, &mut on).run(replace);
    meter.clear();
    outcome
}

/// How MAAS's deploy names it: `custom` and `debian-12`, or `rhel` and `9`.
pub(super) fn system_and_release(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("custom", name))
}

/// One resource of that name; several architectures need the flag.
pub(super) fn one_resource(
    connection: &Connection,
    name: &str,
    architecture: Option<&str>,
) -> Result<Resource> {
    let all = connection.api.resources("uploaded")?;
    let fits = |r: &&Resource| {
        let (arch, _) = r.architecture.split_once('/').unwrap_or((&r.architecture, ""));
        let is_arch = architecture.is_none_or(|a| a == r.architecture || a == arch);
        r.full_name() == shown_name(name) && is_arch
    };
    let chosen: Vec<&Resource> = all.iter().filter(fits).collect();
    match chosen.as_slice() {
        [one] => connection.api.resource(one.id)?.ok_or_else(|| {
            Coded::nothing(format!(
                "{name} was deleted just now\n  hint: `cargo xtask remote list` shows what is there"
            ))
        }),
        [] => Err(unknown(connection, name, &all)),
        several => {
            let arches: Vec<&str> = several.iter().map(|r| r.architecture.as_str()).collect();
            let arches = arches.join(" and ");
            Err(Coded::usage(format!(
                "{name} is there for {arches}\n  hint: say which with --architecture"
            )))
        }
    }
}

fn unknown(connection: &Connection, name: &str, all: &[Resource]) -> anyhow::Error {
    let names: Vec<String> = all.iter().map(Resource::full_name).collect();
    let near = crate::finding::suggest(&shown_name(name), names.iter().map(String::as_str));
    let hint = near.map_or_else(
        || "`cargo xtask remote list` shows what there is".into(),
        |near| format!("did you mean `{near}`?"),
    );
    let base = &connection.server.base;
    Coded::nothing(format!("{base} has no uploaded image {name}\n  hint: {hint}"))
}
