//! What holds for every target, from a probed [`Host`]. Pure.

use std::path::Path;

use crate::arch::Arch;
use crate::host::firmware::{Wanted, choose};
use crate::host::kvm::KvmState;
use crate::host::needs::{Level, SETUP};
use crate::host::os::PackageManager;
use crate::host::rootless::Rootless;
use crate::host::tools::{Group, TOOLS};
use crate::host::{Host, packer};
use crate::table::size;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it is.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// Where it is if it is well, what helps if not.
    pub note: String,
}

fn check(level: Level, what: impl Into<String>, note: impl Into<String>) -> Check {
    Check { level, what: what.into(), note: note.into() }
}

/// What the field's guides ask of a build host, for one build at a time.
const GUIDE_CPUS: usize = 4;
const GUIDE_MEMORY: u64 = 8_000_000_000;
const GUIDE_DISK: u64 = 25_000_000_000;

/// Every general check, in the order of the table.
#[must_use]
pub fn general(host: &Host) -> Vec<Check> {
    let mut all = vec![system(host), cpus(host), memory(host)];
    all.extend(disks(host));
    for arch in Arch::ALL {
        all.extend(emulator(host, arch));
    }
    all.push(kvm(host));
    all.push(engine(host));
    all.extend(tools(host));
    all.extend(rootless(host));
    all
}

fn system(host: &Host) -> Check {
    let name = if host.os.name.is_empty() { "an unknown system" } else { &host.os.name };
    match (host.arch, host.os.package_manager()) {
        (None, _) => check(
            Level::Warn,
            format!("{name} on a CPU that is neither amd64 nor arm64"),
            "every build is emulated",
        ),
        (Some(arch), Some(PackageManager::Apt)) => check(Level::Ok, format!("{name}, {arch}"), ""),
        (Some(arch), Some(PackageManager::Dnf)) => {
            check(Level::Warn, format!("{name}, {arch}"), "setup by dnf has not been run by us")
        }
        (Some(arch), None) => check(
            Level::Warn,
            format!("{name}, {arch}"),
            "setup cannot install packages here: install by hand what is missing",
        ),
    }
}

fn cpus(host: &Host) -> Check {
    let what = format!("{} CPUs", host.cpus);
    if host.cpus >= GUIDE_CPUS {
        return check(Level::Ok, what, "");
    }
    check(Level::Warn, format!("{what}, the guide is {GUIDE_CPUS}"), "builds take longer")
}

fn memory(host: &Host) -> Check {
    let memory = &host.memory;
    let total = memory.limit.unwrap_or(memory.total);
    let limited = if memory.limit.is_some() { " (limited by a control group)" } else { "" };
    let what = format!("memory: {}{limited}, {} free", size(total), size(memory.available));
    if total >= GUIDE_MEMORY {
        return check(Level::Ok, what, "");
    }
    let guide = format!("the guide is {}: build one image at a time", size(GUIDE_MEMORY));
    check(Level::Warn, what, guide)
}

/// Directories that share a file system share a line.
fn disks(host: &Host) -> Vec<Check> {
    let mut devices: Vec<u64> = host.space.iter().map(|space| space.device).collect();
    devices.sort_unstable();
    devices.dedup();
    devices.into_iter().filter_map(|device| disk(host, device)).collect()
}

fn disk(host: &Host, device: u64) -> Option<Check> {
    let here: Vec<_> = host.space.iter().filter(|space| space.device == device).collect();
    let first = here.first()?;
    let roles: Vec<&str> = here.iter().map(|space| space.role.as_str()).collect();
    let what = format!("disk: {} free for {}", size(first.free), roles.join(", "));
    let path = first.path.display().to_string();
    if first.tmpfs && roles.contains(&"temporary files") {
        let fix = "it is memory: set TMPDIR to a directory on disk";
        return Some(check(Level::Warn, what, fix));
    }
    if first.free >= GUIDE_DISK || !roles.contains(&"out") {
        return Some(check(Level::Ok, what, path));
    }
    let fix = format!("the guide is {}: --out DIR, or cargo xtask clean", size(GUIDE_DISK));
    Some(check(Level::Warn, what, fix))
}

/// The emulator and firmware of one guest architecture. The host's own is
/// required, the other one only for targets that ask for it.
fn emulator(host: &Host, arch: Arch) -> Vec<Check> {
    let required = host.arch == Some(arch);
    let level = if required { Level::Bad } else { Level::Warn };
    let fix = if required { SETUP.to_owned() } else { format!("{SETUP} --arch {arch}") };
    let Some(qemu) = host.qemu.get(&arch) else {
        let what = format!("no QEMU for {arch}: `{}` is not installed", arch.qemu_binary());
        return vec![check(level, what, fix)];
    };
    let version = qemu.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let what = format!("QEMU{version} for {arch}");
    vec![check(Level::Ok, what, shown(&qemu.path)), firmware(host, arch, level, &fix)]
}

fn firmware(host: &Host, arch: Arch, level: Level, fix: &str) -> Check {
    let machine = if arch == Arch::Amd64 { "q35" } else { "virt" };
    let wanted = |secure_boot| Wanted { arch, machine, secure_boot, raw_only: false };
    match choose(&host.firmware, wanted(false)) {
        Ok((firmware, _)) => {
            let code = firmware.code.path.file_name().unwrap_or_default().to_string_lossy();
            let also = match choose(&host.firmware, wanted(true)) {
                Ok(_) => ", also with Secure Boot",
                Err(_) => "",
            };
            let what = format!("UEFI firmware for {arch}: {code}{also}");
            check(Level::Ok, what, shown(&firmware.source))
        }
        Err(error) => check(level, error.to_string(), fix),
    }
}

/// Emulation costs time, not correctness: nothing here is worse than `warn`,
/// unless QEMU itself does not work.
fn kvm(host: &Host) -> Check {
    let slower = "emulation is used, several times slower";
    match &host.kvm {
        KvmState::Usable => check(Level::Ok, "KVM: a guest ran", "/dev/kvm"),
        KvmState::Absent => check(
            Level::Warn,
            "KVM: there is no /dev/kvm",
            format!("{slower}; enable virtualisation in the firmware, or nested in the host"),
        ),
        KvmState::Denied { reason } => check(
            Level::Warn,
            format!("KVM: /dev/kvm cannot be opened ({reason})"),
            "sudo usermod -aG kvm $USER, then log in again",
        ),
        KvmState::Broken { reason } => check(
            Level::Warn,
            format!("KVM: /dev/kvm is there, but no guest ran\n({reason})"),
            format!("{slower}; nested virtualisation must be on in the host"),
        ),
        KvmState::QemuBroken { reason } => check(
            Level::Bad,
            format!("QEMU runs no guest, with or without KVM\n({reason})"),
            "sudo apt-get install --reinstall qemu-system-x86 seabios",
        ),
        KvmState::Unknown { reason } => {
            check(Level::Warn, format!("KVM: {reason}"), "emulation is used")
        }
    }
}

fn engine(host: &Host) -> Check {
    let fallback = "the built-in engine is used";
    match &host.packer {
        None => check(Level::Ok, "engine: built-in (no Packer on PATH)", ""),
        Some(packer) => match (&packer.problem, &packer.version, &packer.plugin) {
            (None, Some(version), Some(plugin)) => check(
                Level::Ok,
                format!("engine: Packer {version} with QEMU plugin {plugin}"),
                shown(&packer.path),
            ),
            (problem, ..) => {
                let problem = problem.as_deref().unwrap_or("is incomplete");
                let need = format!("{fallback}; Packer has to be {} or newer", packer::minimum());
                check(Level::Warn, format!("{} {problem}", packer.path.display()), need)
            }
        },
    }
}

/// What is there in one line, what is missing in one line each.
fn tools(host: &Host) -> Vec<Check> {
    let version = |name: &str| {
        let tool = host.tools.get(name)?;
        Some(tool.version.as_ref().map_or_else(|| name.to_owned(), |v| format!("{name} {v}")))
    };
    let there: Vec<String> = TOOLS.iter().filter_map(|spec| version(spec.name)).collect();
    let mut all = vec![check(Level::Ok, format!("tools: {}", wrapped(&there)), "")];
    let absent = |group: Group| {
        let specs = TOOLS.iter().filter(move |spec| spec.group == group);
        specs.filter(|spec| !host.tools.contains_key(spec.name))
    };
    all.extend(absent(Group::Build).map(|spec| {
        check(Level::Bad, format!("`{}` is missing: {}", spec.name, spec.purpose), SETUP)
    }));
    let validators: Vec<&str> = absent(Group::Validate).map(|spec| spec.name).collect();
    if !validators.is_empty() {
        let what = format!("validate skips checks without {}", validators.join(", "));
        all.push(check(Level::Warn, what, format!("{SETUP} --validators")));
    }
    all
}

/// Words in lines of about 90 characters.
fn wrapped(words: &[String]) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in words {
        if width > 0 {
            let full = width + word.len() > 84;
            text.push_str(if full { ",\n       " } else { ", " });
            width = if full { 0 } else { width };
        }
        text.push_str(word);
        width += word.len() + 2;
    }
    text
}

fn rootless(host: &Host) -> Option<Check> {
    match &host.rootless {
        Rootless::Root => None,
        Rootless::Namespace => {
            Some(check(Level::Ok, "bootstraps run without root, in a user namespace", ""))
        }
        Rootless::Impossible { reason, fix } => {
            Some(check(Level::Warn, format!("no bootstrap from a mirror: {reason}"), fix.clone()))
        }
        Rootless::Unknown => None,
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
