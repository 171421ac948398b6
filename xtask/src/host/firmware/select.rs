//! Which of the firmware found serves a target.

use std::fmt;
use std::path::Path;

use super::{Firmware, FlashFile, FlashFormat, Rejected, Scan, Target, measure, read};
use crate::arch::Arch;

/// What a target asks of its firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Architecture of the guest, not of the host.
    pub arch: Arch,
    /// `-machine` type: `pc`, `q35`, `virt` or a versioned name.
    pub machine: &'a str,
    /// Secure Boot on with enrolled keys, or firmware that leaves it off.
    pub secure_boot: bool,
    /// Only `raw` files: Packer's plugin cannot say any other format.
    pub raw_only: bool,
}

/// No descriptor fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoFirmware {
    /// Architecture that was wanted.
    pub arch: Arch,
    /// Machine that was wanted.
    pub machine: String,
    /// Whether Secure Boot was wanted.
    pub secure_boot: bool,
    /// Everything that was looked at, and why it does not do.
    pub rejected: Vec<Rejected>,
}

impl fmt::Display for NoFirmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secure = if self.secure_boot { " with Secure Boot keys" } else { "" };
        write!(f, "no UEFI firmware{secure} for {} machine `{}`", self.arch, self.machine)?;
        if self.rejected.is_empty() {
            write!(f, ": QEMU's firmware directories hold no descriptor")?;
        }
        for rejected in &self.rejected {
            write!(f, "\n  {rejected}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NoFirmware {}

/// Picks the first firmware that fits, in the order of the scan; with it come
/// the ones passed over before it, each with its reason.
///
/// # Errors
/// [`NoFirmware`] lists every candidate and why it does not do.
pub fn choose<'a>(
    scan: &'a Scan,
    wanted: Wanted<'_>,
) -> Result<(&'a Firmware, Vec<Rejected>), NoFirmware> {
    let mut passed_over = Vec::new();
    for firmware in &scan.firmware {
        match misfit(firmware, wanted) {
            None => return Ok((firmware, passed_over)),
            Some(reason) => {
                passed_over.push(Rejected { source: firmware.source.clone(), reason });
            }
        }
    }
    passed_over.extend(scan.rejected.iter().cloned());
    Err(NoFirmware {
        arch: wanted.arch,
        machine: wanted.machine.to_owned(),
        secure_boot: wanted.secure_boot,
        rejected: passed_over,
    })
}

/// Why a firmware does not serve, or `None` if it does.
fn misfit(firmware: &Firmware, wanted: Wanted<'_>) -> Option<String> {
    let Some(target) = firmware.targets.iter().find(|target| target.arch == wanted.arch) else {
        return Some(format!("not for {}", wanted.arch));
    };
    if !target.machines.iter().any(|glob| machine_matches(glob, wanted.machine)) {
        return Some(format!("not for machine `{}`", wanted.machine));
    }
    if wanted.secure_boot && !(firmware.secure_boot && firmware.enrolled_keys) {
        return Some("no enrolled Secure Boot keys".into());
    }
    // Without keys it would start unsigned loaders too, but on amd64 it wants
    // SMM, which `pc` lacks; every distribution ships a build without.
    if !wanted.secure_boot && (firmware.secure_boot || firmware.requires_smm) {
        return Some("has Secure Boot".into());
    }
    let qcow2 = [&firmware.code, &firmware.vars].iter().any(|f| f.format != FlashFormat::Raw);
    (wanted.raw_only && qcow2).then(|| "is qcow2, which Packer's plugin cannot start".into())
}

/// Descriptors name concrete machine types by glob, users name aliases: `q35`
/// is today's `pc-q35-X.Y`. Only the prefix of an alias is known for sure.
fn machine_matches(glob: &str, machine: &str) -> bool {
    let name = machine.split(',').next().unwrap_or_default();
    let concrete = match name {
        "pc" => "pc-i440fx-0",
        "q35" => "pc-q35-0",
        "virt" => "virt-0",
        other => other,
    };
    glob_matches(glob.as_bytes(), concrete.as_bytes())
}

/// `*` and `?` only: what the descriptors in the field use. Linear in both
/// lengths except for one saved position, so no input makes it slow.
fn glob_matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(&c) if c == b'?' || name.get(n) == Some(&c) => {
                g += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (g, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    glob.get(g..).is_some_and(|rest| rest.iter().all(|&c| c == b'*'))
}

/// Firmware that the user named: a descriptor (`*.json`) or `CODE,VARS` (`:` does as well).
///
/// # Errors
/// Says what is wrong with the files; an override is checked like a descriptor.
pub fn from_override(value: &str, arch: Arch) -> Result<Firmware, String> {
    let wrong = |reason: String| format!("firmware `{value}`: {reason}");
    if value.ends_with(".json") {
        return match read(Path::new(value)) {
            Ok(Some(firmware)) => Ok(firmware),
            Ok(None) => Err(wrong("is an empty descriptor".into())),
            Err(reason) => Err(wrong(reason)),
        };
    }
    let (code, vars) = value
        .split_once([',', ':'])
        .filter(|(code, vars)| !code.is_empty() && !vars.is_empty())
        .ok_or_else(|| wrong("CODE,VARS is needed, or the .json of a descriptor".into()))?;
    let file = |path: &str| FlashFile { path: path.into(), format: FlashFormat::Raw, size: 0 };
    let mut firmware = Firmware {
        source: code.into(),
        description: "given by the user".into(),
        targets: vec![Target { arch, machines: vec!["*".into()] }],
        code: file(code),
        vars: file(vars),
        secure_boot: false,
        enrolled_keys: false,
        requires_smm: false,
        verbose_static: false,
    };
    measure(&mut firmware).map_err(wrong)?;
    Ok(firmware)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_match_versioned_globs() {
        for (glob, machine, expected) in [
            ("pc-q35-*", "q35", true),
            ("pc-q35-*", "q35,accel=tcg", true),
            ("pc-q35-*", "pc-q35-7.2", true),
            ("pc-q35-*", "pc", false),
            ("pc-i440fx-*", "pc", true),
            ("virt-*", "virt", true),
            ("virt-*", "virt,gic-version=3", true),
            ("microvm", "microvm", true),
            ("microvm", "q35", false),
            ("*", "anything", true),
            ("pc-*-?.2", "pc-q35-7.2", true),
            ("pc-*-?.2", "pc-q35-7.3", false),
            ("", "", true),
            ("", "pc", false),
        ] {
            assert_eq!(machine_matches(glob, machine), expected, "{glob} on {machine}");
        }
    }

    #[test]
    fn a_hostile_glob_is_not_slow() {
        let glob = "*a".repeat(2000) + "b";
        assert!(!glob_matches(glob.as_bytes(), "a".repeat(4000).as_bytes()));
    }
}
