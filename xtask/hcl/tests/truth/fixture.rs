//! The truth fixtures: expressions and what a real `packer console` answered.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Stands for the absolute path of this directory in recorded text.
const DIRECTORY_MARK: &str = "<TRUTH>";

/// One file of expressions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    #[serde(default)]
    pub recorded: Recorded,
    #[serde(default, rename = "case")]
    pub cases: Vec<Case>,
    #[serde(skip)]
    pub path: PathBuf,
}

/// Where the answers come from.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// First line of `packer version`.
    #[serde(default)]
    pub packer: String,
    /// Commit that binary was built from, as told to the recorder.
    #[serde(default)]
    pub commit: String,
}

/// One expression with Packer's answer.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub expr: String,
    /// Values of `-var`.
    #[serde(default)]
    pub vars: Vec<String>,
    /// What it printed; `None` if it failed.
    pub out: Option<String>,
    /// Its diagnostics, verbatim.
    pub error: Option<String>,
    /// Why our answer is another one. Such a case must differ.
    pub differs: Option<String>,
}

impl Fixture {
    /// Whether this is the file `name.toml`.
    pub fn is(&self, name: &str) -> bool {
        self.path.file_stem().is_some_and(|stem| stem == name)
    }
}

/// Directory with the fixtures and the template they refer to.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth")
}

/// All fixtures, by file name.
pub fn load_all() -> Vec<Fixture> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory().join("cases"))
        .expect("cases directory")
        .map(|entry| entry.expect("directory entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    paths.into_iter().map(load).collect()
}

fn load(path: PathBuf) -> Fixture {
    let text = std::fs::read_to_string(&path).expect("readable fixture");
    let fixture: Fixture =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Fixture { path, ..fixture }
}

/// Hides this checkout's location in text to be recorded.
pub fn hide_directory(text: &str) -> String {
    text.replace(&directory().display().to_string(), DIRECTORY_MARK)
}

/// Puts this checkout's location into recorded text.
pub fn show_directory(text: &str) -> String {
    text.replace(DIRECTORY_MARK, &directory().display().to_string())
}

const HEADER: &str = "\
# Truth: what a real Packer answers. Source: own run, written by the recorder
# (tests/truth/record.rs); to add a case, add its `expr` (and `vars`) and run it:
#   PACKER=/path/to/packer PACKER_COMMIT=<hash> cargo test -p packer-hcl --test truth -- --ignored
# (TRUTH_ONLY=number,string records only these files).
# Each case is one process, started in tests/truth:
#   printf '%s' EXPR | packer console [-var VAR]... template
# with HOME=/home/truth and TRUTH_ENVIRONMENT=set. `<TRUTH>` stands for the
# absolute path of tests/truth.
# Compared: `out` byte for byte with our console format; `error` word by word
# (summary and detail without the suggested name; Packer wraps lines at 80
# columns). Of a panic that Packer caught, only that there is an error.
# `differs` names the reason for a known difference; the test counts and prints
# them and fails if the difference is gone.
";

/// The fixture as TOML text.
pub fn render(fixture: &Fixture) -> String {
    let mut text = HEADER.to_owned();
    let recorded = &fixture.recorded;
    let _ = writeln!(text, "\n[recorded]\npacker = {}", quote(&recorded.packer));
    let _ = writeln!(text, "commit = {}", quote(&recorded.commit));
    for case in &fixture.cases {
        let _ = writeln!(text, "\n[[case]]\nexpr = {}", quote(&case.expr));
        if !case.vars.is_empty() {
            let vars: Vec<String> = case.vars.iter().map(|var| quote(var)).collect();
            let _ = writeln!(text, "vars = [{}]", vars.join(", "));
        }
        for (key, value) in [("out", &case.out), ("error", &case.error), ("differs", &case.differs)]
        {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quote(value));
            }
        }
    }
    text
}

/// The easiest TOML string to read that can hold the text.
fn quote(text: &str) -> String {
    let plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
    let literal = text.chars().all(plain) && !text.contains("''") && !text.ends_with('\'');
    if literal && text.contains('\n') {
        return format!("'''\n{text}'''");
    }
    if literal && !text.contains('\'') {
        return format!("'{text}'");
    }
    toml::Value::String(text.to_owned()).to_string()
}
