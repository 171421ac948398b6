//! The serial console of a deployment: the installer's markers, and what known
//! words mean here. The general patterns are the engine's.

use std::path::Path;

use crate::engine::console as engine;

/// A line that the installer wrote for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A stage begins.
    Stage(String),
    /// JSON of what was seen.
    Facts(String),
    /// A line of what the checks of the deployed disk printed.
    Look(String),
    /// Deployed.
    Ok,
    /// Not deployed: stage and reason.
    Fail(String, String),
}

impl Marker {
    /// Reads a line; other lines are no markers.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix("DEPLOY-")?;
        let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "STAGE" => Some(Self::Stage(text.to_owned())),
            "FACTS" => Some(Self::Facts(text.to_owned())),
            "LOOK" => Some(Self::Look(text.to_owned())),
            "OK" => Some(Self::Ok),
            "FAIL" => {
                let (stage, reason) = text.split_once(": ").unwrap_or(("?", text));
                Some(Self::Fail(stage.to_owned(), reason.to_owned()))
            }
            _ => None,
        }
    }
}

/// What known words of the console mean for a deployment, and what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Nothing will follow, so waiting is useless.
    pub fatal: bool,
}

const REBUILD_INITRD: &str =
    "make the initrd with all storage drivers (MODULES=most) for every kernel in the deploy hook";
const NO_FOREIGN_FSTAB: &str = "make sure that the image brings no fstab of the build machine";
/// What helps a machine whose clock is wrong.
pub const CLOCK: &str = "set the clock of the machine, or let the image take the time from MAAS before cloud-init: \
    cloud-init itself corrects it only if it reads the Date of the answer";
const INSTALL_GRUB: &str =
    "let the deploy hook run grub-install and update-grub for the machine's firmware";

/// The engine's causes have fixes for builds; these are for deployments.
const FIXES: &[(&str, &str)] = &[
    ("panic-no-root", REBUILD_INITRD),
    ("initramfs-shell", REBUILD_INITRD),
    ("dracut-shell", REBUILD_INITRD),
    ("root-device-missing", REBUILD_INITRD),
    ("emergency-shell", NO_FOREIGN_FSTAB),
    ("grub-shell", INSTALL_GRUB),
    (
        "uefi-nothing-to-boot",
        "put the loader at EFI/BOOT/BOOT<ARCH>.EFI of the ESP too (grub-install --force-extra-removable)",
    ),
    (
        "bios-nothing-to-boot",
        "bring grub-pc (or its file for the deploy hook), and run grub-install on the disk",
    ),
    ("guest-disk-full", "make the disk larger (--disk-size) or the image smaller"),
    ("guest-out-of-memory", "give the machine more memory (--memory)"),
];

/// Words that only a deployment says: pattern, meaning, fix.
const OWN: &[(&str, &str, &str)] = &[
    (
        "Unable to locate package linux-generic",
        "curtin's built-in hooks want Ubuntu's kernel package in an image that is not Ubuntu",
        "ship an executable /curtin/curtin-hooks that names the installed kernel package",
    ),
    (
        "Unable to locate package python3-curtin",
        "the archive that the ephemeral system knows has no curtin: Debian's has none",
        "name Ubuntu's with --curtin-source, suite jammy, component main; or a checkout of curtin with --curtin",
    ),
    (
        "the stand-in for curtin has no",
        "the hook uses a part of curtin that the stand-in does not have",
        "this says nothing about the image; the name is in the message",
    ),
    (
        "the hook has no run bit",
        "curtin runs the hook directly, so it must be executable",
        "chmod 0755 /curtin/curtin-hooks in the image",
    ),
    (
        "Temporary failure resolving",
        "the deployment wants packages from a repository and has no name service",
        "put every package that the deployment needs into the image",
    ),
    (
        "Network is unreachable",
        "the deployment wants something from a network that is not there",
        "put everything that the deployment needs into the image; --air-gap shows whether that is so",
    ),
    (
        "blocked for more than",
        "the disk is too slow for what the system wrote at once",
        "give the deployment more time (--timeout), or write less at deployment: initrds are made for each kernel",
    ),
    (
        "no file system of the disk has a directory /curtin",
        "curtin takes the file system with a directory /curtin for the root, and there is none",
        "make an (empty) directory /curtin on the root of the image, on a file system that Linux mounts",
    ),
    (
        "the image left no partition",
        "what was unpacked is no disk, or only its beginning",
        "look at the artifact with `cargo xtask inspect`, and pack it again",
    ),
    (
        "Bad Request: OAuth timestamp",
        "the machine's clock is wrong, and MAAS refuses its requests",
        CLOCK,
    ),
    ("Timed out waiting for device", "a device of /etc/fstab is not there", NO_FOREIGN_FSTAB),
    (
        "Archive is compressed. Use --zstd",
        "curtin unpacks gzip, bzip2 and xz, not zstd",
        "pack the image with gzip",
    ),
];

fn own_cause(line: &str) -> Option<Cause> {
    let found = OWN.iter().find(|(pattern, _, _)| line.contains(pattern));
    found.map(|(_, meaning, fix)| Cause { meaning, fix, fatal: false })
}

/// Follows the file that QEMU writes the console to.
#[derive(Debug)]
pub struct Console {
    inner: engine::Console,
    own: Option<Cause>,
}

impl Console {
    /// Starts at the beginning; the file may not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { inner: engine::Console::new(path), own: None }
    }

    /// Bytes read so far: a number that grows while the guest lives.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    /// New whole lines since the last call.
    pub fn read(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        self.inner.poll(|line| lines.push(line.to_owned()));
        self.own = self.own.or_else(|| lines.iter().find_map(|line| own_cause(line)));
        lines
    }

    /// The last lines with content, an unfinished one included.
    #[must_use]
    pub fn tail(&self) -> Vec<String> {
        self.inner.tail()
    }

    /// The cause that the console named: a fatal one, else one that only
    /// deployments have, else any.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        let general = self.inner.cause().map(|cause| Cause {
            meaning: &cause.cause,
            fix: FIXES.iter().find(|(id, _)| *id == cause.id).map_or(&cause.fix, |(_, fix)| fix),
            fatal: cause.fatal,
        });
        general.filter(|cause| cause.fatal).or(self.own).or(general)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::causes;

    #[test]
    fn markers() {
        let fail = |s: &str, r: &str| Some(Marker::Fail(s.into(), r.into()));
        for (line, expected) in [
            ("DEPLOY-OK", Some(Marker::Ok)),
            ("  DEPLOY-STAGE extract ", Some(Marker::Stage("extract".into()))),
            ("DEPLOY-FAIL extract: tar: exited with 2", fail("extract", "tar: exited with 2")),
            ("DEPLOY-FAIL", fail("?", "")),
            ("DEPLOY-FACTS {\"a\": 1}", Some(Marker::Facts("{\"a\": 1}".into()))),
            ("DEPLOY-LOOK @@a 1", Some(Marker::Look("@@a 1".into()))),
            ("DEPLOY-OTHER", None),
            ("echo DEPLOY-OK", None),
            ("", None),
        ] {
            assert_eq!(Marker::parse(line), expected, "{line}");
        }
    }

    #[test]
    fn every_fix_belongs_to_a_cause_of_the_engine() {
        for (id, _) in FIXES {
            assert!(causes::all().iter().any(|(cause, _)| cause.id == *id), "{id}");
        }
    }

    #[test]
    fn fatal_first_then_ours_then_any() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("serial.log");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let mut console = Console::new(&path);
            console.read();
            console.cause()
        };
        assert_eq!(read("all is well\n"), None);
        let full = "tar: No space left on device\n";
        assert!(read(full).unwrap().fix.contains("--disk-size"));
        let generic = "E: Unable to locate package linux-generic\n";
        assert!(read(&format!("{full}{generic}")).unwrap().meaning.contains("kernel package"));
        let cause = read(&format!("{full}{generic}grub rescue> ")).unwrap();
        assert!(cause.fatal && cause.fix.contains("grub-install"));
    }
}
