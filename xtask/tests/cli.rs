//! What people type and what they see: exact output and exit codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};

/// The binary on the fixture catalog, unless the arguments name another tree.
#[expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]
fn xtask(args: &[&str]) -> Output {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/catalog");
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .env("XTASK_ROOT", root)
        .args(args)
        .env_remove("XTASK_OUT")
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_typo_gets_a_suggestion_and_exit_4() {
    let output = xtask(&["plan", "debain-12"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        stderr(&output),
        "error: no target matches `debain-12`\n  hint: did you mean `debian-12`?\n"
    );
    assert_eq!(stdout(&output), "");
}

#[test]
fn no_target_is_a_usage_error() {
    let output = xtask(&["plan"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: no target given\n  hint: "), "{}", stderr(&output));
}

#[test]
fn an_unknown_flag_is_a_usage_error() {
    assert_eq!(xtask(&["list", "--frobnicate"]).status.code(), Some(2));
}

#[test]
fn list_is_a_table_on_stdout() {
    let output = xtask(&["list"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.starts_with("IMAGE    RELEASES"), "{text}");
    assert!(text.contains("debian   12 13 (10 11)  alpha "), "{text}");
    assert!(text.contains("4 images, 32 targets."), "{text}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn listings_have_a_version() {
    let output = xtask(&["list", "rhel9", "--format", "json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["targets"][0]["id"], "rhel9-amd64");
    assert_eq!(document["targets"][0]["eol"], false);
}

#[test]
fn the_schema_forbids_unknown_keys() {
    let output = xtask(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["title"], "image.toml");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn every_command_has_an_example() {
    let help = stdout(&xtask(&["--help"]));
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|l| !l.starts_with("Commands:"))
        .skip(1)
        .take_while(|l| l.starts_with("  "))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|c| *c != "help")
        .collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let text = stdout(&xtask(&[command, "--help"]));
        assert!(text.contains("Example"), "`{command} --help` shows no example");
    }
}

#[test]
fn explain_knows_every_rule_it_lists() {
    let listed = stdout(&xtask(&["explain"]));
    for id in listed.lines().filter_map(|l| l.split_whitespace().next()) {
        let output = xtask(&["explain", id]);
        assert_eq!(output.status.code(), Some(0), "{id}");
        assert!(stdout(&output).contains("Why: "), "{id}");
    }
    let output = xtask(&["explain", "CAT01"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("did you mean CAT001?"), "{}", stderr(&output));
}

#[test]
fn explain_for_programs() {
    let json = |args: &[&str]| -> serde_json::Value {
        let output = xtask(&[&["explain", "--format", "json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let all = json(&[]);
    assert_eq!(all["version"], 1);
    let rules = all["rules"].as_array().unwrap();
    assert_eq!(rules.len(), stdout(&xtask(&["explain"])).lines().count());
    for (id, kind, has_fix) in [
        ("plg002", "template", false),
        ("C010", "artifact", true),
        ("panic-no-root", "failure", true),
    ] {
        let one = json(&[id]);
        let rule = &one["rules"][0];
        assert_eq!(one["rules"].as_array().unwrap().len(), 1);
        assert_eq!((&rule["kind"], rule["fix"].is_string()), (&kind.into(), has_fix), "{rule:#}");
        assert!(rules.contains(rule), "{rule:#}");
        assert_eq!(rule["seen"].as_array().is_some_and(|seen| seen.is_empty()), has_fix);
    }
}

#[test]
fn a_broken_catalog_shows_every_problem() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("x")).unwrap();
    std::fs::write(dir.path().join("x/image.toml"), "titel = \"X\"\nfamily = \"ell\"\n").unwrap();
    let output = xtask(&["--root", &dir.path().to_string_lossy(), "list"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for expected in [
        "error[CAT001]: unknown key `titel`",
        " --> x/image.toml:1:1",
        "did you mean `title`?",
        "error[CAT005]: `family` cannot be `ell`",
        "problems in image.toml files",
    ] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
}

#[test]
fn shards_are_a_partition_of_the_matrix() {
    let ids = |args: &[&str]| -> Vec<String> {
        let output = xtask(&[&["matrix", "--format", "ids"], args].concat());
        match output.status.code() {
            Some(0) => stdout(&output).lines().map(str::to_owned).collect(),
            // A part may be empty.
            Some(4) => vec![],
            code => unreachable!("{code:?}: {}", stderr(&output)),
        }
    };
    let mut whole = ids(&[]);
    whole.sort();
    assert!(whole.len() > 10, "{whole:?}");
    for parts in [1, 2, 3, 7, whole.len() + 1] {
        let part = |n: usize| ids(&["--shard", &format!("{n}/{parts}")]);
        let mut all: Vec<String> = (1..=parts).flat_map(part).collect();
        all.sort();
        assert_eq!(all, whole, "{parts} parts: each target in one of them");
    }
}
