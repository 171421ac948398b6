//! What a plan needs of a host.

use crate::catalog::{MediaKind, Target};
use crate::host::needs::{FirmwareNeed, Needs};

use super::Resolved;

/// Programs every build in a VM uses.
const VM_TOOLS: [&str; 3] = ["qemu-img", "ssh", "xorriso"];

/// Programs that make a base disk.
const BOOTSTRAP_TOOLS: [&str; 5] = ["mmdebstrap", "mke2fs", "sfdisk", "mkfs.vfat", "mcopy"];

/// An artifact is about a third of what its disk holds, a base disk as well:
/// rounded up, both together are as large as the filled part of the disk.
const DISK_SHARE: u64 = 2;

/// What building `resolved` takes.
#[must_use]
pub fn needs(target: &Target, resolved: &Resolved) -> Needs {
    let bootstrap = target.facts.media.kind == MediaKind::Mirror;
    let mut tools: Vec<String> = VM_TOOLS.map(str::to_owned).into();
    if bootstrap {
        tools.extend(BOOTSTRAP_TOOLS.map(str::to_owned));
    }
    let machine = resolved.plan.machine;
    let body = &resolved.source.body;
    let efi = body.bool("efi_boot").ok().flatten().unwrap_or(false);
    let firmware = efi.then(|| FirmwareNeed {
        machine: body.string("machine_type").ok().flatten().unwrap_or_else(|| "pc".into()),
        secure_boot: false,
    });
    Needs {
        target: target.id.clone(),
        arch: target.arch,
        vm: true,
        tools,
        memory: machine.memory_mib << 20,
        disk: machine.disk / DISK_SHARE,
        firmware,
        packer: false,
        bootstrap,
    }
}
