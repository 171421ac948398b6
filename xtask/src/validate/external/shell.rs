//! Shell scripts and the scripts inside answer files, by `shellcheck`.

use std::path::Path;

use serde_json::Value;

use super::{Document, Job, Problem, TIMEOUT};
use crate::cmd::Cmd;

/// Checks that make no sense for a part of a larger file: SC1091 follows
/// sourced files, which are not where the script will run.
const EXCLUDED: &str = "--exclude=SC1091";

pub(super) fn jobs(document: &Document) -> Vec<Job> {
    let text = &document.text;
    if let Some(dialect) = dialect(text.lines().next().unwrap_or_default()) {
        return vec![job(document, text.clone(), dialect, 0)];
    }
    if text.starts_with("# shellcheck shell=") {
        return vec![job(document, text.clone(), "bash", 0)];
    }
    if text.starts_with("#version=") {
        return sections(document);
    }
    let scripts = match serde_json::from_str::<Value>(text) {
        Ok(profile) => agama(&profile),
        Err(_) => autoyast(text),
    };
    scripts
        .into_iter()
        .map(|(offset, script)| {
            let dialect = dialect(script.lines().next().unwrap_or_default()).unwrap_or("sh");
            job(document, script, dialect, offset)
        })
        .collect()
}

fn job(document: &Document, text: String, dialect: &str, offset: usize) -> Job {
    Job { document: Document { text, ..document.clone() }, option: dialect.to_owned(), offset }
}

/// Bash or sh by the interpreter line.
fn dialect(line: &str) -> Option<&'static str> {
    let interpreter = line.strip_prefix("#!")?;
    let name = interpreter.split(['/', ' ']).rfind(|word| !word.is_empty())?;
    ["bash", "sh", "dash"].into_iter().find(|known| *known == name)
}

/// `%pre`, `%post`, ... of a kickstart, run by the interpreter they name.
fn sections(document: &Document) -> Vec<Job> {
    let mut jobs = vec![];
    let mut open: Option<(usize, &str, Vec<&str>)> = None;
    for (index, line) in document.text.lines().enumerate() {
        let word = line.split_whitespace().next().unwrap_or_default();
        if word == "%end" {
            if let Some((start, dialect, lines)) = open.take() {
                jobs.push(job(document, lines.join("\n") + "\n", dialect, start));
            }
        } else if ["%pre", "%pre-install", "%post", "%onerror", "%traceback"].contains(&word) {
            let interpreter = line.split("--interpreter=").nth(1).unwrap_or("/bin/sh");
            let bash =
                interpreter.starts_with("/bin/bash") || interpreter.starts_with("/usr/bin/bash");
            open = Some((index + 1, if bash { "bash" } else { "sh" }, vec![]));
        } else if let Some((.., lines)) = &mut open {
            lines.push(line);
        }
    }
    jobs
}

/// `scripts.*[].content` of an Agama profile.
fn agama(profile: &Value) -> Vec<(usize, String)> {
    let groups = profile.get("scripts").and_then(Value::as_object).into_iter().flatten();
    let scripts = groups.filter_map(|(_, list)| list.as_array()).flatten();
    scripts.filter_map(|s| Some((0, s.get("content")?.as_str()?.to_owned()))).collect()
}

/// `<source><![CDATA[...]]></source>` of an AutoYaST profile.
fn autoyast(text: &str) -> Vec<(usize, String)> {
    let (open, close) = ("<source><![CDATA[", "]]></source>");
    let parts = text.match_indices(open).filter_map(|(at, _)| {
        let rest = text.get(at + open.len()..)?;
        let script = rest.split(close).next()?;
        let offset = text.get(..at)?.matches('\n').count();
        Some((offset, script.to_owned()))
    });
    parts.collect()
}

pub(super) fn check(program: &Path, job: &Job) -> Result<Vec<Problem>, String> {
    let output = Cmd::new(program, "check a script")
        .cwd(std::env::temp_dir())
        .args(["--format=gcc", EXCLUDED, "--shell", &job.option, "-"])
        .stdin(job.document.text.clone())
        .timeout(TIMEOUT)
        .success(&[0, 1])
        .output()
        .map_err(|e| e.to_string())?;
    Ok(output.stdout_text().lines().filter_map(problem).collect())
}

/// `-:3:4: warning: Use 'cd ... || exit' [SC2164]`.
fn problem(line: &str) -> Option<Problem> {
    let mut parts = line.splitn(4, ':');
    let (_, row, _, message) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some((row.parse().ok()?, message.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document { file: "x".into(), name: String::new(), text: text.into() }
    }

    #[test]
    fn what_is_a_script() {
        for (text, found) in [
            ("#!/bin/bash\ntrue\n", vec![("bash", 0)]),
            ("#!/usr/bin/env sh\ntrue\n", vec![("sh", 0)]),
            ("# shellcheck shell=bash\ntrue\n", vec![("bash", 0)]),
            ("#!/usr/bin/env python3\n", vec![]),
            (
                "#version=RHEL9\n%pre\na\n%end\n%packages\nb\n%end\n%post --interpreter=/bin/bash\nc\n%end\n",
                vec![("sh", 2), ("bash", 8)],
            ),
            (
                "{\"scripts\":{\"post\":[{\"name\":\"n\",\"content\":\"#!/bin/bash\\ntrue\"}]}}",
                vec![("bash", 0)],
            ),
            ("<a>\n<source><![CDATA[#!/bin/bash\ntrue]]></source></a>", vec![("bash", 1)]),
        ] {
            let jobs = jobs(&document(text));
            let seen: Vec<_> = jobs.iter().map(|j| (j.option.as_str(), j.offset)).collect();
            assert_eq!(seen, found, "{text}");
        }
    }

    #[test]
    fn gcc_format() {
        assert_eq!(problem("-:3:4: note: x: y [SC1]"), Some((3, "note: x: y [SC1]".to_owned())));
        assert_eq!(problem("nonsense"), None);
    }
}
