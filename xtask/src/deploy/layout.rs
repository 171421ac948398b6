//! Storage layouts as MAAS describes them to curtin (storage version 1).

use serde_json::{Value, json};

use super::machine::Firmware;

/// Serial number of the disk that is deployed to.
pub const DISK_SERIAL: &str = "deploy0";

const MIB: u64 = 1 << 20;
/// EFI system partition of MAAS's layouts.
const ESP: u64 = 512 * MIB;
/// BIOS boot partition of MAAS's layouts.
const BIOS_GRUB: u64 = MIB;

/// How the disk is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// One ext4 root.
    #[default]
    Flat,
    /// An ext4 root on a logical volume.
    Lvm,
}

impl Layout {
    /// Word on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Lvm => "lvm",
        }
    }
}

/// What GPT, alignment and a volume group's own data take of a disk: more than
/// enough for all three.
const OVERHEAD: u64 = 16 * MIB;

/// The `storage` section of the configuration. MAAS sends sizes in bytes and
/// curtin knows nothing else; without `disk` (bytes) our own installer takes
/// what is left.
#[must_use]
pub fn storage(layout: Layout, firmware: Firmware, disk: Option<u64>) -> Value {
    let rest = |of: Option<u64>, taken: u64| {
        of.map_or(json!(-1), |all| json!(all.saturating_sub(taken) / MIB * MIB))
    };
    let part2 = rest(disk, ESP + OVERHEAD);
    let volume = rest(disk, ESP + 2 * OVERHEAD);
    let mut items = vec![json!({
        "id": "disk0", "type": "disk", "serial": DISK_SERIAL, "name": "disk0", "ptable": "gpt",
        "wipe": "superblock", "grub_device": firmware == Firmware::Bios,
    })];
    items.push(match firmware {
        Firmware::Uefi => json!({
            "id": "part1", "type": "partition", "number": 1, "device": "disk0", "size": ESP,
            "flag": "boot", "grub_device": true,
        }),
        Firmware::Bios => json!({
            "id": "part1", "type": "partition", "number": 1, "device": "disk0",
            "size": BIOS_GRUB, "flag": "bios_grub",
        }),
    });
    items.push(json!({
        "id": "part2", "type": "partition", "number": 2, "device": "disk0", "size": part2,
    }));
    items.extend(root_volume(layout, &volume));
    if firmware == Firmware::Uefi {
        items.push(json!({
            "id": "esp", "type": "format", "fstype": "fat32", "label": "efi", "volume": "part1",
        }));
        items.push(json!({
            "id": "esp_mount", "type": "mount", "path": "/boot/efi", "device": "esp",
        }));
    }
    json!({ "version": 1, "config": items })
}

fn root_volume(layout: Layout, size: &Value) -> Vec<Value> {
    let mut items = Vec::new();
    let volume = match layout {
        Layout::Flat => "part2",
        Layout::Lvm => {
            items.push(json!({
                "id": "group", "type": "lvm_volgroup", "name": "vgroot", "devices": ["part2"],
            }));
            items.push(json!({
                "id": "volume", "type": "lvm_partition", "name": "lvroot", "volgroup": "group",
                "size": size,
            }));
            "volume"
        }
    };
    items.push(json!({
        "id": "root", "type": "format", "fstype": "ext4", "label": "root", "volume": volume,
    }));
    items.push(json!({ "id": "root_mount", "type": "mount", "path": "/", "device": "root" }));
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_has_a_target() {
        for layout in [Layout::Flat, Layout::Lvm] {
            for firmware in [Firmware::Uefi, Firmware::Bios] {
                let storage = storage(layout, firmware, None);
                let items = storage["config"].as_array().unwrap();
                let ids: Vec<&str> = items.iter().map(|i| i["id"].as_str().unwrap()).collect();
                for (at, item) in items.iter().enumerate() {
                    for key in ["device", "volume", "volgroup"] {
                        if let Some(id) = item[key].as_str() {
                            let made = ids.iter().position(|other| *other == id);
                            assert!(made.is_some_and(|p| p < at), "{item} comes before {id}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn each_firmware_has_its_partition_and_never_the_other() {
        let flags = |firmware| storage(Layout::Flat, firmware, Some(8 << 30)).to_string();
        assert!(flags(Firmware::Uefi).contains("/boot/efi"));
        assert!(!flags(Firmware::Uefi).contains("bios_grub"));
        assert!(flags(Firmware::Bios).contains("bios_grub"));
        assert!(!flags(Firmware::Bios).contains("/boot/efi"));
    }

    #[test]
    fn curtin_is_given_sizes_that_fit() {
        for layout in [Layout::Flat, Layout::Lvm] {
            let storage = storage(layout, Firmware::Uefi, Some(8 << 30));
            let sizes =
                storage["config"].as_array().unwrap().iter().filter_map(|i| i["size"].as_u64());
            let sizes: Vec<u64> = sizes.collect();
            assert_eq!(sizes[1], (8 << 30) - 528 * MIB);
            assert!(sizes.iter().all(|size| size % MIB == 0), "{sizes:?}");
            assert!(!storage.to_string().contains("-1"), "{storage}");
        }
    }
}
