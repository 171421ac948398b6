//! What makes a machine report to MAAS.

use super::super::cloud;
use super::Scope::Root;
use super::{Rule, Text, error, warning};

pub(super) const RULES: &[Rule] = &[
    error(
        "C030",
        Root,
        cloud::installed,
        Text(
            "cloud-init is installed",
            "nobody would configure network, keys and host name, and MAAS never hears that the machine is up",
            "install the package cloud-init",
        ),
    ),
    error(
        "C031",
        Root,
        cloud::enabled,
        Text("cloud-init is switched on", "see C030", "remove what switches it off"),
    ),
    error(
        "C032",
        Root,
        cloud::datasource,
        Text(
            "cloud-init may use MAAS as its datasource",
            "it would not ask MAAS for its configuration",
            "remove the datasource_list of the build, or add MAAS to it",
        ),
    ),
    error(
        "C033",
        Root,
        cloud::oauth,
        Text(
            "cloud-init can authenticate to MAAS",
            "the MAAS datasource signs its requests with oauthlib",
            "install python3-oauthlib",
        ),
    ),
    error(
        "C034",
        Root,
        cloud::state,
        Text(
            "there is no state of cloud-init",
            "it would believe that it already ran, or replay the build's seed",
            "run `cloud-init clean --logs --seed` last; pack removes it from archives",
        ),
    ),
    warning(
        "C035",
        Root,
        cloud::locale,
        Text(
            "cloud-init has no locale to make",
            "it wants en_US.UTF-8, which Debian's locale-gen leaves out unless it is in locale.gen: \
             cloud-config.service fails and the machine reports an error",
            "write LANG=C.UTF-8 to /etc/default/locale",
        ),
    ),
];
