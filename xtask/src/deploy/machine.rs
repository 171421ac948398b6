//! The two virtual machines as QEMU arguments. Pure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::layout::DISK_SERIAL;
use super::start::{BUNDLE_SERIAL, DirectStart};
use crate::arch::Arch;
use crate::host::firmware::FlashFormat;

/// The guest's gateway and its name for the host under user networking.
pub const GATEWAY: &str = "10.0.2.2";
/// Its name for the host where it reaches nothing else.
pub const RELAY: &str = "10.0.2.100";
/// The guest's address and its name server under user networking.
pub const GUEST_ADDRESS: &str = "10.0.2.15";
/// Name server of user networking.
pub const NAME_SERVER: &str = "10.0.2.3";
/// Hardware address of the machine; QEMU's own prefix.
pub const MAC: &str = "52:54:00:de:b1:0e";

/// What starts the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Firmware {
    /// UEFI, with an ESP.
    #[default]
    Uefi,
    /// Legacy BIOS, with a BIOS boot partition. amd64 only.
    Bios,
}

impl Firmware {
    /// Word on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uefi => "uefi",
            Self::Bios => "bios",
        }
    }
}

/// What the deployed disk is attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum DiskBus {
    /// virtio-blk.
    #[default]
    Virtio,
    /// NVMe, as most new servers.
    Nvme,
    /// virtio-scsi.
    Scsi,
    /// AHCI. amd64 only.
    Sata,
}

impl DiskBus {
    /// Word on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Virtio => "virtio",
            Self::Nvme => "nvme",
            Self::Scsi => "scsi",
            Self::Sata => "sata",
        }
    }
}

/// A UEFI pair: shared code, private variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flash {
    /// Read-only code.
    pub code: PathBuf,
    /// Format of the code.
    pub code_format: FlashFormat,
    /// Variables of this machine.
    pub vars: PathBuf,
    /// Format of the variables.
    pub vars_format: FlashFormat,
}

/// A disk of the machine, qcow2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// File.
    pub path: PathBuf,
    /// Serial number the guest sees.
    pub serial: &'static str,
    /// Where it is attached.
    pub bus: DiskBus,
}

/// What makes a site worse than a test bench.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adversity {
    /// The machine reaches MAAS and nothing else.
    pub air_gap: bool,
    /// Its clock differs from ours by this many seconds.
    pub clock: i64,
    /// Its disk is as slow as [`SLOW_DISK`].
    pub slow_disk: bool,
}

impl Adversity {
    /// The guest's name for the host.
    #[must_use]
    pub const fn host(self) -> &'static str {
        if self.air_gap { RELAY } else { GATEWAY }
    }
}

/// A busy disk of 7200 revolutions per minute: 120 operations and 40 MB per
/// second.
pub const SLOW_DISK: (u64, u64) = (120, 40 << 20);

/// What carries connections of a machine that reaches nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// This program.
    pub program: PathBuf,
    /// Port of the HTTP server on 127.0.0.1 and in the guest.
    pub port: u16,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Architecture of guest and artifact.
    pub arch: Arch,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// Virtual CPUs.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// UEFI; BIOS without.
    pub flash: Option<Flash>,
    /// In boot order.
    pub disks: Vec<Disk>,
    /// Serial console goes here.
    pub serial: PathBuf,
    /// QMP socket.
    pub qmp: PathBuf,
    /// A port on 127.0.0.1, chosen by QEMU, leads to the guest's SSH.
    pub ssh: bool,
    /// The ephemeral system's kernel; the firmware chooses without.
    pub start: Option<DirectStart>,
    /// A screen to take pictures of.
    pub screen: bool,
    /// The only way out, if the machine is cut off.
    pub relay: Option<Relay>,
    /// The clock at power-on, `2026-11-23T14:09:00`; ours without.
    pub clock: Option<String>,
    /// The deployed disk is slow.
    pub slow_disk: bool,
}

impl Machine {
    /// Arguments of QEMU.
    #[must_use]
    pub fn argv(&self) -> Vec<OsString> {
        let mut argv: Vec<OsString> = Vec::new();
        let mut push = |switch: &str, value: OsString| argv.extend([switch.into(), value]);
        push("-name", "deploy-test".into());
        push("-machine", self.machine_option().into());
        push("-cpu", "max".into());
        push("-smp", self.cpus.to_string().into());
        push("-m", format!("{}M", self.memory_mib).into());
        let clock = self.clock.as_deref().unwrap_or("utc");
        push("-rtc", format!("base={clock}").into());
        push("-display", "none".into());
        push("-serial", file_option("file:", &self.serial, ""));
        push("-qmp", file_option("unix:", &self.qmp, ",server=on,wait=off"));
        if let Some(flash) = &self.flash {
            let code = format!(",if=pflash,unit=0,format={},readonly=on", flash.code_format);
            push("-drive", file_option("file=", &flash.code, &code));
            let vars = format!(",if=pflash,unit=1,format={}", flash.vars_format);
            push("-drive", file_option("file=", &flash.vars, &vars));
        }
        for (index, disk) in self.disks.iter().enumerate() {
            push("-drive", self.drive(disk, index));
            for device in disk_devices(disk, index) {
                push("-device", device.into());
            }
        }
        push("-netdev", self.network());
        // No option ROM: nothing shall try the network before the disk.
        push("-device", format!("virtio-net-pci,netdev=net0,mac={MAC},romfile=").into());
        push("-device", "virtio-rng-pci".into());
        if let Some(start) = &self.start {
            push("-kernel", start.kernel.clone().into());
            push("-initrd", start.initrd.clone().into());
            push("-append", start.command_line.clone().into());
            let raw = ",if=none,id=bundle,format=raw,readonly=on";
            push("-drive", file_option("file=", &start.bundle, raw));
            let serial = format!("virtio-blk-pci,drive=bundle,serial={BUNDLE_SERIAL}");
            push("-device", serial.into());
        }
        if self.screen {
            push("-device", screen(self.arch).into());
        }
        // A reboot would hide what stopped the first boot.
        argv.extend(["-nodefaults".into(), "-no-reboot".into()]);
        argv
    }
}

impl Machine {
    fn network(&self) -> OsString {
        let forward = if self.ssh { ",hostfwd=tcp:127.0.0.1:0-:22" } else { "" };
        let Some(Relay { program, port }) = &self.relay else {
            return format!("user,id=net0{forward}").into();
        };
        // QEMU starts the program for each connection and splits the command
        // as a shell would.
        let prefix = format!("user,id=net0,restrict=on{forward},guestfwd=tcp:{RELAY}:{port}-cmd:'");
        file_option(&prefix, program, &format!("' {} {port}", super::relay::WORD))
    }

    fn drive(&self, disk: &Disk, index: usize) -> OsString {
        // The disks are thrown away, so nothing needs to reach the host's.
        let mut options =
            format!(",if=none,id=disk{index},format=qcow2,cache=unsafe,discard=unmap");
        if self.slow_disk && disk.serial == DISK_SERIAL {
            let (operations, bytes) = SLOW_DISK;
            options += &format!(",throttling.iops-total={operations},throttling.bps-total={bytes}");
        }
        file_option("file=", &disk.path, &options)
    }

    fn machine_option(&self) -> String {
        // SeaBIOS, and GRUB through it, then speak on the serial port too.
        let bios = self.arch == Arch::Amd64 && self.flash.is_none();
        let serial = if bios { ",graphics=off" } else { "" };
        format!("{},accel={}{serial}", machine_type(self.arch), self.accelerator)
    }
}

/// The machine whose firmware descriptors are asked for.
#[must_use]
pub const fn machine_type(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "q35",
        Arch::Arm64 => "virt",
    }
}

fn screen(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "VGA",
        Arch::Arm64 => "virtio-gpu-pci",
    }
}

fn disk_devices(disk: &Disk, index: usize) -> Vec<String> {
    let tail = format!("drive=disk{index},serial={},bootindex={}", disk.serial, index + 1);
    match disk.bus {
        DiskBus::Virtio => vec![format!("virtio-blk-pci,{tail}")],
        DiskBus::Nvme => vec![format!("nvme,{tail}")],
        DiskBus::Scsi => vec![
            format!("virtio-scsi-pci,id=scsi{index}"),
            format!("scsi-hd,bus=scsi{index}.0,{tail}"),
        ],
        DiskBus::Sata => vec![format!("ide-hd,bus=ide.{index},{tail}")],
    }
}

/// QEMU splits options at commas; a doubled one stands for itself.
fn file_option(prefix: &str, path: &Path, suffix: &str) -> OsString {
    let mut value = OsString::from(prefix);
    match path.to_str() {
        Some(text) => value.push(text.replace(',', ",,")),
        None => value.push(path),
    }
    value.push(suffix);
    value
}

/// The disk that is deployed to.
#[must_use]
pub fn target_disk(path: &Path, bus: DiskBus) -> Disk {
    Disk { path: path.to_path_buf(), serial: DISK_SERIAL, bus }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(bus: DiskBus) -> Machine {
        Machine {
            arch: Arch::Amd64,
            accelerator: "tcg".into(),
            cpus: 2,
            memory_mib: 2048,
            flash: Some(Flash {
                code: "/fw/CODE.fd".into(),
                code_format: FlashFormat::Raw,
                vars: "/w/a,b/vars.fd".into(),
                vars_format: FlashFormat::Qcow2,
            }),
            disks: vec![target_disk(Path::new("/w/disk.qcow2"), bus)],
            serial: "/w/serial.log".into(),
            qmp: "/w/qmp".into(),
            ssh: true,
            start: None,
            screen: true,
            relay: None,
            clock: None,
            slow_disk: false,
        }
    }

    fn line(machine: &Machine) -> String {
        let words: Vec<_> =
            machine.argv().iter().map(|w| w.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    #[test]
    fn each_bus_has_its_device_with_serial_and_boot_order() {
        for (bus, device) in [
            (DiskBus::Virtio, "virtio-blk-pci,drive=disk0,serial=deploy0,bootindex=1"),
            (DiskBus::Nvme, "nvme,drive=disk0,serial=deploy0,bootindex=1"),
            (DiskBus::Scsi, "scsi-hd,bus=scsi0.0,drive=disk0,serial=deploy0,bootindex=1"),
            (DiskBus::Sata, "ide-hd,bus=ide.0,drive=disk0,serial=deploy0,bootindex=1"),
        ] {
            assert!(line(&machine(bus)).contains(device), "{bus:?}: {}", line(&machine(bus)));
        }
    }

    #[test]
    fn ports_are_on_loopback_and_commas_in_paths_survive() {
        let line = line(&machine(DiskBus::Virtio));
        assert!(line.contains("hostfwd=tcp:127.0.0.1:0-:22"), "{line}");
        assert!(line.contains("file=/w/a,,b/vars.fd,if=pflash,unit=1,format=qcow2"), "{line}");
    }

    #[test]
    fn adversity_is_in_the_arguments() {
        let program = "/a b/xtask,1".into();
        let cut_off = Machine {
            relay: Some(Relay { program, port: 80 }),
            clock: Some("2020-01-02T03:04:05".into()),
            slow_disk: true,
            ..machine(DiskBus::Nvme)
        };
        let line = line(&cut_off);
        for part in [
            "restrict=on,hostfwd=tcp:127.0.0.1:0-:22,guestfwd=tcp:10.0.2.100:80-cmd:'/a b/xtask,,1' deploy-test-relay 80",
            "-rtc base=2020-01-02T03:04:05",
            "throttling.iops-total=120",
        ] {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn a_direct_start_brings_its_own_disk() {
        let start = DirectStart {
            kernel: "/w/kernel".into(),
            initrd: "/w/initrd".into(),
            command_line: "root=x -- -c \"a, b\"".into(),
            bundle: "/w/a,b.tar".into(),
        };
        let line = line(&Machine { start: Some(start), ..machine(DiskBus::Nvme) });
        assert!(line.contains("-kernel /w/kernel -initrd /w/initrd -append root=x -- -c \"a, b\""));
        assert!(line.contains("file=/w/a,,b.tar,if=none,id=bundle,format=raw,readonly=on"));
    }

    #[test]
    fn bios_has_no_flash() {
        let machine = Machine { flash: None, ..machine(DiskBus::Virtio) };
        assert!(!line(&machine).contains("pflash"));
    }
}
