//! What MAAS takes an image for, which decides what it sends. Pure.
//!
//! As in MAAS's `preseed.py`: a `custom/` image stands on the system that its
//! base image names (`get_base_osystem_series`), every other name is a system.

use std::fmt;

use super::config::Network;

/// Base of custom images that name none: MAAS takes what it commissions with.
const COMMISSIONING: &str = "ubuntu";

/// The name before the slash, and the system that a custom image stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    name: String,
    base: String,
}

impl System {
    /// Of an image that is uploaded by this name and with this base image.
    #[must_use]
    pub fn of(name: &str, base_image: Option<&str>) -> Self {
        let before = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
        let name = if name.contains('/') { before(name) } else { "custom".to_owned() };
        let base = match base_image {
            _ if name != "custom" => name.clone(),
            Some(base) => before(base),
            None => COMMISSIONING.to_owned(),
        };
        Self { name, base }
    }

    /// Whether Ubuntu's archive is sent (`compose_curtin_archive_config`).
    #[must_use]
    pub fn has_archive(&self) -> bool {
        self.base == "ubuntu"
    }

    /// netplan for Ubuntu, curtin's own form for all others (`get_network_yaml_settings`).
    #[must_use]
    pub fn network(&self) -> Network {
        if self.base == "ubuntu" { Network::V2 } else { Network::V1 }
    }

    /// What late commands ask of the deployed system, in their order
    /// (`get_custom_image_dependency_validation`).
    #[must_use]
    pub fn validated(&self) -> &'static [(&'static str, &'static str)] {
        const ASKED: &[(&str, &str)] =
            &[("cloud-init", "cloud-init --version"), ("netplan", "netplan info")];
        let count = match (self.name.as_str(), self.base.as_str()) {
            ("custom", "ubuntu") => 2,
            ("custom", _) => 1,
            _ => 0,
        };
        ASKED.get(..count).unwrap_or_default()
    }
}

/// An image that MAAS was told nothing about.
impl Default for System {
    fn default() -> Self {
        Self::of("custom/image", None)
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name == self.base {
            true => f.write_str(&self.name),
            false => write!(f, "{} on {}", self.name, self.base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_name_gets_what_maas_sends_it() {
        for (name, base, said, archive, network, asked) in [
            ("custom/debian-12", Some("ubuntu/noble"), "custom on ubuntu", true, Network::V2, 2),
            ("custom/rocky9", Some("rhel/9"), "custom on rhel", false, Network::V1, 1),
            ("custom/mine", None, "custom on ubuntu", true, Network::V2, 2),
            ("mine", Some("centos/centos7"), "custom on centos", false, Network::V1, 1),
            // MAAS ignores the base of other names.
            ("suse/sles15", Some("ubuntu/noble"), "suse", false, Network::V1, 0),
            ("rhel/rhel9", None, "rhel", false, Network::V1, 0),
            ("windows/win2022", None, "windows", false, Network::V1, 0),
            ("ubuntu/noble", None, "ubuntu", true, Network::V2, 0),
        ] {
            let system = System::of(name, base);
            assert_eq!(system.to_string(), said, "{name}");
            assert_eq!((system.has_archive(), system.network()), (archive, network), "{name}");
            assert_eq!(system.validated().len(), asked, "{name}");
        }
        assert_eq!(System::default(), System::of("custom/x", Some("ubuntu/jammy")));
    }
}
