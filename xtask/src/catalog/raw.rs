//! `image.toml` as serde reads it. Every table may appear at the top, in a
//! release and in a flavor; the more special one wins, key by key.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::arch::Arch;

/// Facts about one image directory that its HCL cannot express.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "image.toml")]
pub struct RawImage {
    /// Name of the operating system as its vendor writes it.
    pub title: String,
    /// Which hooks, clean-up rules and answer files apply.
    pub family: Family,
    /// End of life of the whole image, `YYYY-MM-DD`; releases override it.
    pub eol: Option<String>,
    /// What fills the parts of a target that the user leaves out.
    #[serde(default)]
    pub default: RawDefault,
    /// The HCL variables that select release, flavor and architecture.
    #[serde(default)]
    pub select: RawSelect,
    /// Versions inside the image, oldest first; absent: one unnamed version.
    #[serde(default)]
    pub release: IndexMap<String, RawRelease>,
    /// Ways to build it; absent: one unnamed way.
    #[serde(default)]
    pub flavor: IndexMap<String, RawFlavor>,
    /// Architectures that can be built.
    pub arches: Option<Vec<Arch>>,
    /// Further `-var` values every target gets.
    #[serde(default)]
    pub vars: IndexMap<String, String>,
    /// What a build starts from.
    pub media: Option<RawMedia>,
    /// Further files a build needs, for example drivers.
    #[serde(default)]
    pub extra_media: Vec<RawMedia>,
    /// Where things are on the disk the VM leaves behind.
    pub disk: Option<RawDisk>,
    /// What MAAS gets.
    pub artifact: Option<RawArtifact>,
    /// What must hold for the artifact to deploy.
    pub contract: Option<RawContract>,
    /// How MAAS knows the image.
    pub maas: Option<RawMaas>,
}

/// Distribution family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Debian and Ubuntu.
    #[default]
    Debian,
    /// RHEL and everything built from it, Fedora, openEuler, Azure Linux.
    El,
    /// SLES.
    Suse,
    /// Windows.
    Windows,
    /// VMware ESXi.
    Esxi,
    /// XenServer and XCP-ng.
    Xen,
}

/// What fills the parts of a target that the user leaves out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawDefault {
    /// A key of `release`.
    pub release: Option<String>,
    /// A key of `flavor`.
    pub flavor: Option<String>,
}

/// HCL variables that take the parts of a target.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawSelect {
    /// Variable that gets the release.
    pub release: Option<String>,
    /// Variable that gets the flavor.
    pub flavor: Option<String>,
    /// Variable that gets the architecture.
    pub arch: Option<String>,
}

/// One release.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawRelease {
    /// Full name, for example `Debian 12 (bookworm)`.
    pub title: Option<String>,
    /// End of life, `YYYY-MM-DD`.
    pub eol: Option<String>,
    /// Overrides the image's architectures.
    pub arches: Option<Vec<Arch>>,
    /// Further `-var` values.
    #[serde(default)]
    pub vars: IndexMap<String, String>,
    /// Overrides, key by key.
    pub media: Option<RawMedia>,
    /// Overrides, key by key.
    pub disk: Option<RawDisk>,
    /// Overrides, key by key.
    pub artifact: Option<RawArtifact>,
    /// Overrides, key by key.
    pub contract: Option<RawContract>,
    /// Overrides, key by key.
    pub maas: Option<RawMaas>,
}

/// One flavor.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawFlavor {
    /// One line that tells flavors apart.
    pub about: Option<String>,
    /// Overrides the release's architectures.
    pub arches: Option<Vec<Arch>>,
    /// Releases that have this flavor; absent: all.
    pub releases: Option<Vec<String>>,
    /// Further `-var` values.
    #[serde(default)]
    pub vars: IndexMap<String, String>,
    /// Overrides, key by key.
    pub media: Option<RawMedia>,
    /// Overrides, key by key.
    pub disk: Option<RawDisk>,
    /// Overrides, key by key.
    pub artifact: Option<RawArtifact>,
    /// Overrides, key by key.
    pub contract: Option<RawContract>,
    /// Overrides, key by key.
    pub maas: Option<RawMaas>,
}

/// Where media come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Fetched from the URL the template names.
    Download,
    /// The user brings the file.
    User,
    /// A base disk bootstrapped from a package mirror.
    Mirror,
}

/// How a medium is found, recognised and verified.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawMedia {
    /// Where it comes from.
    pub kind: Option<MediaKind>,
    /// HCL variable that takes its local path (`user`, `mirror`).
    pub variable: Option<String>,
    /// Environment variable people know (`user`).
    pub env: Option<String>,
    /// Glob the volume label must match (`user`).
    pub label: Option<String>,
    /// Name of the file to look for (`user`); `{machine}` is the kernel's name of
    /// the architecture, `x86_64` or `aarch64`.
    pub file: Option<String>,
    /// Page where the user gets it (`user`).
    pub from: Option<String>,
    /// Who signs the checksum list: a file of `common/keys` without `.asc`
    /// (`download`; `{release}` is replaced), or the package of the keyring
    /// (`mirror`).
    pub signed_by: Option<String>,
    /// What follows the list's address in the signature's, as `.gpg`. Without it
    /// the list itself is a clear-signed message.
    pub signature: Option<String>,
}

/// Where things are on the finished disk.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawDisk {
    /// Root partition: a number, or `linux-root` for the GPT type.
    pub root: Option<RawPartition>,
    /// Separate `/boot`: a number, or `xbootldr` for the GPT type.
    pub boot: Option<RawPartition>,
}

/// A partition by number or by the name of its GPT type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(untagged)]
pub enum RawPartition {
    /// Number in the partition table, from 1.
    Number(u32),
    /// `linux-root`, `xbootldr`.
    Type(String),
}

/// Artifact kind, in MAAS's words.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactKind {
    /// Gzipped tar of the root file system.
    Tgz,
    /// Gzipped raw disk.
    Ddgz,
}

impl ArtifactKind {
    /// MAAS's name of the kind, its `filetype`.
    #[must_use]
    pub fn filetype(self) -> &'static str {
        match self {
            Self::Tgz => "tgz",
            Self::Ddgz => "ddgz",
        }
    }
}

/// What MAAS gets.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawArtifact {
    /// `tgz` or `ddgz`.
    pub kind: Option<ArtifactKind>,
}

/// Firmware an image must boot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// PC BIOS (amd64 only; ignored elsewhere).
    Bios,
    /// UEFI.
    Uefi,
}

/// What must hold for the artifact to deploy.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawContract {
    /// Firmware the deployed machine may have.
    pub boot: Option<Vec<Firmware>>,
    /// `/curtin/curtin-hooks` must be inside.
    pub hook: Option<bool>,
    /// Rules this image may break, each with a reason.
    #[serde(default)]
    pub exceptions: Vec<RawException>,
}

/// A rule this image may break.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct RawException {
    /// Rule id, see `cargo xtask explain`.
    pub rule: String,
    /// Why breaking it is right here.
    pub reason: String,
}

/// How MAAS knows the image; `{image}`, `{release}`, `{flavor}`, `{arch}` are
/// replaced.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct RawMaas {
    /// `custom/<x>` or `<os>/<release>`.
    pub name: Option<String>,
    /// Shown in MAAS's image list.
    pub title: Option<String>,
    /// `<os>/<release>` of the ephemeral system for `custom/` names.
    pub base_image: Option<String>,
    /// The user to log in as after deployment.
    pub login_user: Option<String>,
    /// First MAAS release that deploys it.
    pub min_version: Option<String>,
    /// One sentence each, for the README and the end of an upload.
    pub notes: Option<Vec<String>>,
}
