//! Runs the plan of a target with a real Packer.
//!
//! What the templates need for evidence (serial file, QMP socket) is in their
//! own variables, so the guest is watched here as well. What only the
//! built-in engine can do is refused: see [`check`].

mod fetch;
mod watch;

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use self::watch::Watch;
use super::engine::{Outcome, Request};
use crate::at::At as _;
use crate::cmd::Cmd;
use crate::engine::error::{Kind, Trouble};
use crate::engine::host::View;
use crate::engine::run::OnError;
use crate::exit::{Coded, Exit};
use crate::host::packer::Packer;
use crate::plan::varfile;

/// Packer ends its VM and removes its files when it is told to stop; the
/// plugin's own limit for that is 15 s (`step_run.go`), then QEMU is killed.
const GRACE: Duration = Duration::from_secs(20);

/// Lines of Packer that begin a phase, as the qemu plugin v1.1 and Packer 1.16
/// print them (own runs; the same strings stand in their sources).
const PHASES: [(&str, &str); 12] = [
    ("Retrieving ", "media"),
    ("Copying hard drive", "prepare"),
    ("Creating required virtual machine disks", "prepare"),
    ("Starting VM", "boot"),
    ("Booting from ", "boot"),
    ("Typing the boot command", "boot"),
    ("Waiting for shutdown", "install"),
    ("Waiting for SSH to become available", "connect"),
    ("Provisioning with ", "provision"),
    ("Uploading ", "provision"),
    ("Gracefully halting ", "shutdown"),
    ("Converting hard drive", "finish"),
];

/// Refuses settings that only the built-in engine has.
///
/// # Errors
/// Exit 2, naming the flag.
pub fn check(on_error: OnError) -> Result<()> {
    if on_error == OnError::Clean {
        return Ok(());
    }
    let message = "--on-error keep and ask are not possible with Packer: it always ends its VM\n  \
                   hint: add --engine builtin";
    Err(Coded { exit: Exit::Usage, message: message.into() }.into())
}

/// Runs `packer build` until the disk is finished.
///
/// # Errors
/// What Packer printed last, with the console's tail.
pub fn build(packer: &Packer, request: &Request<'_>) -> Result<Outcome> {
    let paths = &request.paths;
    // Packer wants to make it itself.
    fs::remove_dir(&paths.output).or_else(absent).at("remove", &paths.output)?;
    let variables = paths.secrets.join("build.pkrvars.hcl");
    write_private(&variables, &varfile::text(&settings(request), &request.resolved.evaluated))?;
    let run = Run::new(request);
    let status = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| run.watch.run());
        let result = run.command(packer, &variables).stream(|line| run.line(&line.text()));
        run.watch.finish();
        // A panic of the watcher must not hide what Packer said.
        drop(watcher.join());
        result
    });
    drop(fs::remove_file(&variables));
    let path = paths.output.join("disk.qcow2");
    match status {
        Err(error) if request.settings.cancel.is_set() => {
            Err(Coded { exit: Exit::Interrupted, message: "interrupted".into() })
                .with_context(|| error.to_string())
        }
        Err(_) | Ok(1..) | Ok(..0) => Err(run.failure()),
        Ok(0) if path.is_file() => {
            run.watch.forget_picture();
            Ok(Outcome { path, timings: run.timings() })
        }
        Ok(0) => Err(failed("Packer left no disk under the name that it was given")),
    }
}

fn failed(message: impl Into<String>) -> anyhow::Error {
    Coded { exit: Exit::Failed, message: message.into() }.into()
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Variables of the plan, with the verified local medium in place of its URL.
fn settings(request: &Request<'_>) -> Vec<(String, String)> {
    let evaluated = &request.resolved.evaluated;
    let mut all: Vec<_> = request.resolved.plan.variables.clone().into_iter().collect();
    let mut set = |name: &str, value: String| {
        if evaluated.variable(name).is_some() {
            all.retain(|(known, _)| known != name);
            all.push((name.to_owned(), value));
        }
    };
    set("iso_url", request.medium.to_string_lossy().into_owned());
    set("iso_checksum", format!("sha256:{}", request.medium_sha256));
    set("headless", (request.settings.view == View::None).to_string());
    all
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A run of Packer.
struct Run<'a> {
    request: &'a Request<'a>,
    watch: Watch<'a>,
    last: Mutex<Vec<String>>,
    error: Mutex<Option<String>>,
    phases: Mutex<Vec<(String, Instant)>>,
}

impl<'a> Run<'a> {
    fn new(request: &'a Request<'a>) -> Self {
        let watch = Watch::new(request);
        let (last, error, phases) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { request, watch, last, error, phases }
    }

    fn command(&self, packer: &Packer, variables: &Path) -> Cmd {
        let paths = &self.request.paths;
        let options = &self.request.settings.options;
        let files = options.var_files.iter().map(PathBuf::as_path).chain([variables]);
        let files = files.map(|file| format!("-var-file={}", file.display()));
        let mut cmd = Cmd::new(&packer.path, "build the image with Packer")
            .cwd(&paths.root)
            .args(["build", "-color=false", "-timestamp-ui=false"])
            .args(files)
            .arg(&self.request.resolved.plan.template)
            .env("CHECKPOINT_DISABLE", "1")
            .env("PACKER_NO_COLOR", "1")
            .env("PACKER_CACHE_DIR", paths.root.join("cache"))
            .env("TMPDIR", &paths.root)
            .success(&[0, 1])
            .grace(GRACE)
            .log(paths.build_log())
            .cancel(&self.watch.token);
        if self.request.settings.verbose > 0 {
            cmd = cmd.env("PACKER_LOG", "1").env("PACKER_LOG_PATH", paths.logs.join("packer.log"));
        }
        cmd
    }

    /// A line of Packer's: a phase, or detail.
    fn line(&self, text: &str) {
        if let (Some(why), Ok(mut error)) = (errored(text), self.error.lock()) {
            error.get_or_insert_with(|| why.to_owned());
        }
        let said = text.trim_start_matches("==> ").trim_start();
        let said = said.split_once(": ").map_or(said, |(_, said)| said).trim_start();
        self.watch.line(said);
        match PHASES.iter().find(|(start, _)| said.starts_with(start)) {
            Some((_, phase)) => self.phase(phase, said),
            None => self.request.reporter.detail(said),
        }
        if !said.is_empty()
            && let Ok(mut last) = self.last.lock()
        {
            last.push(said.to_owned());
            let surplus = last.len().saturating_sub(12);
            last.drain(..surplus);
        }
    }

    fn phase(&self, phase: &str, said: &str) {
        self.request.reporter.phase(phase, said);
        self.watch.phase(phase);
        if let Ok(mut phases) = self.phases.lock()
            && phases.last().is_none_or(|(last, _)| last != phase)
        {
            phases.push((phase.to_owned(), Instant::now()));
        }
    }

    fn failure(&self) -> anyhow::Error {
        let (tail, cause) = self.watch.console();
        let reason = self.watch.reason();
        let mut text = self.headline(reason.as_ref());
        let mut add = |name: &str, said: &str| {
            let _ = write!(text, "\n  {name:<9} {said}");
        };
        for line in self.last.lock().iter().flat_map(|last| last.iter()) {
            add("packer", &format!("| {line}"));
        }
        tail.iter().for_each(|line| add("console", &format!("| {line}")));
        add("all of it", &self.request.evidence.display().to_string());
        if let Some(picture) = self.watch.picture()
            && let Some(name) = picture.file_name()
        {
            add("screen", &self.request.evidence.join(name).display().to_string());
        }
        if self.watch.fetched() == Some(false) {
            add("fetched", "nothing: the boot command did not reach the installer");
        }
        if let Some(cause) = cause {
            add("cause", &cause.cause);
            add("try", &cause.fix);
        }
        let host = reason.is_some_and(|reason| reason.kind == Kind::Host);
        let exit = if host { Exit::HostNotReady } else { Exit::Failed };
        Coded { exit, message: text }.into()
    }

    /// What the watcher found, or what Packer calls an error.
    fn headline(&self, reason: Option<&Trouble>) -> String {
        let error = self.error.lock().ok().and_then(|error| error.clone());
        let why = reason.map(|reason| reason.message.clone()).or(error);
        format!("{}: {}", self.phase_now(), why.as_deref().unwrap_or("packer build failed"))
    }

    fn phase_now(&self) -> String {
        let phases = self.phases.lock().ok();
        let last = phases.and_then(|phases| phases.last().map(|(name, _)| name.clone()));
        last.unwrap_or_else(|| "packer".into())
    }

    fn timings(&self) -> Vec<(String, Duration)> {
        let phases = self.phases.lock().map(|phases| phases.clone()).unwrap_or_default();
        let ends = phases.iter().skip(1).map(|(_, at)| *at).chain([Instant::now()]);
        let mut all: Vec<(String, Duration)> = Vec::new();
        for ((name, start), end) in phases.iter().zip(ends) {
            let time = end.saturating_duration_since(*start);
            match all.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum = sum.saturating_add(time),
                None => all.push((name.clone(), time)),
            }
        }
        all
    }
}

/// `Build 'qemu.x' errored after 2 minutes: WHY`, as Packer 1.16 ends (own run).
fn errored(line: &str) -> Option<&str> {
    let (build, why) = line.split_once(": ")?;
    build.contains(" errored after ").then_some(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packers_own_reason_is_found() {
        let line = "Build 'qemu.debian' errored after 1 minute 3 seconds: Script exited: 7";
        assert_eq!(errored(line), Some("Script exited: 7"));
        assert_eq!(errored("==> qemu.debian: Deleting output directory..."), None);
    }
}
