//! What a `qemu` source says, as typed data: the part of Packer's qemu builder
//! that the built-in engine knows, with Packer's own defaults.
//!
//! Where `None` stands for "not set in the template" although Packer has a
//! default, the engine decides with what it knows about the host; the comment
//! says how.

use std::path::PathBuf;

use indexmap::IndexMap;

mod boot;
mod guest;

pub use boot::{Boot, BootStep};
pub use guest::{Communicator, Shutdown, Ssh};

/// A resolved `qemu` source.
#[derive(Clone, Debug, PartialEq)]
pub struct VmSpec {
    /// Name of the source; `PACKER_BUILD_NAME` in provisioners.
    pub name: String,
    /// `vm_name`: file name of the disk, `{{ .Name }}`. Default `packer-<name>`.
    pub vm_name: String,
    /// Processor, memory, machine.
    pub hardware: Hardware,
    /// `disk_image`: [`VmSpec::medium`] is a disk to copy or to build on, not an
    /// installation CD.
    pub disk_image: bool,
    /// `iso_url`, already fetched and verified: a local file.
    pub medium: PathBuf,
    /// The disk that the build makes.
    pub disk: Disk,
    /// Files for the guest on a CD.
    pub cd: Cd,
    /// `cdrom_interface`; default leaves it to the machine.
    pub cdrom_interface: Option<CdInterface>,
    /// Firmware that is not the machine's built-in BIOS.
    pub firmware: Firmware,
    /// What the guest can fetch over HTTP.
    pub http: Http,
    /// What is typed at boot.
    pub boot: Boot,
    /// How provisioners reach the guest.
    pub communicator: Communicator,
    /// How the guest is turned off.
    pub shutdown: Shutdown,
    /// `qemuargs`: rows of switch and values, before `{{ }}` is rendered. A
    /// switch named here drops every default of that switch.
    pub qemuargs: Vec<Vec<String>>,
    /// `headless`: no window. `false` is taken as a wish for [`View::Screen`].
    pub headless: bool,
    /// `qmp_socket_path` when `qmp_enable` is set: a second QMP socket there,
    /// for the template's own scripts.
    pub qmp_socket: Option<PathBuf>,
    /// Values that the template marks sensitive; masked in every log.
    pub secrets: Vec<String>,
}

impl VmSpec {
    /// A source with only Packer's defaults.
    pub fn new(name: &str, medium: impl Into<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            vm_name: format!("packer-{name}"),
            hardware: Hardware::default(),
            disk_image: false,
            medium: medium.into(),
            disk: Disk::default(),
            cd: Cd::default(),
            cdrom_interface: None,
            firmware: Firmware::Machine,
            http: Http::default(),
            boot: Boot::default(),
            communicator: Communicator::None,
            shutdown: Shutdown::default(),
            qemuargs: Vec::new(),
            headless: false,
            qmp_socket: None,
            secrets: Vec::new(),
        }
    }

    /// The SSH settings, if the communicator is `ssh`.
    pub fn ssh(&self) -> Option<&Ssh> {
        match &self.communicator {
            Communicator::Ssh(ssh) => Some(ssh),
            Communicator::None => None,
        }
    }
}

/// Processor, memory, machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// `qemu_binary`, a name on `PATH` or a path. Default `qemu-system-x86_64`.
    pub qemu_binary: String,
    /// `machine_type`. Default `pc`.
    pub machine: String,
    /// `accelerator`. `None`: the best one that works on this host.
    pub accelerator: Option<Accelerator>,
    /// `cpu_model`. `None`: QEMU's default. `host` becomes `max` without KVM.
    pub cpu_model: Option<String>,
    /// `cpus` and topology.
    pub smp: Smp,
    /// `memory` in MiB. Default 512; less than 10 is taken as 512, as in Packer.
    pub memory_mib: u64,
    /// `vga`; `None` is QEMU's default for the machine.
    pub vga: Option<String>,
    /// `net_device`. Default `virtio-net`.
    pub net_device: String,
    /// `vtpm`: a TPM emulated by `swtpm`.
    pub tpm: Option<Tpm>,
}

impl Default for Hardware {
    fn default() -> Self {
        Self {
            qemu_binary: "qemu-system-x86_64".into(),
            machine: "pc".into(),
            accelerator: None,
            cpu_model: None,
            smp: Smp::default(),
            memory_mib: 512,
            vga: None,
            net_device: "virtio-net".into(),
            tpm: None,
        }
    }
}

/// An emulated TPM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tpm {
    /// `tpm_device_type`. Default `tpm-tis`.
    pub device: String,
    /// `use_tpm1`: version 1.2 instead of 2.0.
    pub version_1: bool,
}

/// `cpus`, `sockets`, `cores`, `threads`; zero is "not set".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Smp {
    /// Virtual processors.
    pub cpus: u32,
    /// Sockets.
    pub sockets: u32,
    /// Cores per socket.
    pub cores: u32,
    /// Threads per core.
    pub threads: u32,
}

impl Smp {
    /// How many processors the topology holds, if there is one.
    fn topology(self) -> Option<u32> {
        let set = [self.sockets, self.cores, self.threads].into_iter().filter(|n| *n > 0);
        set.reduce(u32::saturating_mul)
    }

    /// Processors the guest gets: `cpus`, at most what the topology holds; the
    /// topology alone if `cpus` is not set; else 1.
    pub fn total(self) -> u32 {
        match (self.cpus, self.topology()) {
            (0, topology) => topology.unwrap_or(1),
            (cpus, Some(topology)) => cpus.min(topology),
            (cpus, None) => cpus,
        }
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value a template may use, in the order of the documentation.
            pub const NAMES: &[&str] = &[$($text),+];

            /// The word used in templates and by QEMU.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value for a template's word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

choice! {
    /// `accelerator`: what runs the guest's instructions. Packer knows more
    /// (`xen`, `hvf`, `whpx`, ...) than Linux hosts of this tree have.
    Accelerator {
        /// Hardware virtualization.
        Kvm = "kvm",
        /// Emulation.
        Tcg = "tcg",
        /// No `accel=` at all, which is emulation.
        None = "none",
    }
}

choice! {
    /// `disk_interface`.
    DiskInterface {
        /// virtio-blk.
        Virtio = "virtio",
        /// A virtio SCSI controller with disks on it.
        VirtioScsi = "virtio-scsi",
        /// IDE.
        Ide = "ide",
        /// SATA, an alias QEMU refuses on many machines.
        Sata = "sata",
        /// SCSI.
        Scsi = "scsi",
        /// SD card.
        Sd = "sd",
    }
}

choice! {
    /// `cdrom_interface`.
    CdInterface {
        /// IDE.
        Ide = "ide",
        /// SATA.
        Sata = "sata",
        /// SCSI.
        Scsi = "scsi",
        /// SD card.
        Sd = "sd",
        /// virtio-blk.
        Virtio = "virtio",
        /// On the virtio SCSI controller.
        VirtioScsi = "virtio-scsi",
    }
}

choice! {
    /// `disk_cache`.
    Cache {
        /// Host cache, guest flushes go to the disk.
        Writeback = "writeback",
        /// Every write goes to the disk.
        Writethrough = "writethrough",
        /// No host cache.
        None = "none",
        /// Guest flushes are ignored.
        Unsafe = "unsafe",
        /// No host cache and every write goes to the disk.
        Directsync = "directsync",
    }
}

choice! {
    /// `format` of the disk.
    DiskFormat {
        /// QEMU's copy-on-write format.
        Qcow2 = "qcow2",
        /// Plain bytes.
        Raw = "raw",
    }
}

/// The disk that the build makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// `disk_size` as `qemu-img` takes it. Default `40960M`.
    pub size: String,
    /// `disk_additional_size`: more disks of these sizes.
    pub additional: Vec<String>,
    /// `disk_interface`. Default `virtio`.
    pub interface: DiskInterface,
    /// `disk_cache`. Packer's default is `writeback`; `None` lets the engine use
    /// `unsafe`, because a build that the host does not survive starts anew.
    pub cache: Option<Cache>,
    /// `disk_discard` is `unmap` (default `ignore`).
    pub discard: bool,
    /// `disk_detect_zeroes`, unless it is `off`.
    pub detect_zeroes: Option<String>,
    /// `format`. Default `qcow2`.
    pub format: DiskFormat,
    /// `use_backing_file`: the medium stays where it is, changes go to the disk.
    pub use_backing_file: bool,
    /// `skip_resize_disk`: a disk image keeps its size.
    pub skip_resize: bool,
    /// `disk_compression`: rewrite the finished disk with compressed clusters.
    pub compress: bool,
    /// `qemu_img_args`: extra arguments for `convert`.
    pub convert_args: Vec<String>,
    /// `qemu_img_args`: extra arguments for `create`.
    pub create_args: Vec<String>,
    /// `qemu_img_args`: extra arguments for `resize`.
    pub resize_args: Vec<String>,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            size: "40960M".into(),
            additional: Vec::new(),
            interface: DiskInterface::Virtio,
            cache: None,
            discard: false,
            detect_zeroes: None,
            format: DiskFormat::Qcow2,
            use_backing_file: false,
            skip_resize: false,
            compress: false,
            convert_args: Vec::new(),
            create_args: Vec::new(),
            resize_args: Vec::new(),
        }
    }
}

/// `cd_files`, `cd_content`, `cd_label`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cd {
    /// Files and directories, relative to the template directory.
    pub files: Vec<PathBuf>,
    /// Path on the CD and its content.
    pub content: IndexMap<String, String>,
    /// Volume label. Packer's default is `packer`.
    pub label: Option<String>,
}

impl Cd {
    /// Whether a CD is to be made at all.
    pub fn is_wanted(&self) -> bool {
        !self.files.is_empty() || !self.content.is_empty()
    }
}

/// Firmware of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// What the machine type brings (SeaBIOS on `pc` and `q35`).
    Machine,
    /// `firmware`: another BIOS image (`-bios`).
    Bios(PathBuf),
    /// `firmware` with `use_pflash`: a read-only flash chip.
    Flash(PathBuf),
    /// `efi_boot`.
    Efi {
        /// `efi_firmware_code`; `None`: the host's pair for this machine.
        code: Option<PathBuf>,
        /// `efi_firmware_vars`; `None`: the host's pair. Always used as a copy.
        vars: Option<PathBuf>,
    },
}

/// `http_directory` or `http_content`, and the ports to serve on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Directory, relative to the template directory.
    pub directory: Option<PathBuf>,
    /// Path (with a leading slash) and content.
    pub content: IndexMap<String, String>,
    /// `http_port_min` and `http_port_max`, inclusive. Default 8000 to 9000.
    pub ports: (u16, u16),
}

impl Default for Http {
    fn default() -> Self {
        Self { directory: None, content: IndexMap::new(), ports: (8000, 9000) }
    }
}

impl Http {
    /// Whether there is anything to serve.
    pub fn is_wanted(&self) -> bool {
        self.directory.is_some() || !self.content.is_empty()
    }
}
