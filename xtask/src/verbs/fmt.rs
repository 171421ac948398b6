//! `cargo xtask fmt`: the canonical layout of templates, as `packer fmt` has it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use packer_hcl::format;
use packer_hcl::source::Source;
use walkdir::WalkDir;

use super::{Context, print};
use crate::build::output::write_atomic;
use crate::exit::{Coded, Exit};
use crate::finding::Finding;
use crate::plan::diagnose;
use crate::table::count;

/// What Packer formats.
const SUFFIXES: [&str; 2] = [".pkr.hcl", ".pkrvars.hcl"];

/// Directories that hold no templates of this tree, or those of tests, which are
/// odd on purpose.
const SKIPPED: [&str; 7] =
    ["target", "out", "media", "node_modules", "packer_cache", "fixtures", "tests"];

/// Which files, and whether they are written.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask fmt\n  cargo xtask fmt --check --diff debian\n  cargo xtask fmt - < one.pkr.hcl"
)]
pub struct Args {
    /// Files or directories [default: the whole tree]; - reads standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Change nothing; exit 1 if a file is not in the canonical layout
    #[arg(long)]
    check: bool,
    /// Print what changes
    #[arg(long)]
    diff: bool,
}

/// Formats, or says what is not formatted.
///
/// # Errors
/// A path that cannot be read or written.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    if args.paths.iter().any(|path| path == Path::new("-")) {
        return standard_input(args);
    }
    let roots = match args.paths.as_slice() {
        [] => vec![context.repo.root.clone()],
        paths => paths.to_vec(),
    };
    let mut files = vec![];
    for root in &roots {
        files.extend(templates(root)?);
    }
    if files.is_empty() {
        // In CI a wrong directory would be green for ever.
        let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        return Err(Coded::nothing(format!(
            "there is no template in {}\n  hint: files that end in {} are formatted",
            roots.join(", "),
            SUFFIXES.join(" or ")
        )));
    }
    let (mut changed, mut wrong) = (0, 0);
    for file in &files {
        match one(args, context, file)? {
            Outcome::Same => {}
            Outcome::Differs => changed += 1,
            Outcome::Invalid => wrong += 1,
        }
    }
    let verb = if args.check { "not in this layout" } else { "changed" };
    let number = count(files.len(), "file");
    eprintln!("{number}: {changed} {verb}, {wrong} cannot be read as HCL");
    Ok(if wrong > 0 || (args.check && changed > 0) { Exit::Failed } else { Exit::Ok })
}

enum Outcome {
    Same,
    Differs,
    Invalid,
}

fn one(args: &Args, context: &Context, file: &Path) -> Result<Outcome> {
    let shown = context.repo.show(file);
    let text = match fs::read(file).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => {
            eprintln!("{shown}: the file is not UTF-8\n  hint: save it as UTF-8");
            return Ok(Outcome::Invalid);
        }
        Err(e) => return Err(e).with_context(|| format!("{shown} cannot be read")),
    };
    let canonical = match format::format(&Source::new(file, &*text)) {
        Ok(canonical) => canonical,
        Err(diagnostics) => {
            tell(&diagnose::findings(&context.repo.root, &diagnostics));
            return Ok(Outcome::Invalid);
        }
    };
    if canonical == text {
        return Ok(Outcome::Same);
    }
    print(&format!("{shown}\n"))?;
    if args.diff {
        print(&difference(&text, &canonical))?;
    }
    if !args.check {
        // Through a link: the file it leads to is what is shared.
        let target = file.canonicalize().with_context(|| format!("{shown} is gone"))?;
        write_atomic(&target, canonical.as_bytes())?;
    }
    Ok(Outcome::Differs)
}

/// The first few: after a quote that does not end, every line is wrong.
fn tell(findings: &[Finding]) {
    const SHOWN: usize = 5;
    for finding in findings.iter().take(SHOWN) {
        eprintln!("{finding}\n");
    }
    if let Some(more) = findings.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        eprintln!("and {more} more in this file\n");
    }
}

fn standard_input(args: &Args) -> Result<Exit> {
    if args.paths.len() > 1 {
        return Err(Coded::usage(
            "- is not combined with other paths\n  hint: it reads standard input; leave the others out",
        ));
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("standard input cannot be read as a template, which is UTF-8 text")?;
    match format::format(&Source::new("<stdin>", &*text)) {
        Ok(canonical) if args.check => Ok(if canonical == text { Exit::Ok } else { Exit::Failed }),
        Ok(canonical) => {
            print(&canonical)?;
            Ok(Exit::Ok)
        }
        Err(diagnostics) => {
            tell(&diagnose::findings(Path::new(""), &diagnostics));
            Ok(Exit::Failed)
        }
    }
}

/// Files below a directory, or the file itself.
fn templates(root: &Path) -> Result<Vec<PathBuf>> {
    let missing = |error: std::io::Error| {
        let hint = "name files or directories; without one, the whole tree is formatted";
        let what = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such file or directory".into(),
            _ => error.to_string(),
        };
        Coded::usage(format!("{}: {what}\n  hint: {hint}", root.display()))
    };
    let metadata = fs::metadata(root).map_err(missing)?;
    if metadata.is_file() {
        // `packer fmt` takes nothing else either.
        return match root.to_string_lossy().ends_with(".hcl") {
            true => Ok(vec![root.to_path_buf()]),
            false => Err(Coded::usage(format!(
                "{}: no template\n  hint: files that end in .hcl, or directories, are formatted",
                root.display()
            ))),
        };
    }
    let walk = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0
            || !(name.starts_with('.')
                || name.starts_with("output-")
                || (entry.file_type().is_dir() && SKIPPED.contains(&&*name)))
    });
    // Links lead to files that are met themselves.
    let mut files = vec![];
    for entry in walk {
        let entry = entry.map_err(std::io::Error::from);
        let entry = entry.with_context(|| format!("cannot look through {}", root.display()))?;
        let name = entry.file_name().to_string_lossy();
        if entry.file_type().is_file() && SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// Lines that change; the layout changes no line ends, so they come in pairs.
fn difference(before: &str, after: &str) -> String {
    let pairs = before.lines().zip(after.lines()).enumerate();
    let changed = pairs.filter(|(_, (old, new))| old != new);
    changed.map(|(i, (old, new))| format!("@@ {} @@\n-{old}\n+{new}\n", i + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_lines_are_shown() {
        assert_eq!(difference("a=1\nb = 2\n", "a = 1\nb = 2\n"), "@@ 1 @@\n-a=1\n+a = 1\n");
    }

    #[test]
    fn links_and_outputs_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["a/x.pkr.hcl", "a/x.auto.pkrvars.hcl", "a/x.pkrtpl.hcl", "out/y.pkr.hcl"] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("x.pkr.hcl", root.join("a/link.pkr.hcl")).unwrap();
        let found = templates(root).unwrap();
        let names: Vec<_> = found.iter().map(|p| p.strip_prefix(root).unwrap()).collect();
        assert_eq!(names, [Path::new("a/x.auto.pkrvars.hcl"), Path::new("a/x.pkr.hcl")]);
        assert!(templates(&root.join("none")).is_err());
        fs::write(root.join("README.md"), "# no template").unwrap();
        assert!(
            templates(&root.join("README.md")).unwrap_err().to_string().contains("no template")
        );
    }
}
