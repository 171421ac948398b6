use super::*;
use crate::deploy::machine::Firmware;

pub(super) fn known() -> Known {
    Known {
        firmware: Firmware::Uefi,
        efi_boot_file: "BOOTX64.EFI",
        image_machine_id: "0123456789abcdef0123456789abcdef".into(),
        image_host_keys: vec!["ssh-ed25519 OLD".into()],
        kernels: vec!["6.1.0-1-amd64".into()],
        user: "debian".into(),
        ssh_key: "ssh-ed25519 KEY comment".into(),
        disk_bytes: 8 << 30,
        login_user: Some("debian".into()),
    }
}

#[test]
fn expectations() {
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let old = "0123456789abcdef0123456789abcdef";
    for (expect, output, holds) in [
        (Expect::Nothing, " \n", true),
        (Expect::Nothing, "x", false),
        (Expect::Is("a".into()), "a\n", true),
        (Expect::Is("a".into()), "ab", false),
        (Expect::OneOf(words(&["a", "b"])), "b", true),
        (Expect::OneOf(vec![]), "", false),
        (Expect::FreshHex(32, words(&[old])), old, false),
        (Expect::FreshHex(32, words(&[""])), old, true),
        (Expect::FreshHex(32, vec![]), "uninitialized", false),
        (Expect::Contains("b".into()), "abc", true),
        (Expect::AtLeast(10), "10", true),
        (Expect::AtLeast(10), "9", false),
        (Expect::AtLeast(10), "df: no such file", false),
        (Expect::LinesWithout(words(&["OLD"])), "NEW\nNEWER", true),
        (Expect::LinesWithout(words(&["OLD"])), "NEW\nOLD", false),
        (Expect::LinesWithout(vec![]), "", false),
    ] {
        assert_eq!(expect.holds(output), holds, "{expect:?} of {output:?}");
    }
}

#[test]
fn ids_are_unique_and_every_check_says_why() {
    let checks = table(&known());
    for (at, check) in checks.iter().enumerate() {
        assert!(!check.why.is_empty() && !check.command.is_empty(), "{}", check.id);
        assert!(checks.iter().skip(at + 1).all(|other| other.id != check.id), "{}", check.id);
    }
}

#[test]
fn bios_has_no_checks_of_the_esp() {
    let known = Known { firmware: Firmware::Bios, ..known() };
    assert!(table(&known).iter().all(|check| check.id != "esp" && check.id != "boot-entries"));
}

#[test]
fn a_session_is_judged_by_section() {
    let checks: Vec<Check> = table(&known()).into_iter().take(3).collect();
    let output = "banner\n@@m 0\nstatus: done\n@@m 1\nnocloud\n@@m 2\nuser-da";
    let outcomes = judge(&checks, "@@m", output);
    let passed: Vec<bool> = outcomes.iter().map(|o| o.passed).collect();
    // The third broke off in the middle, so it is not believed.
    assert_eq!(passed, [true, false, false]);
    assert_eq!(outcomes[1].got, "nocloud");
    assert_eq!(outcomes[2].got, "the session ended before this check");
}

/// Runs the script with the real shell: every check gets a section, whatever
/// the commands before it did.
#[test]
fn the_script_is_valid_shell_and_survives_any_check() {
    let bad = |command: &str, expect| Check { id: "x", command: command.into(), expect, why: "y" };
    let checks = vec![
        bad("exit 3", Expect::Nothing),
        bad("cat", Expect::Nothing),
        bad("echo out; echo err >&2", Expect::Is("out\nerr".into())),
        bad("false", Expect::Nothing),
        bad("printf 'no newline'", Expect::Is("no newline".into())),
    ];
    let output = crate::cmd::Cmd::new("sh", "try the script")
        .cwd("/")
        .arg("-s")
        .stdin(script(&checks, "@@m", "/"))
        .output()
        .unwrap();
    let outcomes = judge(&checks, "@@m", &output.stdout_text());
    assert!(outcomes.iter().all(|o| o.passed), "{outcomes:?}");
}

/// `sh -n` on all of them.
#[test]
fn every_command_parses() {
    let checks = table(&known());
    let result = crate::cmd::Cmd::new("sh", "parse the checks")
        .cwd("/")
        .args(["-n", "-s"])
        .stdin(script(&checks, "@@m", "/"))
        .output()
        .unwrap();
    assert_eq!(result.stderr_text(), "");
}
