//! Variables that xtask sets in every template that declares them. They are
//! what ties a template to one build: where the disk goes, what the host has.
//! They do not take part in the fingerprint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// What this build and this host put into a template.
#[derive(Clone, Debug)]
pub struct Place {
    /// Work directory of the build: disks, VARS, CD.
    pub work: PathBuf,
    /// Short directory for sockets: a path of theirs must fit in 107 bytes.
    pub sockets: PathBuf,
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
    /// The work directory of a target: the target's lock makes it exclusive,
    /// so the name can be stable and `plan` can show it.
    #[must_use]
    pub fn work_dir(out: &Path, target: &str) -> PathBuf {
        out.join(".work").join(target)
    }

    /// `$XDG_RUNTIME_DIR/xtask-1a2b3c4d`, or in `/tmp`.
    #[must_use]
    pub fn sockets_dir(work: &Path) -> PathBuf {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let base = runtime.filter(|d| d.is_dir()).unwrap_or_else(|| "/tmp".into());
        let hash = Sha256::digest(work.as_os_str().as_encoded_bytes());
        let short: String = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
        base.join(format!("xtask-{short}"))
    }

    /// Variable name to value.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        let show = |path: &Path| path.to_string_lossy().into_owned();
        let mut all = BTreeMap::from([
            ("accelerator", self.accelerator.to_owned()),
            ("headless", self.headless.to_string()),
            ("media_directory", show(&self.media)),
            ("output_directory", show(&self.work.join("output"))),
            ("qemu_binary", show(&self.qemu)),
            ("qmp_socket", show(&self.sockets.join("template.qmp"))),
            ("serial_log", show(&self.work.join("logs/serial.log"))),
            ("vm_name", "disk.qcow2".to_owned()),
        ]);
        if let Some((code, vars)) = &self.firmware {
            all.insert("efi_firmware_code", show(code));
            all.insert("efi_firmware_vars", show(vars));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_paths_are_short_and_stable() {
        let deep = PathBuf::from("/a".repeat(80));
        let sockets = Place::sockets_dir(&deep);
        assert_eq!(sockets, Place::sockets_dir(&deep));
        assert!(sockets.join("template.qmp").as_os_str().len() < 90, "{sockets:?}");
        assert_ne!(sockets, Place::sockets_dir(Path::new("/b")));
    }
}
