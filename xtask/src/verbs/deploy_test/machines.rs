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

/// What an image is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its architecture.
    pub arch: Arch,
    /// What it boots from.
    pub firmware: Vec<Firmware>,
    /// It is written as it is.
    pub whole_disk: bool,
}

/// Each pair of values occurs once.
const PAIRS: [(Firmware, Layout, DiskBus); 4] = [
    (Firmware::Uefi, Layout::Flat, DiskBus::Nvme),
    (Firmware::Uefi, Layout::Lvm, DiskBus::Virtio),
    (Firmware::Bios, Layout::Lvm, DiskBus::Nvme),
    (Firmware::Bios, Layout::Flat, DiskBus::Virtio),
];

impl Args {
    /// One set of options for each machine that the image is for.
    pub fn each(&self, image: &Image) -> Vec<Self> {
        let arm = image.arch == Arch::Arm64;
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
            let there = !arm || (*firmware != Firmware::Bios && *disk != DiskBus::Sata);
            there && image.firmware.contains(firmware)
        };
        // A whole disk brings its own layout: of each the machine without one is left.
        let laid_out = |(firmware, layout, disk)| match image.whole_disk {
            true => (firmware, Layout::default(), disk),
            false => (firmware, layout, disk),
        };
        let one = |(firmware, layout, disk): (Firmware, Layout, DiskBus)| Self {
            junit: self.junit.as_ref().map(|path| beside(path, firmware, layout, disk)),
            firmware: Some(firmware),
            layout,
            disk,
            machines: Machines::One,
            ..self.clone()
        };
        let mut machines = Vec::new();
        for machine in all.into_iter().filter(possible).map(laid_out) {
            if !machines.contains(&machine) {
                machines.push(machine);
            }
        }
        machines.into_iter().map(one).collect()
    }
}

/// What came of all machines, for the end of a long log.
pub fn tally(passed: &[bool]) -> String {
    let failed = passed.iter().filter(|passed| !**passed).count();
    format!("{} machines: {} passed, {failed} failed", passed.len(), passed.len() - failed)
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
    fn the_end_counts_machines() {
        assert_eq!(tally(&[true, false, true]), "3 machines: 2 passed, 1 failed");
    }

    #[test]
    fn pairs_cover_every_pair_and_all_is_the_product() {
        let firmware = vec![Firmware::Uefi, Firmware::Bios];
        let any = Image { arch: Arch::Amd64, firmware, whole_disk: false };
        let each =
            |machines, image: &Image| Args { machines, ..Args::of_target("debian") }.each(image);
        let pairs = each(Machines::Pairs, &any);
        let three = |a: &Args| [a.firmware.unwrap().name(), a.layout.name(), a.disk.name()];
        for (first, second) in [(0, 1), (0, 2), (1, 2)] {
            let seen: BTreeSet<_> =
                pairs.iter().map(|a| (three(a)[first], three(a)[second])).collect();
            assert_eq!(seen.len(), 4, "{first} {second}");
        }
        let all: BTreeSet<_> = each(Machines::All, &any).iter().map(three).collect();
        assert_eq!(all.len(), 16);
        let arm = Image { arch: Arch::Arm64, ..any.clone() };
        assert_eq!(each(Machines::All, &arm).len(), 6);
        // A machine that the image is not made for would fail without a fault of it.
        let uefi = Image { firmware: vec![Firmware::Uefi], ..any.clone() };
        assert_eq!([Machines::Pairs, Machines::All].map(|m| each(m, &uefi).len()), [2, 8]);
        let disk = Image { whole_disk: true, ..any.clone() };
        assert_eq!([Machines::Pairs, Machines::All].map(|m| each(m, &disk).len()), [4, 8]);
        assert_eq!(each(Machines::One, &uefi).len(), 1);
    }
}
