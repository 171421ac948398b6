use std::fs;
use std::path::Path;

use super::*;
use crate::host::firmware::Scan;
use crate::host::kvm::KvmState;
use crate::host::rootless::Rootless;

/// What a root user's bare amd64 host wants for both guests.
const WANT: &[&str] = &[
    "qemu-system-x86",
    "ovmf",
    "qemu-system-arm",
    "qemu-efi-aarch64",
    "qemu-utils",
    "mmdebstrap",
    "xorriso",
    "openssh-client",
    "mtools",
    "dosfstools",
    "e2fsprogs",
    "fdisk",
    "git",
    "debian-archive-keyring",
];

/// Reads a transcript: header, age of the lists, dpkg-query, apt-cache policy.
fn transcript(name: &str) -> (Facts, String) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apt");
    let text = fs::read_to_string(dir.join(format!("{name}.txt"))).unwrap();
    let (header, rest) = text.split_once("\n$ lists-age-hours ").unwrap();
    let (age, rest) = rest.split_once("\n$ dpkg-query\n").unwrap();
    let (dpkg, policy) = rest.split_once("$ apt-cache policy\n").unwrap();
    assert!(header.starts_with("# own run: ") || header.starts_with("# synthetic"), "{header}");
    let facts = Facts {
        dpkg: policy::parse_dpkg(dpkg),
        policy: policy::parse_policy(policy),
        lists_age: age.parse::<u64>().ok().map(|hours| Duration::from_secs(hours * 3600)),
        refreshed: false,
    };
    (facts, header.to_owned())
}

/// The install commands of a transcript, without what is always the same.
fn commands(want: &[&str], name: &str) -> Vec<String> {
    match apt::decide(want, &transcript(name).0) {
        Decision::Install(installs) => {
            installs.iter().map(|install| apt_get(install, false).split_off(7).join(" ")).collect()
        }
        other => panic!("{name}: {other:?}"),
    }
}

const OTHERS: &str = "ovmf qemu-efi-aarch64 mmdebstrap xorriso";
const QEMU: &str = "qemu-system-x86 qemu-system-arm";

#[test]
fn fresh_machines_take_everything_in_one_command() {
    for name in ["debian-12", "debian-13"] {
        assert_eq!(
            commands(WANT, name),
            [format!(
                "{OTHERS} openssh-client mtools dosfstools e2fsprogs fdisk git {QEMU} qemu-utils"
            )],
            "{name}"
        );
    }
    for (name, utils) in [("ubuntu-22.04", " qemu-utils"), ("ubuntu-24.04", "")] {
        assert_eq!(
            commands(WANT, name),
            [format!("{OTHERS} debian-archive-keyring {QEMU}{utils}")],
            "{name}"
        );
    }
    assert_eq!(
        commands(WANT, "ubuntu-26.04"),
        [format!("{OTHERS} debian-archive-keyring {QEMU} qemu-utils")]
    );
}

#[test]
fn qemu_comes_from_the_suite_of_the_part_that_is_installed() {
    for name in ["debian-12-backports-utils", "debian-12-backports-older"] {
        let found = commands(WANT, name);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with(OTHERS) && !found[0].contains("-t "), "{}", found[0]);
        assert_eq!(found[1], format!("-t bookworm-backports {QEMU}"), "{name}");
    }
}

#[test]
fn a_qemu_without_a_source_is_explained() {
    let Decision::Impossible(why) = apt::decide(WANT, &transcript("debian-12-backports-gone").0)
    else {
        panic!("must not install");
    };
    assert_eq!(
        why,
        ["qemu-utils 1:10.0.2+ds-2+deb13u1~bpo12+1 is installed, but no source offers it any \
          more, so qemu-system-x86, qemu-system-arm cannot match it\n  fix   enable the source it \
          came from\n  or    go back to sudo apt-get install \
          qemu-utils=1:7.2+dfsg-7+deb12u18+b3"]
    );
}

#[test]
fn ubuntus_second_qemu_is_not_mixed_with_the_first() {
    let want = &["qemu-system-x86", "ovmf", "xorriso", "mmdebstrap"];
    assert_eq!(
        commands(want, "ubuntu-26.04-hwe"),
        ["ovmf-hwe xorriso mmdebstrap qemu-system-x86-hwe"]
    );
}

#[test]
fn lists_are_refreshed_once() {
    let why = |facts: &Facts| match apt::decide(WANT, facts) {
        Decision::Refresh(why) => why,
        other => format!("{other:?}"),
    };
    let (mut facts, _) = transcript("debian-12-no-lists");
    assert_eq!(why(&facts), "there are no package lists");
    facts.lists_age = Some(Duration::ZERO);
    assert!(why(&facts).starts_with("the package lists do not know qemu-system-x86, ovmf"));
    facts.refreshed = true;
    assert!(why(&facts).starts_with("Impossible"), "no endless loop");

    let (mut facts, _) = transcript("debian-12");
    facts.lists_age = Some(Duration::from_secs(25 * 3600));
    assert_eq!(why(&facts), "the package lists are 25 hours old");
    facts.refreshed = true;
    assert!(why(&facts).starts_with("Install"));
}

#[test]
fn a_missing_component_is_named() {
    let (mut facts, _) = transcript("ubuntu-24.04-no-universe");
    facts.refreshed = true;
    let Decision::Impossible(why) = apt::decide(WANT, &facts) else { panic!() };
    assert!(why[0].starts_with("no source offers mmdebstrap, debian-archive-keyring\n"), "{why:?}");
    assert!(why[0].contains("add-apt-repository universe"));
}

#[test]
fn an_interrupted_dpkg_comes_first() {
    let (mut facts, _) = transcript("debian-12");
    let line = "xorriso\t1.5\thalf-configured\n";
    facts.dpkg.extend(policy::parse_dpkg(line));
    let Decision::Impossible(why) = apt::decide(WANT, &facts) else { panic!() };
    assert!(why[0].contains("dpkg --configure -a"));
}

#[test]
fn nothing_is_asked_for_twice() {
    let (facts, _) = transcript("debian-12");
    assert_eq!(apt::decide(&["tar"], &facts), Decision::Nothing);
    assert_eq!(apt::decide(&[], &facts), Decision::Nothing);
}

#[test]
fn no_command_ever_removes() {
    let install = Install { packages: vec!["a".into()], suite: Some("s".into()) };
    for simulate in [true, false] {
        let argv = apt_get(&install, simulate);
        assert!(argv.contains(&"--no-remove".to_owned()), "{argv:?}");
        assert!(!argv.iter().any(|word| word.contains("downgrade") || word.contains("purge")));
    }
    assert!(apt_get(&install, true).contains(&"--simulate".to_owned()));
}

#[test]
fn transcripts_that_were_not_run_say_so() {
    for entry in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/apt")).unwrap()
    {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let (_, header) = transcript(name.trim_end_matches(".txt"));
        let ours = header.starts_with("# own run: mmdebstrap");
        assert_eq!(ours, name.starts_with("debian") && !name.contains("older"), "{name}: {header}");
        if name.starts_with("ubuntu") {
            assert!(header.contains("not run"), "{name}");
        }
    }
}

fn host(root: bool) -> Host {
    let rootless = if root { Rootless::Root } else { Rootless::Namespace };
    Host {
        os: Default::default(),
        arch: Some(Arch::Amd64),
        cpus: 2,
        memory: Default::default(),
        kvm: KvmState::Absent,
        qemu: Default::default(),
        firmware: Scan::default(),
        tools: Default::default(),
        packer: None,
        space: vec![],
        rootless,
    }
}

#[test]
fn pip_takes_two_files_by_hash_and_nothing_else() {
    for (name, content) in python::REQUIREMENTS {
        let argv = python::install(Path::new("/d"), name);
        for option in ["--no-deps", "--require-hashes", "--no-build-isolation"] {
            assert!(argv.iter().any(|word| word == option), "{argv:?}");
        }
        assert_eq!(content.lines().count(), 1);
        let hash = content.trim().rsplit("sha256:").next().unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    }
}

#[test]
fn what_is_missing_becomes_packages() {
    let names = |host: &Host, manager, validators| {
        let wants = wanted::wanted(host, &[Arch::Amd64, Arch::Arm64], manager, validators);
        wants.into_iter().map(|want| want.package).collect::<Vec<_>>()
    };
    let bare = names(&host(true), PackageManager::Apt, false);
    for package in WANT {
        assert!(bare.iter().any(|name| name == package), "{package} in {bare:?}");
    }
    assert!(!bare.contains(&"uidmap".to_owned()) && !bare.contains(&"shellcheck".to_owned()));
    assert!(!bare.contains(&"xfsprogs".to_owned()));
    assert!(names(&host(false), PackageManager::Apt, false).contains(&"uidmap".to_owned()));
    let all = names(&host(true), PackageManager::Apt, true);
    for package in ["shellcheck", "python3-venv", "cloud-init", "libxml2-utils", "xfsprogs", "lvm2"]
    {
        assert!(all.iter().any(|name| name == package), "{package}");
    }
    let fedora = names(&host(true), PackageManager::Dnf, false);
    assert!(fedora.contains(&"/usr/bin/qemu-system-x86_64".to_owned()), "{fedora:?}");
    assert!(fedora.contains(&"edk2-aarch64".to_owned()));
    let mut ready = host(true);
    ready.tools.insert("git".into(), tools::Tool { path: "/usr/bin/git".into(), version: None });
    assert!(!names(&ready, PackageManager::Apt, false).contains(&"git".to_owned()));
}
