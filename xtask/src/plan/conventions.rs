//! Variables that xtask sets in every template that declares them. They are
//! what ties a template to one build: where the disk goes, what the host has.
//! They do not take part in the fingerprint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::engine::host::WorkPaths;

/// What this build and this host put into a template.
#[derive(Clone, Debug)]
pub struct Place {
    /// Directories of the build.
    pub work: WorkPaths,
    /// Bootstrapped base disks.
    pub media: PathBuf,
    /// UEFI code and variable store, if the host has firmware for the target.
    pub firmware: Option<(PathBuf, PathBuf)>,
    /// `kvm` or `tcg`.
    pub accelerator: &'static str,
    /// The emulator.
    pub qemu: PathBuf,
    /// No window.
    pub headless: bool,
}

impl Place {
    /// Every variable that a place may set.
    pub const NAMES: [&str; 10] = [
        "accelerator",
        "efi_firmware_code",
        "efi_firmware_vars",
        "headless",
        "media_directory",
        "output_directory",
        "qemu_binary",
        "qmp_socket",
        "serial_log",
        "vm_name",
    ];

    /// The work directory of a target: the target's lock makes it exclusive,
    /// so the name can be stable and `plan` can show it.
    #[must_use]
    pub fn work_dir(out: &Path, target: &str) -> PathBuf {
        out.join(".work").join(target)
    }

    /// Variable name to value.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        let show = |path: &Path| path.to_string_lossy().into_owned();
        let mut all = BTreeMap::from([
            ("accelerator", self.accelerator.to_owned()),
            ("headless", self.headless.to_string()),
            ("media_directory", show(&self.media)),
            ("output_directory", show(&self.work.output)),
            ("qemu_binary", show(&self.qemu)),
            ("qmp_socket", show(&template_qmp(&self.work))),
            ("serial_log", show(&self.work.serial())),
            ("vm_name", "disk.qcow2".to_owned()),
        ]);
        if let Some((code, vars)) = &self.firmware {
            all.insert("efi_firmware_code", show(code));
            all.insert("efi_firmware_vars", show(vars));
        }
        all
    }
}

/// QMP socket of the template's own, for an engine that is not ours.
#[must_use]
pub fn template_qmp(work: &WorkPaths) -> PathBuf {
    work.sockets.join("template.qmp")
}
