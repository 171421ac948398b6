//! UEFI firmware by QEMU's own descriptors (`docs/interop/firmware.json` in
//! QEMU's tree), so that no path of any distribution stands in our code.
//!
//! [`scan`] reads the directories once, [`choose`] picks by target, and both
//! say why each descriptor was passed over.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arch::Arch;

mod descriptor;
mod select;

pub use descriptor::parse;
pub use select::{NoFirmware, Wanted, choose, from_override};

/// A CODE and VARS pair that belongs together, with what it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// The descriptor, or the CODE file itself for an override.
    pub source: PathBuf,
    /// The distribution's own description.
    pub description: String,
    /// Machines that can run it.
    pub targets: Vec<Target>,
    /// The executable part; several machines may share it, read-only.
    pub code: FlashFile,
    /// Template of the variable store; every build works on a copy.
    pub vars: FlashFile,
    /// Knows Secure Boot. Says nothing of keys.
    pub secure_boot: bool,
    /// The template has keys enrolled: Secure Boot is on from the first boot.
    pub enrolled_keys: bool,
    /// Needs `-machine smm=on`, which QEMU has for q35 only.
    pub requires_smm: bool,
    /// Prints debug text to the first serial port, whatever we do.
    pub verbose_static: bool,
}

/// One architecture and the machine types that run a firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Emulated architecture.
    pub arch: Arch,
    /// Machine types as globs over versioned names: `pc-q35-*`.
    pub machines: Vec<String>,
}

/// A file that becomes a pflash chip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlashFile {
    /// Absolute path.
    pub path: PathBuf,
    /// Block format for `-drive format=`.
    pub format: FlashFormat,
    /// Bytes of the file (for `raw` also of the chip).
    pub size: u64,
}

/// Block formats in which distributions ship firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlashFormat {
    /// Bytes of the chip.
    Raw,
    /// Fedora's arm64 and 4M builds. Packer's plugin passes `format=raw` for
    /// every firmware and cannot start these.
    Qcow2,
}

impl fmt::Display for FlashFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        })
    }
}

/// A descriptor that was passed over, for `-vv` and for error messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The descriptor.
    pub source: PathBuf,
    /// Why, in one clause.
    pub reason: String,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source.display(), self.reason)
    }
}

/// What the descriptor directories hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Usable pairs in order of preference.
    pub firmware: Vec<Firmware>,
    /// Descriptors that no target can use, in the same order.
    pub rejected: Vec<Rejected>,
}

/// The three directories of QEMU's specification, most specific first: per
/// user, per host, per distribution.
#[must_use]
pub fn directories(xdg_config_home: Option<&Path>, home: Option<&Path>) -> Vec<PathBuf> {
    let user = xdg_config_home
        .filter(|path| path.is_absolute())
        .map(Path::to_path_buf)
        .or_else(|| home.map(|home| home.join(".config")));
    user.into_iter()
        .chain([PathBuf::from("/etc"), PathBuf::from("/usr/share")])
        .map(|base| base.join("qemu/firmware"))
        .collect()
}

/// [`directories`] from this process's environment.
#[must_use]
pub fn host_directories() -> Vec<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    directories(var("XDG_CONFIG_HOME").as_deref(), var("HOME").as_deref())
}

/// Reads every descriptor in `dirs` (most specific first). A file hides those
/// of the same name in later directories, an empty one (or a link to
/// `/dev/null`) hides without replacing; the rest is ordered by file name, as
/// the specification asks. Directories that do not exist count as empty.
#[must_use]
pub fn scan(dirs: &[PathBuf]) -> Scan {
    let mut scan = Scan::default();
    for path in effective_files(dirs).into_values() {
        match read(&path) {
            Ok(Some(firmware)) => scan.firmware.push(firmware),
            Ok(None) => {
                scan.rejected.push(Rejected { source: path, reason: "masked (empty file)".into() });
            }
            Err(reason) => scan.rejected.push(Rejected { source: path, reason }),
        }
    }
    scan
}

/// File name to path; the first directory that has a name wins.
fn effective_files(dirs: &[PathBuf]) -> BTreeMap<std::ffi::OsString, PathBuf> {
    let mut files = BTreeMap::new();
    for dir in dirs {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    files
}

/// Largest descriptor we read. Real ones have under 1 kB.
const MAX_DESCRIPTOR: u64 = 1 << 20;

/// `None` for a mask. The checks that need the file system are here, so that
/// parsing stays pure.
fn read(path: &Path) -> Result<Option<Firmware>, String> {
    let meta = fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if meta.len() == 0 {
        return Ok(None);
    }
    if !meta.is_file() || meta.len() > MAX_DESCRIPTOR {
        return Err("not a descriptor: no regular file of at most 1 MiB".into());
    }
    let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut firmware = parse(path, &text)?;
    measure(&mut firmware)?;
    Ok(Some(firmware))
}

/// Fills in the sizes and checks that the two files make a chip pair that the
/// machine accepts.
pub(super) fn measure(firmware: &mut Firmware) -> Result<(), String> {
    for (role, file) in [("CODE", &mut firmware.code), ("VARS", &mut firmware.vars)] {
        let path = file.path.display();
        let meta = fs::metadata(&file.path)
            .map_err(|error| format!("its {role} file {path} cannot be read: {error}"))?;
        if !meta.is_file() || meta.len() == 0 {
            return Err(format!("its {role} file {path} is not a regular file with content"));
        }
        file.size = meta.len();
    }
    firmware.targets.iter().try_for_each(|target| check_sizes(firmware, target.arch))
}

/// Each pflash chip of arm64's `virt` machine (hw/arm/virt.c, `VIRT_FLASH` is
/// 128 MiB for two); a file of another size stops QEMU.
const ARM64_FLASH: u64 = 64 << 20;
/// Both chips of a PC together (hw/i386/pc_sysfw.c, `max_fw_size`), and the
/// unit a chip must be a multiple of.
const PC_FLASH_MAX: u64 = 8 << 20;
const PC_FLASH_UNIT: u64 = 4 << 10;

fn check_sizes(firmware: &Firmware, arch: Arch) -> Result<(), String> {
    let raw = |file: &FlashFile| file.format == FlashFormat::Raw;
    if !raw(&firmware.code) || !raw(&firmware.vars) {
        return Ok(()); // the chip's size is inside the qcow2 header
    }
    let (code, vars) = (firmware.code.size, firmware.vars.size);
    match arch {
        Arch::Arm64 if code != ARM64_FLASH || vars != ARM64_FLASH => Err(format!(
            "sizes {code} and {vars}: QEMU's `virt` machine takes chips of {ARM64_FLASH} bytes only"
        )),
        Arch::Amd64 if code % PC_FLASH_UNIT != 0 || vars % PC_FLASH_UNIT != 0 => {
            Err(format!("sizes {code} and {vars} are not multiples of {PC_FLASH_UNIT} bytes"))
        }
        Arch::Amd64 if code.saturating_add(vars) > PC_FLASH_MAX => {
            Err(format!("{code} + {vars} bytes: a PC takes {PC_FLASH_MAX} bytes of flash at most"))
        }
        // edk2 builds one volume of 1, 2 or 4 MiB and splits it, so the parts
        // of one build add up. QEMU itself starts any mixture.
        Arch::Amd64 if !(code + vars).is_power_of_two() => Err(format!(
            "CODE and VARS are not of one build: {code} + {vars} bytes make no whole flash volume"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
