//! One target, from the plan to the published artifact.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::board::Board;
use super::engine::{Engine, Outcome as Disk};
use super::inputs;
use super::ledger::Gate;
use super::lock::Lock;
use super::manifest::{self, Artifact, Manifest, Phases};
use super::media::{self, Access, Ready};
use super::output::{Output, write_atomic};
use super::pack;
use super::report::Reporter;
use super::schedule::Load;
use super::sign::Signer;
use crate::at::At as _;
use crate::catalog::Target;
use crate::date;
use crate::engine::host::WorkPaths;
use crate::exit::{Coded, Exit};
use crate::finding::{Finding, Findings};
use crate::pipeline::Preparation;
use crate::plan::conventions::Place;
use crate::plan::{Options, Resolved, fingerprint};
use crate::repo::Repo;
use crate::signal::CancelToken;
use crate::table;

/// How to build, for all targets of a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the user adds to every plan.
    pub options: Options,
    /// Who runs the VM.
    pub engine: Engine,
    /// Build even if nothing changed.
    pub refresh: bool,
    /// Touch no network.
    pub offline: bool,
    /// Trust a checksum list whose signature is missing or wrong.
    pub unsigned_media: bool,
    /// Count of `-v`.
    pub verbose: u8,
    /// What happens to the VM of a failed build.
    pub on_error: crate::engine::run::OnError,
    /// Whether somebody watches.
    pub view: crate::engine::host::View,
    /// How often a picture of the guest's screen is kept.
    pub screenshots: Option<Duration>,
    /// When a silent guest is given up.
    pub limits: Limits,
    /// Who signs `SHA256SUMS`.
    pub sign: Option<Signer>,
    /// Ends all builds of the run.
    pub cancel: CancelToken,
    /// Lets a VM in when the host has room beside those of other processes.
    pub gate: Option<Gate>,
}

/// When a guest is given up that shows nothing, under both engines.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long nothing may happen.
    pub stall: Duration,
    /// From the last key to the first request for an answer file; six times as
    /// long for an emulated guest.
    pub fetch: Duration,
}

/// How a build ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing had changed; when its sources were last looked at.
    UpToDate(Manifest),
    /// Built, packed, checked, published.
    Built {
        /// What it left.
        manifest: Manifest,
        /// Times per phase.
        times: String,
    },
}

/// Checksum of the artifact, in the format of `sha256sum`.
const SUMS: &str = "SHA256SUMS";

/// Builds one target.
///
/// # Errors
/// Whatever stopped it, with its evidence kept in `out/<target>/failed`.
pub fn build(
    repo: &Repo,
    preparation: &Mutex<Preparation>,
    target: &Target,
    settings: &Settings,
    board: &Arc<Board>,
) -> Result<Outcome> {
    let reporter = Reporter::new(&target.id, settings.verbose, Arc::clone(board));
    let output = Output::new(repo.out_dir(&target.id));
    let canonical = held(preparation).canonical(target, &settings.options).map_err(usage)?;
    let _lock = Lock::take(&repo.out, &target.id)?;
    output.forget_evidence()?;
    let mut phases = Phases::default();
    let medium = resolved_medium(preparation, target, settings)?;
    reporter.phase("media", &medium.url);
    let access = Access {
        given: settings.options.iso.is_some(),
        offline: settings.offline,
        unsigned: settings.unsigned_media,
        cancel: settings.cancel.clone(),
    };
    let ready = media::get(repo, target, &medium, &access, &reporter)?;
    phases.end("media");
    let print = print_of(repo, preparation, target, &canonical, settings, &ready)?;
    if let Some(manifest) = up_to_date(&output, &print, settings) {
        if let Some(signer) = &settings.sign {
            signer.sign(&output.dir().join(SUMS))?;
        }
        return Ok(Outcome::UpToDate(manifest));
    }
    let size = canonical.plan.machine;
    // Before the wait for others, too: what cannot be need not wait.
    check_space(repo, &target.id, size.disk)?;
    let load = Load::of(&size, None);
    let _seat = match &settings.gate {
        Some(gate) => {
            phases.waiting(|| gate.wait(&target.id, &load, &settings.cancel, &reporter))?
        }
        None => None,
    };
    let job = Job { repo, target, settings, reporter: &reporter, output: &output, ready: &ready };
    let result = job.run(preparation, &print, &mut phases);
    if result.is_err() {
        let failed = output.keep_evidence()?;
        if failed.is_dir() {
            reporter.say(&format!("evidence in {}", repo.show(&failed)));
        }
        tidy(repo, target)?;
    }
    let manifest = result?;
    Ok(Outcome::Built { manifest, times: phases.summary() })
}

/// The disk grows to at most its size; the artifact to about half of that.
fn check_space(repo: &Repo, target: &str, disk: u64) -> Result<()> {
    fs::create_dir_all(&repo.out).at("make", &repo.out)?;
    let space = crate::host::resources::space("out", &repo.out).map_err(anyhow::Error::msg)?;
    // A cloud system fills a quarter of the disk it is given; below that
    // the build is sure to fail, above it we would refuse what works.
    let need = disk / 4;
    if space.free < need {
        return Err(Coded::host(format!(
            "{} is free in {}, {} needs about {}\n  hint: cargo xtask clean, or --out DIR",
            table::size(space.free),
            repo.show(&repo.out),
            target,
            table::size(need),
        )));
    }
    Ok(())
}

/// Removes the disks of a failed build, unless its VM was kept and uses them.
fn tidy(repo: &Repo, target: &Target) -> Result<()> {
    let work = Place::work_dir(&repo.out, &target.id);
    let kept = WorkPaths::at(&work, &repo.root).kept();
    if kept.exists() { Ok(()) } else { remove(&work) }
}

/// One target is resolved at a time; a build that panicked leaves it whole.
fn held(preparation: &Mutex<Preparation>) -> MutexGuard<'_, Preparation> {
    preparation.lock().unwrap_or_else(PoisonError::into_inner)
}

fn usage(findings: Vec<Finding>) -> anyhow::Error {
    Coded { exit: Exit::Usage, message: Findings(findings).to_string() }.into()
}

/// `iso_url` and `iso_checksum` with this host's media directory; a medium of
/// Windows has to have what the answers ask for.
fn resolved_medium(
    preparation: &Mutex<Preparation>,
    target: &Target,
    settings: &Settings,
) -> Result<crate::plan::Medium> {
    let mut preparation = held(preparation);
    let resolved = preparation.resolve(target, &settings.options).map_err(usage)?;
    inputs::check(target, &resolved)?;
    Ok(resolved.plan.media)
}

fn print_of(
    repo: &Repo,
    preparation: &Mutex<Preparation>,
    target: &Target,
    canonical: &Resolved,
    settings: &Settings,
    ready: &Ready,
) -> Result<String> {
    let dir = held(preparation).resolver().dir(target);
    let evaluated = json!([canonical.plan.source, canonical.plan.provisioners]);
    let facts = serde_json::to_string(&target.facts)?;
    let engine = settings.engine.describe();
    let extra = [engine.as_str(), &ready.identity, &facts];
    fingerprint::fingerprint(&repo.root, &dir, &evaluated, &extra)
}

fn up_to_date(output: &Output, print: &str, settings: &Settings) -> Option<Manifest> {
    let manifest = manifest::read(output.dir())?;
    let same = manifest.fingerprint == print && manifest.is_intact(output.dir());
    (same && !settings.refresh).then_some(manifest)
}

/// What every step of one build needs.
struct Job<'a> {
    repo: &'a Repo,
    target: &'a Target,
    settings: &'a Settings,
    reporter: &'a Reporter,
    output: &'a Output,
    ready: &'a Ready,
}

impl Job<'_> {
    fn run(
        &self,
        preparation: &Mutex<Preparation>,
        print: &str,
        phases: &mut Phases,
    ) -> Result<Manifest> {
        let work = Place::work_dir(&self.repo.out, &self.target.id);
        remove(&work)?;
        let mut options = self.settings.options.clone();
        options.real = true;
        let resolved = held(preparation).resolve(self.target, &options).map_err(usage)?;
        check_space(self.repo, &self.target.id, resolved.plan.machine.disk)?;
        let staging = self.output.stage()?;
        let plan = serde_json::to_string_pretty(&resolved.plan)?;
        write_atomic(&staging.join("plan.json"), plan.as_bytes())?;
        let disk = self.run_engine(preparation, &resolved, &work, &staging)?;
        phases.extend(disk.timings.clone());
        let artifact = self.pack(&disk.path, &staging)?;
        phases.end("pack");
        let manifest = self.manifest(print, &artifact, phases)?;
        write_atomic(&staging.join(SUMS), artifact.sums_line().as_bytes())?;
        if let Some(signer) = &self.settings.sign {
            signer.sign(&staging.join(SUMS))?;
        }
        let text = serde_json::to_string_pretty(&manifest)?;
        write_atomic(&staging.join("manifest.json"), text.as_bytes())?;
        self.output.publish()?;
        remove(&work)?;
        Ok(manifest)
    }

    fn run_engine(
        &self,
        preparation: &Mutex<Preparation>,
        resolved: &Resolved,
        work: &Path,
        staging: &Path,
    ) -> Result<Disk> {
        let template = held(preparation).resolver().dir(self.target);
        let paths = WorkPaths::create(work, &template)
            .with_context(|| format!("cannot create {}", work.display()))?;
        let host = held(preparation).qemu_host(self.target.arch)?;
        let result = self.settings.engine.run(&super::engine::Request {
            resolved,
            medium: &self.ready.path,
            medium_sha256: &self.ready.sha256,
            host,
            paths: paths.clone(),
            settings: self.settings,
            reporter: self.reporter,
            evidence: &self.output.dir().join(super::output::FAILED),
        });
        keep_logs(&paths.logs, staging)?;
        result
    }

    fn pack(&self, disk: &Path, staging: &Path) -> Result<pack::Packed> {
        self.reporter.phase("pack", &self.target.artifact_name());
        let artifact = staging.join(self.target.artifact_name());
        let packed = pack::pack(self.target, disk, &artifact, &self.settings.cancel)?;
        self.reporter.detail(&packed.summary());
        self.reporter.phase("check", "contract");
        pack::check(self.target, &packed, self.reporter)?;
        Ok(packed)
    }

    fn manifest(&self, print: &str, packed: &pack::Packed, phases: &Phases) -> Result<Manifest> {
        Ok(Manifest {
            version: manifest::VERSION,
            target: self.target.id.clone(),
            title: self.target.facts.title.clone(),
            date: date::stamp(SystemTime::now()),
            commit: super::commit(&self.repo.root),
            engine: self.settings.engine.describe(),
            fingerprint: print.to_owned(),
            sources_checked: self.ready.checked.clone(),
            media: [
                ("path".to_owned(), self.repo.show(&self.ready.path).to_string()),
                ("sha256".to_owned(), self.ready.sha256.clone()),
                ("identity".to_owned(), self.ready.identity.clone()),
            ]
            .into_iter()
            .chain(self.ready.signed_by.clone().map(|key| ("signed_by".to_owned(), key)))
            .collect(),
            artifact: Artifact {
                file: self.target.artifact_name(),
                kind: serde_json::to_value(self.target.facts.artifact)?
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                size: packed.bytes,
                sha256: packed.sha256.clone(),
                mtime_ns: manifest::mtime_ns(&packed.path)?,
            },
            phases: phases.seconds(),
            contents: packed.contents.clone(),
        })
    }
}

/// Copies serial console, build log and screenshots where they are kept.
fn keep_logs(logs: &Path, staging: &Path) -> Result<()> {
    for entry in fs::read_dir(logs).into_iter().flatten().flatten() {
        let from: PathBuf = entry.path();
        if entry.file_type()?.is_file() {
            fs::copy(&from, staging.join(entry.file_name()))
                .with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("cannot remove {}", dir.display())),
    }
}
