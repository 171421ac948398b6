//! Files that are named exist, files that exist are named, scripts can run.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use packer_hcl::body::Body;
use packer_hcl::evaluated::BuildSource;
use packer_hcl::source::Span;
use packer_hcl::value::Value;
use walkdir::WalkDir;

use crate::catalog::IMAGE_FILE;
use crate::finding::{Finding, Place};

/// Attributes whose values are files or directories of the host.
const FILE_ATTRIBUTES: [&str; 6] =
    ["cd_files", "http_directory", "script", "scripts", "source", "sources"];

/// Directories that belong to a tool, not to the template: read by
/// `media bootstrap`, or places where users put files.
const OTHERS: [&str; 3] = ["bootstrap", "examples", "tests"];

/// Every host path that a source and its steps name, with where it says so.
#[must_use]
pub fn named(source: &BuildSource, dir: &Path) -> Vec<(PathBuf, Span)> {
    let posts = source.post_processors.iter().flatten().map(|p| &p.body);
    let bodies = source.provisioners.iter().map(|p| &p.body).chain(posts).chain([&source.body]);
    bodies.flat_map(|body| paths(body, dir)).chain(configs(&source.body)).collect()
}

/// Files that QEMU itself reads: `-readconfig` in `qemuargs`.
fn configs(body: &Body) -> Vec<(PathBuf, Span)> {
    let Some(attribute) = body.attribute("qemuargs") else { return vec![] };
    let rows = attribute.value.as_sequence().unwrap_or_default();
    let config = |row: &Value| {
        let words: Vec<&str> = row.as_sequence()?.iter().filter_map(Value::as_str).collect();
        let ["-readconfig", path] = words.as_slice() else { return None };
        Some((PathBuf::from(path), attribute.span.clone()))
    };
    rows.iter().filter_map(config).collect()
}

fn paths(body: &Body, dir: &Path) -> Vec<(PathBuf, Span)> {
    let mut found = vec![];
    for name in FILE_ATTRIBUTES {
        let Some(attribute) = body.attribute(name) else { continue };
        // A download's source is in the guest.
        if body.string("direction").ok().flatten().as_deref() == Some("download") {
            continue;
        }
        let values = attribute.value.as_str().map(|s| vec![s.to_owned()]);
        let list = || -> Option<Vec<String>> {
            let items = attribute.value.as_sequence()?;
            Some(items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
        };
        for path in values.or_else(list).unwrap_or_default() {
            found.push((dir.join(path), attribute.span.clone()));
        }
    }
    found
}

/// REF001: what is named but not there.
#[must_use]
pub fn missing(root: &Path, named: &[(PathBuf, Span)]) -> Vec<Finding> {
    named
        .iter()
        .filter(|(path, _)| !path.exists())
        .map(|(path, span)| {
            let shown = path.strip_prefix(root).unwrap_or(path);
            let place = crate::plan::diagnose::span(root, span);
            Finding::error("REF001", place, format!("{} does not exist", shown.display()))
                .help("make the file, or correct the name")
        })
        .collect()
}

/// REF002: files of the image directory that no target reads or names.
#[must_use]
pub fn unused(root: &Path, dir: &Path, used: &BTreeSet<PathBuf>) -> Vec<Finding> {
    // A linked directory is used when a file in it is: links are not entered.
    let is_used = |path: &Path| {
        let through = path.is_symlink() && used.iter().any(|file| file.starts_with(path));
        through || path.ancestors().take_while(|a| *a != dir).any(|a| used.contains(a))
    };
    let files = WalkDir::new(dir).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        !(entry.depth() == 1 && (OTHERS.contains(&&*name) || name.starts_with("output-")))
            && name != "__pycache__"
    });
    files
        .flatten()
        .filter(|entry| !entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| !is_known(path) && !is_used(path))
        .map(|path| {
            let shown = path.strip_prefix(root).unwrap_or(&path);
            Finding::warning("REF002", Place::file(shown), "no target uses this file")
                .help("use it or remove it")
        })
        .collect()
}

/// Read by people, by Packer itself or by us.
fn is_known(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let templates = [".pkr.hcl", ".auto.pkrvars.hcl", ".pkr.json"];
    name.starts_with("README")
        || name == IMAGE_FILE
        || name == ".gitignore"
        || templates.iter().any(|suffix| name.ends_with(suffix))
}

/// RUN001: an interpreter line without a run bit, a run bit without one, and
/// deploy hooks without either.
#[must_use]
pub fn runnable(root: &Path, dir: &Path) -> Vec<Finding> {
    let files = WalkDir::new(dir).sort_by_file_name().into_iter().flatten();
    files
        .filter(|e| e.file_type().is_file())
        .flat_map(|e| {
            let path = e.path();
            check_run(root, dir, path).into_iter().chain(check_errors(root, path))
        })
        .collect()
}

/// RUN002: a shell script that goes on after an error. Sourced files set it for
/// whoever sources them.
fn check_errors(root: &Path, path: &Path) -> Option<Finding> {
    // What a template becomes runs in an installer, where giving up is no help.
    if path.to_string_lossy().ends_with(".pkrtpl.hcl") {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    let first = text.lines().next().filter(|line| line.starts_with("#!"))?;
    let shell = first.ends_with("/sh") || first.ends_with("/bash") || first.contains("env bash");
    let stops = text.lines().map(str::trim_start).any(|line| {
        let options = line.strip_prefix("set -").and_then(|rest| rest.split(' ').next());
        options.is_some_and(|o| o.contains('e'))
            || line.starts_with(". ")
            || line.starts_with("source ")
    });
    let commands = text.lines().filter(|l| !(l.trim().is_empty() || l.starts_with('#'))).count();
    if !shell || stops || commands < 2 || first.contains("sh -e") {
        return None;
    }
    let shown = path.strip_prefix(root).unwrap_or(path);
    let place = Place::bytes(shown, &text, 0..first.len());
    let message = "the script goes on after a failed command";
    Some(Finding::warning("RUN002", place, message).help("set -euo pipefail"))
}

fn check_run(root: &Path, dir: &Path, path: &Path) -> Option<Finding> {
    let relative = path.strip_prefix(dir).ok()?;
    let is_hook = relative.starts_with("curtin") && relative.extension().is_none();
    let bit = fs::metadata(path).ok()?.permissions().mode() & 0o111 != 0;
    let shebang = fs::read(path).ok()?.starts_with(b"#!");
    let message = match (bit, shebang) {
        (true, true) => return None,
        (false, false) if !is_hook => return None,
        (_, false) => "has no interpreter line",
        (false, true) => "has an interpreter line but no run bit",
    };
    let shown = path.strip_prefix(root).unwrap_or(path);
    Some(Finding::error("RUN001", Place::file(shown), message).help(if shebang {
        "chmod +x, and git add --chmod=+x"
    } else {
        "start it with #!/bin/bash or #!/usr/bin/env python3"
    }))
}
