//! `doctor --report`: the table with what a ticket needs, safe to post.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Diagnosis;
use crate::cmd::Cmd;

/// Renders the report; `table` is the text of the plain command.
#[must_use]
pub fn render(table: &str, diagnosis: &Diagnosis, root: &Path) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let qemu: Vec<String> = diagnosis.host.qemu.values().map(|qemu| qemu.text.clone()).collect();
    let variables: Vec<(String, String)> = env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into()))
        .collect();
    let text = format!(
        "xtask    {} at {}\nkernel   {}\nqemu     {}\nready    {}\n\n{table}\n{}",
        env!("CARGO_PKG_VERSION"),
        revision(root),
        kernel.trim(),
        qemu.join("; "),
        diagnosis.ready(),
        environment(&variables),
    );
    anonymous(&text, env::var("HOME").ok().as_deref())
}

/// The tree's commit, `+` if it has changes.
fn revision(root: &Path) -> String {
    Cmd::new("git", "tell the commit of this tree")
        .cwd(root)
        .args(["describe", "--always", "--dirty=+", "--abbrev=12"])
        .timeout(Duration::from_secs(5))
        .output()
        .map_or_else(|_| "no git revision".into(), |output| output.stdout_text())
}

/// Variables that change what we or our tools do, sorted, secrets masked.
fn environment(variables: &[(String, String)]) -> String {
    let mut lines: Vec<String> = variables
        .iter()
        .filter(|(name, _)| matters(name))
        .map(|(name, value)| format!("env      {name}={}\n", masked(name, value)))
        .collect();
    lines.sort();
    lines.concat()
}

fn matters(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    ["XTASK_", "PACKER_", "PKR_VAR_", "MAAS_", "QEMU_"].iter().any(|p| upper.starts_with(p))
        || upper.ends_with("_PROXY")
        || upper.ends_with("_ISO_PATH")
        || ["TMPDIR", "CI", "CHECKPOINT_DISABLE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"]
            .contains(&upper.as_str())
}

/// What stands for a secret.
const MASK: &str = "********";

/// A template's variables may hold anything, so none of their values is shown.
fn masked(name: &str, value: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let secret =
        ["KEY", "TOKEN", "SECRET", "PASS", "CRED", "AUTH"].iter().any(|w| upper.contains(w));
    if secret || upper.starts_with("PKR_VAR_") {
        return MASK.into();
    }
    without_userinfo(value)
}

/// `http://user:password@proxy` without the part before `@`.
fn without_userinfo(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("://") {
        text.push_str(before);
        text.push_str("://");
        let host = after.find(['/', '?', '#', ' ', ',']).unwrap_or(after.len());
        let (authority, tail) = after.split_at(host);
        match authority.rsplit_once('@') {
            Some((_, host)) => text.push_str(&format!("{MASK}@{host}")),
            None => text.push_str(authority),
        }
        rest = tail;
    }
    text + rest
}

/// A home directory names its owner.
fn anonymous(text: &str, home: Option<&str>) -> String {
    match home.filter(|home| home.len() > 1 && *home != "/root") {
        Some(home) => text.replace(home.trim_end_matches('/'), "~"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_never_reach_a_ticket() {
        let pairs = [
            ("MAAS_API_KEY", "a:b:c"),
            ("PKR_VAR_root_password", "hunter2"),
            ("PKR_VAR_innocent", "hunter2"),
            ("https_proxy", "http://joe:hunter2@proxy:3128/"),
            ("no_proxy", "localhost,10.0.0.0/8"),
            ("XTASK_MEDIA", "/srv/media"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("RHEL9_ISO_PATH", "/isos/rhel9.iso"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = environment(&pairs);
        assert_eq!(
            text,
            "env      MAAS_API_KEY=********\nenv      PKR_VAR_innocent=********\n\
             env      PKR_VAR_root_password=********\nenv      RHEL9_ISO_PATH=/isos/rhel9.iso\n\
             env      XTASK_MEDIA=/srv/media\nenv      https_proxy=http://********@proxy:3128/\n\
             env      no_proxy=localhost,10.0.0.0/8\n"
        );
    }

    #[test]
    fn userinfo_goes_wherever_it_stands() {
        for (value, expected) in [
            ("http://p:1", "http://p:1"),
            ("http://u@p", "http://********@p"),
            ("http://u:p@ss@h/x@y", "http://********@h/x@y"),
            ("a://u:p@h,b://v:q@i", "a://********@h,b://********@i"),
            ("plain", "plain"),
            ("://", "://"),
        ] {
            assert_eq!(without_userinfo(value), expected, "{value}");
        }
    }

    #[test]
    fn home_directories_are_nobodys() {
        assert_eq!(anonymous("/home/ann/x", Some("/home/ann/")), "~/x");
        assert_eq!(anonymous("/usr", Some("/")), "/usr");
        assert_eq!(anonymous("/x", None), "/x");
    }
}
