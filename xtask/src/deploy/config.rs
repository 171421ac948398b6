//! The curtin configuration that MAAS sends for an image. Pure.

use serde_json::{Value, json};

use super::layout::{self, Layout};
use super::machine::{Firmware, GATEWAY, GUEST_ADDRESS, MAC, NAME_SERVER};
use super::oauth::Credentials;
use super::system::System;

/// MAAS's name of the machine in its URLs.
pub const SYSTEM_ID: &str = "dpl0y1";
/// The machine's name.
pub const HOSTNAME: &str = "calm-heron";
/// MAAS's DNS domain.
pub const DOMAIN: &str = "maas";
/// Path of a real curtin below the server.
pub const CURTIN: &str = "/curtin.tar";
/// The name that MAAS's network configuration gives the interface. No kernel
/// or udev rule would choose it, so its presence shows who named it.
pub const INTERFACE: &str = "lan0";

/// Form of the network configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Network {
    /// curtin's own, which MAAS sends to images without netplan.
    V1,
    /// netplan's.
    #[default]
    V2,
}

/// What the configuration depends on.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The host's name for the guest.
    pub host: &'a str,
    /// Port of the host's HTTP server.
    pub port: u16,
    /// curtin's type of the image: `tgz`, `dd-gz`.
    pub source: &'a str,
    /// What MAAS takes it for.
    pub system: &'a System,
    /// Form of the network configuration.
    pub network: Network,
    /// What the machine signs its requests with.
    pub credentials: &'a Credentials,
    /// Name of the artifact in its URL.
    pub artifact: &'a str,
    /// How the disk is divided.
    pub layout: Layout,
    /// What starts the machine.
    pub firmware: Firmware,
    /// Bytes of its disk, for a curtin that has to be told sizes.
    pub disk: Option<u64>,
}

impl Inputs<'_> {
    /// MAAS's metadata URL.
    #[must_use]
    pub fn metadata_url(&self) -> String {
        format!("http://{}:{}/MAAS/metadata/", self.host, self.port)
    }

    /// Where the status webhook posts to.
    #[must_use]
    pub fn status_url(&self) -> String {
        format!("{}status/{SYSTEM_ID}", self.metadata_url())
    }
}

/// The whole configuration. There is no `kernel` key: MAAS sends none for
/// images that were uploaded, and curtin then installs `linux-generic` where it
/// knows the system as Debian's relative.
#[must_use]
pub fn curtin(inputs: &Inputs<'_>) -> Value {
    let uri = format!("http://{}:{}/images/{}", inputs.host, inputs.port, inputs.artifact);
    let mut config = json!({
        "sources": { "00": { "type": inputs.source, "uri": uri } },
        "storage": layout::storage(inputs.layout, inputs.firmware, inputs.disk),
        "network": match inputs.network {
            Network::V1 => network_v1(),
            Network::V2 => network_v2(),
        },
        "cloudconfig": cloudconfig(inputs),
        "debconf_selections": debconf(inputs),
        "late_commands": late_commands(inputs),
        // curtin posts what it does; hooks of ESXi and Windows find MAAS here.
        "reporting": { "maas": webhook(inputs) },
    });
    if inputs.system.has_archive() {
        config["apt"] = apt();
    }
    config
}

fn network_v1() -> Value {
    json!({
        "version": 1,
        "config": [
            {
                "type": "physical",
                "id": INTERFACE,
                "name": INTERFACE,
                "mac_address": MAC,
                "mtu": 1500,
                "subnets": [{
                    "type": "static",
                    "address": format!("{GUEST_ADDRESS}/24"),
                    "gateway": GATEWAY,
                    "dns_nameservers": [NAME_SERVER],
                    "dns_search": [DOMAIN],
                }],
            },
            { "type": "nameserver", "address": [NAME_SERVER], "search": [DOMAIN] },
        ],
    })
}

fn network_v2() -> Value {
    json!({
        "version": 2,
        "ethernets": { INTERFACE: {
            "match": { "macaddress": MAC },
            "set-name": INTERFACE,
            "mtu": 1500,
            "addresses": [format!("{GUEST_ADDRESS}/24")],
            "gateway4": GATEWAY,
            "nameservers": { "addresses": [NAME_SERVER], "search": [DOMAIN] },
        }},
    })
}

/// Ubuntu's archive, whatever the image is: MAAS takes it for one that is based
/// on Ubuntu.
fn apt() -> Value {
    const ARCHIVE: &str = "http://archive.ubuntu.com/ubuntu";
    let components = "main restricted universe multiverse";
    let suites = ["$RELEASE", "$RELEASE-updates", "$RELEASE-backports", "$RELEASE-security"];
    let lines = suites.map(|suite| format!("deb {ARCHIVE} {suite} {components}\n"));
    json!({
        "preserve_sources_list": false,
        "primary": [{ "arches": ["default"], "uri": ARCHIVE }],
        "security": [{ "arches": ["default"], "uri": ARCHIVE }],
        "sources_list": lines.concat(),
    })
}

fn cloudconfig(inputs: &Inputs<'_>) -> Value {
    let Credentials { consumer_key, token_key, token_secret } = inputs.credentials;
    let maas = json!({
        "consumer_key": consumer_key,
        "metadata_url": inputs.metadata_url(),
        "token_key": token_key,
        "token_secret": token_secret,
    });
    let entry = |body: &str| json!({ "content": format!("#cloud-config\n{body}\n") });
    json!({
        // One entry on one line: ds-identify of old cloud-init reads no other form.
        "maas-datasource": entry("datasource_list: [ MAAS ]"),
        "maas-cloud-config": entry(&format!("datasource: {}", json!({ "MAAS": maas }))),
        "maas-reporting": entry(&format!("reporting: {}", json!({ "maas": webhook(inputs) }))),
    })
}

/// Where status goes, and with which keys.
fn webhook(inputs: &Inputs<'_>) -> Value {
    let Credentials { consumer_key, token_key, token_secret } = inputs.credentials;
    json!({
        "type": "webhook",
        "endpoint": inputs.status_url(),
        "consumer_key": consumer_key,
        "token_key": token_key,
        "token_secret": token_secret,
    })
}

fn debconf(inputs: &Inputs<'_>) -> Value {
    let Credentials { consumer_key, token_key, token_secret } = inputs.credentials;
    let url = inputs.metadata_url();
    let credentials = format!(
        "oauth_consumer_key={consumer_key}&oauth_token_key={token_key}&oauth_token_secret={token_secret}"
    );
    json!({
        "grub2": "grub2 grub2/update_nvram boolean false",
        "maas": format!(
            "cloud-init cloud-init/datasources multiselect MAAS\n\
             cloud-init cloud-init/maas-metadata-url string {url}\n\
             cloud-init cloud-init/maas-metadata-credentials string {credentials}\n\
             cloud-init cloud-init/local-cloud-config string manage_etc_hosts: true\n"
        ),
    })
}

fn late_commands(inputs: &Inputs<'_>) -> Value {
    let by_id = format!("{}latest/by-id/{SYSTEM_ID}/", inputs.metadata_url());
    let mut commands = json!({
        "maas": ["wget", "--no-proxy", by_id, "--post-data", "op=netboot_off", "-O", "/dev/null"],
    });
    for (at, (name, command)) in inputs.system.validated().iter().enumerate() {
        let script = format!(
            "{command} || {{ echo \"{name} does not run in the deployed system: MAAS wants it\"; exit 1; }}"
        );
        commands[format!("{}-validate-custom-image-has-{name}", 98 + at)] =
            json!(["curtin", "in-target", "--", "bash", "-c", script]);
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Value {
        config_with(Network::V2)
    }

    fn config_with(network: Network) -> Value {
        config_of(&System::default(), network)
    }

    fn config_of(system: &System, network: Network) -> Value {
        let credentials = Credentials {
            consumer_key: "ck".into(),
            token_key: "tk".into(),
            token_secret: "ts".into(),
        };
        curtin(&Inputs {
            host: GATEWAY,
            port: 8080,
            source: "tgz",
            system,
            network,
            credentials: &credentials,
            artifact: "debian.tar.gz",
            layout: Layout::Flat,
            firmware: Firmware::Uefi,
            disk: None,
        })
    }

    #[test]
    fn as_maas_sends_it_for_custom_images() {
        let config = config();
        assert!(config.get("kernel").is_none());
        assert_eq!(config["apt"]["preserve_sources_list"], false);
        assert!(config["apt"]["sources_list"].as_str().unwrap().contains("ubuntu $RELEASE main"));
        assert_eq!(
            config["cloudconfig"]["maas-datasource"]["content"],
            "#cloud-config\ndatasource_list: [ MAAS ]\n"
        );
    }

    #[test]
    fn webhook_and_datasource_carry_the_credentials_as_yaml() {
        let config = config();
        let body = |key: &str| {
            let text = config["cloudconfig"][key]["content"].as_str().unwrap();
            text.lines().nth(1).unwrap().to_owned()
        };
        let yaml = body("maas-cloud-config");
        let json: Value = serde_json::from_str(yaml.strip_prefix("datasource: ").unwrap()).unwrap();
        assert_eq!(json["MAAS"]["metadata_url"], "http://10.0.2.2:8080/MAAS/metadata/");
        assert_eq!(json["MAAS"]["token_secret"], "ts");
        let yaml = body("maas-reporting");
        let json: Value = serde_json::from_str(yaml.strip_prefix("reporting: ").unwrap()).unwrap();
        assert_eq!(json["maas"], config["reporting"]["maas"], "hooks read the same from the top");
        assert_eq!(json["maas"]["type"], "webhook");
        assert_eq!(json["maas"]["endpoint"], "http://10.0.2.2:8080/MAAS/metadata/status/dpl0y1");
        assert!(json["maas"].get("metadata_url").is_none());
    }

    #[test]
    fn both_forms_of_the_network_say_the_same() {
        for network in [Network::V1, Network::V2] {
            let text = config_with(network)["network"].to_string();
            for word in [INTERFACE, MAC, "10.0.2.15/24", "\"10.0.2.2\"", NAME_SERVER, DOMAIN] {
                assert!(text.contains(word), "{word} in {text}");
            }
        }
    }

    #[test]
    fn late_commands_sort_into_their_order() {
        let config = config();
        let late = config["late_commands"].as_object().unwrap();
        let mut keys: Vec<&String> = late.keys().collect();
        keys.sort();
        assert!(keys[0].starts_with("98-") && keys[1].starts_with("99-") && keys[2] == "maas");
        assert_eq!(late["99-validate-custom-image-has-netplan"][4], "-c");
    }

    #[test]
    fn systems_other_than_ubuntu_are_not_sent_what_is_ubuntus() {
        for (name, base, late) in
            [("custom/rocky9", Some("rhel/9"), 2), ("suse/sles15", None, 1), ("esxi/8", None, 1)]
        {
            let system = System::of(name, base);
            let config = config_of(&system, system.network());
            assert!(config.get("apt").is_none(), "{name}");
            assert_eq!(config["network"]["version"], 1, "{name}");
            let commands = config["late_commands"].as_object().unwrap();
            assert_eq!(commands.len(), late, "{name}: {commands:?}");
            assert!(commands.keys().all(|key| !key.contains("netplan")), "{name}");
        }
    }
}
