//! What a target needs, held against what the host has.

use serde::{Deserialize, Serialize};

use super::firmware::{Wanted, choose};
use super::rootless::Rootless;
use super::{Host, packer};
use crate::arch::Arch;
use crate::table::size;

/// What one target needs to be built here. The planner fills it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Target id.
    pub target: String,
    /// The guest's architecture.
    pub arch: Arch,
    /// Whether a virtual machine runs (not for `pack` alone).
    pub vm: bool,
    /// Programs by name, as in [`super::tools::TOOLS`].
    pub tools: Vec<String>,
    /// Bytes of memory the VM gets.
    pub memory: u64,
    /// Bytes that the build writes at most: disk, media, artifact.
    pub disk: u64,
    /// UEFI firmware, if the machine has it.
    pub firmware: Option<FirmwareNeed>,
    /// Real Packer was asked for.
    pub packer: bool,
    /// A root file system is bootstrapped on the host.
    pub bootstrap: bool,
}

/// Firmware for one machine type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareNeed {
    /// `-machine` type.
    pub machine: String,
    /// With enrolled Secure Boot keys.
    pub secure_boot: bool,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but slower or closer to the edge.
    Warn,
    /// Does not work.
    Bad,
}

/// Something the host lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `Bad` stops a build, `Warn` does not.
    pub level: Level,
    /// What is wrong, in one clause.
    pub what: String,
    /// The command or step that helps.
    pub fix: String,
}

impl Problem {
    pub(crate) fn bad(what: String, fix: &str) -> Self {
        Self { level: Level::Bad, what, fix: fix.to_owned() }
    }

    pub(crate) fn warn(what: String, fix: &str) -> Self {
        Self { level: Level::Warn, what, fix: fix.to_owned() }
    }
}

/// What installs every program and firmware package.
pub const SETUP: &str = "cargo xtask setup";

/// What `host` lacks for `needs`; empty if the target can be built.
#[must_use]
pub fn missing(host: &Host, needs: &Needs) -> Vec<Problem> {
    let mut problems = Vec::new();
    if needs.vm {
        problems.extend(emulator(host, needs.arch));
        problems.extend(needs.firmware.as_ref().and_then(|want| firmware(host, needs, want)));
        problems.extend(memory(host, needs));
    }
    problems.extend(
        needs
            .tools
            .iter()
            .filter(|name| !host.tools.contains_key(*name))
            .map(|name| Problem::bad(format!("`{name}` is not installed"), SETUP)),
    );
    problems.extend(disk(host, needs));
    if needs.packer {
        problems.extend(packer_problem(host));
    }
    if needs.bootstrap
        && let Rootless::Impossible { reason, fix } = &host.rootless
    {
        problems.push(Problem::bad(reason.clone(), fix));
    }
    problems
}

fn emulator(host: &Host, arch: Arch) -> Option<Problem> {
    let missing = !host.qemu.contains_key(&arch);
    missing.then(|| {
        let fix = format!("{SETUP} --arch {arch}");
        Problem::bad(format!("`{}` is not installed", arch.qemu_binary()), &fix)
    })
}

fn firmware(host: &Host, needs: &Needs, want: &FirmwareNeed) -> Option<Problem> {
    let wanted = Wanted {
        arch: needs.arch,
        machine: &want.machine,
        secure_boot: want.secure_boot,
        raw_only: needs.packer,
    };
    let error = choose(&host.firmware, wanted).err()?;
    let fix = format!("{SETUP} --arch {}, or --firmware CODE,VARS", needs.arch);
    Some(Problem::bad(error.to_string(), &fix))
}

/// Allowance for QEMU's own memory beside the guest's (translated code, disk
/// buffers). Not a measurement.
const QEMU_OVERHEAD: u64 = 256 << 20;

fn memory(host: &Host, needs: &Needs) -> Option<Problem> {
    let wanted = needs.memory.saturating_add(QEMU_OVERHEAD);
    let (total, available) =
        (host.memory.limit.unwrap_or(host.memory.total), host.memory.available);
    let what = |have: u64, word: &str| {
        format!("memory: the VM wants {}, {} {word}", size(needs.memory), size(have))
    };
    if wanted > total {
        return Some(Problem::bad(
            what(total, "is all there is"),
            "a machine with more memory, or a smaller `memory` in the template",
        ));
    }
    (wanted > available)
        .then(|| Problem::warn(what(available, "is free now"), "stop other programs, or --memory"))
}

fn disk(host: &Host, needs: &Needs) -> Option<Problem> {
    let out = host.space.iter().find(|space| space.role == "out")?;
    (out.free < needs.disk).then(|| {
        let what = format!(
            "disk: {} may need {}, {} is free in {}",
            needs.target,
            size(needs.disk),
            size(out.free),
            out.path.display()
        );
        Problem::bad(what, "--out DIR, or cargo xtask clean --media")
    })
}

fn packer_problem(host: &Host) -> Option<Problem> {
    let fix = "https://developer.hashicorp.com/packer/install, or --engine builtin";
    let minimum = packer::minimum();
    match &host.packer {
        None => Some(Problem::bad(format!("Packer {minimum} or newer is not installed"), fix)),
        Some(packer) => {
            let problem = packer.problem.as_ref()?;
            Some(Problem::bad(format!("{} {problem}", packer.path.display()), fix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::kvm::KvmState;
    use crate::host::resources::{Memory, Space};

    const GB: u64 = 1_000_000_000;

    fn bare_host() -> Host {
        Host {
            os: Default::default(),
            arch: Some(Arch::Amd64),
            cpus: 2,
            memory: Memory { total: 8 * GB, available: 6 * GB, limit: None },
            kvm: KvmState::Absent,
            qemu: Default::default(),
            firmware: Default::default(),
            tools: Default::default(),
            packer: None,
            space: vec![Space {
                role: "out".into(),
                path: "/x/out".into(),
                free: 18 * GB,
                tmpfs: false,
                device: 1,
            }],
            rootless: Rootless::Root,
        }
    }

    fn needs() -> Needs {
        Needs {
            target: "rhel9-amd64".into(),
            arch: Arch::Amd64,
            vm: true,
            tools: vec!["qemu-img".into()],
            memory: 2 * GB,
            disk: 24 * GB,
            firmware: Some(FirmwareNeed { machine: "q35".into(), secure_boot: false }),
            packer: true,
            bootstrap: false,
        }
    }

    #[test]
    fn everything_missing_is_said_at_once_with_a_fix_each() {
        let problems = missing(&bare_host(), &needs());
        let text: Vec<&str> = problems.iter().map(|p| p.what.as_str()).collect();
        assert_eq!(text.len(), 5, "{text:#?}");
        assert_eq!(text[0], "`qemu-system-x86_64` is not installed");
        assert!(text[1].starts_with("no UEFI firmware for amd64 machine `q35`"));
        assert_eq!(text[2], "`qemu-img` is not installed");
        assert_eq!(text[3], "disk: rhel9-amd64 may need 24 GB, 18 GB is free in /x/out");
        assert_eq!(text[4], "Packer 1.11 or newer is not installed");
        assert!(problems.iter().all(|p| p.level == Level::Bad && !p.fix.is_empty()));
    }

    #[test]
    fn memory_that_is_busy_warns_and_memory_that_is_not_there_stops() {
        let level = |memory| {
            let problem = super::memory(&bare_host(), &Needs { memory, ..needs() });
            problem.map(|p| p.level)
        };
        assert_eq!(level(4 * GB), None);
        assert_eq!(level(6 * GB), Some(Level::Warn));
        assert_eq!(level(8 * GB), Some(Level::Bad));
        assert_eq!(level(u64::MAX), Some(Level::Bad));
    }

    #[test]
    fn a_host_without_namespaces_cannot_bootstrap() {
        let mut host = bare_host();
        host.rootless = Rootless::Impossible { reason: "no ids".into(), fix: "usermod".into() };
        let needs = Needs { vm: false, tools: vec![], disk: 0, packer: false, ..needs() };
        assert_eq!(missing(&host, &needs), []);
        let problems = missing(&host, &Needs { bootstrap: true, ..needs });
        assert_eq!(problems, [Problem::bad("no ids".into(), "usermod")]);
    }
}
