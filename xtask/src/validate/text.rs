//! Rules about the text of templates and files: PTH001, FW001, ACC001, VAR004,
//! TXT001, TXT002.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use packer_hcl::format;
use packer_hcl::source::Source;
use packer_hcl::template::Template;
use walkdir::WalkDir;

use crate::finding::{Finding, Place};
use crate::plan::diagnose;

/// Attributes that take firmware.
const FIRMWARE: [&str; 3] = ["efi_firmware_code", "efi_firmware_vars", "firmware"];

/// A line that no editor shows and no reviewer reads.
const LONGEST_LINE: usize = 4096;

/// What the text of a template says.
#[must_use]
pub fn template(root: &Path, template: &Template) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        template.files().filter_map(|source| layout(root, source)).collect();
    for bare in template.bare_roots() {
        let place = diagnose::span(root, &bare.span);
        let message = format!("`{}` takes path.root as it is", bare.function);
        findings.push(Finding::error("PTH001", place, message).help("abspath(path.root)"));
    }
    for literal in template.source_literals() {
        let place = || diagnose::span(root, &literal.span);
        if FIRMWARE.contains(&literal.name.as_str()) && literal.text.contains('/') {
            let message = format!("`{}` names firmware of one distribution", literal.name);
            let finding = Finding::error("FW001", place(), message);
            findings.push(finding.help("take it from a variable"));
        }
        if literal.name == "accelerator" && literal.text == "kvm" {
            let message = "the build does not start on a host without KVM";
            let finding = Finding::error("ACC001", place(), message);
            findings.push(finding.help("accelerator = var.accelerator, with no default"));
        }
        if literal.name == "cpu_model" && literal.text == "host" {
            let message = "`host` needs KVM";
            findings.push(
                Finding::error("ACC001", place(), message)
                    .help("cpu_model = \"max\" is the same under KVM"),
            );
        }
    }
    for block in template.variable_blocks() {
        for needed in ["type", "description"] {
            if !block.attributes.iter().any(|name| name == needed) {
                let place = diagnose::span(root, &block.span);
                let message = format!("variable `{}` has no {needed}", block.name);
                let help = format!("add one: {needed} = ...");
                findings.push(Finding::warning("VAR004", place, message).help(help));
            }
        }
    }
    findings
}

/// FMT001 at the first line that the canonical layout has otherwise.
fn layout(root: &Path, source: &Arc<Source>) -> Option<Finding> {
    let text = source.text();
    let canonical = format::format(source).ok().filter(|canonical| canonical != text)?;
    let same: usize = text
        .split_inclusive('\n')
        .zip(canonical.split_inclusive('\n'))
        .take_while(|(ours, wanted)| ours == wanted)
        .map(|(ours, _)| ours.len())
        .sum();
    let line = text.get(same..)?.lines().next().unwrap_or("").len();
    let shown = source.path().strip_prefix(root).unwrap_or(source.path());
    let place = Place::bytes(shown, text, same..same + line);
    let message = "the file is not in the layout of `packer fmt`";
    Some(Finding::warning("FMT001", place, message).help("cargo xtask fmt"))
}

/// TXT001, TXT002 for every file below an image directory.
#[must_use]
pub fn files(root: &Path, dir: &Path) -> Vec<Finding> {
    let files = WalkDir::new(dir).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        !name.starts_with("output-") && name != "__pycache__" && name != "packer_cache"
    });
    files
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| file(root, entry.path()))
        .collect()
}

fn file(root: &Path, path: &Path) -> Option<Finding> {
    let shown = path.strip_prefix(root).unwrap_or(path);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) => {
            let message = format!("cannot be read: {e}");
            let finding = Finding::error("TXT001", Place::file(shown), message);
            return Some(finding.help("see owner and mode with `ls -l`"));
        }
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        // Drivers and archives are fine; scripts and templates are text.
        let is_text = ["sh", "hcl", "toml", "md", "py", "ps1", "ks", "xml", "cfg"];
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        let message = "the file is not UTF-8";
        return is_text
            .contains(&extension)
            .then(|| Finding::error("TXT001", Place::file(shown), message))
            .map(|finding| finding.help("save it as UTF-8"));
    };
    if let Some(at) = text.find('\0') {
        let place = Place::bytes(shown, text, at..at + 1);
        let finding = Finding::error("TXT001", place, "there is a NUL byte in the text");
        return Some(finding.help("remove it; a shell or a template ends there or fails"));
    }
    if bytes.starts_with(b"#!") && text.lines().next().is_some_and(|l| l.len() < text.len()) {
        let first = text.find('\n').unwrap_or(0);
        if text.as_bytes().get(first.wrapping_sub(1)) == Some(&b'\r') {
            let place = Place::bytes(shown, text, 0..first.saturating_sub(1));
            let message = "the lines end in CR LF, so the interpreter's name ends in CR";
            return Some(Finding::error("TXT001", place, message).help("dos2unix"));
        }
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.len() > LONGEST_LINE {
            let message = format!("a line of {} bytes", line.len());
            let place = Place::bytes(shown, text, at..at + 1);
            let finding = Finding::warning("TXT002", place, message);
            return Some(finding.help("break it, or fetch what it holds as a file of its own"));
        }
        at += line.len();
    }
    None
}
