//! Compares our verdict on small template directories with that of a real
//! Packer, and everything that it shows of them.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "this is a test")]

#[path = "../truth/console.rs"]
mod console;
mod fixture;
mod record;

use std::fmt::Write as _;
use std::path::Path;

use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::{Build, Evaluated};
use packer_hcl::quote::quote;
use packer_hcl::template::{Inputs, Template};

use crate::fixture::Case;

#[test]
fn packer_and_we_agree() {
    let root = tempfile::tempdir().unwrap();
    let mut complaints = Vec::new();
    let fixture = fixture::load();
    for case in &fixture.cases {
        let _dir = case.write(root.path());
        complaints.extend(compare(root.path(), case).map(|text| format!("{}: {text}", case.name)));
    }
    let count = fixture.cases.len();
    assert!(
        complaints.is_empty(),
        "{} of {count} differ:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

fn compare(root: &Path, case: &Case) -> Option<String> {
    match (evaluate(root, case), case.ok) {
        (Ok(evaluated), true) => {
            let shown = inspect(&evaluated);
            if shown != case.inspect {
                return Some(format!("inspect:\n{}\nours:\n{shown}", case.inspect));
            }
            let warnings: Vec<&str> =
                evaluated.warnings.iter().map(|found| found.summary.as_str()).collect();
            if warnings != case.warnings {
                return Some(format!("warnings {:?}, ours {warnings:?}", case.warnings));
            }
            let printed = if case.run { printed(&evaluated) } else { Vec::new() };
            (printed != case.output).then(|| format!("output {:?}, ours {printed:?}", case.output))
        }
        (Err(problems), false) => {
            let mut ours: Vec<String> = problems
                .iter()
                .filter(|problem| problem.is_error())
                .map(|problem| problem.summary.clone())
                .collect();
            ours.sort();
            ours.dedup();
            match (ours == case.errors, &case.differs) {
                (true, None) | (false, Some(_)) => None,
                (false, None) => Some(format!("errors {:?}, ours {ours:?}", case.errors)),
                (true, Some(reason)) => Some(format!("does not differ: {reason}")),
            }
        }
        (Ok(_), false) => Some(format!("no error from us, but {:?}", case.errors)),
        (Err(problems), true) => Some(format!("an error from us: {}", list(&problems))),
    }
}

fn list(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn evaluate(root: &Path, case: &Case) -> Result<Evaluated, Vec<Diagnostic>> {
    let mut inputs = Inputs::new(root, "1.16.0");
    inputs.vars = Case::pairs(&case.vars);
    inputs.var_files = case.var_files.iter().map(|file| Path::new(&case.name).join(file)).collect();
    inputs.env = Case::pairs(&case.env).into_iter().collect();
    // Read where it is, but known as Packer is told it.
    let template = Template::load_as(&root.join(&case.name), Path::new(&case.name))?;
    template.evaluate(&inputs)
}

/// What `packer inspect` prints.
fn inspect(evaluated: &Evaluated) -> String {
    let mut text = "Packer Inspect: HCL2 mode\n\n> input-variables:\n\n".to_owned();
    let mut variables: Vec<_> = evaluated.variables.values().collect();
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    for variable in variables {
        let value = quote(&console::show(&variable.value));
        let _ = writeln!(text, "var.{}: {value}", variable.name);
    }
    text.push_str("\n> local-variables:\n\n");
    let mut locals: Vec<_> = evaluated.locals.values().collect();
    locals.sort_by(|a, b| a.name.cmp(&b.name));
    for local in locals {
        let _ = writeln!(text, "local.{}: {}", local.name, quote(&console::show(&local.value)));
    }
    text.push_str("\n> builds:\n");
    for (index, build) in evaluated.builds.iter().enumerate() {
        inspect_build(&mut text, index, build);
    }
    text.push('\n');
    text
}

fn inspect_build(text: &mut String, index: usize, build: &Build) {
    let name = match build.name.as_str() {
        "" => format!("<unnamed build {index}>"),
        name => name.to_owned(),
    };
    let _ = writeln!(text, "\n  > {name}:");
    if !build.description.is_empty() {
        let _ = writeln!(text, "\n  > Description: {}", build.description);
    }
    text.push_str("\n    sources:\n");
    for source in &build.sources {
        let _ = writeln!(text, "\n      {}", source.id());
    }
    text.push_str("\n    provisioners:\n\n");
    if build.provisioners.is_empty() {
        text.push_str("      <no provisioner>\n");
    }
    for step in &build.provisioners {
        let _ = writeln!(text, "      {}", step.id());
    }
    text.push_str("\n    post-processors:\n");
    if build.post_processors.is_empty() {
        text.push_str("\n      <no post-processor>\n");
    }
    for (index, chain) in build.post_processors.iter().enumerate() {
        let _ = writeln!(text, "\n      {index}:");
        for step in chain {
            let _ = writeln!(text, "        {}", step.id());
        }
    }
}

/// What the shell-local steps print: their lines are all `echo`s.
fn printed(evaluated: &Evaluated) -> Vec<String> {
    let mut lines = Vec::new();
    for build in &evaluated.builds {
        for source in &build.sources {
            for step in &source.provisioners {
                for line in step.body.strings("inline").unwrap().unwrap_or_default() {
                    let said = line.strip_prefix("echo ").expect("an echo").to_owned();
                    lines.push(format!("{}.{}: {said}", build.name, source.id()));
                }
            }
        }
    }
    lines.sort();
    lines
}
