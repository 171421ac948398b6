//! What an image says about itself: distribution, packages, kernels.

use std::collections::BTreeMap;

use super::index::Index;
use crate::policy::Family;
use crate::rpmdb::{self, RpmPackage};

/// The variables of an os-release file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease(pub BTreeMap<String, String>);

impl OsRelease {
    /// Parses `NAME=value` lines as `os-release(5)` describes; lines that are
    /// neither that nor comments are ignored.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.trim().to_string(), unquote(value.trim()))).collect())
    }

    /// The os-release file of an image, empty if it has none.
    pub fn of(index: &Index) -> Self {
        let places = ["/etc/os-release", "/usr/lib/os-release"];
        let text = places.iter().find_map(|place| index.text(place));
        Self::parse(&text.unwrap_or_default())
    }

    /// A variable, empty if unset.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The distribution's family.
    pub fn family(&self) -> Family {
        Family::of(self.get("ID"), self.get("ID_LIKE"))
    }
}

/// Removes shell quotes and the backslashes in them.
fn unquote(value: &str) -> String {
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote));
    match quoted('"').or_else(|| quoted('\'')) {
        Some(inner) => {
            let mut escaped = false;
            let keep = |&c: &char| {
                escaped = c == '\\' && !escaped;
                !escaped
            };
            inner.chars().filter(keep).collect()
        }
        None => value.to_string(),
    }
}

/// One package of dpkg's or rpm's database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Name without architecture.
    pub name: String,
    /// `amd64`, `all`, ...
    pub arch: String,
    /// Version as dpkg writes it; of rpm `EPOCH:VERSION-RELEASE`, the epoch
    /// only if there is one.
    pub version: String,
    /// The three words of the status field: `install ok installed`, which is
    /// what all of rpm's are.
    pub status: String,
    /// Licence as the packager wrote it; dpkg has none.
    pub license: String,
    /// Who made it: dpkg's maintainer, rpm's vendor.
    pub supplier: String,
}

impl Package {
    /// Whether it is there, completely.
    pub fn is_installed(&self) -> bool {
        self.status.split_whitespace().nth(2) == Some("installed")
    }

    /// Whether nothing or only its configuration is left.
    pub fn is_gone(&self) -> bool {
        matches!(self.status.split_whitespace().nth(2), Some("config-files" | "not-installed"))
    }
}

/// Parses dpkg's status file, sorted by name.
pub fn dpkg_packages(status: &str) -> Vec<Package> {
    let mut packages: Vec<Package> = status.split("\n\n").filter_map(package).collect();
    packages.sort();
    packages
}

fn package(stanza: &str) -> Option<Package> {
    let field = |name: &str| {
        let mut lines = stanza.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    Some(Package {
        name: field("Package")?.to_string(),
        arch: field("Architecture").unwrap_or_default().to_string(),
        version: field("Version").unwrap_or_default().to_string(),
        status: field("Status").unwrap_or_default().to_string(),
        license: String::new(),
        supplier: field("Maintainer").unwrap_or_default().to_string(),
    })
}

impl From<RpmPackage> for Package {
    fn from(package: RpmPackage) -> Self {
        Self {
            name: package.name,
            arch: package.arch,
            version: package.evr,
            status: "install ok installed".into(),
            license: package.license,
            supplier: package.vendor,
        }
    }
}

/// The packages of an image and whose database lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packages {
    /// Debian's.
    Dpkg(Vec<Package>),
    /// Red Hat's and SUSE's.
    Rpm(Vec<Package>),
    /// There is none that can be read, and why.
    Unknown(String),
}

impl Packages {
    /// Reads the databases of an image.
    pub fn of(index: &Index) -> Self {
        if let Some(status) = index.text("/var/lib/dpkg/status") {
            return Self::Dpkg(dpkg_packages(&status));
        }
        let found = |places: &[&'static str]| {
            places.iter().find_map(|place| index.content(place).map(|bytes| (*place, bytes)))
        };
        let Some((place, bytes)) = found(&rpmdb::SQLITE).or_else(|| found(&rpmdb::NDB)) else {
            let reason = match found(&rpmdb::BERKELEY) {
                Some((place, _)) => format!("{place} is a BerkeleyDB, which is not read"),
                None => "neither a dpkg nor an rpm database".into(),
            };
            return Self::Unknown(reason);
        };
        let wal = index.content(&format!("{place}-wal")).unwrap_or_default();
        match rpmdb::read(bytes, wal) {
            Ok(list) => Self::Rpm(list.into_iter().map(Package::from).collect()),
            Err(error) => Self::Unknown(format!("{place}: {error}")),
        }
    }

    /// The list, if there is one.
    pub fn list(&self) -> Option<&[Package]> {
        match self {
            Self::Dpkg(list) | Self::Rpm(list) => Some(list),
            Self::Unknown(_) => None,
        }
    }
}

/// A kernel in `/boot` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    /// `6.1.0-28-amd64`
    pub version: String,
    /// Whether there is an initrd of this version.
    pub initrd: bool,
    /// Whether there is a directory of modules of this version.
    pub modules: bool,
}

/// Names of kernel images before the version.
const KERNELS: &[&str] = &["vmlinuz-", "vmlinux-", "Image-", "image-"];

/// The kernels in `/boot`, rescue kernels of dracut left out.
pub fn kernels(index: &Index) -> Vec<Kernel> {
    let names = index.names("/boot");
    let versions =
        names.iter().filter_map(|name| KERNELS.iter().find_map(|prefix| name.strip_prefix(prefix)));
    let kernels = versions.filter(|version| !version.contains("rescue")).map(|version| Kernel {
        version: version.to_string(),
        initrd: initrd_names(version).iter().any(|name| names.contains(name)),
        modules: !index.names(&format!("/lib/modules/{version}")).is_empty(),
    });
    let mut kernels: Vec<Kernel> = kernels.collect();
    kernels.sort();
    kernels.dedup();
    kernels
}

/// What initramfs-tools, dracut and mkinitrd call the initrd of a kernel.
pub fn initrd_names(version: &str) -> [String; 4] {
    [
        format!("initrd.img-{version}"),
        format!("initramfs-{version}.img"),
        format!("initrd-{version}"),
        format!("initrd-{version}.img"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_quotes() {
        let text = "# comment\nID=debian\nNAME=\"Debian \\\"x\\\" \\\\\"\nLIKE='a b'\nBAD\n";
        let release = OsRelease::parse(text);
        assert_eq!(release.get("ID"), "debian");
        assert_eq!(release.get("NAME"), "Debian \"x\" \\");
        assert_eq!(release.get("LIKE"), "a b");
        assert_eq!(release.get("BAD"), "");
    }

    #[test]
    fn dpkg_states() {
        let status = "Package: b\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\n\
            Description: x\n Package: not this\n\nPackage: a\nStatus: deinstall ok config-files\n\n\
            Package: c\nStatus: install ok half-configured\n\nNonsense\n";
        let packages = dpkg_packages(status);
        let names: Vec<_> = packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let states = packages.iter().map(|package| (package.is_installed(), package.is_gone()));
        assert_eq!(states.collect::<Vec<_>>(), [(false, true), (true, false), (false, false)]);
        assert_eq!(packages[1].version, "1:2-3");
    }
}
