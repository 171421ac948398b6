//! What `upload` says when an image is there: for people, and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::remote::document as image;
use super::{Job, system_and_release};
use crate::maas::connect::Connection;
use crate::maas::offer::{Offer, shown_name};
use crate::maas::resource::Set;
use crate::maas::upload::{Failure, Outcome};
use crate::table;

/// Machines that are shown as places to deploy to.
const MACHINES: usize = 5;

/// What happened, and what to type next.
pub(super) fn text(connection: &Connection, job: &Job<'_>, outcome: &Outcome) -> String {
    ended(&job.offer, outcome) + &next(connection, job)
}

/// All uploads of a run for programs.
pub(super) fn document(connection: &Connection, rows: &[Value]) -> String {
    let server = connection.server.base.to_string();
    let maas = connection.version.to_string();
    format!("{:#}\n", json!({ "version": 1, "server": server, "maas": maas, "uploads": rows }))
}

/// One upload for programs; without an ending it was not begun.
pub(super) fn row(job: &Job<'_>, ending: Option<&Result<Outcome, Failure>>) -> Value {
    let offer = &job.offer;
    let (system, release) = system_and_release(&offer.name);
    let outcome = ending.and_then(|ending| ending.as_ref().ok());
    let failure = ending.and_then(|ending| ending.as_ref().err());
    let result = match (outcome, failure) {
        (Some(outcome), _) if outcome.was_there => "unchanged",
        (Some(_), _) => "uploaded",
        (None, Some(failure)) if failure.interrupted => "interrupted",
        (None, Some(_)) => "failed",
        (None, None) => "not started",
    };
    json!({
        "result": result,
        "target": job.target.map(|target| &target.id),
        "file": offer.path,
        "name": shown_name(&offer.name),
        "title": offer.title,
        "architecture": offer.architecture,
        "filetype": offer.filetype.name,
        "base_image": Some(&offer.base_image).filter(|base| !base.is_empty()),
        "size": offer.size,
        "sha256": offer.sha256,
        "osystem": system,
        "distro_series": release,
        "login_user": job.target.map(|target| &target.facts.maas.login_user),
        "set": outcome.and_then(|it| it.resource.deployable()).map(|set| &set.version),
        "sent_bytes": outcome.map(|outcome| outcome.sent),
        "seconds": outcome.map(|outcome| outcome.time.as_secs_f64()),
        "image": outcome.map(|outcome| image(&outcome.resource)),
        "error": failure.map(|failure| &failure.why),
        "state": failure.map(|failure| &failure.state),
    })
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
