//! Kickstarts, by `ksvalidator` of pykickstart for the release they name.

use std::path::Path;

use super::{Document, Job, Problem, TIMEOUT};
use crate::cmd::Cmd;

/// The line that Anaconda itself writes first, for example `#version=RHEL9`.
const HEADER: &str = "#version=";

pub(super) fn jobs(document: &Document) -> Vec<Job> {
    let Some(version) = document.text.lines().next().and_then(|l| l.strip_prefix(HEADER)) else {
        return vec![];
    };
    vec![Job { document: document.clone(), option: version.trim().to_owned(), offset: 0 }]
}

pub(super) fn check(program: &Path, job: &Job) -> Result<Vec<Problem>, String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let file = dir.path().join("ks.cfg");
    std::fs::write(&file, &job.document.text).map_err(|e| e.to_string())?;
    let output = Cmd::new(program, "check a kickstart")
        .cwd(dir.path())
        .args(["-v", &job.option, "ks.cfg"])
        .timeout(TIMEOUT)
        .success(&[0, 1])
        .output()
        .map_err(|e| e.to_string())?;
    let said = format!("{}\n{}", output.stdout_text(), output.stderr_text());
    Ok(if output.code == 0 && !said.contains("deprecated") { vec![] } else { problems(&said) })
}

/// `... occurred on line 3 of the kickstart file:` and what follows it;
/// deprecation warnings name their line as well.
fn problems(said: &str) -> Vec<Problem> {
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let line_of = |text: &str| -> Option<usize> {
        let rest = text.split("on line ").nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let mut found: Vec<Problem> = vec![];
    for (index, text) in lines.iter().enumerate() {
        let Some(line) = line_of(text) else { continue };
        let after = lines.iter().skip(index + 1).find(|l| !l.is_empty());
        let message = if text.ends_with(':') { after.copied().unwrap_or(text) } else { text };
        found.push((line, message.to_owned()));
    }
    if found.is_empty() {
        let text: Vec<&str> = lines
            .iter()
            .copied()
            .filter(|l| !l.is_empty() && !l.starts_with("Checking "))
            .collect();
        found.push((0, text.join(" ")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_pykickstart_3_78() {
        // Own run: ksvalidator -v RHEL10 of a file with timezone --isUtc.
        let said = "Checking kickstart file ks.cfg\n\nThe following problem occurred on line 3 of the kickstart file:\n\nunrecognized arguments: --isUtc\n";
        assert_eq!(problems(said), [(3, "unrecognized arguments: --isUtc".to_owned())]);
        assert_eq!(problems("Checking x\nno such version"), [(0, "no such version".to_owned())]);
    }
}
