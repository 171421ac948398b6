//! The way in: what help shows can be pasted, and the mistakes that are likely
//! get an answer that says what, where, why and what to do.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests start the program as a user does")]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use clap::{CommandFactory as _, Parser as _};
use xtask::cli::Cli;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Words of a command line, quotes taken off; what a shell takes is cut.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (vec![], String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) if word.is_empty() => {}
            (' ', None) => words.push(std::mem::take(&mut word)),
            _ => word.push(c),
        }
    }
    words.push(word);
    let shell = |word: &String| matches!(word.as_str(), "|" | ">" | "<" | ">>" | "#" | "");
    let end = words.iter().position(shell).unwrap_or(words.len());
    words.truncate(end);
    words
}

/// Every command with its path, `media fetch` too.
fn commands(at: &clap::Command, path: &str, all: &mut Vec<(String, String)>) {
    for command in at.get_subcommands().filter(|c| c.get_name() != "help") {
        let path = format!("{path} {}", command.get_name());
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        commands(command, &path, all);
        all.push((path, help));
    }
}

/// Lines of a help text that are commands.
fn examples(help: &str) -> Vec<String> {
    let joined = help.replace(" \\\n    ", " ");
    let lines = joined.lines().map(|line| line.trim().trim_start_matches("Example: "));
    let ours = lines.filter(|line| line.starts_with("cargo xtask "));
    // What follows after several spaces is a remark.
    ours.map(|line| line.replace("  ", "\u{1}").split('\u{1}').next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_has_an_example_that_can_be_pasted() {
    let (mut all, mut wrong) = (vec![], vec![]);
    commands(&Cli::command(), "cargo xtask", &mut all);
    assert!(all.len() > 35, "{}", all.len());
    for (path, help) in all {
        // A terminal of 80 columns would break it.
        wrong.extend(
            help.lines().filter(|l| l.len() > 80 && l.starts_with("  ")).map(str::to_owned),
        );
        // This one needs a build with optimisation.
        if !help.contains(&path) && path != "cargo xtask bench validate" {
            wrong.push(format!("{path}: no example"));
        }
        for example in examples(&help) {
            let words = words(&example);
            if let Err(error) = Cli::try_parse_from(
                ["cargo xtask".to_owned()].into_iter().chain(words.into_iter().skip(2)),
            ) {
                wrong.push(format!("{example}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A scratch directory with files that are not what a command wants.
fn scratch() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), "a list of things to do\n".repeat(40)).unwrap();
    fs::write(dir.path().join("empty.tar.gz"), "").unwrap();
    fs::write(dir.path().join("rhel-9.6-x86_64-dvd.iso"), "no ISO").unwrap();
    fs::create_dir(dir.path().join("disks")).unwrap();
    dir
}

/// The program on our own tree, with nothing of the user's.
fn xtask(cwd: &Path, args: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args).current_dir(cwd).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let home = cwd.join("home");
    command.env("HOME", &home).env("XTASK_ROOT", ROOT).env("XTASK_OUT", cwd.join("out"));
    command.env("XTASK_MEDIA", cwd.join("media")).output().unwrap()
}

/// What people get wrong, one a line.
const MISTAKES: &str = "\
lst
build
build debain
build rehl9
plan 'debian-9*'
plan windows-2022 --arch arm64
plan ssh
plan debian-99
plan ubuntu-24
plan debian-bookworm
plan debian-12-mirrro
plan rocky9-amd46
plan debian-12 --file ks.cfg
plan debian-12 --firmware /nowhere/CODE.fd,/nowhere/VARS.fd
plan debian-12 --var-file disks
list --frobnicate
list --out notes.txt
list --media-dir notes.txt
list --fromat json
build debian-12 --isoo x.iso
build rhel9 --iso rhel-9.6-x86_64-dvd.is0
build rhel9 --iso disks
build rhel9 --iso /nowhere/rhel9.iso
build debian-12 --jobs 0
build debian-12 --memory 4G
build debian-12 --engine pakcer
build debian-12 --sign mykey
build debian-12 --yes
build debian-12 --all
plan debian-12 --var memory
plan debian-12 --var memry=4096
plan debian-12 --var-file mine.pkrvars.hcl
plan debian-12 --customize setup.sh
plan debian-12 --firmware OVMF.fd
validate debian-12 --format yaml
media fetch rhel9
media fetch rhel9 --iso rhel-9.6-x86_64-dvd.iso
media verify notes.txt sha256:abc
media verify nothing.iso none
media verify disks none
media bootstrap rhel9
pack disk.qcow2 --output x.tar.gz
pack disks --output x.tar.gz
pack notes.txt --output x.tar.gz
pack notes.txt --output x.zip
pack notes.txt --output none/x.tar.gz
pack notes.txt
pack debian-12 --output x.tar.gz
pack notes.txt --output x.tar.gz --keep fstap
pack notes.txt --output x.tar.gz --keep everything
pack notes.txt --output x.tar.gz --disk-format qcow2
pack notes.txt --output x.tar.gz --boot-partition sda1
inspect debian-12
inspect x.tar.gz
inspect notes.txt
inspect empty.tar.gz
inspect disks
inspect notes.txt/x.tar.gz
inspect empty.tar.gz --target debain-12
deploy-test debian-12
deploy-test notes.txt
deploy-test x.tar.gz
deploy-test ./disks
deploy-test debian-12 --target debian-12
deploy-test notes.txt --target rokcy9
upload debian-12
upload notes.txt --name custom/mine
upload x.tar.gz
upload ./disks
upload rhel-9.6-x86_64-dvd.iso
upload debian-99
upload debian-12 --print-command --format json
remote list
remote list --credentials notes.txt
remote list --credentials nothing.toml
new rocky9 --like rocky8
new MyOS --like rocky9
new rocky11 --like rokcy10
explain HLC001
explain nonsense
fuzz tra
remote try custom/x --tag imagetest
fmt notes.txt
fmt nowhere
fmt disks
ssh debian-12
clean debain
matrix --shard 5/2
completions fsh
man biuld
man nonsense
man --dir notes.txt
bench model --maas 2.9
--root nowhere list
--root notes.txt list
--root disks list
--root disks plan debian-12
";

#[test]
fn likely_mistakes_get_an_answer() {
    let dir = scratch();
    let tree = Path::new(ROOT).canonicalize().unwrap().to_string_lossy().into_owned();
    let (mut shown, mut wrong) = (String::new(), vec![]);
    for line in MISTAKES.lines() {
        let output = xtask(dir.path(), &words(line));
        let said = String::from_utf8(output.stderr).unwrap();
        let said = said.replace(&*dir.path().to_string_lossy(), "DIR").replace(&tree, "TREE");
        let code = output.status.code();
        shown += &format!(
            "$ cargo xtask {line}\n{}\n[exit {}]\n\n",
            said.trim_end(),
            code.unwrap_or(-1)
        );
        if !matches!(code, Some(1..=4)) {
            wrong.push(format!("{line}: exit {code:?}"));
        }
        let helps = [
            "hint: ",
            "= help: ",
            "tip: ",
            "[possible values: ",
            "Usage: ",
            "for example",
            "is needed",
            "that has 64",
            "there is a model of",
            "where from",
        ];
        if !said.contains("error") || !helps.iter().any(|help| said.contains(help)) {
            wrong.push(format!("{line}: {said}"));
        }
        // The system's words alone say too little.
        if said.contains("os error") && !said.contains("hint: ") {
            wrong.push(format!("{line}: {said}"));
        }
    }
    insta::assert_snapshot!(shown);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `2>&1 | head` must not turn a good build into a panic.
#[test]
fn a_reader_that_leaves_changes_nothing() {
    let dir = scratch();
    for (line, code) in [("validate debian-12 --native", 0), ("plan debain", 4)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(line.split(' ')).current_dir(dir.path()).env("XTASK_ROOT", ROOT);
        command.stderr(File::options().write(true).open("/dev/full").unwrap());
        assert_eq!(command.output().unwrap().status.code(), Some(code), "{line}");
    }
}

/// Ids of rules in the program's sources, tests left out: every finding has one.
fn ids(dir: &Path, all: &mut std::collections::BTreeSet<String>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            ids(&path, all);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        // Of `"HCL001"`: capitals, then three digits, between quotes.
        for word in text.split('"').filter(|word| (4..=6).contains(&word.len())) {
            let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
            let upper = !letters.is_empty() && letters.chars().all(|c| c.is_ascii_uppercase());
            if upper && word.len() == letters.len() + 3 && letters != "SHA" {
                all.insert(word.to_owned());
            }
        }
    }
}

#[test]
fn every_id_that_can_be_shown_is_explained() {
    let mut all = std::collections::BTreeSet::new();
    ids(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut all);
    assert!(all.len() > 90, "{all:?}");
    let known = |id: &str| xtask::rules::find(id).is_some() || xtask::contract::find(id).is_some();
    let unknown: Vec<&String> = all.iter().filter(|id| !known(id)).collect();
    assert!(unknown.is_empty(), "no `explain` for {unknown:?}");
}
