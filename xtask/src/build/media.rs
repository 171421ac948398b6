//! The medium of a build: fetched, verified or bootstrapped.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::report::Reporter;
use crate::catalog::{Catalog, MediaKind, Target};
use crate::exit::Coded;
use crate::media::bootstrap::{self, Recipe, Wanted};
use crate::media::{Checksum, Context, Progress, Request, SignedBy, Store, volume};
use crate::plan::Medium;
use crate::repo::Repo;
use crate::signal::CancelToken;
use crate::table;

/// A medium that is here.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Local file.
    pub path: PathBuf,
    /// What identifies its content for the fingerprint.
    pub identity: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// When its source was last looked at.
    pub checked: String,
    /// Fingerprint of the key that signed its checksum list, if one did.
    pub signed_by: Option<String>,
}

/// How a medium may be had.
#[derive(Clone, Debug)]
pub struct Access {
    /// The user brought it.
    pub given: bool,
    /// Touch no network.
    pub offline: bool,
    /// Trust a checksum list whose signature is missing or wrong.
    pub unsigned: bool,
    /// Ends the download.
    pub cancel: CancelToken,
}

/// Gets the medium of `target`.
///
/// # Errors
/// A user's medium that was not given; an unreachable mirror; a checksum that
/// does not match; no space.
pub fn get(
    repo: &Repo,
    target: &Target,
    medium: &Medium,
    access: &Access,
    reporter: &Reporter,
) -> Result<Ready> {
    let store = Store::new(repo.media.clone());
    let last = Mutex::new(Instant::now());
    let progress = |p: Progress| report_progress(reporter, &last, p);
    let notice = |text: &str| reporter.say(text);
    let context = Context {
        offline: access.offline,
        cancel: access.cancel.clone(),
        progress: &progress,
        notice: &notice,
    };
    if medium.kind == MediaKind::Mirror && !access.given {
        return bootstrapped(repo, target, &store, &context);
    }
    if medium.kind == MediaKind::User && medium.url.is_empty() {
        return Err(ask_for_medium(target));
    }
    // Before minutes of hashing, if it is a file of this host.
    recognise(repo, target, medium.url.trim_start_matches("file://").as_ref())?;
    let checksum: Checksum = medium.checksum.parse()?;
    let signed = if access.unsigned { None } else { signed_by(repo, target) };
    let request = Request { url: medium.url.clone(), checksum, signed };
    let media = store.fetch(&request, &context)?;
    if let Some(key) = &media.signed_by {
        reporter.say(&format!("checksum list signed by {key}"));
    }
    let checked = crate::date::stamp(std::time::SystemTime::now());
    Ok(Ready {
        identity: media.sha256.clone(),
        path: media.path,
        sha256: media.sha256,
        checked,
        signed_by: media.signed_by,
    })
}

/// Who signs the checksum list of this target's medium.
pub fn signed_by(repo: &Repo, target: &Target) -> Option<SignedBy> {
    let facts = &target.facts.media;
    let name = facts.signed_by.as_ref().filter(|_| facts.kind == MediaKind::Download)?;
    let name = name.replace("{release}", target.release.as_deref().unwrap_or_default());
    let keys = repo.root.join("common/keys").join(format!("{name}.asc"));
    Some(SignedBy { keys, suffix: facts.signature.clone() })
}

/// Refuses a medium of another system, release or architecture, if it is a file
/// of this host.
fn recognise(repo: &Repo, target: &Target, path: &Path) -> Result<()> {
    if !path.is_file() {
        return Ok(());
    }
    let facts = &target.facts.media;
    let wrong = match (&facts.label, facts.kind) {
        (Some(pattern), MediaKind::User) => volume::mismatch(path, pattern, target.arch)?,
        _ => anothers(&repo.catalog()?, target, path)?,
    };
    let Some(wrong) = wrong else { return Ok(()) };
    let file = facts.file.as_deref().unwrap_or("the one of its README");
    Err(Coded::host(format!(
        "{} is not the medium of {}: {wrong}\n  wanted       {file}, or another of that release\n  where from   {}",
        path.display(),
        target.id,
        facts.from.as_deref().unwrap_or("its vendor"),
    )))
}

/// What is wrong with a medium whose own label nobody knows: it has that of
/// another image's medium.
fn anothers(catalog: &Catalog, target: &Target, path: &Path) -> Result<Option<String>> {
    let Some(label) = volume::label(path)? else { return Ok(None) };
    let named = |other: &&Target| {
        let pattern = other.facts.media.label.as_deref().unwrap_or_default();
        other.image != target.image && volume::is_named(&label, pattern)
    };
    let owner = catalog.targets().find(named);
    Ok(owner.map(|owner| format!("its label is `{label}`, which media of {} have", owner.image)))
}

fn bootstrapped(
    repo: &Repo,
    target: &Target,
    store: &Store,
    context: &Context<'_>,
) -> Result<Ready> {
    let recipe = Recipe::read(&repo.root.join(&target.image))
        .with_context(|| format!("{} cannot be bootstrapped without its recipe", target.image))?;
    let wanted = Wanted {
        image: &target.image,
        release: target.release.as_deref().unwrap_or_default(),
        arch: target.arch,
    };
    let options = bootstrap::remembered(store, &wanted);
    let disk = bootstrap::bootstrap(store, &recipe, &wanted, &options, context)?;
    Ok(Ready {
        path: disk.path,
        identity: disk.key,
        sha256: disk.sha256,
        checked: disk.mirror.checked,
        signed_by: None,
    })
}

/// One line every ten seconds is enough for a log.
fn report_progress(reporter: &Reporter, last: &Mutex<Instant>, progress: Progress) {
    let Ok(mut last) = last.lock() else { return };
    // What has only begun may end in a moment.
    let begins = progress.done < 8 << 20;
    if begins || last.elapsed() < Duration::from_secs(10) {
        if begins {
            *last = Instant::now();
        }
        return;
    }
    *last = Instant::now();
    let total = progress.total.map_or_else(String::new, |t| format!(" of {}", table::size(t)));
    reporter.say(&format!("{}{total}", table::size(progress.done)));
}

fn ask_for_medium(target: &Target) -> anyhow::Error {
    let media = &target.facts.media;
    let file = media.file.as_deref().map_or_else(String::new, |f| format!(" (file {f})"));
    Coded::host(format!(
        "{} needs a medium that only you can get\n  give it as   cargo xtask build {} --iso FILE      or set {}\n  where from   {}{file}",
        target.id,
        target.id,
        media.env.as_deref().unwrap_or("the variable of its README"),
        media.from.as_deref().unwrap_or("its vendor"),
    ))
}
