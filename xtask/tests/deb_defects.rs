//! Twenty defects of older templates for Ubuntu, Debian and SLES, D1 to D20: what
//! keeps each out of ours. A guard is a test, a rule of `validate`, a rule of the
//! contract, or a row here that is held against every file and broken by its own
//! change.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What keeps a defect out.
enum Guard {
    /// A function of a file: a test that fails with the defect.
    Test(&'static str, &'static str),
    /// A rule of `validate`: each has a seeded mistake in `tests/validate`.
    Rule(&'static str),
    /// A rule of the contract: each has a bad artifact in its tests.
    Contract(&'static str),
    /// Must hold of every file; replacing the first text by the second breaks it.
    Text(fn(&str) -> bool, &'static str, &'static str),
}

use Guard::{Contract, Rule, Test, Text};

const SCRIPTS: &str = "common/deb/tests/test_scripts.py";
const SLES: &str = "sles12/tests/test_scripts.py";
const HOOK: &str = "ubuntu/tests/test_ubuntu_hook.py";
const PLANS: &str = "xtask/tests/deb_plans.rs";

const DEFECTS: [(&str, &str, &[Guard]); 20] = [
    (
        "D1",
        "no_proxy is filled from https_proxy",
        &[
            Test(SCRIPTS, "test_each_proxy_has_its_own_variable"),
            Text(own_proxies, "no_proxy=${var.no_proxy}", "no_proxy=${var.https_proxy}"),
            Text(own_proxies, "env(\"no_proxy\")", "env(\"https_proxy\")"),
        ],
    ),
    (
        "D2",
        "apt's sources and sshd's settings are not put back",
        &[
            Test(SCRIPTS, "test_sources_and_proxies_are_put_back_even_after_a_reboot"),
            Test(SCRIPTS, "test_a_changed_sshd_config_is_put_back"),
            Contract("C045"),
            Contract("C057"),
        ],
    ),
    (
        "D3",
        "the build host's proxy stays",
        &[
            Test(SCRIPTS, "test_sources_and_proxies_are_put_back_even_after_a_reboot"),
            Contract("C060"),
        ],
    ),
    (
        "D4",
        "a reboot loses or poisons what was saved",
        &[Test(SCRIPTS, "test_sources_and_proxies_are_put_back_even_after_a_reboot")],
    ),
    (
        "D5",
        "clean-up fails where there is nothing to remove",
        &[
            Test(SCRIPTS, "test_a_bare_root_is_cleaned_without_a_complaint"),
            Test(SLES, "test_a_bare_root_is_cleaned_without_a_complaint"),
        ],
    ),
    (
        "D6",
        "firmware of the host's architecture",
        &[Test(PLANS, "known_mistakes_are_in_no_plan"), Rule("FW001")],
    ),
    (
        "D7",
        "one address to look at, another to download from; http",
        &[
            Test(PLANS, "one_variable_moves_the_medium_and_its_checksum"),
            Test(PLANS, "known_mistakes_are_in_no_plan"),
        ],
    ),
    ("D8", "the seed of another build", &[Test(PLANS, "known_mistakes_are_in_no_plan")]),
    (
        "D9",
        "arm64 without UEFI; defaults that differ from the README",
        &[Test(PLANS, "known_mistakes_are_in_no_plan"), Rule("DOC003")],
    ),
    (
        "D10",
        "no local packages, yet kernels are purged; a second kernel",
        &[
            Test(SCRIPTS, "test_nothing_local_purges_and_repairs_nothing"),
            Test(SCRIPTS, "test_local_packages_are_installed_with_what_they_need"),
            Test(SCRIPTS, "test_the_kernel_that_was_asked_for_is_the_only_one"),
        ],
    ),
    (
        "D11",
        "MAAS's package sources and credentials do not arrive",
        &[
            Test(HOOK, "test_maas_package_sources_stay"),
            Test(HOOK, "test_datasource_is_written_where_curtin_does_not"),
        ],
    ),
    (
        "D12",
        "packages and images that nobody signed",
        &[
            Text(no_download, "apt-get update", "wget http://ftp.example/pool/x.deb"),
            Text(
                no_download,
                "apt_quiet install",
                "curl -O https://launchpad.net/x.deb; apt_quiet",
            ),
            Test(PLANS, "known_mistakes_are_in_no_plan"),
        ],
    ),
    (
        "D13",
        "stand-ins for programs stay in the image",
        &[
            Test(SCRIPTS, "test_what_stood_in_for_update_initramfs_does_not_ship"),
            Text(no_stand_in, "/usr/local/sbin/image-grow-root", "/usr/local/bin/netplan"),
        ],
    ),
    (
        "D14",
        "fstab and apt's cache stay",
        &[
            Test(SCRIPTS, "test_nothing_of_the_build_stays"),
            Test(SCRIPTS, "test_the_package_cache_is_emptied"),
            Contract("C050"),
        ],
    ),
    (
        "D15",
        "known passwords, screens open to the network",
        &[Rule("ACC001"), Rule("VNC001"), Test(PLANS, "known_mistakes_are_in_no_plan")],
    ),
    (
        "D16",
        "media without a pin, artifacts without a manifest or a boot",
        &[
            Rule("MED001"),
            Test(PLANS, "ubuntu_and_sles_plans"),
            Test("xtask/tests/contents.rs", "spdx_names_every_package_once"),
            Test("xtask/tests/flavors.rs", "cloudimg_with_a_boot_partition_and_every_knob"),
        ],
    ),
    (
        "D17",
        "SLES: a failure that waits for somebody, a medium that nobody checks",
        &[
            Test("xtask/tests/deb_defects.rs", "a_medium_of_ones_own_is_asked_for"),
            Text(no_question, "packer build", "packer build -on-error=ask"),
        ],
    ),
    (
        "D18",
        "packing says nothing of a failure and reads ext4 alone",
        &[
            Test("xtask/tests/pack.rs", "what_cannot_be_packed_says_why_and_leaves_nothing"),
            Test("xtask/disk/tests/pack_xfs.rs", "an_xfs_root_with_its_boot_partition"),
            Test("xtask/disk/tests/pack_lvm.rs", "a_root_on_a_logical_volume_is_packed"),
        ],
    ),
    (
        "D19",
        "READMEs that disagree with the templates",
        &[Rule("DOC002"), Rule("DOC003"), Rule("DOC004"), Rule("PLG001")],
    ),
    (
        "D20",
        "templates that nobody validates",
        &[
            Test("xtask/tests/packer.rs", "packer_accepts_every_target"),
            Test("xtask/tests/packer.rs", "packer_finds_what_is_planted"),
        ],
    ),
];

/// Each proxy from its own variable, each variable from its own environment.
fn own_proxies(text: &str) -> bool {
    let mut variable = "";
    text.lines().all(|line| {
        if let Some(name) = line.strip_prefix("variable \"") {
            variable = name.split('"').next().unwrap_or_default();
        }
        let line = line.trim();
        let set = line.trim_start_matches('"').split_once("_proxy=${var.");
        let given = set.is_none_or(|(name, from)| from.starts_with(&format!("{name}_proxy}}")));
        let env = line.split_once("env(\"").map(|(_, name)| name);
        let taken = env.is_none_or(|name| {
            !name.contains("_proxy") || name.starts_with(&format!("{variable}\")"))
        });
        given && taken
    })
}

/// Packages come from apt and zypper, which check signatures.
fn no_download(text: &str) -> bool {
    let words = ["wget ", "curl -", "launchpad.net", "/pool/", "--allow-unauthenticated"];
    let mut code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    code.all(|line| !words.iter().any(|word| line.contains(word)))
}

/// Nothing is put where it would be found before the system's own program.
fn no_stand_in(text: &str) -> bool {
    !["/usr/local/bin", "/usr/local/sbin/netplan", "/usr/local/sbin/dpkg"]
        .iter()
        .any(|path| text.contains(path))
}

fn no_question(text: &str) -> bool {
    !text.contains("on-error=ask")
}

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Text of every file of these images, links followed; without tests.
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn files() -> BTreeMap<String, String> {
    let listed = Command::new("find")
        .current_dir(tree())
        .args(["-L", "debian", "ubuntu", "sles12", "-type", "f", "-not", "-path", "*/tests/*"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let text = |path: &str| std::fs::read_to_string(tree().join(path)).unwrap();
    listed.lines().map(|path| (path.to_owned(), text(path))).collect()
}

/// Who is wrong: the file without the guard, or the file that breaks it.
fn fault(guard: &Guard, files: &BTreeMap<String, String>) -> Option<String> {
    match guard {
        Test(path, name) => {
            let text = std::fs::read_to_string(tree().join(path)).unwrap_or_default();
            let known = [format!("fn {name}("), format!("def {name}(")];
            let found = known.iter().any(|head| text.contains(head.as_str()));
            (!found).then(|| format!("{path} has no {name}"))
        }
        Rule(id) => {
            let known = xtask::rules::RULES.iter().any(|rule| rule.id == *id);
            (!known).then(|| format!("validate has no {id}"))
        }
        Contract(id) => {
            let known = xtask::contract::RULES.iter().any(|rule| rule.id == *id);
            (!known).then(|| format!("the contract has no {id}"))
        }
        Text(holds, old, new) => {
            let bad = files.iter().find(|(_, text)| !holds(text)).map(|(path, _)| path.clone());
            let changed = || files.values().filter(|text| text.contains(old));
            let broken = changed().any(|text| !holds(&text.replacen(old, new, 1)));
            bad.or_else(|| (!broken).then(|| format!("{old:?} to {new:?} breaks nothing")))
        }
    }
}

#[test]
fn every_defect_has_guards() {
    let files = files();
    assert!(files.len() > 60, "{}", files.len());
    for (number, (id, what, guards)) in (1..).zip(&DEFECTS) {
        assert_eq!(*id, format!("D{number}"));
        assert!(!guards.is_empty(), "{id}");
        for guard in *guards {
            if let Some(fault) = fault(guard, &files) {
                panic!("{id} ({what}): {fault}");
            }
        }
    }
}

/// A guard that is gone, and one that cannot fail, are found.
#[test]
fn guards_that_guard_nothing_are_found() {
    let files = BTreeMap::from([("x".to_owned(), "packer build\n".to_owned())]);
    for guard in [
        Test(SCRIPTS, "test_that_never_was"),
        Rule("XYZ001"),
        Contract("C999"),
        Text(no_question, "packer build", "packer validate"),
        Text(no_question, "not in any file", "-on-error=ask"),
        Text(|text| !text.contains("packer"), "packer", "xtask"),
    ] {
        assert!(fault(&guard, &files).is_some());
    }
}

/// Nothing starts without the file, and the file's checksum can be given.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]
fn a_medium_of_ones_own_is_asked_for() {
    let build = |more: &[&str]| {
        let out = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["--root".as_ref(), tree().as_os_str()]).arg("--out").arg(out.path());
        command.args(["build", "sles12", "--engine", "builtin"]).args(more);
        let output = command.env_remove("SLES12_ISO_PATH").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = build(&[]);
    assert_ne!(code, Some(0));
    assert!(said.contains("SLES12_ISO_PATH") && said.contains("--iso"), "{said}");
    let (code, said) = build(&["--iso", "/nowhere/x.qcow2"]);
    assert_ne!(code, Some(0));
    assert!(said.contains("/nowhere/x.qcow2"), "{said}");
    let dir = tempfile::tempdir().unwrap();
    let medium = dir.path().join("jeos.qcow2");
    std::fs::write(&medium, "spoiled").unwrap();
    let sum = format!("iso_checksum=sha256:{}", "0".repeat(64));
    let (code, said) = build(&["--iso", medium.to_str().unwrap(), "--var", &sum]);
    assert_ne!(code, Some(0));
    assert!(said.contains("sha256"), "{said}");
}
