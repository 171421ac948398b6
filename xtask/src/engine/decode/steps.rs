//! Provisioners as [`Step`]s.

use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::Provisioner;

use super::reader::Reader;
use crate::engine::step::{Action, FileCopy, Filter, Script, Shell, ShellLocal, Step};

pub(super) fn decode(provisioner: &Provisioner) -> Result<Step, Vec<Diagnostic>> {
    let mut r = Reader::new(&provisioner.body);
    let kind = provisioner.provisioner_type.as_str();
    let action = match kind {
        "shell" => Action::Shell(shell(&mut r)),
        "file" => Action::File(file(&mut r)),
        "shell-local" => Action::ShellLocal(shell_local(&mut r)),
        "sleep" => Action::Sleep(r.duration("duration").unwrap_or(Duration::ZERO)),
        other => {
            return Err(vec![Diagnostic::error(
                format!("The built-in engine has no provisioner `{other}`"),
                "It has shell, file, shell-local and sleep; build with --engine packer.",
                provisioner.span.clone(),
            )]);
        }
    };
    let problems = r.finish(&format!("{kind} provisioner"));
    if !problems.is_empty() {
        return Err(problems);
    }
    let place = provisioner.span.start();
    let file = provisioner.span.path().file_name().unwrap_or_default().to_string_lossy();
    Ok(Step {
        name: provisioner.name.clone(),
        origin: format!("{file}:{}", place.line),
        pause_before: provisioner.pause_before,
        timeout: Some(provisioner.timeout).filter(|t| !t.is_zero()),
        max_retries: provisioner.max_retries,
        continue_on_error: provisioner.continue_on_error,
        // The evaluator gives each source only the provisioners it runs.
        filter: Filter::All,
        ..Step::new(action)
    })
}

/// `inline`, `script` or `scripts`; exactly one is needed.
fn script(r: &mut Reader<'_>, also: Option<String>) -> Script {
    let inline = r.texts("inline");
    let mut files: Vec<PathBuf> = r.path("script").into_iter().collect();
    files.extend(r.paths("scripts"));
    match (inline.or(also.map(|line| vec![line])), files.is_empty()) {
        (Some(lines), true) => Script::Inline(lines),
        (None, false) => Script::Files(files),
        (None, true) => {
            r.problem("inline", "one of inline, script, scripts is needed");
            Script::Inline(vec![])
        }
        (Some(_), false) => {
            r.problem("inline", "only one of inline, script, scripts may be set");
            Script::Inline(vec![])
        }
    }
}

/// `environment_vars` as `NAME=VALUE`, then `env`, which wins.
fn environment(r: &mut Reader<'_>) -> IndexMap<String, String> {
    let mut env = IndexMap::new();
    for row in r.texts("environment_vars").unwrap_or_default() {
        match row.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                env.insert(name.to_owned(), value.to_owned());
            }
            _ => r.problem("environment_vars", "each must be NAME=VALUE"),
        }
    }
    env.extend(r.map("env"));
    env
}

fn shell(r: &mut Reader<'_>) -> Shell {
    let default = Shell::new(script(r, None));
    Shell {
        inline_shebang: r.filled("inline_shebang"),
        env: environment(r),
        env_var_format: r.filled("env_var_format"),
        execute_command: r.filled("execute_command"),
        use_env_var_file: r.flag("use_env_var_file"),
        binary: r.flag("binary"),
        remote_folder: r.filled("remote_folder").unwrap_or(default.remote_folder),
        remote_file: r.filled("remote_file"),
        remote_path: r.filled("remote_path"),
        skip_clean: r.flag("skip_clean"),
        expect_disconnect: r.flag("expect_disconnect"),
        start_retry_timeout: r
            .duration("start_retry_timeout")
            .unwrap_or(default.start_retry_timeout),
        valid_exit_codes: r.numbers("valid_exit_codes").unwrap_or(default.valid_exit_codes),
        pause_after: r.duration("pause_after").unwrap_or(Duration::ZERO),
        script: default.script,
    }
}

fn file(r: &mut Reader<'_>) -> FileCopy {
    let mut sources: Vec<String> = r.filled("source").into_iter().collect();
    sources.extend(r.texts("sources").unwrap_or_default());
    let content = r.text("content");
    let destination = r.filled("destination").unwrap_or_default();
    if destination.is_empty() {
        r.problem("destination", "it is required");
    }
    if sources.is_empty() == content.is_none() {
        r.problem("source", "one of source, sources, content is needed");
    }
    let direction = r.filled("direction").unwrap_or_else(|| "upload".into());
    if !["upload", "download"].contains(&direction.as_str()) {
        r.problem("direction", "it is upload or download");
    }
    FileCopy {
        sources,
        content,
        destination,
        download: direction == "download",
        generated: r.flag("generated"),
    }
}

fn shell_local(r: &mut Reader<'_>) -> ShellLocal {
    let command = r.filled("command");
    let default = ShellLocal::new(script(r, command));
    ShellLocal {
        inline_shebang: r.filled("inline_shebang").unwrap_or(default.inline_shebang),
        env: environment(r),
        env_var_format: r.filled("env_var_format"),
        execute_command: r.texts("execute_command").unwrap_or_default(),
        only_on: r.texts("only_on").unwrap_or_default(),
        valid_exit_codes: r.numbers("valid_exit_codes").unwrap_or(default.valid_exit_codes),
        tempfile_extension: r.filled("tempfile_extension"),
        script: default.script,
    }
}
