//! The facts of one target: image, release and flavor merged and checked.

use std::collections::BTreeMap;

use serde::Serialize;

use super::raw::{
    ArtifactKind, Family, Firmware, MediaKind, RawArtifact, RawContract, RawDisk, RawImage,
    RawMaas, RawMedia, RawPartition,
};
use crate::arch::Arch;

/// What a build starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Media {
    /// Where it comes from.
    pub kind: MediaKind,
    /// HCL variable that takes its local path.
    pub variable: Option<String>,
    /// Environment variable that names it.
    pub env: Option<String>,
    /// Glob the volume label must match.
    pub label: Option<String>,
    /// File name as the vendor ships it.
    pub file: Option<String>,
    /// Where the user gets it.
    pub from: Option<String>,
    /// Key that signs the checksum list: a file of `common/keys`; of a mirror
    /// the package of its keyring.
    pub signed_by: Option<String>,
    /// What follows the list's address in the signature's; without it the list
    /// is a clear-signed message.
    pub signature: Option<String>,
}

/// Which partition is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Partition {
    /// Number in the partition table, from 1.
    Number(u32),
    /// GPT type of the architecture's root partition.
    LinuxRoot,
    /// GPT type of the extended boot loader partition.
    Xbootldr,
}

/// What must hold for the artifact to deploy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// Firmware the deployed machine may have.
    pub boot: Vec<Firmware>,
    /// `/curtin/curtin-hooks` must be inside.
    pub hook: bool,
    /// Rules that may be broken: id and reason.
    pub exceptions: Vec<(String, String)>,
}

/// How MAAS knows the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Maas {
    /// Resource name, for example `custom/debian-12`.
    pub name: String,
    /// Title in MAAS's list.
    pub title: String,
    /// Ephemeral system for `custom/` names.
    pub base_image: Option<String>,
    /// Login user after deployment.
    pub login_user: String,
    /// First MAAS release that deploys it.
    pub min_version: String,
    /// For the README and the end of an upload.
    pub notes: Vec<String>,
}

/// Everything `image.toml` says about one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Full name of this release.
    pub title: String,
    /// Distribution family.
    pub family: Family,
    /// End of life, `YYYY-MM-DD`.
    pub eol: Option<String>,
    /// What a build starts from.
    pub media: Media,
    /// Further files it needs.
    pub extra_media: Vec<Media>,
    /// Root partition; absent for images that are packed whole.
    pub root: Option<Partition>,
    /// Separate `/boot`.
    pub boot: Option<Partition>,
    /// What MAAS gets.
    pub artifact: ArtifactKind,
    /// What must hold.
    pub contract: Contract,
    /// How MAAS knows it.
    pub maas: Maas,
    /// `-var` values that select this target.
    pub vars: BTreeMap<String, String>,
}

/// The parts of a target.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub image: &'a str,
    pub release: Option<&'a str>,
    pub flavor: Option<&'a str>,
    pub arch: Arch,
}

impl Parts<'_> {
    /// `{image}`, `{release}`, `{flavor}`, `{arch}`, `{machine}` replaced.
    fn fill(self, text: &str) -> String {
        text.replace("{image}", self.image)
            .replace("{release}", self.release.unwrap_or_default())
            .replace("{flavor}", self.flavor.unwrap_or_default())
            .replace("{arch}", self.arch.name())
            .replace("{machine}", self.arch.rpm())
    }
}

/// Merges image, release and flavor; what is missing is listed by key.
pub(super) fn merge(raw: &RawImage, parts: Parts<'_>) -> Result<Facts, Vec<String>> {
    let release = parts.release.and_then(|r| raw.release.get(r));
    let flavor = parts.flavor.and_then(|f| raw.flavor.get(f));
    let mut missing = vec![];
    let media = media(
        [
            raw.media.as_ref(),
            release.and_then(|r| r.media.as_ref()),
            flavor.and_then(|f| f.media.as_ref()),
        ],
        parts,
        &mut missing,
    );
    let extra = raw.extra_media.iter();
    let extra_media =
        extra.map(|m| self::media([Some(m), None, None], parts, &mut missing)).collect();
    let (root, boot) = disk(
        [
            raw.disk.as_ref(),
            release.and_then(|r| r.disk.as_ref()),
            flavor.and_then(|f| f.disk.as_ref()),
        ],
        &mut missing,
    );
    let artifact = artifact(
        [
            raw.artifact.as_ref(),
            release.and_then(|r| r.artifact.as_ref()),
            flavor.and_then(|f| f.artifact.as_ref()),
        ],
        &mut missing,
    );
    if artifact == ArtifactKind::Tgz && root.is_none() {
        missing.push("`disk.root` is missing: a tgz is packed from one partition".into());
    }
    let facts = Facts {
        title: release.and_then(|r| r.title.clone()).unwrap_or_else(|| raw.title.clone()),
        family: raw.family,
        eol: release.and_then(|r| r.eol.clone()).or_else(|| raw.eol.clone()),
        media,
        extra_media,
        root,
        boot,
        artifact,
        contract: contract([
            raw.contract.as_ref(),
            release.and_then(|r| r.contract.as_ref()),
            flavor.and_then(|f| f.contract.as_ref()),
        ]),
        maas: maas(
            [
                raw.maas.as_ref(),
                release.and_then(|r| r.maas.as_ref()),
                flavor.and_then(|f| f.maas.as_ref()),
            ],
            parts,
            &mut missing,
        ),
        vars: vars(raw, parts),
    };
    if missing.is_empty() { Ok(facts) } else { Err(missing) }
}

/// The last layer that has the key wins.
fn last<L, T: Clone>(layers: [Option<&L>; 3], get: impl Fn(&L) -> Option<&T>) -> Option<T> {
    layers.into_iter().flatten().filter_map(get).next_back().cloned()
}

fn media(layers: [Option<&RawMedia>; 3], parts: Parts<'_>, missing: &mut Vec<String>) -> Media {
    let kind = last(layers, |l| l.kind.as_ref());
    let media = Media {
        kind: kind.unwrap_or(MediaKind::Download),
        variable: last(layers, |l| l.variable.as_ref()),
        env: last(layers, |l| l.env.as_ref()),
        label: last(layers, |l| l.label.as_ref()),
        file: last(layers, |l| l.file.as_ref()).map(|v| parts.fill(&v)),
        from: last(layers, |l| l.from.as_ref()).map(|v| parts.fill(&v)),
        signed_by: last(layers, |l| l.signed_by.as_ref()),
        signature: last(layers, |l| l.signature.as_ref()),
    };
    if kind.is_none() {
        missing.push("`media.kind` is missing: download, user or mirror".into());
    }
    if media.kind != MediaKind::Download && media.variable.is_none() {
        missing.push("`media.variable` is missing: the HCL variable that takes the path".into());
    }
    if media.kind == MediaKind::User && (media.env.is_none() || media.from.is_none()) {
        missing
            .push("`media.env` or `media.from` is missing: how the user finds and names it".into());
    }
    media
}

fn disk(
    layers: [Option<&RawDisk>; 3],
    wrong: &mut Vec<String>,
) -> (Option<Partition>, Option<Partition>) {
    let mut partition = |raw: Option<RawPartition>, key: &str| match raw? {
        RawPartition::Number(n) => Some(Partition::Number(n)),
        RawPartition::Type(t) if t == "linux-root" => Some(Partition::LinuxRoot),
        RawPartition::Type(t) if t == "xbootldr" => Some(Partition::Xbootldr),
        RawPartition::Type(other) => {
            wrong.push(format!(
                "`disk.{key}` cannot be `{other}`: a number, `linux-root` or `xbootldr`"
            ));
            None
        }
    };
    let root = partition(last(layers, |l| l.root.as_ref()), "root");
    let boot = partition(last(layers, |l| l.boot.as_ref()), "boot");
    (root, boot)
}

fn artifact(layers: [Option<&RawArtifact>; 3], missing: &mut Vec<String>) -> ArtifactKind {
    last(layers, |l| l.kind.as_ref()).unwrap_or_else(|| {
        missing.push("`artifact.kind` is missing: tgz or ddgz".into());
        ArtifactKind::Tgz
    })
}

fn contract(layers: [Option<&RawContract>; 3]) -> Contract {
    Contract {
        boot: last(layers, |l| l.boot.as_ref())
            .unwrap_or_else(|| vec![Firmware::Bios, Firmware::Uefi]),
        hook: last(layers, |l| l.hook.as_ref()).unwrap_or(false),
        exceptions: layers
            .into_iter()
            .flatten()
            .flat_map(|l| &l.exceptions)
            .map(|e| (e.rule.clone(), e.reason.clone()))
            .collect(),
    }
}

fn maas(layers: [Option<&RawMaas>; 3], parts: Parts<'_>, missing: &mut Vec<String>) -> Maas {
    let mut need = |key: &str, value: Option<String>| {
        value.map(|v| parts.fill(&v)).unwrap_or_else(|| {
            missing.push(format!("`maas.{key}` is missing"));
            String::new()
        })
    };
    Maas {
        name: need("name", last(layers, |l| l.name.as_ref())),
        title: need("title", last(layers, |l| l.title.as_ref())),
        login_user: need("login_user", last(layers, |l| l.login_user.as_ref())),
        min_version: need("min_version", last(layers, |l| l.min_version.as_ref())),
        base_image: last(layers, |l| l.base_image.as_ref()).map(|v| parts.fill(&v)),
        notes: last(layers, |l| l.notes.as_ref()).unwrap_or_default(),
    }
}

fn vars(raw: &RawImage, parts: Parts<'_>) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    let mut extend = |more: &indexmap::IndexMap<String, String>| {
        vars.extend(more.iter().map(|(k, v)| (k.clone(), parts.fill(v))));
    };
    extend(&raw.vars);
    if let Some(release) = parts.release.and_then(|r| raw.release.get(r)) {
        extend(&release.vars);
    }
    if let Some(flavor) = parts.flavor.and_then(|f| raw.flavor.get(f)) {
        extend(&flavor.vars);
    }
    let selected = [
        (&raw.select.release, parts.release),
        (&raw.select.flavor, parts.flavor),
        (&raw.select.arch, Some(parts.arch.name())),
    ];
    for (variable, value) in selected {
        if let (Some(variable), Some(value)) = (variable, value) {
            vars.insert(variable.clone(), value.to_owned());
        }
    }
    vars
}
