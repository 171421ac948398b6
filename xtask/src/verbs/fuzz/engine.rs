//! Builds the targets with libFuzzer and runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use walkdir::{DirEntry, WalkDir};

use super::super::Context;
use super::super::test::is_cargos_own;
use crate::cmd::{Cmd, which};
use crate::exit::{Coded, Exit};
use crate::fuzz::{self, Seen, Target};

/// Longest time one input may take, seconds; for slow and busy machines.
const INPUT_SECONDS: u64 = 20;
/// Most resident memory, MiB: 512 for the input, the rest is the engine's.
const RSS_MIB: u64 = 640;
/// Time beyond `--time` until the engine itself is thought to hang.
const SLACK: Duration = Duration::from_secs(180);
/// Exit codes of libFuzzer: findings, and of a process that aborts.
const CODES: [i32; 6] = [0, 1, 70, 71, 77, 134];

/// Whether the engine can be compiled.
pub(super) fn has_compiler() -> bool {
    std::env::var_os("CXX").is_some() || which("c++").is_some()
}

/// A program with all targets in it.
pub(super) struct Engine<'c> {
    program: PathBuf,
    context: &'c Context,
}

/// What a run gave.
pub(super) struct Ended {
    pub(super) took: Duration,
    pub(super) seen: Seen,
    pub(super) finding: Option<Finding>,
}

/// An input that must not be.
pub(super) struct Finding {
    pub(super) input: PathBuf,
    /// The message of the panic, or what libFuzzer says.
    pub(super) what: String,
}

impl<'c> Engine<'c> {
    /// Compiles the targets: about a minute for the first time.
    pub(super) fn build(context: &'c Context) -> Result<Self> {
        let root = &context.repo.root;
        let cargo = which("cargo").or_else(|| std::env::var_os("CARGO").map(PathBuf::from));
        let cargo = cargo
            .ok_or_else(|| Coded::host("`cargo` is not on PATH\n  hint: https://rustup.rs"))?;
        let args = ["build", "--locked", "--package", "xtask-fuzz", "--features", "engine"];
        let format = "--message-format=json-render-diagnostics";
        let names = std::env::vars_os().map(|(name, _)| name);
        let leaked = names.filter(|name| name.to_str().is_some_and(is_cargos_own));
        let command = Cmd::new(cargo, "build the fuzz targets")
            .cwd(root)
            .args(args)
            .args(["--bin", "xtask-fuzz", format])
            // Only the crates of this workspace are instrumented, so those it
            // depends on are compiled no second time.
            .env("RUSTC_WORKSPACE_WRAPPER", root.join("xtask/fuzz/instrument"))
            .timeout(Duration::from_secs(20 * 60));
        let output = leaked.fold(command, Cmd::env_remove).output()?;
        let text = output.stdout_text();
        let executable = text.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message.get("executable")?.as_str()?))
        });
        let program = executable
            .context("cargo compiled the fuzz targets but named no program\n  hint: `cargo --version` should be that of rust-toolchain.toml, by rustup")?;
        Ok(Self { program, context })
    }

    fn command(&self, target: &Target) -> Cmd {
        Cmd::new(&self.program, format!("fuzz `{}`", target.name))
            .cwd(&self.context.repo.root)
            .env(fuzz::TARGET_VARIABLE, target.name)
            .success(&CODES)
    }

    /// Runs one input.
    pub(super) fn once(&self, target: &Target, input: &Path) -> Result<Exit> {
        let input = std::path::absolute(input)?;
        if !input.is_file() {
            return Err(Coded::usage(format!(
                "the input {} is no file\n  hint: a finding names it; `ls out/fuzz`",
                input.display()
            )));
        }
        let limit = Duration::from_secs(INPUT_SECONDS * 2);
        let code = self.command(target).arg(&input).timeout(limit).run()?;
        Ok(if code == 0 { Exit::Ok } else { Exit::Failed })
    }

    /// Runs `target` for some time.
    pub(super) fn run(&self, target: &Target, time: Duration) -> Result<Ended> {
        let out = self.context.repo.out.join("fuzz").join(target.name);
        let corpus = out.join("corpus");
        fs::create_dir_all(&corpus)
            .with_context(|| format!("cannot create {}", corpus.display()))?;
        self.copy_from_tree(target, &corpus)?;
        let fuzz = self.context.repo.root.join("xtask/fuzz");
        let inputs = ["seeds", "regressions"].map(|kind| fuzz.join(kind).join(target.name));
        let prefix = format!("-artifact_prefix={}/", out.display());
        let log = out.join("log");
        drop(fs::remove_file(&log)); // the command appends
        let command = self
            .command(target)
            .arg(format!("-max_total_time={}", time.as_secs()))
            .arg(format!("-max_len={}", fuzz::MAX_LEN))
            .arg(format!("-timeout={INPUT_SECONDS}"))
            .arg(format!("-rss_limit_mb={RSS_MIB}"))
            .args(["-print_final_stats=1", "-use_value_profile=1", "-reload=0"])
            .arg(prefix)
            .arg(&corpus)
            .args(inputs.iter().filter(|dir| dir.is_dir()))
            .log(&log)
            .timeout(time.saturating_add(SLACK));
        let mut watch = Watch::default();
        let start = Instant::now();
        let code = command.stream(|line| watch.add_line(&line.text()))?;
        Ok(Ended { took: start.elapsed(), seen: watch.seen, finding: watch.finding(code, &log) })
    }

    /// Files of this tree are the best inputs for what reads its text.
    fn copy_from_tree(&self, target: &Target, corpus: &Path) -> Result<()> {
        if target.from_tree.is_empty() {
            return Ok(());
        }
        let skip = |entry: &DirEntry| {
            let name = entry.file_name().to_string_lossy();
            entry.depth() == 0 || !(name.starts_with('.') || name == "target" || name == "out")
        };
        let files = WalkDir::new(&self.context.repo.root).sort_by_file_name().into_iter();
        for (number, file) in files.filter_entry(skip).flatten().enumerate() {
            let path = file.path().to_string_lossy();
            let wanted = target.from_tree.iter().any(|end| path.ends_with(end));
            let size = file.metadata().map_or(0, |meta| meta.len());
            if wanted && file.file_type().is_file() && size < 64 << 10 {
                let name = format!("tree-{number}");
                fs::copy(file.path(), corpus.join(name))
                    .with_context(|| format!("cannot copy the seed {}", file.path().display()))?;
            }
        }
        Ok(())
    }
}

/// What is worth keeping of the output.
#[derive(Default)]
struct Watch {
    seen: Seen,
    said: Option<String>,
    input: Option<PathBuf>,
}

impl Watch {
    fn add_line(&mut self, line: &str) {
        self.seen.add_line(line);
        let panicked = line.starts_with("thread ") && line.contains(" panicked at ");
        if panicked || line.contains("ERROR: libFuzzer:") || line.starts_with("memory allocation") {
            self.said.get_or_insert_with(|| line.trim().to_owned());
        }
        if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.input = Some(PathBuf::from(path.trim()));
        }
    }

    fn finding(self, code: i32, log: &Path) -> Option<Finding> {
        if code == 0 {
            return None;
        }
        let what = self.said.unwrap_or_else(|| format!("exit code {code}, see {}", log.display()));
        Some(Finding { input: self.input.unwrap_or_else(|| log.to_owned()), what })
    }
}
