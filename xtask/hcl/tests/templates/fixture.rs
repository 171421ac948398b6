//! Small template directories and what Packer makes of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Stands for a build with one null source in `files`.
const NULL_BUILD_MARK: &str = "<NULL BUILD>";

const NULL_BUILD: &str = "\
source \"null\" \"x\" {
  communicator = \"none\"
}

build {
  sources = [\"source.null.x\"]
}
";

/// All directories.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// First line of `packer version`.
    #[serde(default)]
    pub packer: String,
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// One directory with Packer's verdict.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Values of `-var`.
    #[serde(default)]
    pub vars: Vec<String>,
    /// Values of `-var-file`, relative to the directory.
    #[serde(default)]
    pub var_files: Vec<String>,
    /// Environment, as `NAME=value`.
    #[serde(default)]
    pub env: Vec<String>,
    /// Whether `packer build` is run for the lines that its steps print.
    #[serde(default)]
    pub run: bool,
    /// Contents by name.
    pub files: BTreeMap<String, String>,
    /// Whether `packer validate` is content.
    #[serde(default)]
    pub ok: bool,
    /// Summaries of its errors, sorted, each once.
    #[serde(default)]
    pub errors: Vec<String>,
    /// Its warnings.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What `packer inspect` prints for a good directory.
    #[serde(default)]
    pub inspect: String,
    /// What the steps print, for `run`.
    #[serde(default)]
    pub output: Vec<String>,
    /// Why our errors are named differently. Such a case must differ.
    pub differs: Option<String>,
}

impl Case {
    /// Writes the files below `root` and returns the directory.
    pub fn write(&self, root: &Path) -> PathBuf {
        let dir = root.join(&self.name);
        std::fs::create_dir(&dir).expect("a new directory");
        for (name, text) in &self.files {
            let text = if text == NULL_BUILD_MARK { NULL_BUILD } else { text };
            std::fs::write(dir.join(name), text).expect("a writable file");
        }
        dir
    }

    /// Arguments that set variables, for a directory of this name.
    pub fn var_arguments(&self) -> Vec<String> {
        let vars = self.vars.iter().map(|var| format!("-var={var}"));
        let file = |file: &String| format!("-var-file={}/{file}", self.name);
        vars.chain(self.var_files.iter().map(file)).collect()
    }

    /// `NAME=value` pairs, taken apart.
    pub fn pairs(entries: &[String]) -> Vec<(String, String)> {
        let split = |entry: &String| {
            let (name, value) = entry.split_once('=').expect("NAME=value");
            (name.to_owned(), value.to_owned())
        };
        entries.iter().map(split).collect()
    }
}

/// Path of the fixture.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates/cases.toml")
}

/// Reads the fixture.
pub fn load() -> Fixture {
    let text = std::fs::read_to_string(path()).expect("a readable fixture");
    toml::from_str(&text).expect("a well-formed fixture")
}

const HEADER: &str = "\
# Template directories and what a real Packer makes of them. Source: own run,
# written by the recorder (tests/templates/record.rs); to add a case, add its
# `name` and `files` (and `vars`, `var_files`, `env`) and run it:
#   PACKER=/path/to/packer cargo test -p packer-hcl --test templates -- --ignored
# `ok`, `errors` and `warnings` are the verdict of `packer validate ARGS NAME`,
# `inspect` the output of `packer inspect ARGS NAME`, `output` the lines that
# shell-local steps print in `packer build ARGS NAME` (cases with `run`), with
# ARGS from `vars` and `var_files`, in the directory above NAME. `<NULL BUILD>`
# stands for a null source and its build.
# `differs` says why our errors have other summaries; the test fails if they
# have not.
";

/// The fixture as TOML text.
pub fn render(fixture: &Fixture) -> String {
    let mut text = format!("{HEADER}\npacker = {}\n", quote(&fixture.packer));
    for case in &fixture.cases {
        let _ = writeln!(text, "\n[[case]]\nname = {}", quote(&case.name));
        for (key, list) in
            [("vars", &case.vars), ("var_files", &case.var_files), ("env", &case.env)]
        {
            push_list(&mut text, key, list);
        }
        if case.run {
            text.push_str("run = true\n");
        }
        let _ = writeln!(text, "ok = {}", case.ok);
        push_list(&mut text, "errors", &case.errors);
        push_list(&mut text, "warnings", &case.warnings);
        if !case.inspect.is_empty() {
            let _ = writeln!(text, "inspect = {}", quote(&case.inspect));
        }
        push_list(&mut text, "output", &case.output);
        if let Some(reason) = &case.differs {
            let _ = writeln!(text, "differs = {}", quote(reason));
        }
        text.push_str("[case.files]\n");
        for (name, contents) in &case.files {
            let _ = writeln!(text, "{} = {}", quote(name), quote(contents));
        }
    }
    text
}

fn push_list(text: &mut String, key: &str, list: &[String]) {
    if !list.is_empty() {
        let items: Vec<String> = list.iter().map(|item| quote(item)).collect();
        let _ = writeln!(text, "{key} = [{}]", items.join(", "));
    }
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
