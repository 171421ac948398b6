//! Records Packer's verdicts into the fixture.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::fixture::{self, Case};

#[test]
#[ignore = "re-records the fixture; needs PACKER=/path/to/packer"]
fn record() {
    let packer = PathBuf::from(std::env::var_os("PACKER").expect("PACKER names the binary"));
    let root = tempfile::tempdir().expect("a directory");
    let mut fixture = fixture::load();
    let version = run(&packer, root.path(), &["version".to_owned()], &[]);
    let version = text(version.stdout);
    version.lines().next().unwrap_or_default().clone_into(&mut fixture.packer);
    for case in &mut fixture.cases {
        case.write(root.path());
        ask(&packer, root.path(), case);
    }
    std::fs::write(fixture::path(), fixture::render(&fixture)).expect("a writable fixture");
}

fn ask(packer: &Path, root: &Path, case: &mut Case) {
    let env = Case::pairs(&case.env);
    let common: Vec<String> = case.var_arguments().into_iter().chain([case.name.clone()]).collect();
    let command = |name: &str| {
        let arguments: Vec<String> = [name.to_owned()].into_iter().chain(common.clone()).collect();
        run(packer, root, &arguments, &env)
    };
    let verdict = command("validate");
    let said = format!("{}{}", text(verdict.stdout), text(verdict.stderr));
    case.ok = verdict.status.success();
    case.errors = summaries(&said, "Error: ");
    case.warnings = summaries(&said, "Warning: ");
    case.inspect = if case.ok { text(command("inspect").stdout) } else { String::new() };
    case.output = if case.run { printed(&text(command("build").stdout)) } else { Vec::new() };
}

/// What follows a mark at the start of a line, sorted, each once.
fn summaries(said: &str, mark: &str) -> Vec<String> {
    let mut found: Vec<String> =
        said.lines().filter_map(|line| line.strip_prefix(mark)).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

/// Lines that steps print: `==> bn.null.x: text`, without what Packer says
/// itself. The builds run side by side, so the lines are sorted.
fn printed(said: &str) -> Vec<String> {
    let own = ["Running local shell script:", "Pausing "];
    let line = |line: &str| {
        let (_, text) = line.strip_prefix("==> ")?.split_once(": ")?;
        let ours = own.iter().any(|start| text.starts_with(start));
        (!ours && line.contains(".null.")).then(|| line.trim_start_matches("==> ").to_owned())
    };
    let mut lines: Vec<String> = said.lines().filter_map(line).collect();
    lines.sort();
    lines
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

#[expect(clippy::disallowed_methods, reason = "the recorder's whole job is to run Packer")]
fn run(packer: &Path, root: &Path, arguments: &[String], env: &[(String, String)]) -> Output {
    Command::new(packer)
        .args(arguments)
        .current_dir(root)
        .env_clear()
        .envs(env.iter().cloned())
        .env("HOME", "/home/truth")
        .env("PATH", "/usr/bin:/bin")
        .env("PACKER_CONFIG_DIR", root)
        .env("PACKER_NO_COLOR", "1")
        .env("CHECKPOINT_DISABLE", "1")
        .stdin(Stdio::null())
        .output()
        .expect("Packer runs")
}
