//! Python hooks, by the compiler of `python3`. Nothing is written.

use std::path::Path;

use super::{Document, Job, Problem, TIMEOUT};
use crate::cmd::Cmd;

/// Compiles standard input; a mistake is printed as `LINE MESSAGE`.
const PROGRAM: &str = "\
import sys, warnings
warnings.simplefilter('error')
try:
    compile(sys.stdin.buffer.read(), 'hook', 'exec', dont_inherit=True)
except (SyntaxError, ValueError) as error:
    print(getattr(error, 'lineno', None) or 0, error)
";

pub(super) fn jobs(document: &Document) -> Vec<Job> {
    let first = document.text.lines().next().unwrap_or_default();
    let script = first.starts_with("#!") && first.contains("python");
    let module = document.file.extension().is_some_and(|e| e == "py");
    if !script && !module {
        return vec![];
    }
    vec![Job { document: document.clone(), option: String::new(), offset: 0 }]
}

pub(super) fn check(program: &Path, job: &Job) -> Result<Vec<Problem>, String> {
    let output = Cmd::new(program, "compile a hook")
        .cwd(std::env::temp_dir())
        .args(["-c", PROGRAM])
        .stdin(job.document.text.clone())
        .timeout(TIMEOUT)
        .output()
        .map_err(|e| e.to_string())?;
    let said = output.stdout_text();
    let problem = said.trim().split_once(' ');
    Ok(problem.map(|(row, text)| (row.parse().unwrap_or(0), text.to_owned())).into_iter().collect())
}
