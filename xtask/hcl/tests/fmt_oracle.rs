//! The formatter against `hclfmt`, which runs the same code as `packer fmt`, on
//! the corpus and on every template of this repository.
//!
//! `go install` fetches and builds it. Without Go that is a printed skip; the
//! corpus itself was recorded from a real `packer fmt`, see fixtures/fmt.json.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use packer_hcl::format::format;
use packer_hcl::source::Source;

/// The version of the library in the go.mod of Packer 1.16.0.
const PACKAGE: &str = "github.com/hashicorp/hcl/v2/cmd/hclfmt@v2.24.0";

/// `hclfmt`, built into the target directory.
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn hclfmt() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("HCLFMT") {
        return Ok(path.into());
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let program = dir.join("hclfmt");
    if program.exists() {
        return Ok(program);
    }
    let built = Command::new("go").args(["install", PACKAGE]).env("GOBIN", &dir).output();
    match built {
        Err(e) => Err(format!("Go is not installed ({e})")),
        Ok(output) if output.status.success() => Ok(program),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(std::env::var_os("CI").is_none(), "go install {PACKAGE}: {said}");
            Err(format!("go install {PACKAGE} failed: {said}"))
        }
    }
}

/// Every template below the repository.
fn templates(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !name.starts_with('.') && !["target", "out", "media"].contains(&&*name)
        {
            templates(&entry.path(), found);
        } else if kind.is_file() && (name.ends_with(".pkr.hcl") || name.ends_with(".pkrtpl.hcl")) {
            found.extend(fs::read_to_string(entry.path()));
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn agrees_with_hclfmt() {
    let program = match hclfmt() {
        Ok(program) => program,
        Err(why) => {
            // Past the capture of tests that pass.
            let what = format!("skipped: the layout was not compared with hclfmt: {why}\n");
            return std::io::stderr().write_all(what.as_bytes()).unwrap();
        }
    };
    let corpus: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/fmt.json")).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    let mut texts: Vec<String> =
        cases.iter().map(|case| case["input"].as_str().unwrap().to_owned()).collect();
    templates(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), &mut texts);
    assert!(texts.len() >= 250, "{}", texts.len());
    let dir = tempfile::tempdir().unwrap();
    let (mut same, mut wrong) = (0, vec![]);
    for (index, text) in texts.iter().enumerate() {
        // What cannot be parsed is left alone by both.
        let Ok(ours) = format(&Source::new("t.hcl", text.as_str())) else { continue };
        let file = dir.path().join(format!("{index}.hcl"));
        fs::write(&file, text).unwrap();
        let output = Command::new(&program).arg(&file).output().unwrap();
        let theirs = String::from_utf8_lossy(&output.stdout);
        // hclfmt also refuses what Packer formats; then there is nothing to compare.
        if !output.status.success() {
            continue;
        }
        match theirs == ours {
            true => same += 1,
            false => wrong.push(format!("{text:?}\n hclfmt {theirs:?}\n ours   {ours:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), texts.len(), wrong.join("\n"));
    assert!(same >= 200, "{same}");
    eprintln!("{same} of {} texts compared with hclfmt", texts.len());
}
