//! How the ephemeral system starts: its kernel and initrd by QEMU, as MAAS starts
//! its own by the network, and our first program in place of systemd. Firmware, menu
//! and services of the base disk would cost minutes under emulation.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use disk_image::block::Format;
use disk_image::start::{self, Start};
use serde_json::Value;

use super::bundle::{self, HOME};
use super::machine::{GATEWAY, GUEST_ADDRESS, NAME_SERVER};
use crate::arch::Arch;
use crate::exit::Coded;

/// Serial number of the disk that holds the installer.
pub const BUNDLE_SERIAL: &str = "installer";

/// Files and words that start a machine without its firmware's choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectStart {
    /// Kernel.
    pub kernel: PathBuf,
    /// Initrd.
    pub initrd: PathBuf,
    /// The kernel's command line.
    pub command_line: String,
    /// A tar archive as a disk.
    pub bundle: PathBuf,
}

/// What starts the system on a base disk.
///
/// # Errors
/// It cannot be read, or is no system of initramfs-tools.
pub fn of(base: &Path) -> Result<Start> {
    start::read(base, Some(Format::Qcow2)).map_err(|error| {
        Coded::usage(format!(
            "the ephemeral system cannot be started: {error}\n  hint: `--ephemeral FILE` or `cargo \
             xtask media bootstrap debian-13-mirror`: a qcow2 disk with Debian or Ubuntu, its kernel, \
             initramfs-tools and Python"
        ))
    })
}

impl DirectStart {
    /// Writes the files into `dir`, which must be private: the plan has secrets.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(start: &Start, arch: Arch, plan: &Value, dir: &Path) -> Result<Self> {
        let [kernel, initrd, bundle] = ["kernel", "initrd", "installer.tar"].map(|n| dir.join(n));
        let cannot = |path: &Path| format!("cannot write {}", path.display());
        for (path, bytes) in [(&kernel, &start.kernel), (&initrd, &start.initrd)] {
            fs::write(path, bytes).with_context(|| cannot(path))?;
        }
        let file = fs::File::create(&bundle).with_context(|| cannot(&bundle))?;
        bundle::archive(plan, file).with_context(|| cannot(&bundle))?;
        Ok(Self { kernel, initrd, command_line: command_line(&start.root, arch), bundle })
    }
}

/// Unpacks the installer and becomes its first program; a kernel that stops ends
/// the machine.
fn command_line(root: &str, arch: Arch) -> String {
    let console = match arch {
        Arch::Amd64 => "ttyS0",
        Arch::Arm64 => "ttyAMA0",
    };
    // The kernel gives the words behind `--` to the first program, quotes removed,
    // and takes what has a `=` for a variable. Mitigations cost time under emulation.
    format!(
        "root=UUID={root} rw console={console} panic=-1 mitigations=off init=/bin/sh -- -c \"tar -C / -xf \
         /dev/disk/by-id/virtio-{BUNDLE_SERIAL} && exec {HOME}/start {GUEST_ADDRESS}/24 {GATEWAY} \
         {NAME_SERVER}\""
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_program_gets_one_command_without_variables() {
        let line = command_line("11-22", Arch::Arm64);
        let (kernel, rest) = line.split_once(" -- -c ").unwrap();
        assert_eq!(
            kernel,
            "root=UUID=11-22 rw console=ttyAMA0 panic=-1 mitigations=off init=/bin/sh"
        );
        let command = rest.strip_prefix('"').and_then(|r| r.strip_suffix('"')).unwrap();
        assert!(!command.contains(['"', '=']), "{command}");
        assert!(line.len() < 2048, "x86's COMMAND_LINE_SIZE");
    }

    #[test]
    fn a_disk_that_is_none_is_told_with_a_way_out() {
        let error = of(Path::new("/nowhere.qcow2")).unwrap_err().to_string();
        assert!(error.contains("/nowhere.qcow2") && error.contains("media bootstrap"), "{error}");
    }
}
