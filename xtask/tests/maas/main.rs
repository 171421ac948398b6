//! `upload` and `remote` as people type them, against the model of MAAS. Every run
//! is searched for parts of the API key.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bench;
mod secrets;

use std::os::unix::fs::PermissionsExt as _;

use xtask::maas::model::dialect;
use xtask::maas::model::fault::{Fault, Once, Plan};
use xtask::maas::model::machines::Machine;

use bench::{Bench, TARGET};

#[test]
fn an_image_goes_up_once_and_is_looked_after() {
    let bench = Bench::new();
    let first = bench.build(1, "");
    let said = bench.ok(&["upload", TARGET]);
    for part in [
        "uploaded and verified in",
        "custom/debian-12, set 20261123",
        "machines none is Ready for amd64",
        "deploy   maas PROFILE machine deploy SYSTEM_ID osystem=custom distro_series=debian-12",
        "log in   ssh debian@ADDRESS",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    assert_eq!(bench.there()["debian-12"], (1, first));
    let said = bench.ok(&["upload", TARGET]);
    assert!(said.contains("custom/debian-12 is this file already"), "{said}");
    let second = bench.build(2, "");
    let said = bench.ok(&["upload", TARGET]);
    assert!(
        said.contains("The image of 2026-11-23 stays on the server; 1 earlier in all"),
        "{said}"
    );
    assert_eq!(bench.there()["debian-12"], (2, second.clone()));
    let list = bench.ok(&["remote", "list"]);
    assert!(list.contains("custom/debian-12  amd64/generic  2026-11-23"), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&bench.ok(&["remote", "list", "--format", "json"])).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["images"][0]["sets"][0]["sha256"], second.as_str());
    let show = bench.ok(&["remote", "show", "debian-12"]);
    assert!(show.contains("deploys") && show.contains("kept"), "{show}");
    let (code, _, stderr) = bench.run(&["remote", "show", "custom/debain-12"]);
    assert_eq!(code, Some(4));
    assert!(stderr.contains("did you mean `custom/debian-12`?"), "{stderr}");
    assert!(bench.ok(&["remote", "delete", "custom/debian-12"]).contains("2 sets"));
    assert!(bench.there().is_empty());
}

/// Refuses to make anything.
struct NothingNew;

impl Plan for NothingNew {
    fn fate(&mut self, method: &str, _path: &str, _length: usize) -> Option<Fault> {
        (method == "POST").then_some(Fault::Instead(400, None))
    }
}

/// One document on stdout whatever happens once the server was asked; every field
/// is there each time.
#[test]
fn an_upload_for_programs() {
    let bench = Bench::new();
    let sha256 = bench.build(1, "");
    let upload = ["upload", TARGET, "--format", "json"];
    let run = |code: i32| -> serde_json::Value {
        let (got, stdout, stderr) = bench.run(&upload);
        assert_eq!(got, Some(code), "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    };
    let first = run(0);
    assert_eq!((&first["version"], &first["maas"]), (&1.into(), &"3.7.3".into()));
    let row = &first["uploads"][0];
    for (field, expected) in [
        ("result", "uploaded"),
        ("target", TARGET),
        ("name", "custom/debian-12"),
        ("filetype", "tgz"),
        ("osystem", "custom"),
        ("distro_series", "debian-12"),
        ("login_user", "debian"),
        ("sha256", &sha256),
        ("set", "20261123"),
    ] {
        assert_eq!(row[field], expected, "{field} in {row:#}");
    }
    assert_eq!((&row["sent_bytes"], &row["error"]), (&row["size"], &serde_json::Value::Null));
    assert_eq!(row["image"]["sets"][0]["sha256"], sha256.as_str());
    let again = run(0);
    assert_eq!(again["uploads"][0]["result"], "unchanged");
    assert_eq!(again["uploads"][0]["sent_bytes"], 0);
    bench.build(2, "");
    bench.server.set_plan(Box::new(NothingNew));
    let failed = run(1);
    let row = &failed["uploads"][0];
    assert_eq!((&row["result"], &row["set"]), (&"failed".into(), &serde_json::Value::Null));
    assert!(row["error"].as_str().is_some_and(|why| !why.is_empty()), "{row:#}");
    let fields = |row: &serde_json::Value| -> Vec<String> {
        row.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(fields(row), fields(&first["uploads"][0]));
    let (code, stdout, _) = bench.run(&["upload", "./no.tar.gz", "--format", "json"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "a usage error is no document");
}

#[test]
fn several_images_go_over_one_connection() {
    let bench = Bench::new();
    bench.build(1, "");
    bench.build_target("debian-13-mirror-amd64", 2, "");
    let said = bench.ok(&["upload", "debian-1[23]-mirror-amd64"]);
    assert_eq!(said.matches("uploaded and verified in").count(), 2, "{said}");
    assert_eq!(bench.there().len(), 2);
    assert_eq!(bench.server.connections(), 1);
}

#[test]
fn what_failed_its_deploy_test_is_not_uploaded() {
    let bench = Bench::new();
    let sha256 = bench.build(1, "");
    let result = bench.out().join(TARGET).join("deploy-test.json");
    let test = |passed: bool| {
        let failure = r#"{"stage":"boot","reason":"kernel panic"}"#;
        let text = format!(
            r#"{{"sha256":"{sha256}","passed":{passed},"date":"2026-11-23T10:00:00Z","failure":{failure}}}"#
        );
        std::fs::write(&result, text).unwrap();
    };
    test(false);
    let (code, _, stderr) = bench.run(&["upload", TARGET]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("boot: kernel panic") && stderr.contains("--force"), "{stderr}");
    assert!(bench.server.app().log.is_empty());
    let (code, stdout, _) = bench.run(&["upload", TARGET, "--print-command"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "nor is the command that would do it shown");
    assert_eq!(bench.run(&["remote", "promote", TARGET]).0, Some(1));
    let (code, _, stderr) = bench.run(&["upload", TARGET, "--force"]);
    assert_eq!(code, Some(0));
    assert!(stderr.contains("warning:") && stderr.contains("kernel panic"), "{stderr}");
    test(true);
    bench.ok(&["upload", TARGET]);
}

#[test]
fn promote_and_roll_back() {
    for dialect in dialect::ALL {
        let bench = Bench::of(dialect);
        let old = bench.build(1, "previous");
        let new = bench.build(2, "");
        bench.ok(&["upload", TARGET, "--name", "custom/debian-12-candidate"]);
        let said = bench.ok(&["remote", "promote", TARGET]);
        assert!(said.contains("deleted custom/debian-12-candidate"), "{said}");
        assert_eq!(bench.there(), [("debian-12".to_owned(), (1, new))].into());
        bench.ok(&["remote", "rollback", TARGET]);
        assert_eq!(bench.there()["debian-12"], (2, old), "{}", dialect.version);
    }
    let bench = Bench::new();
    bench.build(2, "");
    bench.ok(&["upload", TARGET, "--name", "custom/debian-12-candidate"]);
    bench.build(3, "");
    let (code, _, stderr) = bench.run(&["remote", "promote", TARGET]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is not the artifact in"), "{stderr}");
    assert_eq!(bench.there().len(), 1, "nothing was deleted");
}

/// The old bytes lie there as a kept set: MAAS 3.8 would destroy them.
#[test]
fn a_rollback_to_kept_bytes() {
    for dialect in dialect::ALL {
        let bench = Bench::of(dialect);
        let old = bench.build(1, "");
        bench.ok(&["upload", TARGET]);
        bench.build(1, "previous");
        let new = bench.build(2, "");
        bench.ok(&["upload", TARGET]);
        let (code, _, stderr) = bench.run(&["remote", "rollback", TARGET]);
        if dialect.version.starts_with("3.8") {
            assert_eq!(code, Some(1), "{stderr}");
            assert!(stderr.contains("--replace"), "{stderr}");
            assert_eq!(bench.there()["debian-12"], (2, new));
            bench.ok(&["remote", "rollback", TARGET, "--replace"]);
        } else {
            assert_eq!(code, Some(0), "{}: {stderr}", dialect.version);
        }
        assert_eq!(bench.there()["debian-12"].1, old, "{}", dialect.version);
    }
}

#[test]
fn prune_shows_before_it_deletes() {
    let bench = Bench::new();
    bench.build(1, "");
    bench.server.app().store.day = "20260101".into();
    bench.ok(&["upload", TARGET, "--name", "custom/old-candidate"]);
    let said = bench.ok(&["remote", "prune", "custom/*-candidate", "--older-than", "14"]);
    assert!(said.contains("1 would go; nothing was deleted"), "{said}");
    assert_eq!(bench.there().len(), 1);
    assert_eq!(bench.run(&["remote", "prune", "custom/x*", "--older-than", "14"]).0, Some(4));
    let prune = ["remote", "prune", "custom/*-candidate", "--older-than", "14"];
    let json = |more: &[&str]| -> serde_json::Value {
        let said = bench.ok(&[&prune[..], &["--format", "json"], more].concat());
        serde_json::from_str(&said).unwrap()
    };
    let shown = json(&[]);
    assert_eq!((&shown["deleted"], bench.there().len()), (&false.into(), 1));
    assert_eq!(shown["images"][0]["name"], "custom/old-candidate");
    assert_eq!(json(&["--yes"])["deleted"], true);
    assert!(bench.there().is_empty());
}

#[test]
fn problems_are_told_before_the_first_byte() {
    let bench = Bench::new();
    bench.build(1, "");
    for (args, code, expected) in [
        (&["upload", "debian-13-mirror-amd64"][..], 4, "is not built"),
        (&["upload", TARGET, "--name", "debian/12"], 2, "--name custom/debian-12"),
        (&["upload", TARGET, "--name", "custom/noble"], 2, "it syncs ubuntu/noble"),
        (&["upload", TARGET, "--architecture", "arm64/generic"], 2, "synced: amd64"),
        (&["upload", TARGET, "--base-image", "ubuntu/24.04"], 2, "code name"),
        (&["upload", TARGET, "--filetype", "ddgz"], 2, "by its content it is tgz"),
        (&["upload", "./nothing.tar.gz", "--name", "custom/x"], 2, "nothing.tar.gz"),
        (&["upload", TARGET, "--profile", "nobody"], 2, "no profile `nobody`"),
    ] {
        let (got, stdout, stderr) = bench.run(args);
        assert_eq!(got, Some(code), "{args:?}\n{stderr}");
        assert!(stderr.contains(expected) && stdout.is_empty(), "{args:?}\n{stdout}{stderr}");
    }
    bench.server.app().auth.is_admin = false;
    let (code, _, stderr) = bench.run(&["upload", TARGET]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no administrator"), "{stderr}");
    let wrote = bench.server.app().log.iter().any(|l| !l.starts_with("GET"));
    assert!(!wrote, "something was sent: {:?}", bench.server.app().log);
}

#[test]
fn a_damaged_artifact_stays_here() {
    let bench = Bench::new();
    bench.build(1, "");
    let path = bench.out().join(TARGET).join(format!("{TARGET}.tar.gz"));
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (code, _, stderr) = bench.run(&["upload", TARGET]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("was changed or damaged since it was packed"), "{stderr}");
    assert!(bench.server.app().log.is_empty());
}

#[test]
fn the_command_of_the_cli_needs_no_server() {
    let bench = Bench::new();
    bench.build(1, "");
    let (code, stdout, _) = bench.run_with(&["upload", TARGET, "--print-command"], &[]);
    assert_eq!(code, Some(0));
    let start = "maas PROFILE boot-resources create name=custom/debian-12 ";
    assert!(stdout.starts_with(start) && stdout.contains(" filetype=tgz "), "{stdout}");
}

#[test]
fn a_redirect_is_told_and_not_followed() {
    let bench = Bench::new();
    bench.server.set_plan(Box::new(Once { number: 0, fault: Fault::Instead(301, None) }));
    let (code, _, stderr) = bench.run(&["remote", "list"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is not sent elsewhere"), "{stderr}");
    assert!(bench.server.app().log.is_empty());
}

/// A machine is allocated by its tag, deployed, logged in to and released; SSH is
/// a script here.
#[test]
fn an_image_is_tried_on_a_machine() {
    let bench = Bench::new();
    bench.build(1, "");
    bench.ok(&["upload", TARGET]);
    let ssh = bench.dir.path().join("ssh");
    std::fs::write(&ssh, "#!/bin/sh\necho 'Debian GNU/Linux 12, 6.1.0'\n").unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (code, _, stderr) = bench.run(&["remote", "try", TARGET, "--tag", "test"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no amd64 machine with tag `test` is Ready"), "{stderr}");
    bench.server.app().machines =
        vec![Machine::ready("abc", "other"), Machine::ready("def", "test")];
    let said = bench.ok(&["remote", "try", TARGET, "--tag", "test"]);
    assert!(
        said.contains("deployed on host-def in 0:0") && said.contains("Debian GNU/Linux 12"),
        "{said}"
    );
    let machine = bench.server.app().machines[1].clone();
    assert_eq!(machine.status, "Ready");
    assert_eq!(machine.deployed, Some(("custom".into(), "debian-12".into())));
    bench.server.app().machines[1].outcome = "Failed deployment";
    bench.server.app().machines[1].reads_left = 2;
    let (code, _, stderr) = bench.run(&["remote", "try", TARGET, "--tag", "test"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("host-def is Failed deployment"), "{stderr}");
    assert_eq!(bench.server.app().machines[1].status, "Ready", "released after a failure too");
}
