//! Records Packer's answers into the fixtures.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::fixture::{self, Case, Fixture, Recorded};

#[test]
#[ignore = "re-records the fixtures; needs PACKER=/path/to/packer"]
fn record() {
    let packer = PathBuf::from(std::env::var_os("PACKER").expect("PACKER names the binary"));
    let commit = std::env::var("PACKER_COMMIT").unwrap_or_default();
    let version = version_of(&packer);
    let only = std::env::var("TRUTH_ONLY").unwrap_or_default();
    let wanted =
        |fixture: &Fixture| only.is_empty() || only.split(',').any(|name| fixture.is(name));
    for mut fixture in fixture::load_all().into_iter().filter(wanted) {
        let kept = fixture.recorded.packer == version && commit.is_empty();
        let commit = if kept { fixture.recorded.commit.clone() } else { commit.clone() };
        fixture.recorded = Recorded { packer: version.clone(), commit };
        for case in &mut fixture.cases {
            ask(&packer, case);
        }
        std::fs::write(&fixture.path, fixture::render(&fixture)).expect("writable fixture");
    }
}

/// The version without the advice to update that may follow it.
fn version_of(packer: &Path) -> String {
    let output = run(packer, &["version".to_owned()], "");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().next().unwrap_or_default().to_owned()
}

fn ask(packer: &Path, case: &mut Case) {
    let mut arguments = vec!["console".to_owned()];
    arguments.extend(case.vars.iter().flat_map(|var| ["-var".to_owned(), var.clone()]));
    arguments.push("template".to_owned());
    let output = run(packer, &arguments, &case.expr);
    let text = |bytes: Vec<u8>| fixture::hide_directory(&String::from_utf8(bytes).expect("UTF-8"));
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    if output.status.success() {
        // The console ends its answer with one newline.
        case.out = Some(stdout.strip_suffix('\n').unwrap_or(&stdout).to_owned());
        case.error = None;
    } else {
        case.out = None;
        // Packer's diagnostics go to standard output.
        let text = format!("{stdout}{stderr}");
        // A panic inside Packer is reported with a stack trace: addresses and
        // paths of the machine that built it.
        let text = text.split("\ngoroutine ").next().unwrap_or_default();
        case.error = Some(format!("{}\n", text.trim()));
    }
}

#[expect(clippy::disallowed_methods, reason = "the recorder's whole job is to run Packer")]
fn run(packer: &Path, arguments: &[String], input: &str) -> Output {
    let mut child = Command::new(packer)
        .args(arguments)
        .current_dir(fixture::directory())
        .env_clear()
        .env("HOME", "/home/truth")
        .env("PATH", "/usr/bin:/bin")
        .env("PACKER_CONFIG_DIR", std::env::temp_dir())
        .env("CHECKPOINT_DISABLE", "1")
        .env("TRUTH_ENVIRONMENT", "set")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Packer starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("Packer reads its input");
    drop(stdin);
    child.wait_with_output().expect("Packer ends")
}
