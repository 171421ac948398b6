//! Who runs the VM: the built-in engine, or a real Packer on the same plan.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::report::Reporter;
use super::run::Settings;
use crate::engine::decode;
use crate::engine::error::{EngineError, Kind};
use crate::engine::events::{Event, Events};
use crate::engine::host::{QemuHost, WorkPaths};
use crate::engine::run::{self, Job, OnError};
use crate::exit::{Coded, Exit};
use crate::finding::Findings;
use crate::host::packer::{self, Packer};
use crate::plan::{Resolved, diagnose};

/// What `--engine` may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// Packer if a good one is there, else the built-in engine.
    #[default]
    Auto,
    /// The built-in engine.
    Builtin,
    /// Packer.
    Packer,
}

/// The engine of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Ours.
    Builtin {
        /// Why it was chosen, for the first line.
        why: String,
    },
    /// A Packer with the qemu plugin.
    Packer(Packer),
}

impl Engine {
    /// Looks at what is installed. Only the built-in engine can keep a VM.
    ///
    /// # Errors
    /// `--engine packer` and no good Packer: exit 3; with a VM to keep: exit 2.
    pub fn choose(choice: Choice, on_error: OnError) -> Result<Self> {
        match choice {
            Choice::Builtin => return Ok(Self::Builtin { why: "asked for".into() }),
            Choice::Auto if on_error != OnError::Clean => {
                return Ok(Self::Builtin { why: "Packer cannot keep a VM".into() });
            }
            Choice::Packer => super::packer::check(on_error)?,
            Choice::Auto => {}
        }
        let found = packer::probe();
        match (found, choice) {
            (Some(packer), _) if packer.is_good() => Ok(Self::Packer(packer)),
            (found, Choice::Packer) => Err(Coded::host(format!(
                "--engine packer: {}\n  hint: install Packer >= {} and its qemu plugin >= {}, or use --engine builtin",
                problem(found.as_ref()),
                packer::minimum(),
                packer::minimum_plugin(),
            ))),
            (found, _) => Ok(Self::Builtin { why: problem(found.as_ref()) }),
        }
    }

    /// For the manifest and the fingerprint: two engines are two images.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Builtin { .. } => "built-in".into(),
            Self::Packer(packer) => {
                let version = |v: &Option<crate::host::version::Version>| {
                    v.as_ref().map_or_else(|| "?".into(), ToString::to_string)
                };
                format!("Packer {} plugin {}", version(&packer.version), version(&packer.plugin))
            }
        }
    }

    /// Runs the VM until its disk is finished.
    ///
    /// # Errors
    /// Phase, reason and evidence.
    pub fn run(&self, request: &Request<'_>) -> Result<Outcome> {
        match self {
            Self::Builtin { .. } => builtin(request),
            Self::Packer(packer) => super::packer::build(packer, request),
        }
    }
}

fn problem(found: Option<&Packer>) -> String {
    match found {
        None => "no Packer is installed".into(),
        Some(packer) => packer
            .problem
            .clone()
            .unwrap_or_else(|| format!("{} is not usable", packer.path.display())),
    }
}

/// One build for an engine.
#[derive(Debug)]
pub struct Request<'a> {
    /// The plan with its evaluation.
    pub resolved: &'a Resolved,
    /// The verified local medium.
    pub medium: &'a Path,
    /// Its SHA-256, lower-case hexadecimal.
    pub medium_sha256: &'a str,
    /// QEMU and its companions.
    pub host: QemuHost,
    /// Where the engine may write.
    pub paths: WorkPaths,
    /// The user's choices.
    pub settings: &'a Settings,
    /// Who is told.
    pub reporter: &'a Reporter,
    /// Where logs and screenshots will be after a failure.
    pub evidence: &'a Path,
}

/// What the VM left.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The disk.
    pub path: PathBuf,
    /// Phases and their times.
    pub timings: Vec<(String, Duration)>,
}

fn builtin(request: &Request<'_>) -> Result<Outcome> {
    let root = request.paths.template.parent().unwrap_or(Path::new("/"));
    let decoded = decode::job(&request.resolved.source);
    let (mut spec, steps) = decoded.map_err(|diagnostics| {
        let findings = diagnose::findings(root, &diagnostics);
        anyhow::Error::from(Coded { exit: Exit::Usage, message: Findings(findings).to_string() })
    })?;
    spec.medium = request.medium.into();
    let emulated = request.host.accelerator != crate::engine::spec::Accelerator::Kvm;
    let job = Job {
        spec,
        steps,
        host: request.host.clone(),
        paths: request.paths.clone(),
        options: run::Options {
            on_error: request.settings.on_error,
            view: request.settings.view,
            // Templates state timeouts for hardware virtualization.
            patience: if emulated { 6 } else { 1 },
            screenshots: request.settings.screenshots,
            stall: Some(request.settings.limits.stall),
            fetch: request.settings.limits.fetch,
            ..run::Options::default()
        },
    };
    let result = run::run(&job, &Said(request.reporter), &request.settings.cancel);
    let disk = result.map_err(|error| failure(*error, request.evidence))?;
    let path = disk.disks.first().cloned();
    let path = path.ok_or_else(|| {
        anyhow::anyhow!(
            "the build left no disk\n  hint: a source of a target makes one; `cargo xtask plan {}` shows its disks",
            request.resolved.plan.target
        )
    })?;
    let timings = disk.timings.iter().map(|(p, d)| (p.name().to_owned(), *d)).collect();
    Ok(Outcome { path, timings })
}

/// The error with its files under the names they are kept by.
fn failure(mut error: EngineError, evidence: &Path) -> anyhow::Error {
    for file in [&mut error.serial_log, &mut error.screenshot].into_iter().flatten() {
        if let Some(name) = file.file_name() {
            *file = evidence.join(name);
        }
    }
    let exit = match error.trouble.kind {
        Kind::Interrupted => Exit::Interrupted,
        Kind::Template => Exit::Usage,
        Kind::Host => Exit::HostNotReady,
        Kind::Guest => Exit::Failed,
    };
    let message = if exit == Exit::Interrupted { "interrupted".into() } else { error.to_string() };
    Coded { exit, message }.into()
}

/// Engine events as progress lines.
struct Said<'a>(&'a Reporter);

impl Events for Said<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Phase(phase) => self.0.phase(phase.name(), ""),
            Event::Note(text) => self.0.detail(text),
            Event::Step { number, total, name } => {
                self.0.phase("provision", &format!("{number}/{total} {name}"));
            }
            Event::Output(line) => self.0.detail(line),
            Event::Serial(line) => self.0.noise(line),
        }
    }
}
