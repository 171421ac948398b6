//! What this machine can do: probes, and the pure parsing behind them.
//!
//! [`probe`] gathers a [`Host`] in parallel (about a second: it starts every tool
//! once); `doctor` and the engine read it as data. A command that builds nothing
//! should not call it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::arch::Arch;

pub mod firmware;
pub mod kvm;
mod kvm_guest;
pub mod needs;
pub mod os;
pub mod packer;
pub mod resources;
pub mod rootless;
pub mod tools;
pub mod version;

use kvm::{Freshness, KvmState};
use os::Os;
use packer::Packer;
use resources::{Memory, Space};
use rootless::Rootless;
use tools::{Qemu, Tool};

/// Everything the probes found. Absent map entries are absent programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Distribution.
    pub os: Os,
    /// The host's own architecture, if it is one of ours.
    pub arch: Option<Arch>,
    /// CPUs this process may use.
    pub cpus: usize,
    /// Memory in bytes.
    pub memory: Memory,
    /// Whether guests of the host's own architecture may use KVM.
    pub kvm: KvmState,
    /// System emulators by guest.
    pub qemu: BTreeMap<Arch, Qemu>,
    /// UEFI firmware, and the descriptors that are of no use.
    pub firmware: firmware::Scan,
    /// Programs by name.
    pub tools: BTreeMap<String, Tool>,
    /// The best program called `packer`.
    pub packer: Option<Packer>,
    /// Free space by role: `out`, `media`, `temporary files`.
    pub space: Vec<Space>,
    /// Whether file systems with foreign owners can be made.
    pub rootless: Rootless,
}

/// What to probe beyond the fixed list.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directories whose free space matters, with their role.
    pub space: Vec<(String, PathBuf)>,
    /// Whether to run a guest for KVM, and what an earlier answer is worth.
    pub kvm: Option<Freshness>,
}

impl Options {
    /// The usual set: where artifacts and media go, and temporary files.
    #[must_use]
    pub fn new(out: &Path, media: &Path, kvm: Option<Freshness>) -> Self {
        let space = [("out", out), ("media", media), ("temporary files", &std::env::temp_dir())]
            .map(|(role, path)| (role.to_owned(), path.to_path_buf()));
        Self { space: space.into(), kvm }
    }
}

/// Probes this machine. Never fails: what cannot be found out is absent.
#[must_use]
pub fn probe(options: &Options) -> Host {
    let arch = Arch::host();
    thread::scope(|scope| {
        let emulators = scope.spawn(|| {
            let qemu: BTreeMap<Arch, Qemu> =
                Arch::ALL.into_iter().filter_map(|arch| Some((arch, tools::qemu(arch)?))).collect();
            let kvm = probe_kvm(&qemu, arch, options.kvm);
            (qemu, kvm)
        });
        let packer = scope.spawn(packer::probe);
        let rootless = scope.spawn(rootless::probe);
        let tools: Vec<_> =
            tools::TOOLS.iter().map(|spec| (spec, scope.spawn(|| tools::probe(spec)))).collect();
        let firmware = firmware::scan(&firmware::host_directories());
        let (qemu, kvm) = emulators.join().unwrap_or_else(|_| {
            (BTreeMap::new(), KvmState::Unknown { reason: "the probe failed".into() })
        });
        Host {
            os: Os::here(),
            arch,
            cpus: resources::cpus(),
            memory: resources::memory(),
            kvm,
            qemu,
            firmware,
            tools: tools
                .into_iter()
                .filter_map(|(spec, probe)| Some((spec.name.to_owned(), probe.join().ok()??)))
                .collect(),
            packer: packer.join().ok().flatten(),
            space: options
                .space
                .iter()
                .filter_map(|(role, path)| resources::space(role, path).ok())
                .collect(),
            rootless: rootless.join().unwrap_or_default(),
        }
    })
}

fn probe_kvm(
    qemu: &BTreeMap<Arch, Qemu>,
    arch: Option<Arch>,
    wanted: Option<Freshness>,
) -> KvmState {
    let unknown = |reason: &str| KvmState::Unknown { reason: reason.to_owned() };
    let (Some(arch), Some(fresh)) = (arch, wanted) else { return unknown("not probed") };
    match qemu.get(&arch) {
        Some(qemu) => kvm::probe(qemu, arch, kvm::cache_dir().as_deref(), fresh),
        None => unknown("no QEMU for this host's architecture"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_survives_json() {
        let dir = tempfile::tempdir().unwrap();
        let host = probe(&Options::new(&dir.path().join("out"), dir.path(), None));
        let json = serde_json::to_string(&host).unwrap();
        assert_eq!(serde_json::from_str::<Host>(&json).unwrap(), host);
        assert_eq!(host.space.len(), 3);
        assert!(host.tools.contains_key("tar"));
    }
}
