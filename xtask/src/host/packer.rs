//! A real Packer, told from what else is called `packer`.
//!
//! Debian's package is 1.6.6 and dies on `required_plugins`; on Fedora and RHEL
//! `/usr/sbin/packer` is cracklib's dictionary tool, which waits for input.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::version::Version;
use crate::cmd::{Cmd, which};

/// The oldest Packer that runs the templates: 1.11 loads only plugins that are
/// installed with a checksum file, and its `init` is the one we describe.
#[must_use]
pub fn minimum() -> Version {
    Version::new(&[1, 11])
}

/// The oldest QEMU plugin: 1.1.2 stopped a VM without communicator right after
/// its boot command; 1.1.3 took that back.
#[must_use]
pub fn minimum_plugin() -> Version {
    Version::new(&[1, 1, 3])
}

/// A program called `packer`, and whether it will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packer {
    /// Program.
    pub path: PathBuf,
    /// Version, if it is HashiCorp's Packer.
    pub version: Option<Version>,
    /// Newest installed QEMU plugin.
    pub plugin: Option<Version>,
    /// Why it will not do; `None` for a good one.
    pub problem: Option<String>,
}

impl Packer {
    /// Whether builds may use it.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.problem.is_none()
    }
}

/// Cold start of Packer takes a second; a foreign program may wait for input.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Looks at every `packer` on `PATH`: the first good one, else the first one
/// with its problem, else `None`.
#[must_use]
pub fn probe() -> Option<Packer> {
    probe_on(&std::env::var_os("PATH").unwrap_or_default())
}

fn probe_on(path: &OsStr) -> Option<Packer> {
    let mut first_bad = None;
    for program in std::env::split_paths(path).map(|dir| dir.join("packer")).filter_map(which) {
        let packer = examine(&program);
        if packer.is_good() {
            return Some(packer);
        }
        first_bad.get_or_insert(packer);
    }
    first_bad
}

fn examine(path: &Path) -> Packer {
    let printed = ask(path, &["version"]);
    let version = printed.as_deref().ok().and_then(own_version);
    let plugin = version.as_ref().filter(|version| **version >= minimum()).and_then(|_| {
        let listed = ask(path, &["plugins", "installed"]).ok()?;
        newest_qemu_plugin(&listed)
    });
    let problem = match (&version, printed) {
        (_, Err(why)) => Some(why),
        (None, Ok(_)) => Some("is not HashiCorp's Packer".into()),
        (Some(version), Ok(_)) => shortcoming(version, plugin.as_ref()),
    };
    Packer { path: path.to_path_buf(), version, plugin, problem }
}

/// Why a real Packer with this plugin will not do.
fn shortcoming(version: &Version, plugin: Option<&Version>) -> Option<String> {
    if *version < minimum() {
        return Some(format!("is {version}; templates need {} or newer", minimum()));
    }
    match plugin {
        None => {
            Some("has no QEMU plugin (packer plugins install github.com/hashicorp/qemu)".into())
        }
        Some(plugin) if *plugin < minimum_plugin() => {
            Some(format!("has QEMU plugin {plugin}; templates need {} or newer", minimum_plugin()))
        }
        Some(_) => None,
    }
}

/// Standard output, or why there is none. Packer must not ask its server for
/// updates meanwhile.
fn ask(path: &Path, args: &[&str]) -> Result<String, String> {
    let output = Cmd::new(path, "ask packer for its version")
        .cwd("/")
        .args(args)
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_NO_COLOR", "1")
        .env_remove("PACKER_LOG")
        .success(&[])
        .timeout(PROBE_TIMEOUT)
        .grace(Duration::from_secs(1))
        .output();
    match output {
        Ok(output) => Ok(output.stdout_text()),
        Err(error) if matches!(error.failure, crate::cmd::Failure::TimedOut(_)) => {
            Err(format!("did not answer in {PROBE_TIMEOUT:?}"))
        }
        Err(error) => Err(format!("does not start: {:?}", error.failure)),
    }
}

/// The version in `Packer v1.16.0`; nothing else prints that.
fn own_version(printed: &str) -> Option<Version> {
    printed.lines().find_map(|line| Version::find_in(line.strip_prefix("Packer v")?))
}

/// The newest in a list of paths like `…/packer-plugin-qemu_v1.1.4_x5.0_linux_amd64`.
fn newest_qemu_plugin(listed: &str) -> Option<Version> {
    let name = |line: &str| line.trim().rsplit('/').next().map(str::to_owned);
    listed
        .lines()
        .filter_map(name)
        .filter_map(|name| Version::find_in(name.strip_prefix("packer-plugin-qemu_v")?))
        .max()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn reads_what_packer_prints() {
        // Own runs: Packer 1.16.0, Debian 12's packer 1.6.6+ds2-1+b1.
        assert_eq!(own_version("Packer v1.16.0"), Some(Version::new(&[1, 16, 0])));
        assert_eq!(own_version("Packer v1.6.6"), Some(Version::new(&[1, 6, 6])));
        assert_eq!(own_version("0 0"), None);
        // Own run of `packer plugins installed` with 1.16.0, home directory cut.
        let line = "/p/github.com/hashicorp/qemu/packer-plugin-qemu_v1.1.5-dev_x5.0_linux_amd64\n";
        assert_eq!(newest_qemu_plugin(line), Some(Version::new(&[1, 1, 5])));
        let two = format!("{line}/p/packer-plugin-qemu_v1.1.10_x5.0_linux_amd64");
        assert_eq!(newest_qemu_plugin(&two), Some(Version::new(&[1, 1, 10])));
        assert_eq!(newest_qemu_plugin("/p/packer-plugin-vmware_v1.1.0_x5.0"), None);
    }

    #[test]
    fn old_ones_say_what_is_needed() {
        let v = |parts: &[u32]| Version::new(parts);
        assert_eq!(shortcoming(&v(&[1, 16, 0]), Some(&v(&[1, 1, 4]))), None);
        for (packer, plugin, words) in [
            (v(&[1, 6, 6]), None, "is 1.6.6; templates need 1.11"),
            (v(&[1, 11, 0]), None, "no QEMU plugin"),
            (v(&[1, 11, 0]), Some(v(&[1, 1, 2])), "QEMU plugin 1.1.2; templates need 1.1.3"),
        ] {
            assert!(shortcoming(&packer, plugin.as_ref()).unwrap().contains(words), "{words}");
        }
    }

    /// A directory with a script called `packer`.
    fn fake(body: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("packer");
        fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        dir
    }

    #[test]
    fn impostors_are_told_and_passed_over() {
        let cracklib = fake("wc -l"); // reads words from its input
        let debian = fake("[ \"$1\" = version ] && echo Packer v1.6.6 || exit 127");
        let good = fake(
            "case $1 in version) echo Packer v1.16.0;;\n\
             *) echo /x/packer-plugin-qemu_v1.1.4_x5.0_linux_amd64;; esac",
        );
        let path = |dirs: &[&tempfile::TempDir]| {
            std::env::join_paths(dirs.iter().map(|dir| dir.path())).unwrap()
        };
        let found = |dirs: &[&tempfile::TempDir]| probe_on(&path(dirs)).unwrap();
        assert_eq!(found(&[&cracklib]).problem.unwrap(), "is not HashiCorp's Packer");
        assert!(found(&[&debian]).problem.unwrap().contains("1.6.6"));
        let best = found(&[&cracklib, &debian, &good]);
        assert!(best.is_good() && best.path.starts_with(good.path()), "{best:?}");
        assert_eq!(best.plugin, Some(Version::new(&[1, 1, 4])));
        assert_eq!(found(&[&debian, &cracklib]).path, debian.path().join("packer"));
        assert_eq!(probe_on(OsStr::new("/nonexistent")), None);
    }
}
