//! What a plan needs of a host.

use crate::catalog::{Family, MediaKind, Target};
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
    tools.extend(own_tools(target, resolved));
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

/// Programs that this target needs beside those of every build.
#[must_use]
pub fn own_tools(target: &Target, resolved: &Resolved) -> Vec<String> {
    let mut tools = vec![];
    if resolved.source.body.bool("vtpm").ok().flatten().unwrap_or(false) {
        tools.push("swtpm".to_owned());
    }
    // vmware-esxi/scripts/inject.
    if target.facts.family == Family::Esxi {
        tools.extend(["python3".to_owned(), "mcopy".to_owned()]);
    }
    tools
}
