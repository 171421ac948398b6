//! What a failure means where the console named no known cause: by its stage, and
//! at boot by how far the machine came, as MAAS saw it. Pure.

use super::maas::Seen;

/// Meaning and what to do.
pub type Advice = (&'static str, &'static str);

/// Stage, meaning, what to do.
const STAGES: &[(&str, &str, &str)] = &[
    (
        "ephemeral boot",
        "the system that deploys did not come up; the image is not to blame",
        "`--ephemeral FILE` or `cargo xtask media bootstrap debian-12-mirror`: a base disk with initramfs-tools and Python; its console is in deploy.log",
    ),
    (
        "packages",
        "the system that deploys could not install what it lacks; the image is not to blame",
        "give it a way to Debian's mirror, or leave out what needs packages (--layout lvm, --curtin)",
    ),
    (
        "partition",
        "the storage that MAAS describes could not be made; the image is not to blame",
        "look at the command in the console; --disk-size for a larger disk",
    ),
    (
        "extract",
        "the archive could not be unpacked as curtin does it, or its root is no system's",
        "look at it with `cargo xtask inspect`, and pack it again",
    ),
    (
        "write disk",
        "the disk could not be written",
        "look at it with `cargo xtask inspect`; --disk-size must be larger than the image's own disk",
    ),
    (
        "find root",
        "curtin would not find the root of this disk",
        "make an (empty) directory /curtin on the root, on a file system that Linux mounts",
    ),
    (
        "curthooks",
        "a command of the deploy hook failed, or of the built-in steps if the image has no hook",
        "the command stands above in the console; change the image's /curtin/curtin-hooks, or bring what it needs",
    ),
    (
        "curtin",
        "curtin failed: its last words are in the console",
        "deploy.log has all of them (-vv); the same without --curtin shows whether the image or this curtin is to blame",
    ),
    (
        "late-commands",
        "a command that MAAS runs in the deployed system failed: MAAS would give up too",
        "install what it names (cloud-init; netplan.io where the base image is Ubuntu's), or name another base image",
    ),
    (
        "unmount",
        "something of the deployment still uses the target",
        "let the deploy hook end what it starts and unmount what it mounts",
    ),
    (
        "cloud-init",
        "a module of cloud-init failed on the deployed machine",
        "the console names it; on the machine: `cloud-init status --long`, /var/log/cloud-init.log",
    ),
    (
        "login",
        "the machine is up and takes no login with the key that MAAS gave",
        "the image needs an SSH server that starts, and a default user in /etc/cloud/cloud.cfg; boot.png shows its screen",
    ),
];

/// Of a stage; none of one that is not known.
#[must_use]
pub fn of_stage(stage: &str) -> Option<Advice> {
    let found = STAGES.iter().find(|(name, ..)| *name == stage);
    found.map(|(_, meaning, fix)| (*meaning, *fix))
}

/// Whether the machine asked MAAS for metadata.
#[must_use]
pub fn asked(seen: &Seen) -> bool {
    seen.requests.iter().any(|line| line.contains("/MAAS/metadata/2012"))
}

/// Of a machine that started and was not seen to end its first start.
#[must_use]
pub fn of_boot(seen: &Seen) -> Advice {
    if seen.refused.is_some() {
        (
            "the machine's requests are not signed as MAAS wants it",
            "bring Python's oauthlib, and keep the credentials that the deploy hook writes to /etc/cloud/cloud.cfg.d",
        )
    } else if !asked(seen) {
        (
            "the machine came up without its network, or its cloud-init looks for another datasource",
            "boot.png and boot.log show how far it came; the image needs `datasource_list: [ MAAS ]` on one line, \
             and what renders its network (netplan, NetworkManager, ifupdown)",
        )
    } else if !seen.user_data_fetched {
        (
            "cloud-init gave up after MAAS's metadata: MAAS calls a machine deployed when it fetches its user-data",
            "look in boot.log for the datasource's error; a datasource of the build must not come first",
        )
    } else {
        (
            "the machine got its user-data, and cloud-init did not end",
            "the last report names the stage; boot.log has its messages, such as a unit that waits for a network",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stages are named by the installer and by us.
    #[test]
    fn every_stage_has_its_advice_but_those_that_boot_has() {
        let installer = include_str!("../../deploy/installer.py");
        let begun =
            installer.split("self.begin(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let all: Vec<&str> = begun.chain(["ephemeral boot", "cloud-init", "login"]).collect();
        assert!(all.len() > 10, "{all:?}");
        for stage in all {
            assert!(of_stage(stage).is_some(), "{stage}");
        }
        assert_eq!(of_stage("boot"), None);
    }

    #[test]
    fn boot_by_how_far_the_machine_came() {
        let mut seen = Seen::default();
        assert!(of_boot(&seen).1.contains("datasource_list"));
        seen.requests.push("GET /MAAS/metadata/2012-03-01/meta-data/instance-id".into());
        assert!(of_boot(&seen).0.contains("gave up"));
        seen.user_data_fetched = true;
        assert!(of_boot(&seen).0.contains("did not end"));
        seen.refused = Some("GET /x: no OAuth header".into());
        assert!(of_boot(&seen).1.contains("oauthlib"));
    }
}
