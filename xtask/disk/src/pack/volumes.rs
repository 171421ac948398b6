//! What may hold a file system: partitions, logical volumes, or the whole disk.

use std::path::Path;
use std::sync::Arc;

use crate::block::{self, BlockRead, Format};
use crate::fs::{self, FileSystem};
use crate::lvm::{self, Logical, Physical};
use crate::partition::{self, Guid, Partition, PartitionKind};
use crate::{Error, ErrorKind, Result};

/// A disk and its partitions; none if it has no table.
pub(crate) struct Disk {
    pub(crate) device: Arc<dyn BlockRead>,
    pub(crate) parts: Vec<Partition>,
    /// Logical volumes of LVM.
    logical: Vec<Logical>,
    /// Names of what holds those, such as `partition 3`.
    physical: Vec<String>,
    /// Why LVM's metadata cannot be used.
    pub(crate) lvm_problem: Option<String>,
}

/// Opens a disk image of the given or a detected format and reads its
/// partition table.
pub(crate) fn open_disk(path: &Path, format: Option<Format>) -> Result<Disk> {
    let device = match format {
        Some(format) => block::open_as(path, format)?,
        None => block::open(path)?,
    };
    let table = partition::read(&*device).map_err(|error| error.within(path.display()))?;
    let parts = table.map(|table| table.partitions).unwrap_or_default();
    let (logical, physical) = (Vec::new(), Vec::new());
    let mut disk = Disk { device, parts, logical, physical, lvm_problem: None };
    disk.find_logical();
    Ok(disk)
}

impl Disk {
    /// Reads LVM's metadata. What is damaged stays what it looks like from
    /// outside: a partition that cannot be read.
    fn find_logical(&mut self) {
        let (mut names, mut opened, mut problem) = (Vec::new(), Vec::new(), None);
        for volume in self.outer() {
            let Ok(device) = volume.device() else { continue };
            match Physical::open(device) {
                Ok(physical) => {
                    names.push(volume.name());
                    opened.push(physical);
                }
                Err(error) if error.kind() == ErrorKind::NotThisFormat => {}
                Err(error) => problem = Some(error.within(volume.name()).to_string()),
            }
        }
        match lvm::logical_volumes(&opened) {
            Ok(logical) => (self.logical, self.physical) = (logical, names),
            Err(error) => problem = Some(error.to_string()),
        }
        self.lvm_problem = problem;
    }

    /// Whether the disk has neither partitions nor logical volumes.
    pub(crate) fn is_one_volume(&self) -> bool {
        self.parts.is_empty() && self.physical.is_empty()
    }

    /// The logical volume `GROUP/VOLUME`.
    pub(crate) fn by_name(&self, name: &str) -> Result<Volume<'_>> {
        let full = |volume: &Logical| format!("{}/{}", volume.group, volume.name);
        let found = self.logical.iter().find(|volume| full(volume) == name);
        found.map(Volume::Logical).ok_or_else(|| {
            let known: Vec<String> = self.logical.iter().map(full).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let reason = format!("there is none; the disk has {known}");
            Error::new(ErrorKind::Usage, format!("logical volume {name}"), reason)
        })
    }

    /// The partitions, or the whole disk if it has none.
    fn outer(&self) -> Vec<Volume<'_>> {
        if self.parts.is_empty() {
            return vec![Volume::Disk(&self.device)];
        }
        self.parts.iter().map(|part| Volume::Partition(&self.device, part)).collect()
    }

    /// Everything that may hold a file system.
    pub(crate) fn volumes(&self) -> Vec<Volume<'_>> {
        let mut all = self.outer();
        all.retain(|volume| !self.physical.contains(&volume.name()));
        all.extend(self.logical.iter().map(Volume::Logical));
        all
    }

    /// The partition of this number.
    pub(crate) fn by_number(&self, number: u32) -> Result<Volume<'_>> {
        let part = self.parts.iter().find(|part| part.number == number);
        let part = part.ok_or_else(|| {
            let known: Vec<String> = self.parts.iter().map(|it| it.number.to_string()).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let reason = format!("there is none; the disk has {known}");
            Error::new(ErrorKind::Usage, format!("partition {number}"), reason)
        })?;
        Ok(Volume::Partition(&self.device, part))
    }

    /// The partitions of a GPT type.
    pub(crate) fn of_type(&self, wanted: impl Fn(Guid) -> bool) -> Vec<Volume<'_>> {
        let typed = |part: &&Partition| matches!(part.kind, PartitionKind::Gpt(it) if wanted(it));
        let parts = self.parts.iter().filter(typed);
        parts.map(|part| Volume::Partition(&self.device, part)).collect()
    }
}

/// Something that may hold a file system.
#[derive(Clone, Copy)]
pub(crate) enum Volume<'a> {
    /// The whole disk.
    Disk(&'a Arc<dyn BlockRead>),
    /// A partition of the disk.
    Partition(&'a Arc<dyn BlockRead>, &'a Partition),
    /// A logical volume.
    Logical(&'a Logical),
}

impl Volume<'_> {
    /// For messages: `partition 2`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Disk(_) => "disk".into(),
            Self::Partition(_, part) => format!("partition {}", part.number),
            Self::Logical(volume) => format!("logical volume {}/{}", volume.group, volume.name),
        }
    }

    /// The same with the kind of what is in it: `partition 2 (ext4)`.
    pub(crate) fn place(&self, fs: &dyn FileSystem) -> String {
        format!("{} ({})", self.name(), fs.kind_name())
    }

    /// The partition.
    pub(crate) fn partition(&self) -> Option<&Partition> {
        match self {
            Self::Partition(_, part) => Some(part),
            Self::Disk(_) | Self::Logical(_) => None,
        }
    }

    /// Its bytes.
    pub(crate) fn device(&self) -> Result<Arc<dyn BlockRead>> {
        match self {
            Self::Disk(disk) => Ok(Arc::clone(disk)),
            Self::Partition(disk, part) => Ok(Arc::new(part.open(disk)?)),
            Self::Logical(volume) => match &volume.device {
                Ok(device) => Ok(Arc::clone(device)),
                Err(error) => Err(Error::new(error.kind(), self.name(), error.to_string())),
            },
        }
    }

    /// Its file system.
    pub(crate) fn open(&self) -> Result<Box<dyn FileSystem>> {
        match fs::open(self.device()?) {
            Err(error) if error.kind() == ErrorKind::NotThisFormat => {
                let reason = format!("no file system that can be read{}", self.type_name());
                Err(Error::new(ErrorKind::Refused, self.name(), reason))
            }
            other => other.map_err(|error| error.within(self.name())),
        }
    }

    fn type_name(&self) -> String {
        match self.partition().map(|part| part.kind) {
            Some(PartitionKind::Gpt(guid)) => format!(" (type {guid})"),
            Some(PartitionKind::Mbr(byte)) => format!(" (type {byte:#04x})"),
            None => String::new(),
        }
    }
}
