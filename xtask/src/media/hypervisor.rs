//! Recognises installation media of ESXi and of XenServer and XCP-ng, before a
//! VM would wait in front of a medium that it cannot start from.

use std::path::Path;

use super::MediaError;
use super::iso::Medium;

/// A loader's configuration is a few kilobytes of text.
const LIMIT: usize = 64 << 10;

/// Why a file is not the medium of this ESXi release (`6.7`, `8`), if it is not.
///
/// The loader's `BOOT.CFG` names the installer's version: `build=8.0.2-0.0.…`.
/// A vendor's own medium may leave the line out.
///
/// # Errors
/// The file cannot be opened.
pub fn not_esxi(path: &Path, release: &str) -> Result<Option<String>, MediaError> {
    let medium = Medium::open(path)?;
    let Some(text) = text(&medium, "BOOT.CFG").filter(|text| text.contains("modules=")) else {
        return Ok(Some("it has no BOOT.CFG of an ESXi installer".into()));
    };
    let build = text.lines().find_map(|line| line.trim().strip_prefix("build="));
    let version = build.and_then(|build| build.trim().split('-').next()).unwrap_or_default();
    let fits = version.is_empty() || format!("{version}.").starts_with(&format!("{release}."));
    Ok((!fits).then(|| format!("it installs ESXi {version}, not {release}")))
}

/// Why a file is not a medium of XenServer or XCP-ng, if it is not.
///
/// # Errors
/// The file cannot be opened.
pub fn not_xen(path: &Path) -> Result<Option<String>, MediaError> {
    let medium = Medium::open(path)?;
    let missing = ["install.img", "boot/xen.gz", "boot/vmlinuz"]
        .into_iter()
        .find(|name| medium.find(name).is_none());
    Ok(missing.map(|name| format!("it has no {name} of a XenServer or XCP-ng installer")))
}

/// The whole text of a small file.
fn text(medium: &Medium, name: &str) -> Option<String> {
    let place = medium.find(name)?;
    let len = usize::try_from(place.len()).ok()?.min(LIMIT);
    Some(String::from_utf8_lossy(&medium.read(&place, 0, len)?).into_owned())
}
