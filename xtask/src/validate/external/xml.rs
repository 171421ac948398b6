//! XML answer files, by `xmllint`: well-formed, without a network.

use std::path::Path;

use super::{Document, Job, Problem, TIMEOUT};
use crate::cmd::Cmd;

pub(super) fn jobs(document: &Document) -> Vec<Job> {
    if !document.text.trim_start().starts_with("<?xml") {
        return vec![];
    }
    vec![Job { document: document.clone(), option: String::new(), offset: 0 }]
}

pub(super) fn check(program: &Path, job: &Job) -> Result<Vec<Problem>, String> {
    let output = Cmd::new(program, "check XML")
        .cwd(std::env::temp_dir())
        .args(["--noout", "--nonet", "-"])
        .stdin(job.document.text.clone())
        .timeout(TIMEOUT)
        .success(&[0, 1])
        .output()
        .map_err(|e| e.to_string())?;
    Ok(output.stderr_text().lines().filter_map(problem).collect())
}

/// `-:3: parser error : ...`; the lines between show the source.
fn problem(line: &str) -> Option<Problem> {
    let (row, message) = line.strip_prefix("-:")?.split_once(": ")?;
    Some((row.parse().ok()?, message.to_owned()))
}
