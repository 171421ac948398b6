//! Runs every case and compares.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::function::Impure;
use packer_hcl::template::{Console, Inputs, Template};

use crate::console;
use crate::fixture::{self, Case, show_directory};

/// The template under the name that Packer was given, wherever the test runs.
fn template() -> Template {
    let directory = fixture::directory().join("template");
    let mut files: Vec<(String, String)> = fs::read_dir(&directory)
        .expect("template directory")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| name.ends_with(".pkr.hcl"))
        .map(|name| (fs::read_to_string(directory.join(&name)).expect("readable"), name))
        .map(|(text, name)| (name, text))
        .collect();
    files.sort();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Template::from_sources(Path::new("template"), &files).expect("a template without errors")
}

fn inputs(vars: &[String]) -> Inputs {
    let env = [("HOME", "/home/truth"), ("TRUTH_ENVIRONMENT", "set")];
    let split = |var: &String| {
        let (name, value) = var.split_once('=').expect("name=value");
        (name.to_owned(), value.to_owned())
    };
    Inputs {
        vars: vars.iter().map(split).collect(),
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        impure: Impure::Real { start: SystemTime::now() },
        ..Inputs::new(fixture::directory(), "1.16.0")
    }
}

/// A console, or why it does not open.
type Opened<'a> = Result<Console<'a>, Vec<Diagnostic>>;

/// How we differ from Packer; `None` if we do not.
fn difference(opened: &Opened<'_>, case: &Case) -> Option<String> {
    let ours = opened.as_ref().map_err(Clone::clone).and_then(|open| open.evaluate(&case.expr));
    match (&case.out, &case.error, ours) {
        (Some(want), _, Ok(value)) => {
            let ours = hide_secrets(opened, console::show(&value));
            let want = show_directory(want);
            (want != ours).then(|| format!("want: {want}\nours: {ours}"))
        }
        (Some(want), _, Err(problems)) => {
            Some(format!("want: {want}\nours failed: {}", show_problems(&problems)))
        }
        (None, Some(want), Err(problems)) => {
            let (want, ours) = (words(&show_directory(want)), show_problems(&problems));
            let same = want == ours || is_caught_panic(&want);
            (!same).then(|| format!("want error: {want}\nours error: {ours}"))
        }
        (None, Some(want), Ok(value)) => {
            Some(format!("want error: {}\nours: {}", words(want), console::show(&value)))
        }
        (None, None, _) => Some("not recorded".to_owned()),
    }
}

/// Packer's terminal replaces the text of sensitive values, wherever it stands.
fn hide_secrets(opened: &Opened<'_>, shown: String) -> String {
    let open = opened.as_ref().expect("open, because there is a value");
    ["var.secret", "local.secret"].into_iter().fold(shown, |shown, name| {
        let secret = open.evaluate(name).expect("a secret");
        assert!(secret.is_sensitive(), "{name} is not marked");
        shown.replace(secret.as_str().expect("a string"), "<sensitive>")
    })
}

/// Packer's functions may panic; only that there is an error counts then.
fn is_caught_panic(error: &str) -> bool {
    error.contains("panic in function implementation")
}

/// Summary and detail of recorded diagnostics in one line each, without the
/// place and the values of variables that Packer prints between them.
fn words(error: &str) -> String {
    let diagnostics = error.split("\nError: ").map(|text| text.trim_start_matches("Error: "));
    let one = |text: &str| {
        let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| {
            let place = paragraph.starts_with("on ") && paragraph.contains("(source code");
            !place && !paragraph.starts_with("with ") && !paragraph.is_empty()
        });
        let words: Vec<&str> = paragraphs.flat_map(str::split_whitespace).collect();
        without_suggestion(&words.join(" "))
    };
    diagnostics.map(one).collect::<Vec<_>>().join("\n")
}

/// The text without its guess at what was meant.
fn without_suggestion(text: &str) -> String {
    text.split(" Did you mean ").next().unwrap_or(text).to_owned()
}

fn show_problems(problems: &[Diagnostic]) -> String {
    let one = |problem: &Diagnostic| {
        let text = format!("{} {}", problem.summary, problem.detail);
        without_suggestion(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    problems.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Every recorded answer is ours, or the fixture says why not.
#[test]
fn answers_are_those_of_packer() {
    let template = template();
    let plain_inputs = inputs(&[]);
    let plain = template.console(&plain_inputs);
    let (mut total, mut known, mut wrong) = (0, Vec::new(), Vec::new());
    for fixture in fixture::load_all() {
        let file = fixture.path.file_name().expect("a file").to_string_lossy().into_owned();
        for case in &fixture.cases {
            total += 1;
            let title = format!("{file}: {} {}", case.expr, case.vars.join(" "));
            let difference = if case.vars.is_empty() {
                difference(&plain, case)
            } else {
                difference(&template.console(&inputs(&case.vars)), case)
            };
            match (difference, &case.differs) {
                (None, None) => {}
                (Some(_), Some(reason)) => known.push(format!("{title}\n  {reason}")),
                (Some(difference), None) => wrong.push(format!("{title}\n{difference}")),
                (None, Some(_)) => wrong.push(format!("{title}\nno longer differs")),
            }
        }
    }
    println!("{total} cases, {} known differences:", known.len());
    for case in &known {
        println!("{case}");
    }
    assert!(wrong.is_empty(), "{} of {total} differ:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(total >= 300, "only {total} cases");
}

/// Marks are ours alone: whatever is made of a secret is one, its length too.
#[test]
fn secrets_stay_marked() {
    let template = template();
    let inputs = inputs(&[]);
    let console = template.console(&inputs).expect("open");
    for (expression, whole) in [
        ("var.secret", true),
        ("upper(var.secret)", true),
        ("length(var.secret)", true),
        ("\"x${local.secret}y\"", true),
        ("var.secret == \"x\"", true),
        ("sha256(var.secret)", true),
        ("jsonencode({ a = var.secret })", true),
        ("format(\"%s\", var.secret)", true),
        ("regex(\".\", local.secret)", true),
        ("templatefile(\"tpl/hello.pkrtpl.hcl\", { name = var.secret })", true),
        ("concat([\"a\"], [var.secret])", false),
        ("merge({ a = 1 }, { b = var.secret })", false),
        ("values({ b = var.secret })", false),
        ("flatten([[var.secret]])", false),
        ("zipmap([\"a\"], [var.secret])", false),
    ] {
        let value = console.evaluate(expression).expect(expression);
        assert!(value.contains_sensitive(), "{expression}");
        assert_eq!(value.is_sensitive(), whole, "{expression}");
    }
}
