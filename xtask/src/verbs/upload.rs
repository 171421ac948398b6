//! `cargo xtask upload`: artifacts to MAAS.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;

use super::{Context, print, selected};
use crate::build::lock::Lock;
use crate::catalog::{Catalog, Target};
use crate::cli::Targets;
use crate::exit::{Coded, Exit};
use crate::given;
use crate::maas::artifact::{self, Found, OfferFlags, Which};
use crate::maas::connect::Connection;
use crate::maas::credentials::{self, ServerFlags, Surroundings};
use crate::maas::offer::{self, Offer, problems_there, shown_name};
use crate::maas::progress::Meter;
use crate::maas::resource::{Resource, Set};
use crate::maas::tested;
use crate::maas::upload::{Event, Outcome, Upload};
use crate::media::Progress;
use crate::signal::CancelToken;
use crate::table;

/// Machines that are shown as places to deploy to.
const MACHINES: usize = 5;

/// What goes where.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask upload debian-12-mirror --profile admin\n  \
                  cargo xtask upload 'debian-1[23]' rhel9\n  \
                  cargo xtask upload ./my.tar.gz --name custom/mine --base-image ubuntu/noble\n  \
                  cargo xtask upload debian-12-mirror --name custom/debian-12-candidate\n  \
                  cargo xtask upload debian-12-mirror --print-command\n\n\
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
    #[arg(long)]
    print_command: bool,
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
    send_all(&connection, &jobs, args.replace)
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
    send_all(connection, &jobs, false)
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
pub(super) fn send_all(connection: &Connection, jobs: &[Job<'_>], replace: bool) -> Result<Exit> {
    connection.require_admin()?;
    let synced = connection.api.resources("synced")?;
    let there = |job: &Job<'_>| {
        listed(&job.offer, &problems_there(&job.offer, &connection.version, &synced))
    };
    refuse(jobs.iter().map(there).collect())?;
    let mut exit = Exit::Ok;
    for job in jobs {
        if let Err(error) = send(connection, job, replace) {
            eprintln!("error: {error}");
            exit = if CancelToken::global().is_set() { Exit::Interrupted } else { Exit::Failed };
        }
        if CancelToken::global().is_set() {
            return Ok(Exit::Interrupted);
        }
    }
    Ok(exit)
}

fn send(connection: &Connection, job: &Job<'_>, replace: bool) -> Result<()> {
    let offer = &job.offer;
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
    let outcome = outcome?;
    print(&format!("{}{}", ended(offer, &outcome), next(connection, job)))
}

/// What happened, and what it costs.
fn ended(offer: &Offer, outcome: &Outcome) -> String {
    let name = shown_name(&offer.name);
    let set = outcome.resource.deployable();
    let version = set.map_or("-", |s| s.version.as_str());
    let mut text = if outcome.was_there {
        format!("{name} is this file already (set {version}); nothing was sent.\n")
    } else {
        format!(
            "uploaded and verified in {:.1} s ({}/s): {name}, set {version}.\n",
            outcome.time.as_secs_f64(),
            table::size(per_second(outcome.sent, outcome.time)),
        )
    };
    let earlier: Vec<&Set> =
        outcome.resource.sets.values().filter(|s| s.is_whole() && s.version != version).collect();
    if let Some(newest) = earlier.last() {
        let bytes: u64 = earlier.iter().map(|s| s.bytes()).sum();
        let date = newest.date().unwrap_or_else(|| newest.version.clone());
        text += &format!(
            "The image of {date} stays on the server; {} earlier in all, {} (`cargo xtask remote \
             show {name}`; --replace frees that).\n",
            earlier.len(),
            table::size(bytes),
        );
    }
    text
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / milliseconds
}

/// What to type next.
fn next(connection: &Connection, job: &Job<'_>) -> String {
    let (system, release) = system_and_release(&job.offer.name);
    let profile = connection.profile();
    let user = job.target.map_or("USER", |t| &t.facts.maas.login_user);
    let mut text = machines(connection, &job.offer);
    text += &format!(
        "deploy   maas {profile} machine deploy SYSTEM_ID osystem={system} distro_series={release}\n\
         log in   ssh {user}@ADDRESS\n"
    );
    if job.offer.is_custom() && !job.offer.base_image.is_empty() {
        text += &format!(
            "preseed  MAAS picks curtin_userdata_* by the base image, {}\n",
            job.offer.base_image
        );
    }
    let notes = job.target.map(|t| t.facts.maas.notes.as_slice()).unwrap_or_default();
    text + &notes.iter().map(|n| format!("note     {n}\n")).collect::<String>()
}

/// Machines that are ready for it; a list that cannot be had is no failure.
fn machines(connection: &Connection, offer: &Offer) -> String {
    let arch = offer.architecture.split('/').next().unwrap_or_default();
    let Ok(machines) = connection.api.machines(Some("ready")) else { return String::new() };
    let fits = machines.iter().filter(|m| m.architecture.split('/').next() == Some(arch));
    let rows: Vec<Vec<String>> = fits
        .map(|m| {
            vec![
                m.system_id.clone(),
                m.hostname.clone(),
                m.status_name.clone(),
                m.tag_names.join(" "),
            ]
        })
        .collect();
    if rows.is_empty() {
        return format!("machines none is Ready for {arch}\n");
    }
    let more = rows.len().saturating_sub(MACHINES);
    let shown = rows.get(..MACHINES.min(rows.len())).unwrap_or_default();
    let rest = if more > 0 { format!("and {more} more\n") } else { String::new() };
    table::render(&["SYSTEM_ID", "HOST", "STATUS", "TAGS"], shown) + &rest
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
