//! Whole runs with a fake QEMU: everything but the guests themselves.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::*;

/// Runs with a play per machine and returns the report.
fn play(acts: &Value, change: impl FnOnce(&mut Settings)) -> Result<Report> {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("logs"))?;
    fs::write(path("logs/play.json"), acts.to_string())?;
    for (name, text) in [("qemu", include_str!("fake-qemu.py")), ("qemu-img", "#!/bin/sh\n")] {
        fs::write(path(name), text)?;
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o755))?;
    }
    // What a killed run left.
    fs::create_dir_all(path("work/output"))?;
    fs::write(path("work/output/disk.qcow2"), "old")?;
    fs::write(path("base.qcow2"), "")?;
    fs::write(path("image.tar.gz"), "")?;
    let mut settings = Settings {
        artifact: path("image.tar.gz"),
        arch: Arch::Amd64,
        firmware: Firmware::Bios,
        layout: Layout::Flat,
        disk: DiskBus::Virtio,
        disk_bytes: 1 << 33,
        sha256: "00".into(),
        source: "tgz".into(),
        login_user: None,
        system: System::default(),
        network: Network::V2,
        adversity: Adversity::default(),
        ephemeral: path("base.qcow2"),
        start: Start {
            version: "6.1".into(),
            kernel: b"kernel".into(),
            initrd: b"initrd".into(),
            root: "11-22".into(),
        },
        work: path("work"),
        logs: path("logs"),
        accelerator: "tcg".into(),
        qemu: path("qemu"),
        qemu_img: path("qemu-img"),
        cpus: 1,
        memory_mib: 1024,
        limit: Duration::from_secs(60),
        silence: Duration::from_secs(60),
        no_boot: false,
        curtin: None,
        firmware_scan: uefi::Scan::default(),
    };
    change(&mut settings);
    let report = deploy_test(&settings, &mut |_| {})?;
    let written = fs::read_to_string(path("logs/report.json"))?;
    // Both through text: the last bit of a number is not serde_json's to keep.
    let again: Value = serde_json::from_str(&serde_json::to_string(&report)?)?;
    assert_eq!(serde_json::from_str::<Value>(&written)?, again);
    assert!(!path("work").exists(), "disks and keys are gone");
    Ok(report)
}

fn failure(acts: &Value) -> Failure {
    let report = play(acts, |_| {}).unwrap();
    assert!(!report.passed);
    report.failure.unwrap()
}

/// A deployment that works, up to the second boot.
fn deployed(boot: &Value) -> Value {
    json!({
        "deploy": [
            ["plan", 1],
            ["say", "DEPLOY-STAGE partition\nDEPLOY-STAGE extract\n"],
            ["say", "DEPLOY-FACTS {\"default_user\": \"debian\", \"kernels\": [\"6.1\"]}\n"],
            ["say", "DEPLOY-OK\n"],
            ["sleep", 2],
        ],
        "boot": boot,
    })
}

#[test]
fn a_failed_hook_is_named_with_its_stage_and_cause() {
    let acts = json!({ "deploy": [
        ["plan", 1],
        ["say", "DEPLOY-STAGE curthooks\nE: Unable to locate package linux-generic\n"],
        ["say", "DEPLOY-FAIL curthooks: curtin curthooks exited with 1\n"],
        ["sleep", 30],
    ]});
    let failure = failure(&acts);
    assert_eq!(failure.stage, "curthooks");
    assert_eq!(failure.reason, "curtin curthooks exited with 1");
    assert!(failure.fix.unwrap().contains("/curtin/curtin-hooks"));
    assert!(failure.console.iter().any(|line| line.contains("Unable to locate")));
}

#[test]
fn a_hook_that_fails_in_a_way_nobody_knows_still_gets_a_cause_and_a_fix() {
    let acts = json!({ "deploy": [
        ["plan", 1],
        ["say", "DEPLOY-STAGE curthooks\nDEPLOY-FAIL curthooks: curtin curthooks exited with 1\n"],
        ["sleep", 30],
    ]});
    let failure = failure(&acts);
    assert!(failure.cause.unwrap().contains("deploy hook") && failure.fix.is_some());
}

#[test]
fn phases_and_facts_come_from_the_markers() {
    let acts = deployed(&json!([["say", "grub rescue> "], ["sleep", 30]]));
    let report = play(&acts, |_| {}).unwrap();
    let phases: Vec<&str> = report.phases.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(phases, ["ephemeral boot", "partition", "extract", "power off", "boot"]);
    assert_eq!(report.facts["default_user"], "debian");
    let failure = report.failure.unwrap();
    assert_eq!(failure.stage, "boot");
    assert!(failure.fix.unwrap().contains("grub-install"), "at once, not after the time limit");
}

#[test]
fn a_disk_without_linux_is_not_started_and_that_is_said() {
    let acts = json!({ "deploy": [
        ["plan", 1],
        ["say", "DEPLOY-STAGE write disk\nDEPLOY-FACTS {\"image_is_linux\": false}\nDEPLOY-OK\n"],
        ["sleep", 2],
    ]});
    let report = play(&acts, |s| s.source = "dd-gz".into()).unwrap();
    assert!(report.passed && report.not_run.unwrap().contains("no Linux"));
    assert_eq!(report.machine["layout"], "image");
    assert_eq!(report.phases.last().unwrap().name, "power off");
}

#[test]
fn without_a_start_the_disk_is_looked_at_from_outside() {
    let acts =
        json!({ "deploy": [["plan", 1], ["look", 1], ["say", "DEPLOY-OK\n"], ["sleep", 2]] });
    let report = play(&acts, |s| s.no_boot = true).unwrap();
    assert!(report.not_run.as_deref().unwrap().contains("--no-boot") && report.failure.is_none());
    assert_eq!(report.phases.last().unwrap().name, "power off");
    // The fake's target is an empty directory.
    let got = |id: &str| report.checks.iter().find(|c| c.id == id).unwrap();
    assert_eq!(got("disk-kernel").got, "no kernel");
    assert!(got("disk-hook").passed && !report.passed);
}

#[test]
fn a_failing_cloud_init_is_a_failure() {
    let failure = failure(&deployed(&json!([["report", "FAIL"], ["sleep", 30]])));
    assert_eq!(failure.stage, "cloud-init");
    assert!(failure.cause.is_some() && failure.fix.unwrap().contains("cloud-init status"));
    assert!(failure.reason.contains("FAIL"));
}

#[test]
fn silence_says_how_far_the_machine_came() {
    let short = |s: &mut Settings| s.silence = Duration::from_secs(2);
    let acts = deployed(&json!([["say", "login: "], ["sleep", 30]]));
    let failure = play(&acts, short).unwrap().failure.unwrap();
    assert!(failure.reason.contains("never asked MAAS"), "{}", failure.reason);
    assert!(failure.fix.unwrap().contains("datasource_list"));
    let acts = json!({ "deploy": [["sleep", 30]] });
    let failure = play(&acts, short).unwrap().failure.unwrap();
    assert_eq!(failure.stage, "ephemeral boot");
    assert!(failure.cause.unwrap().contains("did not come up"));
}

#[test]
fn a_machine_that_ends_is_noticed() {
    let failure = failure(&json!({ "deploy": [["sleep", 2], ["say", "hello\n"]] }));
    assert!(failure.reason.contains("the machine stopped"), "{}", failure.reason);
}

#[test]
fn a_login_that_never_works_ends_with_the_time_limit() {
    let acts = deployed(&json!([["report", "SUCCESS"], ["sleep", 30]]));
    let report = play(&acts, |s| s.limit = Duration::from_secs(4)).unwrap();
    let failure = report.failure.unwrap();
    assert_eq!(failure.stage, "login");
    assert!(failure.reason.contains("ssh as debian"), "{}", failure.reason);
    assert!(report.checks.iter().all(|check| check.id.starts_with("disk-")));
}

#[test]
fn qemu_that_does_not_start_is_an_error_in_its_words() {
    let error = play(&json!({ "deploy": [["die", 1]] }), |_| {}).unwrap_err();
    assert!(error.to_string().contains("qemu: cannot do that"), "{error:#}");
}
