//! Everything a bootstrap does, as data. Pure: same input, same plan.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::grub::SECTOR;
use super::recipe::Recipe;
use super::suites::{Suite, suites};
use crate::arch::Arch;
use crate::media::MediaError;
use crate::media::hash::sha256_hex;

/// Changes whenever the steps here would make another disk from the same input.
const VERSION: u32 = 1;

const MIB: u64 = 1 << 20;
/// Size of a base disk: the installed system takes a third. The build enlarges
/// its copy.
const DISK: u64 = 3 << 30;
/// First byte and size of the BIOS boot partition (amd64 only).
pub(super) const BIOS: (u64, u64) = (MIB, 3 * MIB);
/// First byte and size of the EFI system partition: large enough for FAT32.
pub(super) const ESP: (u64, u64) = (4 * MIB, 124 * MIB);
/// First byte of the root partition, last on the disk so that it can grow.
const ROOT: u64 = 128 * MIB;
/// First byte and size of `/boot`, if it has a partition: the root begins behind it.
pub(super) const BOOT: (u64, u64) = (128 * MIB, 512 * MIB);
/// Left free at the end for the backup table.
const TAIL: u64 = MIB;

/// Partition types by GUID (UEFI specification and the discoverable partitions
/// specification of systemd).
const TYPE_BIOS: &str = "21686148-6449-6E6F-744E-656564454649";
const TYPE_ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const TYPE_BOOT: &str = "BC13C2FF-59E6-4262-A352-B275FD6F7172";
const TYPE_ROOT_AMD64: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
const TYPE_ROOT_ARM64: &str = "B921B045-1DF0-41C3-AF44-4C6F280D3FAE";

/// Named one by one: mke2fs 1.47.1 and later turn on `orphan_file` and
/// `metadata_csum_seed`, which GRUB and kernels of older releases cannot read.
const EXT4_FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

/// How mmdebstrap gets the rights it needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// `root` for root, else `unshare`.
    #[default]
    Auto,
    /// As root.
    Root,
    /// As a user, in a user namespace.
    Unshare,
}

impl Mode {
    /// Decides `Auto`.
    #[must_use]
    pub fn resolved(self, is_root: bool) -> Self {
        match self {
            Self::Auto if is_root => Self::Root,
            Self::Auto => Self::Unshare,
            decided => decided,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Root => "root",
            Self::Unshare => "unshare",
        }
    }
}

/// Where `/boot` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Boot {
    /// On the root file system.
    #[default]
    Root,
    /// On a partition of its own, as in Ubuntu's cloud images.
    Partition,
}

/// What the user may choose; all but the last two is remembered with the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Mirror of the main archive: `http`, `https` or `file` URL.
    pub mirror: Option<String>,
    /// Mirror of the security archive; `none` for a mirror without one.
    pub security_mirror: Option<String>,
    /// Archive areas.
    pub components: Option<Vec<String>>,
    /// Keyring that signs the mirror, instead of the host's.
    pub keyring: Option<PathBuf>,
    /// Where `/boot` is.
    #[serde(default)]
    pub boot: Boot,
    /// Root or rootless.
    #[serde(skip)]
    pub mode: Mode,
    /// Make it again even if nothing changed.
    #[serde(skip)]
    pub refresh: bool,
}

/// What to make, ready to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// File name of the disk, as the template expects it.
    pub name: String,
    /// Names the input: unchanged key, unchanged disk.
    pub key: String,
    /// Debian's architecture.
    pub arch: Arch,
    /// `Root` or `Unshare`.
    pub mode: Mode,
    /// Suites to install from.
    pub suites: Vec<Suite>,
    packages: Vec<String>,
    codename: String,
    essential: String,
    customize: String,
    keyring: Option<PathBuf>,
    root_uuid: String,
    /// File system of `/boot`, if it is not on the root.
    boot_uuid: Option<String>,
}

/// Input of [`plan`] beside recipe and options.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Release name, as in `bootstrap.toml`.
    pub release: &'a str,
    /// Architecture of the disk.
    pub arch: Arch,
    /// Prefix of the disk's file name.
    pub image: &'a str,
    /// Whether xtask runs as root.
    pub is_root: bool,
    /// Hash over the mirror's signed indexes.
    pub mirror_hash: &'a str,
}

/// File name of a base disk, as the templates expect it.
pub(super) fn disk_name(image: &str, release: &str, arch: Arch) -> String {
    format!("{image}-{release}-{}.qcow2", arch.name())
}

/// Resolves everything.
///
/// # Errors
/// An unknown release or a bad mirror.
pub fn plan(recipe: &Recipe, options: &Options, subject: &Subject<'_>) -> Result<Plan, MediaError> {
    let release = recipe.release(subject.release)?;
    let suites = suites(recipe, release, options)?;
    let packages = recipe.packages(release, subject.arch);
    let lines: Vec<_> = suites.iter().map(|s| s.line("")).collect();
    let mut input = vec![
        VERSION.to_string(),
        subject.arch.name().to_owned(),
        lines.join("\n"),
        packages.join(" "),
        recipe.essential.clone(),
        recipe.customize.clone(),
        subject.mirror_hash.to_owned(),
    ];
    let own_boot = options.boot == Boot::Partition;
    input.extend(own_boot.then(|| "boot".to_owned()));
    let key = sha256_hex(input.join("\0").as_bytes());
    Ok(Plan {
        name: disk_name(subject.image, subject.release, subject.arch),
        root_uuid: uuid(&key, "root"),
        boot_uuid: own_boot.then(|| uuid(&key, "boot")),
        key,
        arch: subject.arch,
        mode: options.mode.resolved(subject.is_root),
        suites,
        packages,
        codename: release.codename.clone(),
        essential: recipe.essential.clone(),
        customize: recipe.customize.clone(),
        keyring: options.keyring.clone(),
    })
}

impl Plan {
    /// Arguments of mmdebstrap; the tree goes to `tar` as a tar file.
    #[must_use]
    pub fn mmdebstrap(&self, tar: &Path, apt_options: &[String]) -> Vec<String> {
        let mut argv = vec![
            format!("--mode={}", self.mode.name()),
            "--variant=apt".into(),
            "--format=tar".into(),
            format!("--architectures={}", self.arch.deb()),
            format!("--include={}", self.packages.join(",")),
            "--aptopt=Acquire::Retries \"3\"".into(),
            "--aptopt=Acquire::http::Timeout \"30\"".into(),
        ];
        argv.extend(apt_options.iter().map(|option| format!("--aptopt={option}")));
        if let Some(keyring) = &self.keyring {
            argv.push(format!("--keyring={}", keyring.display()));
        }
        if self.suites.iter().any(|s| s.mirror.starts_with("file:")) {
            // Binds the mirror into the chroot, where apt installs from it.
            argv.push("--hook-dir=/usr/share/mmdebstrap/hooks/file-mirror-automount".into());
        }
        argv.push(format!("--essential-hook={}", self.essential));
        argv.push(format!("--customize-hook={}", self.hook()));
        argv.push(self.codename.clone());
        argv.push(tar.display().to_string());
        argv.extend(self.suites.iter().map(|s| s.line("")));
        argv
    }

    /// The customize script with its environment in front. mmdebstrap runs it
    /// as `sh -c TEXT exec ROOT`, so that the tree is `$1`.
    fn hook(&self) -> String {
        let serial = match self.arch {
            Arch::Amd64 => "ttyS0,115200",
            Arch::Arm64 => "ttyAMA0",
        };
        let variables = [
            ("ARCHITECTURE", self.arch.deb().to_owned()),
            ("CODENAME", self.codename.clone()),
            ("BOOT_UUID", self.boot_uuid.clone().unwrap_or_default()),
            ("ROOT_UUID", self.root_uuid.clone()),
            ("SERIAL", serial.into()),
            ("SOURCES", self.guest_sources()),
        ];
        let quoted = crate::cmd::shell_quote;
        let lines: String =
            variables.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect();
        format!("{lines}{}", self.customize)
    }

    /// `sources.list` of the disk: a `file:` mirror means nothing inside a VM.
    fn guest_sources(&self) -> String {
        let lines: Vec<_> = self
            .suites
            .iter()
            .filter(|s| !s.mirror.starts_with("file:"))
            .map(|s| s.line(""))
            .collect();
        lines.join("\n")
    }

    /// Script that reads the tar file from standard input and writes the root
    /// file system to standard output and that of `/boot`, if it has one, to
    /// descriptor 3; it runs where the owners are right.
    /// The directory is named after the key, so that a killed run is cleaned up.
    #[must_use]
    pub fn file_system_script(&self) -> String {
        let short: String = self.key.chars().take(16).collect();
        let boot = self.boot_uuid.as_deref().map_or_else(String::new, |uuid| {
            format!(
                "mv \"$dir/root/boot\" \"$dir/boot\"\nmkdir -m 755 \"$dir/root/boot\"\n{}",
                file_system("boot", uuid, BOOT.1, "3")
            )
        });
        format!(
            "set -eu\n\
             dir=${{TMPDIR:-/tmp}}/xtask-bootstrap-{short}\n\
             rm -rf \"$dir\"\n\
             trap 'rm -rf \"$dir\"' EXIT\n\
             trap 'exit 143' INT TERM HUP\n\
             mkdir -m 755 \"$dir\" \"$dir/root\"\n\
             tar -xpf - -C \"$dir/root\" --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*'\n\
             {boot}{root}",
            root = file_system("root", &self.root_uuid, self.root_size(), "1"),
        )
    }

    /// File system of `/boot`, if it has a partition of its own.
    #[must_use]
    pub fn boot_uuid(&self) -> Option<&str> {
        self.boot_uuid.as_deref()
    }

    /// Whether `/boot` has a partition of its own.
    #[must_use]
    pub const fn has_boot_partition(&self) -> bool {
        self.boot_uuid.is_some()
    }

    /// First byte of the root partition.
    #[must_use]
    pub const fn root_start(&self) -> u64 {
        if self.has_boot_partition() { BOOT.0 + BOOT.1 } else { ROOT }
    }

    /// Bytes of the root partition.
    #[must_use]
    pub const fn root_size(&self) -> u64 {
        DISK - self.root_start() - TAIL
    }

    /// Bytes of the disk.
    #[must_use]
    pub const fn disk_size(&self) -> u64 {
        DISK
    }

    /// Input of sfdisk. Numbers are those of Debian's own cloud images.
    #[must_use]
    pub fn partitions(&self) -> String {
        let sector = SECTOR as u64;
        let line = |number: u32, start: u64, size: u64, kind: &str, name: &str| {
            let id = uuid(&self.key, name);
            format!(
                "{number} : start={}, size={}, type={kind}, uuid={id}, name=\"{name}\"\n",
                start / sector,
                size / sector
            )
        };
        let root_type = match self.arch {
            Arch::Amd64 => TYPE_ROOT_AMD64,
            Arch::Arm64 => TYPE_ROOT_ARM64,
        };
        let mut text = format!("label: gpt\nlabel-id: {}\n", uuid(&self.key, "disk"));
        if self.arch == Arch::Amd64 {
            text += &line(14, BIOS.0, BIOS.1, TYPE_BIOS, "bios");
        }
        text += &line(15, ESP.0, ESP.1, TYPE_ESP, "esp");
        if self.has_boot_partition() {
            text += &line(16, BOOT.0, BOOT.1, TYPE_BOOT, "boot");
        }
        text += &line(1, self.root_start(), self.root_size(), root_type, "root-partition");
        text
    }

    /// Files of the ESP: path in the tree, path on the ESP. The removable path
    /// is what firmware with an empty variable store starts.
    #[must_use]
    pub fn esp_files(&self) -> [(String, String); 2] {
        let (arch, platform) = (self.arch.efi(), self.arch.grub_efi());
        [
            (
                format!("./usr/lib/shim/shim{arch}.efi.signed"),
                format!("EFI/BOOT/{}", self.arch.efi_boot_file()),
            ),
            (
                format!("./usr/lib/grub/{platform}-signed/grub{arch}.efi.signed"),
                format!("EFI/BOOT/grub{arch}.efi"),
            ),
        ]
    }

    /// The signed GRUB reads this from `EFI/debian`, its built-in prefix.
    #[must_use]
    pub fn esp_config(&self) -> String {
        let (uuid, boot) = match &self.boot_uuid {
            Some(uuid) => (uuid, ""),
            None => (&self.root_uuid, "/boot"),
        };
        format!(
            "search.fs_uuid {uuid} root\nset prefix=($root){boot}/grub\nconfigfile $prefix/grub.cfg\n"
        )
    }

    /// FAT serial number, eight hexadecimal digits.
    #[must_use]
    pub fn esp_serial(&self) -> String {
        sha256_hex(format!("{}esp-serial", self.key).as_bytes()).chars().take(8).collect()
    }
}

/// Lines that make the file system of the directory `$dir/NAME` and write it to
/// a descriptor.
fn file_system(name: &str, uuid: &str, size: u64, descriptor: &str) -> String {
    format!(
        "truncate -s {size} \"$dir/{name}.fs\"\n\
         mke2fs -q -F -t ext4 -m 1 -O {EXT4_FEATURES} -E hash_seed={uuid} -U {uuid} -L {name} -d \"$dir/{name}\" \"$dir/{name}.fs\"\n\
         dd if=\"$dir/{name}.fs\" bs=1M conv=sparse status=none >&{descriptor}\n"
    )
}

/// A UUID that follows from the key: version 8 is for values of one's own making
/// (RFC 9562, section 5.8).
fn uuid(key: &str, what: &str) -> String {
    let digits = sha256_hex(format!("{key}/{what}").as_bytes());
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}
