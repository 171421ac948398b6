//! Base disks made from a package mirror, with or without root.
//!
//! `<image>/bootstrap/bootstrap.toml` says what is installed. The result is
//! `media/<image>-<release>-<arch>.qcow2` with its line in `media/SHA256SUMS`,
//! which is where the templates look. It is made again when the recipe or the
//! mirror changes: `<disk>.json` beside it records what it was made from.

mod grub;
mod mirror;
mod plan;
mod recipe;
mod run;
mod suites;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use mirror::{MirrorState, state};
pub use plan::{Boot, Mode, Options, Plan, Subject, plan};
pub use recipe::{Recipe, Release};
pub use suites::{Suite, suites};

use super::lock::Lock;
use super::store::{create_dir, sync_dir};
use super::{Context, Digests, MediaError, Store, hash_file};
use crate::arch::Arch;
use crate::build::output::write_atomic;
use crate::{cmd, date};

/// Tools of a bootstrap, checked before anything starts.
const TOOLS: [&str; 8] =
    ["mmdebstrap", "tar", "mke2fs", "sfdisk", "mkfs.vfat", "mcopy", "mmd", "qemu-img"];

/// Which disk.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Image directory's name, the first part of the file name.
    pub image: &'a str,
    /// Release name.
    pub release: &'a str,
    /// Architecture.
    pub arch: Arch,
}

/// A base disk that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseDisk {
    /// Absolute path.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What it was made from, see [`Plan::key`].
    pub key: String,
    /// The mirror it is up to date with.
    pub mirror: MirrorState,
    /// Whether this call made it.
    pub made: bool,
}

/// `<disk>.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    key: String,
    sha256: String,
    made: String,
    sources: Vec<String>,
    #[serde(default)]
    options: Options,
}

/// The options of the last time this disk was made, so that a build does not
/// go to another mirror than the one the user named once.
#[must_use]
pub fn remembered(store: &Store, wanted: &Wanted<'_>) -> Options {
    let disk = store.dir().join(plan::disk_name(wanted.image, wanted.release, wanted.arch));
    let record = fs::read(record_path(&disk)).ok();
    let record = record.and_then(|text| serde_json::from_slice::<Record>(&text).ok());
    record.map(|record| record.options).unwrap_or_default()
}

/// Returns the base disk, making it if it is missing or out of date.
///
/// # Errors
/// See [`MediaError`]. Nothing half-made is left under the final name.
pub fn bootstrap(
    store: &Store,
    recipe: &Recipe,
    wanted: &Wanted<'_>,
    options: &Options,
    ctx: &Context<'_>,
) -> Result<BaseDisk, MediaError> {
    let suites = suites(recipe, recipe.release(wanted.release)?, options)?;
    let mirror = state(&suites, &store.dir().join("cache/mirrors"), ctx)?;
    let is_root = rustix::process::geteuid().is_root();
    let subject = Subject {
        release: wanted.release,
        arch: wanted.arch,
        image: wanted.image,
        is_root,
        mirror_hash: &mirror.hash,
    };
    let plan = plan(recipe, options, &subject)?;
    let path = store.dir().join(&plan.name);
    let lock = store.dir().join("cache/locks").join(&plan.name);
    let _lock = Lock::wait(&lock, &plan.name, ctx)?;
    if !options.refresh
        && let Some(sha256) = current(store, &path, &plan.key, ctx)
    {
        return Ok(BaseDisk { path, sha256, key: plan.key, mirror, made: false });
    }
    if ctx.offline {
        let url = plan.suites.first().map(Suite::in_release).unwrap_or_default();
        return Err(MediaError::Offline { url });
    }
    let sha256 = make(store, &plan, options, ctx)?;
    Ok(BaseDisk { path, sha256, key: plan.key, mirror, made: true })
}

/// Digest of the disk if it is there, complete, and made from this key.
fn current(store: &Store, path: &Path, key: &str, ctx: &Context<'_>) -> Option<String> {
    let record: Record = serde_json::from_slice(&fs::read(record_path(path)).ok()?).ok()?;
    let digests = store.digests(path, None, ctx).ok()?;
    let sums = read_sums(&store.dir().join("SHA256SUMS"));
    let listed = sums.get(&file_name(path)) == Some(&record.sha256);
    (record.key == key && digests.sha256 == record.sha256 && listed).then_some(record.sha256)
}

fn make(
    store: &Store,
    plan: &Plan,
    options: &Options,
    ctx: &Context<'_>,
) -> Result<String, MediaError> {
    check_host(plan)?;
    let work = store.dir().join("cache/work").join(&plan.name);
    let log = store.dir().join("cache/logs").join(format!("{}.log", plan.name));
    create_dir(log.parent())?;
    // What a killed run left; the lock says that nobody uses it.
    for old in [&work, &log] {
        remove(old)?;
    }
    create_dir(Some(&work))?;
    let made =
        run::run(plan, &work, &log, ctx).and_then(|disk| publish(store, plan, &disk, options, ctx));
    remove(&work)?;
    made
}

/// Moves the disk to its name. The record is written last: until then its digest
/// is not the disk's, so a run that dies in between makes the disk again.
fn publish(
    store: &Store,
    plan: &Plan,
    disk: &Path,
    options: &Options,
    ctx: &Context<'_>,
) -> Result<String, MediaError> {
    let path = &store.dir().join(&plan.name);
    let digests: Digests = hash_file(disk, None, ctx)?;
    fs::File::open(disk)
        .and_then(|file| file.sync_all())
        .map_err(|e| MediaError::io("cannot sync", disk, e))?;
    fs::rename(disk, path).map_err(|e| MediaError::io("cannot rename to", path, e))?;
    store.remember(path, &digests)?;
    add_sum(store.dir(), &file_name(path), &digests.sha256, ctx)?;
    let record = Record {
        key: plan.key.clone(),
        sha256: digests.sha256.clone(),
        made: date::stamp(SystemTime::now()),
        sources: plan.suites.iter().map(|s| s.line("")).collect(),
        options: options.clone(),
    };
    let text = serde_json::to_vec_pretty(&record).map_err(|e| MediaError::Tool(e.to_string()))?;
    write(&record_path(path), &text)?;
    sync_dir(store.dir())?;
    Ok(digests.sha256)
}

/// Enters a line into `SHA256SUMS`, which all base disks share.
fn add_sum(dir: &Path, name: &str, sha256: &str, ctx: &Context<'_>) -> Result<(), MediaError> {
    let path = dir.join("SHA256SUMS");
    let _lock = Lock::wait(&dir.join("cache/locks/SHA256SUMS"), "SHA256SUMS", ctx)?;
    let mut sums = read_sums(&path);
    sums.insert(name.to_owned(), sha256.to_owned());
    sums.retain(|name, _| dir.join(name).exists());
    let text: String = sums.iter().map(|(name, hex)| format!("{hex}  {name}\n")).collect();
    write(&path, text.as_bytes())
}

/// Name to digest; a missing or odd file counts as empty.
fn read_sums(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let entry =
        |line: &str| line.split_once("  ").map(|(hex, name)| (name.to_owned(), hex.to_owned()));
    text.lines().filter_map(entry).collect()
}

/// Everything that is missing, in one error.
fn check_host(plan: &Plan) -> Result<(), MediaError> {
    let mut tools: Vec<&str> = TOOLS.to_vec();
    if plan.mode == Mode::Unshare {
        tools.push("newuidmap");
    }
    let missing: Vec<_> = tools.into_iter().filter(|tool| run::find_tool(tool).is_none()).collect();
    let mut problems = Vec::new();
    if !missing.is_empty() {
        let mut packages: Vec<_> =
            missing.iter().map(|tool| cmd::debian_package(tool).unwrap_or(tool)).collect();
        packages.sort_unstable();
        packages.dedup();
        problems.push(format!(
            "missing: {}\n  hint: sudo apt install {}",
            missing.join(", "),
            packages.join(" ")
        ));
    }
    if Arch::host() != Some(plan.arch) && !runs_foreign(plan.arch) {
        problems.push(format!(
            "this host cannot run {} programs\n  hint: sudo apt install qemu-user-static binfmt-support",
            plan.arch.name()
        ));
    }
    if problems.is_empty() { Ok(()) } else { Err(MediaError::Host(problems.join("\n"))) }
}

/// Whether the kernel hands programs of this architecture to an emulator.
fn runs_foreign(arch: Arch) -> bool {
    let entry = Path::new("/proc/sys/fs/binfmt_misc").join(format!("qemu-{}", arch.qemu()));
    fs::read_to_string(entry).is_ok_and(|text| text.starts_with("enabled"))
}

fn record_path(disk: &Path) -> PathBuf {
    disk.with_extension("json")
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn write(path: &Path, content: &[u8]) -> Result<(), MediaError> {
    write_atomic(path, content).map_err(|e| MediaError::Tool(format!("{e:#}")))
}

fn remove(path: &Path) -> Result<(), MediaError> {
    let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match gone {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(MediaError::io("cannot remove", path, e))
        }
        _ => Ok(()),
    }
}
