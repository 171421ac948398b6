//! Further file systems of a root, as its own fstab lists them.

use super::archive::read_exactly;
use super::volumes::{Disk, Volume};
use crate::fs::{self, FileKind, FileSystem};
use crate::{Error, ErrorKind, Result};

/// Longest fstab that is read, bytes.
const MAX_LEN: u64 = 1 << 20;
/// Without these no system starts, so it is an error if they are not found.
const NEEDED: [&str; 2] = ["/boot", "/usr"];
/// Types of fstab that are on no disk of this machine, or on no mount point.
const ELSEWHERE: [&str; 12] = [
    "swap",
    "tmpfs",
    "proc",
    "sysfs",
    "devpts",
    "devtmpfs",
    "nfs",
    "nfs4",
    "cifs",
    "none",
    "overlay",
    "securityfs",
];

/// A line of fstab that mounts a file system of a disk below the root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// What is mounted: `UUID=...`, `/dev/vda2`.
    pub spec: String,
    /// Where, without slashes around it: `boot/efi`.
    pub at: String,
    /// Whether the system starts without it.
    optional: bool,
}

/// The lines of `/etc/fstab` that matter, parents first; none without the file.
pub(super) fn lines(root: &dyn FileSystem) -> Result<Vec<Line>> {
    let Some(node) = fs::lookup(root, "etc/fstab")? else { return Ok(Vec::new()) };
    let meta = root.metadata(node)?;
    if meta.kind != FileKind::Regular || meta.size > MAX_LEN {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; crate::bytes::clip(meta.size, usize::MAX)];
    read_exactly(root, node, 0, &mut bytes)?;
    let mut lines: Vec<Line> = String::from_utf8_lossy(&bytes).lines().filter_map(parse).collect();
    lines.sort_by(|a, b| a.at.cmp(&b.at));
    // The first line wins, as with systemd's generator.
    lines.dedup_by(|later, first| later.at == first.at);
    Ok(lines)
}

fn parse(line: &str) -> Option<Line> {
    let mut fields = line.split_whitespace();
    let (spec, at) = (fields.next()?, fields.next()?);
    let (kind, options) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let has = |wanted: &[&str]| options.split(',').any(|option| wanted.contains(&option));
    let at = unescape(at);
    let inside = at.starts_with('/') && !at.trim_matches('/').is_empty();
    if spec.starts_with('#') || !inside || ELSEWHERE.contains(&kind) {
        return None;
    }
    if has(&["noauto", "bind", "rbind"]) {
        return None;
    }
    let at = at.split('/').filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/");
    Some(Line { spec: unescape(spec).replace('"', ""), at, optional: has(&["nofail"]) })
}

/// `\040` is a space: three octal digits, see fstab(5).
fn unescape(field: &str) -> String {
    let mut pieces = field.split('\\');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                text.push(char::from(byte));
                text.push_str(piece.get(3..).unwrap_or_default());
            }
            None => {
                text.push('\\');
                text.push_str(piece);
            }
        }
    }
    text
}

/// The file system that a line means, if it is on this disk.
pub(super) fn find<'a>(disk: &'a Disk, line: &Line) -> Result<Option<Volume<'a>>> {
    for volume in disk.volumes() {
        if names(&line.spec, &volume) {
            return Ok(Some(volume));
        }
    }
    let path = format!("/{}", line.at);
    if line.optional || !NEEDED.contains(&path.as_str()) {
        return Ok(None);
    }
    let reason = format!("fstab mounts {} on it, which is not on this disk", line.spec);
    Err(Error::new(ErrorKind::Refused, path, reason)
        .hint("name the partition with --boot-partition, or correct fstab in the guest"))
}

fn names(spec: &str, volume: &Volume<'_>) -> bool {
    let tag = |name: &str, dir: &str| {
        spec.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='))
            .or_else(|| spec.strip_prefix("/dev/disk/by-").and_then(|it| it.strip_prefix(dir)))
    };
    let is = |value: &str, wanted: Option<&str>| {
        wanted.is_some_and(|wanted| !wanted.is_empty() && wanted.eq_ignore_ascii_case(value))
    };
    if let Some(part) = volume.partition() {
        let numbered = partition_number(spec) == Some(part.number);
        if numbered
            || is(&part.id, tag("PARTUUID", "partuuid/"))
            || is(&part.name, tag("PARTLABEL", "partlabel/"))
        {
            return true;
        }
    }
    if let Volume::Logical(logical) = volume
        && logical.is_named(spec)
    {
        return true;
    }
    let (uuid, label) = (tag("UUID", "uuid/"), tag("LABEL", "label/"));
    if uuid.is_none() && label.is_none() {
        return false;
    }
    let Ok(fs) = volume.open() else { return false };
    is(&fs.uuid().unwrap_or_default(), uuid)
        || label.is_some_and(|label| !label.is_empty() && fs.label() == label.as_bytes())
}

/// Number of a partition of the first disk by the kernel's name for it:
/// `/dev/sda2`, `/dev/nvme0n1p2`.
fn partition_number(spec: &str) -> Option<u32> {
    let first = ["sda", "vda", "xvda", "hda", "nvme0n1p", "mmcblk0p"];
    let name = spec.strip_prefix("/dev/")?;
    first.iter().find_map(|disk| name.strip_prefix(disk)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_mount_something_of_a_disk() {
        let line = |spec: &str, at: &str, optional| {
            Some(Line { spec: spec.into(), at: at.into(), optional })
        };
        for (text, expected) in [
            ("UUID=ab-c /boot ext4 defaults 0 2", line("UUID=ab-c", "boot", false)),
            ("\tLABEL=\"UEFI\"  /boot/efi/ vfat umask=0077", line("LABEL=UEFI", "boot/efi", false)),
            ("/dev/sdb1 /my\\040data xfs nofail", line("/dev/sdb1", "my data", true)),
            ("UUID=x / ext4", None),
            ("# UUID=x /boot ext4", None),
            ("UUID=x none swap sw", None),
            ("tmpfs /tmp tmpfs", None),
            ("/a /b none bind", None),
            ("UUID=x /mnt ext4 noauto,ro", None),
            ("UUID=x", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn partitions_by_the_names_of_the_kernel() {
        for (spec, expected) in [
            ("/dev/sda2", Some(2)),
            ("/dev/nvme0n1p15", Some(15)),
            ("/dev/vda", None),
            ("/dev/sdb1", None),
            ("/dev/mapper/vg-root", None),
        ] {
            assert_eq!(partition_number(spec), expected, "{spec}");
        }
    }
}
