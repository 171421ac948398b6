use super::*;
use crate::arch::Arch;
use crate::host::kvm::KvmState;
use crate::host::packer::Packer;
use crate::host::resources::{Memory, Space};
use crate::host::rootless::Rootless;
use crate::host::tools::{Qemu, TOOLS, Tool};
use crate::host::version::Version;

const GB: u64 = 1_000_000_000;

fn space(role: &str, free: u64, tmpfs: bool, device: u64) -> Space {
    Space { role: role.into(), path: format!("/x/{role}").into(), free, tmpfs, device }
}

/// A host with everything but firmware, which the fixtures of its module cover.
fn host() -> Host {
    let tool = Tool { path: "/usr/bin/t".into(), version: Some(Version::new(&[1, 2])) };
    let qemu = Qemu {
        path: "/usr/bin/qemu-system-x86_64".into(),
        version: Some(Version::new(&[10, 0, 2])),
        text: String::new(),
    };
    Host {
        os: host::os::parse("ID=debian\nPRETTY_NAME=\"Debian 12\"\n"),
        arch: Some(Arch::Amd64),
        cpus: 8,
        memory: Memory { total: 16 * GB, available: 12 * GB, limit: None },
        kvm: KvmState::Usable,
        qemu: [(Arch::Amd64, qemu)].into(),
        firmware: Default::default(),
        tools: TOOLS.iter().map(|spec| (spec.name.to_owned(), tool.clone())).collect(),
        packer: None,
        space: vec![space("out", 100 * GB, false, 1), space("media", 100 * GB, false, 1)],
        rootless: Rootless::Root,
    }
}

fn level_of(host: &Host, word: &str) -> (Level, String) {
    let found = checks::general(host).into_iter().find(|check| check.what.contains(word));
    let check = found.unwrap_or_else(|| panic!("no line with {word}"));
    (check.level, check.note)
}

#[test]
fn a_good_host_is_ok_throughout() {
    for check in checks::general(&host()) {
        let expected = if check.what.contains("no UEFI firmware") {
            Level::Bad
        } else if check.what.contains("arm64") {
            Level::Warn
        } else {
            Level::Ok
        };
        assert_eq!(check.level, expected, "{check:?}");
    }
}

#[test]
fn below_the_guide_warns_and_says_the_figure() {
    let poor = Host {
        cpus: 2,
        memory: Memory { total: 16 * GB, available: 2 * GB, limit: Some(4 * GB) },
        space: vec![space("out", 18 * GB, false, 1), space("temporary files", GB, true, 2)],
        ..host()
    };
    assert_eq!(level_of(&poor, "2 CPUs, the guide is 4").0, Level::Warn);
    let (level, note) = level_of(&poor, "memory: 4.0 GB (limited by a control group), 2.0 GB free");
    assert_eq!((level, note.contains("8.0 GB")), (Level::Warn, true));
    let (level, note) = level_of(&poor, "18 GB free for out");
    assert_eq!((level, note.contains("25 GB")), (Level::Warn, true));
    let (level, note) = level_of(&poor, "free for temporary files");
    assert_eq!((level, note.contains("TMPDIR")), (Level::Warn, true));
}

#[test]
fn kvm_is_never_required_but_qemu_is() {
    let reason = || String::from("why");
    for (kvm, level, words) in [
        (KvmState::Absent, Level::Warn, "nested"),
        (KvmState::Denied { reason: reason() }, Level::Warn, "usermod -aG kvm"),
        (KvmState::Broken { reason: reason() }, Level::Warn, "nested"),
        (KvmState::QemuBroken { reason: reason() }, Level::Bad, "reinstall"),
        (KvmState::Unknown { reason: reason() }, Level::Warn, "emulation"),
    ] {
        let shown = if matches!(kvm, KvmState::QemuBroken { .. }) { "QEMU runs no" } else { "KVM" };
        let (found, note) = level_of(&Host { kvm, ..host() }, shown);
        assert_eq!((found, note.contains(words)), (level, true), "{note}");
    }
    let without = Host { qemu: Default::default(), ..host() };
    assert_eq!(level_of(&without, "no QEMU for amd64"), (Level::Bad, "cargo xtask setup".into()));
    assert_eq!(level_of(&without, "no QEMU for arm64").0, Level::Warn);
}

#[test]
fn each_missing_tool_has_a_line_and_validators_share_one() {
    let mut host = host();
    for name in ["mmdebstrap", "xorriso", "ksvalidator", "xmllint"] {
        host.tools.remove(name);
    }
    assert_eq!(level_of(&host, "`mmdebstrap` is missing").0, Level::Bad);
    assert_eq!(level_of(&host, "`xorriso` is missing").0, Level::Bad);
    let (level, note) = level_of(&host, "without ksvalidator, xmllint");
    assert_eq!((level, note.as_str()), (Level::Warn, "cargo xtask setup --validators"));
}

#[test]
fn a_wrong_packer_is_named() {
    let packer = Packer {
        path: "/usr/bin/packer".into(),
        version: Some(Version::new(&[1, 6, 6])),
        plugin: None,
        problem: Some("is 1.6.6; templates need 1.11 or newer".into()),
    };
    let host = Host { packer: Some(packer), ..host() };
    let (level, note) = level_of(&host, "/usr/bin/packer is 1.6.6");
    assert_eq!((level, note.contains("built-in")), (Level::Warn, true));
}

fn diagnosis(chosen: bool) -> Diagnosis {
    let bad = |target: &str| TargetReport {
        target: target.into(),
        problems: vec![Problem {
            level: Level::Bad,
            what: "`x` is not installed".into(),
            fix: "cargo xtask setup".into(),
        }],
    };
    let good = TargetReport { target: "a".into(), problems: vec![] };
    let checks = vec![Check { level: Level::Ok, what: "fine".into(), note: String::new() }];
    let targets = vec![good, bad("b"), bad("c"), bad("d")];
    Diagnosis { host: host(), checks, targets, chosen }
}

#[test]
fn targets_count_when_they_were_asked_for() {
    assert!(diagnosis(false).ready());
    assert!(!diagnosis(true).ready());
    let mut broken = diagnosis(false);
    broken.checks[0].level = Level::Bad;
    assert!(!broken.ready());
}

#[test]
fn targets_with_one_problem_share_a_line() {
    let text = to_text(&diagnosis(true), 0);
    assert!(text.contains(" warn 1 of 4 targets can be built here\n"), "{text}");
    assert!(text.contains(" bad  b and 2 more: `x` is not installed"), "{text}");
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn a_note_without_room_goes_below() {
    let wide = " warn KVM: no guest ran               emulation is used, several times slower\n ok   QEMU\n";
    assert_eq!(narrow(wide, 200), wide);
    let expected = " warn KVM: no guest ran\n      emulation is used,\n      several times slower\n ok   QEMU\n";
    assert_eq!(narrow(wide, 30), expected);
    let tools = " ok   tools: qemu-img 7.2.22, mmdebstrap,\n             mkfs.vfat, mke2fs 1.47.0, sfdisk\n";
    let expected = " ok   tools: qemu-img 7.2.22,\n      mmdebstrap,\n             mkfs.vfat, mke2fs\n             \
                    1.47.0, sfdisk\n";
    assert_eq!(narrow(tools, 35), expected);
}

#[test]
fn json_has_a_version_and_every_part() {
    let text = to_json(&diagnosis(true)).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["version"], 1);
    assert_eq!(value["ready"], false);
    assert_eq!(value["targets"][1]["problems"][0]["level"], "bad");
    assert_eq!(value["host"]["arch"], "amd64");
}
