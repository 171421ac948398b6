//! Which packages stand for what the host lacks. Pure.

use super::python;
use crate::arch::Arch;
use crate::cmd::debian_package;
use crate::host::Host;
use crate::host::firmware::{Wanted, choose};
use crate::host::os::PackageManager;
use crate::host::rootless::Rootless;
use crate::host::tools::{Group, TOOLS};

/// A package and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Name for the package manager.
    pub package: String,
    /// What it brings.
    pub brings: String,
}

/// What is missing for builds of `arches`; with `validators`, for `validate` and our tests too.
#[must_use]
pub fn wanted(
    host: &Host,
    arches: &[Arch],
    manager: PackageManager,
    validators: bool,
) -> Vec<Want> {
    let mut wants: Vec<Want> = Vec::new();
    let mut add = |package: String, brings: &str| {
        if !wants.iter().any(|want| want.package == package) {
            wants.push(Want { package, brings: brings.to_owned() });
        }
    };
    for arch in arches {
        if !host.qemu.contains_key(arch) {
            add(program(manager, arch.qemu_binary()), arch.qemu_binary());
        }
        if !has_firmware(host, *arch) {
            add(firmware_package(manager, *arch).into(), "UEFI firmware");
        }
    }
    for spec in TOOLS {
        let needed = match spec.group {
            Group::Build => true,
            Group::Rootless => host.rootless != Rootless::Root,
            Group::Validate | Group::Test => validators,
        };
        if !needed || host.tools.contains_key(spec.name) {
            continue;
        }
        if spec.name == "ksvalidator" && manager == PackageManager::Apt {
            for package in python::PACKAGES {
                add((*package).to_owned(), "to install ksvalidator");
            }
        } else {
            add(program(manager, spec.name), spec.name);
        }
    }
    if manager == PackageManager::Apt {
        // Ubuntu does not bring the keys that Debian's mirrors are signed with.
        add("debian-archive-keyring".into(), "keys of Debian's archive");
    }
    wants
}

/// The package with a program. dnf takes the path of a program for a package.
fn program(manager: PackageManager, tool: &str) -> String {
    match (manager, debian_package(tool)) {
        (PackageManager::Apt, Some(package)) => package.to_owned(),
        (PackageManager::Apt, None) => tool.to_owned(),
        (
            PackageManager::Dnf,
            Some(package @ ("dosfstools" | "e2fsprogs" | "lvm2" | "mtools" | "xfsprogs")),
        ) => package.to_owned(),
        (PackageManager::Dnf, _) => format!("/usr/bin/{tool}"),
    }
}

/// Debian: own runs. Ubuntu: the same names, not run. Fedora: `edk2-ovmf` and `edk2-aarch64` of
/// <https://src.fedoraproject.org/rpms/edk2>, not run.
const fn firmware_package(manager: PackageManager, arch: Arch) -> &'static str {
    match (manager, arch) {
        (PackageManager::Apt, Arch::Amd64) => "ovmf",
        (PackageManager::Apt, Arch::Arm64) => "qemu-efi-aarch64",
        (PackageManager::Dnf, Arch::Amd64) => "edk2-ovmf",
        (PackageManager::Dnf, Arch::Arm64) => "edk2-aarch64",
    }
}

fn has_firmware(host: &Host, arch: Arch) -> bool {
    let machine = match arch {
        Arch::Amd64 => "q35", // what every distribution's firmware supports
        Arch::Arm64 => "virt",
    };
    let wanted = Wanted { arch, machine, secure_boot: false, raw_only: false };
    choose(&host.firmware, wanted).is_ok()
}
