//! The steps as data. Pure.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::arch::Arch;
use crate::cmd::which;

/// Who runs a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// cargo, from `PATH`.
    Cargo,
    /// This program.
    Xtask,
    /// The first argument: a script of this repository.
    Script,
    /// The first argument: a program on `PATH`.
    Tool,
}

/// A program that need not be there: without it a step is skipped, printed and
/// counted as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Names or places, any of which will do.
    any: &'static [&'static str],
    /// How to get it.
    how: &'static str,
}

impl Need {
    /// What is missing and how to get it, if nothing of it is there.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let there = self.any.iter().any(|name| which(name).is_some());
        let name = self.any.first().copied().unwrap_or_default();
        (!there).then(|| format!("`{name}` is not installed; {}", self.how))
    }
}

/// <https://github.com/rhysd/actionlint>, <https://docs.zizmor.sh/installation/>.
const ACTIONLINT: Need = Need {
    any: &["actionlint"],
    how: "`go install github.com/rhysd/actionlint/cmd/actionlint@latest`",
};
const ZIZMOR: Need =
    Need { any: &["zizmor"], how: "`pipx install zizmor` or `cargo install --locked zizmor`" };

/// <https://embarkstudios.github.io/cargo-deny/>, <https://github.com/crate-ci/typos>.
const DENY: Need = Need { any: &["cargo-deny"], how: "`cargo install --locked cargo-deny`" };
const TYPOS: Need = Need { any: &["typos"], how: "`cargo install --locked typos-cli`" };

/// Debian's `wine64` keeps the loader outside of `PATH`.
const WINE: Need = Need {
    any: &["wine", "wine64", "/usr/lib/wine/wine64"],
    how: "Debian, Ubuntu: `apt install wine64`; Fedora: `dnf install wine`",
};

/// One thing that has to pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name for `--only`, the log file and the summary.
    pub name: &'static str,
    /// Who runs it.
    pub program: Program,
    /// Arguments.
    pub args: Vec<String>,
    /// Longest time it may take.
    pub limit: Duration,
    /// It runs a virtual machine.
    pub vm: bool,
    /// Steps without which it makes no sense.
    pub after: &'static [&'static str],
    /// Files it cannot do without, by environment variable.
    pub env: Vec<(&'static str, OsString)>,
    /// Without it the step is skipped.
    pub needs: Option<Need>,
}

/// Names of all steps, for `--only`.
pub const NAMES: [&str; 36] = [
    "fmt",
    "clippy",
    "tests",
    "validate",
    "docs",
    "workflows",
    "actionlint",
    "zizmor",
    "build",
    "deploy",
    "fuzz",
    "deploy-all",
    "flavors",
    "deploy-foreign",
    "build-13",
    "deploy-13-all",
    "engine",
    "roots",
    "setup",
    "packer",
    "evidence",
    "stand-in",
    "knobs",
    "curtin",
    "spdx",
    "faults",
    "kills",
    "archives",
    "damage",
    "interrupted",
    "signing",
    "windows-setup",
    "readme",
    "msrv",
    "deny",
    "typos",
];

/// Every step in order; the quick ones first, so that they fail first.
///
/// The limits only end what hangs: on 2 cores without KVM the same step took three
/// times as long beside other work. What all should take is [`super::GOAL`].
#[must_use]
pub fn all(arch: Arch) -> Vec<Step> {
    use Program::{Cargo, Tool, Xtask};
    let target = format!("debian-12-mirror-{arch}");
    vec![
        step("fmt", Cargo, &["fmt", "--all", "--check"], 2),
        step(
            "clippy",
            Cargo,
            &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
            10,
        ),
        step("tests", Cargo, &["test", "--locked", "--workspace", "--no-fail-fast"], 25),
        step("validate", Xtask, &["validate", "--strict"], 5),
        step("docs", Xtask, &["docs", "--check"], 2),
        step("workflows", Xtask, &["ci", "generate", "--check"], 2),
        Step { needs: Some(ACTIONLINT), ..step("actionlint", Tool, &["actionlint"], 2) },
        Step {
            needs: Some(ZIZMOR),
            ..step("zizmor", Tool, &["zizmor", "--offline", ".github/workflows"], 2)
        },
        Step { vm: true, ..step("build", Xtask, &["build", &target, "--force"], 35) },
        Step {
            vm: true,
            after: &["build"],
            ..step("deploy", Xtask, &["deploy-test", &target], 40)
        },
    ]
}

/// What `--all` adds: hours under emulation. Deploy tests leave a record.
#[must_use]
pub fn more(arch: Arch, media: &Path) -> Vec<Step> {
    use Program::{Cargo, Script, Tool, Xtask};
    let base = |release: u8| media.join(format!("debian-{release}-{arch}.qcow2")).into_os_string();
    // Every machine there is: 16 of six minutes each in emulation.
    let deploy = |name, release: u8, after| {
        let target = format!("debian-{release}-mirror-{arch}");
        let args = ["deploy-test", &target, "--record", "--machines", "all"];
        Step { vm: true, after, ..step(name, Xtask, &args, 240) }
    };
    let ignored = |name, package, test, minutes, env| {
        let test = ["test", "--locked", "-p", package, "--test", test, "--", "--ignored"];
        let args = [&test[..], &["--test-threads=1", "--nocapture"]].concat();
        Step { vm: true, after: &["build"], env, ..step(name, Cargo, &args, minutes) }
    };
    let mut disks = base(12);
    disks.push(" ");
    disks.push(base(13));
    let target = format!("debian-13-mirror-{arch}");
    let suites = ["ci/setup-in-chroot", "bookworm", "trixie", "bookworm+backports"];
    vec![
        // The engine's instrumented build takes minutes; `tests` runs every seed without it.
        step("fuzz", Xtask, &["fuzz", "--smoke"], 15),
        deploy("deploy-all", 12, &["build"]),
        // Ubuntu's flavors on Debian base disks: three builds, three deploy tests.
        ignored("flavors", "xtask", "flavors", 150, vec![("XTASK_TEST_BASE", base(12))]),
        ignored(
            "deploy-foreign",
            "xtask",
            "foreign_disks",
            30,
            vec![("XTASK_TEST_BASE", base(12))],
        ),
        Step { vm: true, ..step("build-13", Xtask, &["build", &target, "--force"], 60) },
        deploy("deploy-13-all", 13, &["build-13"]),
        ignored("engine", "xtask", "engine", 120, vec![("XTASK_TEST_BASE", base(12))]),
        ignored("roots", "disk-image", "roots", 30, vec![("DISKS", disks)]),
        step("setup", Script, &suites, 30),
        // Fail without a real Packer: whoever asks for everything has one.
        Step { vm: false, ..ignored("packer", "xtask", "packer", 30, vec![]) },
        Step { after: &[], ..ignored("evidence", "xtask", "evidence", 20, vec![]) },
        ignored("stand-in", "xtask", "standin", 120, vec![("XTASK_TEST_BASE", base(12))]),
        Step { vm: false, ..ignored("knobs", "xtask", "plans", 30, vec![]) },
        // Fails without XTASK_TEST_CURTIN, a clone of curtin with its tags.
        Step { vm: false, after: &[], ..ignored("curtin", "xtask", "hooks", 10, vec![]) },
        // Needs `pip install spdx-tools`: SPDX's own validator.
        Step { vm: false, ..ignored("spdx", "xtask", "contents", 30, vec![]) },
        step("faults", Cargo, &FAULTS, 120),
        Step { vm: false, after: &[], ..ignored("kills", "xtask", "maas_kill", 60, vec![]) },
        // 400 random file systems against GNU tar; 25,000 damaged images.
        Step {
            vm: false,
            after: &[],
            ..ignored("archives", "disk-image", "random_archives", 60, vec![])
        },
        Step { vm: false, after: &[], ..ignored("damage", "disk-image", "damage", 120, vec![]) },
        step("interrupted", Cargo, &INTERRUPTED, 15),
        Step { vm: false, after: &[], ..ignored("signing", "xtask", "sign", 10, vec![]) },
        // setup-watch.cmd in Wine's cmd.exe.
        Step {
            vm: false,
            after: &[],
            needs: Some(WINE),
            ..ignored("windows-setup", "xtask", "windows_setup", 10, vec![])
        },
        Step { vm: true, ..step("readme", Script, &["ci/readme"], 90) },
        step("msrv", Script, &["ci/msrv"], 15),
        Step { needs: Some(DENY), ..step("deny", Tool, &["cargo-deny", "check"], 5) },
        Step { needs: Some(TYPOS), ..step("typos", Tool, &["typos"], 5) },
    ]
}

/// Builds of a simulated engine, ended at 50 moments.
const INTERRUPTED: [&str; 10] = [
    "test",
    "--locked",
    "-p",
    "xtask",
    "--test",
    "interrupted",
    "--",
    "--ignored",
    "--nocapture",
    "simulated",
];

/// 500 uploads with random faults for each release of MAAS.
const FAULTS: [&str; 8] =
    ["test", "--locked", "-p", "xtask", "--lib", "--", "--ignored", "random_faults_500"];

fn step(name: &'static str, program: Program, args: &[&str], minutes: u64) -> Step {
    Step {
        name,
        program,
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        limit: Duration::from_secs(minutes * 60),
        vm: false,
        after: &[],
        env: vec![],
        needs: None,
    }
}

/// Whether a variable is what `cargo run` sets for the program it runs
/// (<https://doc.rust-lang.org/cargo/reference/environment-variables.html>),
/// and not what a user sets for cargo.
#[must_use]
pub fn is_cargos_own(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    const NAMES: [&str; 7] = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "CARGO_MAKEFLAGS",
        "OUT_DIR",
        "RUST_RECURSION_COUNT", // rustup's count of nested proxies
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_the_steps_and_every_dependency_comes_first() {
        let mut steps = all(Arch::Amd64);
        steps.extend(more(Arch::Amd64, Path::new("/media")));
        let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        assert_eq!(names, NAMES);
        for (at, step) in steps.iter().enumerate() {
            assert!(step.after.iter().all(|name| names[..at].contains(name)), "{}", step.name);
        }
    }

    #[test]
    fn what_is_missing_is_told_with_a_way_to_get_it() {
        let needs: Vec<Need> = all(Arch::Amd64)
            .into_iter()
            .chain(more(Arch::Amd64, Path::new("/media")))
            .filter_map(|step| step.needs)
            .collect();
        assert_eq!(needs.len(), 5);
        assert!(needs.iter().all(|need| need.how.contains(" install ")), "{needs:?}");
        let gone = Need { any: &["/nowhere/x", "/nowhere/y"], how: "`apt install x`" };
        let said = "`/nowhere/x` is not installed; `apt install x`";
        assert_eq!(gone.missing().as_deref(), Some(said));
        assert_eq!(Need { any: &["/nowhere/x", "/bin/sh"], ..gone }.missing(), None);
    }

    #[test]
    fn what_users_set_for_cargo_stays() {
        for name in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_NET_OFFLINE",
            "CARGO_TERM_COLOR",
            "RUSTFLAGS",
            "CARGO_BUILD_JOBS",
            "RUSTUP_TOOLCHAIN",
            "CARGO_REGISTRIES_X_INDEX",
        ] {
            assert!(!is_cargos_own(name), "{name}");
        }
        for name in ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_BIN_NAME", "OUT_DIR"] {
            assert!(is_cargos_own(name), "{name}");
        }
    }
}
