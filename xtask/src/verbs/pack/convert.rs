//! Disks in formats that only `qemu-img` reads.

use anyhow::{Context as _, Result};
use disk_image::block::{self, Format};
use disk_image::pack::PackRequest;
use tempfile::TempDir;

use crate::cmd::Cmd;
use crate::signal::CancelToken;

/// A request for a converted disk, which goes when this is dropped.
pub(super) struct Converted {
    pub request: PackRequest,
    /// Holds the disk.
    _dir: TempDir,
}

/// Converts the disk of `request` to a raw one beside the output, if it is in a
/// format that is not read directly; says so, because it takes time and room.
///
/// # Errors
/// The disk cannot be read, or `qemu-img` is missing or fails.
pub(super) fn foreign(request: &PackRequest, cancel: &CancelToken) -> Result<Option<Converted>> {
    if request.disk_format.is_some() {
        return Ok(None);
    }
    let Some(found) = block::foreign(&request.disk).map_err(super::coded)? else {
        return Ok(None);
    };
    let disk = std::path::absolute(&request.disk)?;
    let parent = request.output.parent().filter(|dir| !dir.as_os_str().is_empty());
    let parent = std::path::absolute(parent.unwrap_or_else(|| ".".as_ref()))?;
    let dir = tempfile::Builder::new()
        .prefix(".converted-")
        .tempdir_in(&parent)
        .with_context(|| format!("cannot make a temporary directory in {}", parent.display()))?;
    eprintln!(
        "{}: {}; converting it to a temporary raw disk in {}",
        request.disk.display(),
        found.what,
        parent.display()
    );
    Cmd::new("qemu-img", "convert the disk")
        .cwd(dir.path())
        .args(["convert", "-f", found.format, "-O", "raw"])
        .arg(disk)
        .arg("disk.raw")
        .cancel(cancel)
        .run()?;
    let disk = dir.path().join("disk.raw");
    let request = PackRequest { disk, disk_format: Some(Format::Raw), ..request.clone() };
    Ok(Some(Converted { request, _dir: dir }))
}
