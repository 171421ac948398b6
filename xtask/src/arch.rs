//! The two architectures MAAS deploys and the tree builds, under every name
//! the world gives them. No other module spells an architecture.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A target architecture, named as MAAS names it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// Every architecture, in the order listings use.
    pub const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// Name in MAAS, in target ids and on our command line: `amd64`, `arm64`.
    /// Debian and Ubuntu use the same word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// dpkg's name, as in `Packages` files and `binary-<arch>` directories.
    #[must_use]
    pub const fn deb(self) -> &'static str {
        self.name()
    }

    /// rpm's name, also the kernel's `uname -m`: `x86_64`, `aarch64`.
    #[must_use]
    pub const fn rpm(self) -> &'static str {
        self.qemu()
    }

    /// QEMU's name, as in `qemu-system-<arch>` and firmware descriptors.
    #[must_use]
    pub const fn qemu(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The emulator's program name.
    #[must_use]
    pub const fn qemu_binary(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    /// UEFI's suffix in lower case, as in `grubx64.efi` and `shimaa64.efi`.
    #[must_use]
    pub const fn efi(self) -> &'static str {
        match self {
            Self::Amd64 => "x64",
            Self::Arm64 => "aa64",
        }
    }

    /// The loader that firmware starts from removable media, in `EFI/BOOT/`
    /// (UEFI specification 2.10, table 3.2).
    #[must_use]
    pub const fn efi_boot_file(self) -> &'static str {
        match self {
            Self::Amd64 => "BOOTX64.EFI",
            Self::Arm64 => "BOOTAA64.EFI",
        }
    }

    /// `platform` of GRUB's modules: `/usr/lib/grub/<platform>`.
    #[must_use]
    pub const fn grub_efi(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-efi",
            Self::Arm64 => "arm64-efi",
        }
    }

    /// The first serial port of QEMU's usual machines as Linux names it.
    #[must_use]
    pub const fn serial_console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
            Self::Arm64 => "ttyAMA0",
        }
    }

    /// QEMU's machine type where a template names none. amd64 has a default;
    /// `qemu-system-aarch64` has none and refuses to start without one.
    #[must_use]
    pub const fn default_machine(self) -> &'static str {
        match self {
            Self::Amd64 => "pc",
            Self::Arm64 => "virt",
        }
    }

    /// MAAS's architecture field for a custom image: `amd64/generic`.
    #[must_use]
    pub const fn maas(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64/generic",
            Self::Arm64 => "arm64/generic",
        }
    }

    /// The architecture xtask itself was compiled for, if it is one of ours.
    #[must_use]
    pub const fn host() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::Amd64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Arm64)
        } else {
            None
        }
    }

    /// Finds an architecture by any of its names: MAAS's, rpm's, UEFI's.
    #[must_use]
    pub fn from_any_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|arch| [arch.name(), arch.qemu(), arch.efi()].contains(&name.as_str()))
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An architecture name that is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownArch(String);

impl fmt::Display for UnknownArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown architecture `{}`", self.0)?;
        match Arch::from_any_name(&self.0) {
            Some(arch) => write!(f, ": MAAS calls it `{arch}`"),
            None => write!(f, ": MAAS images here are `amd64` or `arm64`"),
        }
    }
}

impl std::error::Error for UnknownArch {}

impl FromStr for Arch {
    type Err = UnknownArch;

    /// Accepts MAAS's names only, so that ids stay unique; the error names the
    /// right one for `x86_64` and friends.
    fn from_str(name: &str) -> Result<Self, UnknownArch> {
        Self::ALL
            .into_iter()
            .find(|arch| arch.name() == name)
            .ok_or_else(|| UnknownArch(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_arch() {
        for arch in Arch::ALL {
            for name in [arch.name(), arch.deb(), arch.rpm(), arch.qemu(), arch.efi()] {
                assert_eq!(Arch::from_any_name(name), Some(arch), "{name}");
            }
            assert!(arch.qemu_binary().ends_with(arch.qemu()));
            assert!(arch.efi_boot_file().to_ascii_lowercase().contains(arch.efi()));
            assert_eq!(arch.name().parse(), Ok(arch));
        }
    }

    #[test]
    fn foreign_names_are_refused_with_the_right_one() {
        let error = "x86_64".parse::<Arch>().unwrap_err();
        assert_eq!(error.to_string(), "unknown architecture `x86_64`: MAAS calls it `amd64`");
        assert!("riscv64".parse::<Arch>().is_err());
        assert!("AMD64".parse::<Arch>().is_err());
    }

    #[test]
    fn serialises_as_the_maas_name() {
        assert_eq!(serde_json::to_string(&Arch::Arm64).unwrap(), "\"arm64\"");
        assert_eq!(serde_json::from_str::<Arch>("\"amd64\"").unwrap(), Arch::Amd64);
        assert_eq!(format!("{:>7}", Arch::Amd64), "  amd64");
    }
}
