//! Whether KVM is *usable*: a guest really runs with it.
//!
//! That `/dev/kvm` opens and answers says little. Cloud machines and containers
//! show one that stops or aborts QEMU at the first real instruction; a build
//! would find out after its boot timeout.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::kvm_guest;
use super::tools::Qemu;
use crate::arch::Arch;
use crate::cmd::{Cmd, CmdError, Failure};
use crate::signal::CancelToken;

/// What was found out about KVM, for guests of the host's own architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum KvmState {
    /// A guest ran.
    Usable,
    /// There is no `/dev/kvm`.
    Absent,
    /// `/dev/kvm` is there, but not for this user.
    Denied {
        /// The operating system's words.
        reason: String,
    },
    /// `/dev/kvm` opens, but no guest ran with it, while one ran without.
    Broken {
        /// What QEMU said.
        reason: String,
    },
    /// No guest ran, with or without KVM.
    QemuBroken {
        /// What QEMU said.
        reason: String,
    },
    /// Not tried.
    Unknown {
        /// Why not: no QEMU for this host, or nobody asked.
        reason: String,
    },
}

impl KvmState {
    /// Whether builds may use KVM.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        matches!(self, Self::Usable)
    }

    /// QEMU's `accel` for a guest of `guest` on a host of `host`.
    #[must_use]
    pub fn accelerator(&self, host: Option<Arch>, guest: Arch) -> &'static str {
        if self.is_usable() && host == Some(guest) { "kvm" } else { "tcg" }
    }
}

/// How long the guest may take. It needs 0.1 s where KVM works and 0.2 s in
/// emulation (measured on 2 cores); the rest is for a host under load.
const GUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether an answer of earlier in this boot will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Any answer of this boot.
    Cached,
    /// Only a good answer of this boot; a bad one is tried again (`doctor`).
    RecheckFailure,
}

/// Finds out whether KVM works with `qemu`, which emulates `arch`, the host's
/// own. Answers that took a guest to get are kept in `cache_dir` for this boot.
#[must_use]
pub fn probe(qemu: &Qemu, arch: Arch, cache_dir: Option<&Path>, fresh: Freshness) -> KvmState {
    if let Some(state) = device_state(Path::new("/dev/kvm")) {
        return state;
    }
    let key = Key::now(qemu);
    let cache = cache_dir.map(|dir| dir.join("kvm.json"));
    if let Some(state) = cache.as_deref().and_then(|path| recall(path, &key))
        && (fresh == Freshness::Cached || state.is_usable())
    {
        return state;
    }
    let state = try_guests(qemu, arch);
    if let (Some(path), Some(key), false) = (cache, key, CancelToken::global().is_set()) {
        // Without a cache the next run tries again; that costs seconds only.
        drop(remember(&path, &Entry { key, state: state.clone() }));
    }
    state
}

/// What can be told without a guest; `None` if one has to run.
fn device_state(device: &Path) -> Option<KvmState> {
    match OpenOptions::new().read(true).write(true).open(device) {
        Ok(_) => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(KvmState::Absent),
        Err(error) => Some(KvmState::Denied { reason: error.to_string() }),
    }
}

fn try_guests(qemu: &Qemu, arch: Arch) -> KvmState {
    let Err(reason) = run_guest(qemu, arch, "kvm") else { return KvmState::Usable };
    match run_guest(qemu, arch, "tcg") {
        Ok(_) => KvmState::Broken { reason },
        Err(reason) => KvmState::QemuBroken { reason },
    }
}

/// Runs the small guest and returns how long it took.
///
/// # Errors
/// What QEMU said, or that the guest was silent.
pub fn run_guest(qemu: &Qemu, arch: Arch, accel: &str) -> Result<Duration, String> {
    let dir = tempfile::Builder::new()
        .prefix("xtask-kvm-")
        .tempdir()
        .map_err(|error| format!("no temporary directory: {error}"))?;
    let image = dir.path().join("guest");
    fs::write(&image, kvm_guest::image(arch)).map_err(|error| error.to_string())?;
    let start = Instant::now();
    let result = guest_command(qemu, arch, accel, dir.path()).output();
    let took = start.elapsed();
    result.map_err(|error| short_reason(&error))?;
    let said = fs::read_to_string(dir.path().join("serial")).unwrap_or_default();
    if !said.contains(kvm_guest::MARKER) {
        return Err("the guest ended without writing to its serial port".into());
    }
    Ok(took)
}

fn guest_command(qemu: &Qemu, arch: Arch, accel: &str, dir: &Path) -> Cmd {
    let kvm = accel == "kvm";
    let (machine, medium): (String, &[&str]) = match arch {
        Arch::Amd64 => (
            format!("pc,accel={accel}"),
            // COM1 comes with `-serial`; the exit port is ours to add.
            &[
                "-drive",
                "file=guest,format=raw,if=ide",
                "-device",
                "isa-debug-exit,iobase=0xf4,iosize=4",
            ],
        ),
        // KVM cannot emulate another interrupt controller than the host's.
        Arch::Arm64 if kvm => ("virt,accel=kvm,gic-version=host".into(), &["-kernel", "guest"]),
        Arch::Arm64 => (format!("virt,accel={accel}"), &["-kernel", "guest"]),
    };
    Cmd::new(&qemu.path, format!("run a small guest with accel={accel}"))
        .cwd(dir)
        .args(["-machine", &machine, "-cpu", if kvm { "host" } else { "max" }])
        .args(["-m", "64", "-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none", "-monitor", "none", "-serial", "file:serial"])
        .args(medium)
        .success(&[kvm_guest::exit_code(arch)])
        .timeout(GUEST_TIMEOUT)
        .grace(Duration::from_secs(1))
}

/// One line out of a failed QEMU: its first complaint, else how it ended.
fn short_reason(error: &CmdError) -> String {
    let complaint = error.tail.iter().map(|line| line.trim()).find(|line| {
        !line.contains("warning:") && ["error", "KVM", "Could not"].iter().any(|w| line.contains(w))
    });
    let complaint = complaint.map(|line| line.split_once(": ").map_or(line, |(_, rest)| rest));
    match (&error.failure, complaint) {
        (Failure::TimedOut(after), Some(line)) => format!("{line} (no answer in {after:?})"),
        (_, Some(line)) => line.to_owned(),
        (Failure::TimedOut(after), None) => format!("no answer in {after:?}"),
        (Failure::Exited(code), None) => format!("QEMU exited with {code}"),
        (Failure::Signal(number), None) => format!("QEMU was killed by signal {number}"),
        (Failure::NotInstalled, None) => "QEMU is not installed".into(),
        (Failure::CouldNotStart(why), None) => why.clone(),
        (Failure::TooMuchOutput(_), None) => "QEMU wrote too much".into(),
        (Failure::Interrupted, None) => "interrupted".into(),
    }
}

/// What an answer depends on: the boot, the module (its device node is made
/// anew when it is loaded again) and the emulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    boot_id: String,
    device_changed: i64,
    qemu: PathBuf,
    version: String,
    /// Raised when the guest changes: its old answers are void.
    guest: usize,
}

impl Key {
    fn now(qemu: &Qemu) -> Option<Self> {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let device = fs::metadata("/dev/kvm").ok()?;
        Some(Self {
            boot_id: boot_id.trim().to_owned(),
            device_changed: std::os::unix::fs::MetadataExt::ctime(&device),
            qemu: qemu.path.clone(),
            version: qemu.text.clone(),
            guest: 1,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Entry {
    key: Key,
    state: KvmState,
}

fn recall(path: &Path, key: &Option<Key>) -> Option<KvmState> {
    let entry: Entry = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (Some(&entry.key) == key.as_ref()).then_some(entry.state)
}

fn remember(path: &Path, entry: &Entry) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(&serde_json::to_vec(entry)?)?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// The user's cache directory for answers like these: `$XDG_CACHE_HOME` or
/// `~/.cache`, then `maas-xtask`. `None` without a home.
#[must_use]
pub fn cache_dir() -> Option<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?;
    Some(base.join("maas-xtask"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tools;

    /// The positive control: without it a probe that always fails would pass.
    /// QEMU is a precondition of the test suite (`cargo xtask setup`).
    #[test]
    fn the_guest_runs_in_emulation() {
        let arch = Arch::host().unwrap_or(Arch::Amd64);
        let qemu = tools::qemu(arch).expect("QEMU for the host: run `cargo xtask setup`");
        let took = run_guest(&qemu, arch, "tcg").unwrap();
        assert!(took < GUEST_TIMEOUT, "{took:?}");
    }

    #[test]
    fn a_bad_accelerator_is_reported_in_one_line() {
        let arch = Arch::host().unwrap_or(Arch::Amd64);
        let qemu = tools::qemu(arch).expect("QEMU for the host: run `cargo xtask setup`");
        let reason = run_guest(&qemu, arch, "nonsense").unwrap_err();
        assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
    }

    #[test]
    fn device_states() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(device_state(&dir.path().join("kvm")), Some(KvmState::Absent));
        assert!(matches!(device_state(dir.path()), Some(KvmState::Denied { .. })));
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(device_state(&file), None, "opens, so a guest has to tell");
    }

    #[test]
    fn answers_are_kept_for_one_boot_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cache/kvm.json");
        let key = Key {
            boot_id: "b".into(),
            device_changed: 1,
            qemu: "/usr/bin/qemu".into(),
            version: "7.2".into(),
            guest: 1,
        };
        let state = KvmState::Broken { reason: "x".into() };
        assert_eq!(recall(&path, &Some(key.clone())), None);
        remember(&path, &Entry { key: key.clone(), state: state.clone() }).unwrap();
        assert_eq!(recall(&path, &Some(key.clone())), Some(state));
        let other = Key { boot_id: "c".into(), ..key.clone() };
        assert_eq!(recall(&path, &Some(other)), None);
        fs::write(&path, "{").unwrap();
        assert_eq!(recall(&path, &Some(key)), None, "a damaged cache is no answer");
    }

    #[test]
    fn kvm_is_for_guests_of_the_hosts_kind() {
        assert_eq!(KvmState::Usable.accelerator(Some(Arch::Amd64), Arch::Amd64), "kvm");
        assert_eq!(KvmState::Usable.accelerator(Some(Arch::Amd64), Arch::Arm64), "tcg");
        assert_eq!(KvmState::Absent.accelerator(Some(Arch::Amd64), Arch::Amd64), "tcg");
    }
}
