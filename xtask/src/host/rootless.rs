//! Whether a root file system can be made here: as root, or in a user
//! namespace with a range of subordinate ids (what mmdebstrap's `unshare` mode
//! needs).

use std::fs;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cmd::Cmd;

/// How roots can be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Rootless {
    /// This is root.
    Root,
    /// In a user namespace.
    Namespace,
    /// Not at all.
    Impossible {
        /// What is in the way.
        reason: String,
        /// What to do about it.
        fix: String,
    },
    /// Not found out.
    #[default]
    Unknown,
}

/// Looks at this process and host.
#[must_use]
pub fn probe() -> Rootless {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return Rootless::Root;
    }
    let user = user_name(&fs::read_to_string("/etc/passwd").unwrap_or_default(), uid.as_raw());
    let ranges = fs::read_to_string("/etc/subuid").unwrap_or_default();
    if !has_range(&ranges, user.as_deref(), uid.as_raw()) {
        let name = user.unwrap_or_else(|| uid.as_raw().to_string());
        return Rootless::Impossible {
            reason: format!("user {name} has no subordinate ids in /etc/subuid"),
            fix: format!(
                "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
            ),
        };
    }
    if namespaces_work() {
        return Rootless::Namespace;
    }
    Rootless::Impossible {
        reason: "the kernel does not let this user make a user namespace".into(),
        fix: "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 \
              (Ubuntu 24.04), or kernel.unprivileged_userns_clone=1 (Debian), or run as root"
            .into(),
    }
}

/// Makes one and becomes root in it; Ubuntu 24.04's AppArmor lets a program
/// make the namespace and then refuses the map.
fn namespaces_work() -> bool {
    Cmd::new("unshare", "make a user namespace")
        .cwd("/")
        .args(["--user", "--map-root-user", "true"])
        .timeout(Duration::from_secs(5))
        .output()
        .is_ok()
}

fn user_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// A line `name:start:count` or `uid:start:count` with 65,536 ids or more: a
/// distribution's files belong to ids up to `nobody`, 65,534.
fn has_range(subuid: &str, user: Option<&str>, uid: u32) -> bool {
    subuid.lines().any(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, count] = fields.as_slice() else { return false };
        let ours = Some(*name) == user || name.parse() == Ok(uid);
        ours && count.trim().parse::<u64>().is_ok_and(|count| count >= 65_536)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_user_and_the_range() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(user_name(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(user_name(passwd, 7), None);
        for (text, expected) in [
            ("ann:100000:65536\n", true),
            ("1000:100000:65536\n", true),
            ("bob:100000:65536\n", false),
            ("ann:100000:1000\n", false),
            ("ann:100000\nann", false),
            ("", false),
        ] {
            assert_eq!(has_range(text, Some("ann"), 1000), expected, "{text}");
        }
    }
}
