//! Several machines for one artifact.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;

use super::Args;
use crate::arch::Arch;
use crate::deploy::{DiskBus, Firmware, Layout};

/// How many machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Machines {
    /// The one that the options describe
    #[default]
    One,
    /// Four that cover every pair of firmware, layout and NVMe or virtio
    Pairs,
    /// Every firmware with every layout and disk
    All,
}

/// Each pair of values occurs once.
const PAIRS: [(Firmware, Layout, DiskBus); 4] = [
    (Firmware::Uefi, Layout::Flat, DiskBus::Nvme),
    (Firmware::Uefi, Layout::Lvm, DiskBus::Virtio),
    (Firmware::Bios, Layout::Lvm, DiskBus::Nvme),
    (Firmware::Bios, Layout::Flat, DiskBus::Virtio),
];

impl Args {
    /// One set of options for each machine.
    pub fn each(&self) -> Vec<Self> {
        let arm = self.arch == Some(Arch::Arm64) || self.artifact.ends_with("arm64");
        let all: Vec<(Firmware, Layout, DiskBus)> = match self.machines {
            Machines::One => return vec![self.clone()],
            Machines::Pairs => PAIRS.to_vec(),
            Machines::All => {
                let firmware = Firmware::value_variants().iter();
                let pairs =
                    firmware.flat_map(|f| Layout::value_variants().iter().map(move |l| (*f, *l)));
                pairs
                    .flat_map(|(f, l)| DiskBus::value_variants().iter().map(move |d| (f, l, *d)))
                    .collect()
            }
        };
        let possible = |(firmware, _, disk): &(Firmware, Layout, DiskBus)| {
            !arm || (*firmware != Firmware::Bios && *disk != DiskBus::Sata)
        };
        let one = |(firmware, layout, disk): (Firmware, Layout, DiskBus)| Self {
            junit: self.junit.as_ref().map(|path| beside(path, firmware, layout, disk)),
            firmware: Some(firmware),
            layout,
            disk,
            machines: Machines::One,
            ..self.clone()
        };
        all.into_iter().filter(possible).map(one).collect()
    }
}

/// `deploy.xml` of one machine: `deploy-uefi-lvm-nvme.xml`.
fn beside(path: &Path, firmware: Firmware, layout: Layout, disk: DiskBus) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = [&stem, firmware.name(), layout.name(), disk.name()].join("-");
    path.with_file_name(name).with_extension("xml")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn pairs_cover_every_pair_and_all_is_the_product() {
        let each = |machines, id: &str| Args { machines, ..Args::of_target(id) }.each();
        let pairs = each(Machines::Pairs, "debian");
        let three = |a: &Args| [a.firmware.unwrap().name(), a.layout.name(), a.disk.name()];
        for (first, second) in [(0, 1), (0, 2), (1, 2)] {
            let seen: BTreeSet<_> =
                pairs.iter().map(|a| (three(a)[first], three(a)[second])).collect();
            assert_eq!(seen.len(), 4, "{first} {second}");
        }
        let all: BTreeSet<_> = each(Machines::All, "debian").iter().map(three).collect();
        assert_eq!(all.len(), 16);
        assert_eq!(each(Machines::All, "debian-13-mirror-arm64").len(), 6);
    }
}
