//! Provisioners.

use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::Provisioner;

use super::names;
use super::reader::Reader;
use crate::engine::step::{Action, FileCopy, Filter, Script, Shell, ShellLocal, Step};

/// Reads a provisioner; `None` if it cannot be read at all. Filters were applied
/// by the evaluation.
pub(super) fn step(provisioner: &Provisioner, problems: &mut Vec<Diagnostic>) -> Option<Step> {
    let kind = provisioner.provisioner_type.as_str();
    let mut reader = Reader::new(&provisioner.body, problems);
    let action = match kind {
        "shell" => Action::Shell(shell(&mut reader)?),
        "file" => Action::File(file(&mut reader)),
        "shell-local" => Action::ShellLocal(local(&mut reader)?),
        "sleep" => Action::Sleep(reader.time("duration").unwrap_or(Duration::ZERO)),
        _ => {
            let span = provisioner.span.clone();
            problems.push(names::only_packer(&format!("the provisioner `{kind}`"), span));
            return None;
        }
    };
    reader.finish_step();
    Some(Step {
        action,
        name: provisioner.name.clone(),
        origin: origin(provisioner),
        pause_before: provisioner.pause_before,
        timeout: Some(provisioner.timeout).filter(|limit| !limit.is_zero()),
        max_retries: provisioner.max_retries,
        continue_on_error: provisioner.continue_on_error,
        filter: Filter::All,
    })
}

/// `debian.pkr.hcl:41`.
fn origin(provisioner: &Provisioner) -> String {
    let path = provisioner.span.path();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{file}:{}", provisioner.span.start().line)
}

/// `inline`, `script` or `scripts`, exactly one of them.
fn script(r: &mut Reader<'_>, command: Option<String>) -> Option<Script> {
    let mut inline = r.texts("inline");
    inline.extend(command);
    let mut files = r.texts("scripts");
    files.extend(r.text("script"));
    let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
    match (inline.is_empty(), files.is_empty()) {
        (false, true) => Some(Script::Inline(inline)),
        (true, false) => Some(Script::Files(files)),
        _ => {
            let detail = "Exactly one of \"inline\", \"script\" and \"scripts\" is needed.";
            r.problem("No script or too many", detail);
            None
        }
    }
}

/// `environment_vars` and `env`, the latter winning.
fn environment(r: &mut Reader<'_>) -> IndexMap<String, String> {
    let mut env = IndexMap::new();
    for pair in r.texts("environment_vars") {
        match pair.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                env.insert(name.to_owned(), value.to_owned());
            }
            // Not the text itself: it may be a secret.
            _ => r.wrong("environment_vars", "every element has the form NAME=value"),
        }
    }
    env.extend(r.map("env"));
    env
}

fn shell(r: &mut Reader<'_>) -> Option<Shell> {
    let script = script(r, None);
    let default = Shell::new(Script::Inline(Vec::new()));
    let shell = Shell {
        inline_shebang: r.text("inline_shebang"),
        env: environment(r),
        env_var_format: r.text("env_var_format"),
        execute_command: r.text("execute_command"),
        use_env_var_file: r.flag("use_env_var_file"),
        binary: r.flag("binary"),
        remote_folder: r.text("remote_folder").unwrap_or(default.remote_folder),
        remote_file: r.text("remote_file"),
        remote_path: r.text("remote_path"),
        skip_clean: r.flag("skip_clean"),
        expect_disconnect: r.flag("expect_disconnect"),
        start_retry_timeout: r.time("start_retry_timeout").unwrap_or(default.start_retry_timeout),
        valid_exit_codes: r.codes("valid_exit_codes").unwrap_or(default.valid_exit_codes),
        pause_after: r.time("pause_after").unwrap_or(Duration::ZERO),
        script: Script::Inline(Vec::new()),
    };
    script.map(|script| Shell { script, ..shell })
}

fn file(r: &mut Reader<'_>) -> FileCopy {
    let mut sources = r.texts("sources");
    sources.extend(r.text("source"));
    let download = r.choice("direction", &["upload", "download"], |word| match word {
        "upload" => Some(false),
        "download" => Some(true),
        _ => None,
    });
    let copy = FileCopy {
        sources,
        content: r.text("content"),
        destination: r.text("destination").unwrap_or_default(),
        download: download.unwrap_or(false),
        generated: r.flag("generated"),
    };
    if copy.destination.is_empty() {
        r.problem("Missing required argument", "\"destination\" is required.");
    }
    match (&copy.content, copy.sources.is_empty()) {
        (Some(_), false) => r.wrong("content", "it cannot be used together with a source"),
        (None, true) => {
            r.problem(
                "Missing required argument",
                "\"source\", \"sources\" or \"content\" is needed.",
            );
        }
        _ => {}
    }
    copy
}

fn local(r: &mut Reader<'_>) -> Option<ShellLocal> {
    let command = r.text("command");
    let script = script(r, command);
    let default = ShellLocal::new(Script::Inline(Vec::new()));
    let local = ShellLocal {
        inline_shebang: r.text("inline_shebang").unwrap_or(default.inline_shebang),
        env: environment(r),
        env_var_format: r.text("env_var_format"),
        execute_command: r.texts("execute_command"),
        only_on: r.texts("only_on"),
        valid_exit_codes: r.codes("valid_exit_codes").unwrap_or(default.valid_exit_codes),
        tempfile_extension: r.text("tempfile_extension"),
        script: Script::Inline(Vec::new()),
    };
    if r.flag("use_linux_pathing") {
        r.wrong("use_linux_pathing", "it is for Windows hosts");
    }
    script.map(|script| ShellLocal { script, ..local })
}
