//! Runs the plan of a target with a real Packer.
//!
//! What the templates need for evidence (serial file, QMP socket) is in their
//! own variables, so the console is watched here as well. What only the
//! built-in engine can do is refused: see [`check`].

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::engine::{Outcome, Request};
use crate::at::At as _;
use crate::cmd::Cmd;
use crate::engine::console::Console;
use crate::engine::host::View;
use crate::engine::qmp::{Qmp, QmpError};
use crate::engine::run::OnError;
use crate::engine::shots::Shots;
use crate::exit::{Coded, Exit};
use crate::host::packer::Packer;
use crate::plan::varfile;
use crate::signal::CancelToken;

/// Packer ends its VM and removes its files when it is told to stop; the
/// plugin's own limit for that is 15 s (`step_run.go`), then QEMU is killed.
const GRACE: Duration = Duration::from_secs(20);

/// How often the console is read.
const TICK: Duration = Duration::from_millis(500);

/// Lines of Packer that begin a phase, as the qemu plugin v1.1 and Packer 1.16
/// print them (own runs; the same strings stand in their sources).
const PHASES: [(&str, &str); 10] = [
    ("Retrieving ", "media"),
    ("Copying hard drive", "prepare"),
    ("Creating required virtual machine disks", "prepare"),
    ("Starting VM", "boot"),
    ("Booting from ", "boot"),
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
        let watcher = scope.spawn(|| run.watch());
        let result = run.command(packer, &variables).stream(|line| run.line(&line.text()));
        run.done.store(true, Ordering::SeqCst);
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
        Ok(0) if path.is_file() => Ok(Outcome { path, timings: run.timings() }),
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
    token: CancelToken,
    done: AtomicBool,
    console: Mutex<Console>,
    last: Mutex<Vec<String>>,
    phases: Mutex<Vec<(String, Instant)>>,
    screenshot: Mutex<Option<PathBuf>>,
}

impl<'a> Run<'a> {
    fn new(request: &'a Request<'a>) -> Self {
        Self {
            request,
            token: request.settings.cancel.child(),
            done: AtomicBool::new(false),
            console: Mutex::new(Console::new(&request.paths.serial())),
            last: Mutex::default(),
            phases: Mutex::default(),
            screenshot: Mutex::default(),
        }
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
            .cancel(&self.token);
        if self.request.settings.verbose > 0 {
            cmd = cmd.env("PACKER_LOG", "1").env("PACKER_LOG_PATH", paths.logs.join("packer.log"));
        }
        cmd
    }

    /// A line of Packer's: a phase, or detail.
    fn line(&self, text: &str) {
        let said = text.trim_start_matches("==> ").trim_start();
        let said = said.split_once(": ").map_or(said, |(_, said)| said).trim_start();
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
        if let Ok(mut phases) = self.phases.lock()
            && phases.last().is_none_or(|(last, _)| last != phase)
        {
            phases.push((phase.to_owned(), Instant::now()));
        }
    }

    /// Ends Packer when the console shows that the guest is lost.
    fn watch(&self) {
        let mut shots = self.request.settings.screenshots.map(Shots::new);
        while !self.done.load(Ordering::SeqCst) && !self.token.is_set() {
            std::thread::sleep(TICK);
            if let Some(shots) = shots.as_mut().filter(|shots| shots.is_due())
                && let Ok(mut qmp) = self.qmp()
            {
                shots.take(&mut qmp, &self.request.paths.logs);
            }
            let Ok(mut console) = self.console.lock() else { return };
            console.poll(|line| self.request.reporter.noise(line));
            if console.cause().is_some_and(|cause| cause.fatal) {
                drop(console);
                self.screenshot();
                self.token.set();
            }
        }
    }

    /// The template's control socket; QEMU takes one connection after the other.
    fn qmp(&self) -> Result<Qmp, QmpError> {
        let socket = crate::plan::conventions::template_qmp(&self.request.paths);
        Qmp::connect(&socket, Duration::from_secs(2), || !self.done.load(Ordering::SeqCst))
    }

    fn screenshot(&self) {
        let shot =
            self.qmp().and_then(|mut q| q.screendump(&self.request.paths.logs.join("failed")));
        if let (Ok(path), Ok(mut slot)) = (shot, self.screenshot.lock()) {
            *slot = path.file_name().map(|name| self.request.evidence.join(name));
        }
    }

    fn failure(&self) -> anyhow::Error {
        let (tail, cause) = self.console.lock().map_or_else(
            |_| (Vec::new(), None),
            |mut console| {
                console.poll(|_| ());
                (console.tail(), console.cause())
            },
        );
        let mut text = String::from("packer build failed");
        let mut add = |name: &str, said: &str| {
            let _ = write!(text, "\n  {name:<9} {said}");
        };
        for line in self.last.lock().iter().flat_map(|last| last.iter()) {
            add("packer", &format!("| {line}"));
        }
        tail.iter().for_each(|line| add("console", &format!("| {line}")));
        add("all of it", &self.request.evidence.display().to_string());
        if let Some(path) = self.screenshot.lock().ok().and_then(|shot| shot.clone()) {
            add("screen", &path.display().to_string());
        }
        if let Some(cause) = cause {
            add("cause", &cause.cause);
            add("try", &cause.fix);
        }
        failed(text)
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
