//! The QEMU command line: pure, so that a plan can show it and tests pin it.
//!
//! Packer's defaults first, then `qemuargs` by Packer's rule (a switch named
//! there drops all defaults of that switch), then what the engine itself needs
//! and no template can take away: a QMP socket and the serial console in a file.
//!
//! `-nodefaults` is not used: templates were written for the devices that QEMU
//! adds by itself under Packer (VGA, serial port), and the guest shall see the
//! same machine under both engines.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::host::{Efi, QemuHost, View, WorkPaths};
use super::spec::{Accelerator, Cache, CdInterface, DiskInterface, Firmware, VmSpec};
use super::template::{self, Context, TemplateError};

/// The guest's name for the host under user networking.
pub const HOST_IN_GUEST: &str = "10.0.2.2";

/// Files and ports that exist once the build is prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prepared {
    /// The disk of the build and additional ones, in order.
    pub disks: Vec<PathBuf>,
    /// The CD with the template's files.
    pub cd: Option<PathBuf>,
    /// UEFI code and the private copy of the variables.
    pub efi: Option<Efi>,
    /// Port of our HTTP server on 127.0.0.1.
    pub http_port: Option<u16>,
    /// Port on 127.0.0.1 that leads to the guest's SSH; 0 lets QEMU choose.
    pub ssh_port: u16,
    /// Control socket of a running `swtpm`.
    pub tpm: Option<PathBuf>,
    /// How the user watches.
    pub view: View,
}

/// Whether `qemuargs` must know the SSH port before QEMU starts.
pub fn wants_ssh_port(spec: &VmSpec) -> bool {
    spec.qemuargs.iter().flatten().any(|text| text.contains(".SSHHostPort"))
}

/// The switches and values for QEMU, without the program itself.
///
/// # Errors
/// A `{{ }}` expression in `qemuargs` cannot be rendered.
pub fn argv(
    spec: &VmSpec,
    host: &QemuHost,
    paths: &WorkPaths,
    prepared: &Prepared,
) -> Result<Vec<OsString>, TemplateError> {
    let mut switches = defaults(spec, host, prepared);
    let rows = rendered(spec, paths, prepared)?;
    override_switches(&mut switches, rows, &spec.hardware.net_device);
    let has_serial = switches.contains_key("-serial");
    let mut argv = flatten(switches);
    push(&mut argv, "-qmp", socket(&paths.qmp()));
    if let Some(path) = &spec.qmp_socket {
        push(&mut argv, "-qmp", socket(&paths.template.join(path)));
    }
    if !has_serial {
        push(&mut argv, "-serial", prefixed("file:", &paths.serial()));
    }
    Ok(argv)
}

/// The file that the serial console goes to: ours, or the one of the template.
pub fn serial_file(spec: &VmSpec, paths: &WorkPaths) -> Option<PathBuf> {
    let mut rows = spec.qemuargs.iter().filter(|row| row.first().is_some_and(|s| s == "-serial"));
    match rows.next() {
        None => Some(paths.serial()),
        Some(row) => {
            let value = row.get(1..).unwrap_or_default().concat();
            value.strip_prefix("file:").map(|file| paths.template.join(file))
        }
    }
}

type Switches = IndexMap<String, Vec<OsString>>;

fn defaults(spec: &VmSpec, host: &QemuHost, prepared: &Prepared) -> Switches {
    let mut switches = Switches::new();
    let mut set = |switch: &str, value: OsString| {
        switches.insert(switch.to_owned(), vec![value]);
    };
    let accelerator = spec.hardware.accelerator.unwrap_or(host.accelerator);
    set("-name", spec.vm_name.clone().into());
    set("-machine", machine(spec, accelerator).into());
    if let Some(model) = cpu(spec, accelerator) {
        set("-cpu", model.into());
    }
    set("-smp", smp(spec).into());
    set("-m", format!("{}M", spec.hardware.memory_mib).into());
    if !matches!(spec.firmware, Firmware::Efi { .. }) {
        // UEFI ignores it.
        set("-boot", if spec.disk_image { "c" } else { "once=d" }.into());
    }
    if let Firmware::Bios(path) = &spec.firmware {
        set("-bios", path.clone().into_os_string());
    }
    if let Some(vga) = &spec.hardware.vga {
        set("-vga", vga.into());
    }
    set("-netdev", netdev(spec, prepared.ssh_port).into());
    screen(spec, host, prepared.view, &mut set);
    if let Some(path) = &prepared.tpm {
        set("-chardev", prefixed("socket,id=vtpm,path=", &escaped(path)));
        set("-tpmdev", "emulator,id=tpm0,chardev=vtpm".into());
    }
    let (devices, drives) = devices_and_drives(spec, prepared);
    switches.insert("-device".into(), devices);
    switches.insert("-drive".into(), drives);
    switches
}

fn machine(spec: &VmSpec, accelerator: Accelerator) -> String {
    let machine = &spec.hardware.machine;
    match accelerator {
        Accelerator::None => format!("type={machine}"),
        _ => format!("type={machine},accel={}", accelerator.name()),
    }
}

/// `host` exists under KVM only; `max` is its nearest relative elsewhere.
fn cpu(spec: &VmSpec, accelerator: Accelerator) -> Option<String> {
    let model = spec.hardware.cpu_model.as_ref()?;
    let rest = model.strip_prefix("host").filter(|rest| rest.is_empty() || rest.starts_with(','));
    match rest {
        Some(flags) if accelerator != Accelerator::Kvm => Some(format!("max{flags}")),
        _ => Some(model.clone()),
    }
}

fn smp(spec: &VmSpec) -> String {
    let smp = spec.hardware.smp;
    let mut text = smp.total().to_string();
    for (name, count) in [("sockets", smp.sockets), ("cores", smp.cores), ("threads", smp.threads)]
    {
        if count > 0 {
            text.push_str(&format!(",{name}={count}"));
        }
    }
    text
}

/// Forwards on loopback only: the guest's password may be well known.
fn netdev(spec: &VmSpec, ssh_port: u16) -> String {
    let forward = spec.ssh().map(|ssh| format!(",hostfwd=tcp:127.0.0.1:{ssh_port}-:{}", ssh.port));
    format!("user,id=user.0{}", forward.unwrap_or_default())
}

fn screen(spec: &VmSpec, host: &QemuHost, view: View, set: &mut impl FnMut(&str, OsString)) {
    let wanted = view == View::Screen || !spec.headless;
    match (wanted, host.window) {
        (false, _) => set("-display", "none".into()),
        (true, true) => set("-display", "gtk".into()),
        // The first free display, asked for through QMP; on loopback only.
        (true, false) => set("-vnc", "127.0.0.1:0,to=99".into()),
    }
}

fn devices_and_drives(spec: &VmSpec, prepared: &Prepared) -> (Vec<OsString>, Vec<OsString>) {
    let (mut devices, mut drives) = (Vec::new(), Vec::new());
    for (index, disk) in prepared.disks.iter().enumerate() {
        drives.push(disk_drive(spec, index, disk));
        if spec.disk.interface == DiskInterface::VirtioScsi {
            if index == 0 {
                devices.push("virtio-scsi-pci,id=scsi0".into());
            }
            devices.push(format!("scsi-hd,bus=scsi0.0,drive=drive{index}").into());
        }
    }
    devices.push(format!("{},netdev=user.0", spec.hardware.net_device).into());
    let medium = (!spec.disk_image).then_some(&spec.medium);
    for (index, cd) in medium.into_iter().chain(&prepared.cd).enumerate() {
        add_cd(spec, index, cd, &mut devices, &mut drives);
    }
    if let Firmware::Flash(path) = &spec.firmware {
        drives.push(drive(path, "if=pflash,format=raw,readonly=on"));
    }
    if let Some(efi) = &prepared.efi {
        let code = format!("if=pflash,unit=0,format={},readonly=on", efi.code.format);
        drives.push(drive(&efi.code.path, &code));
        let vars = format!("if=pflash,unit=1,format={}", efi.vars.format);
        drives.push(drive(&efi.vars.path, &vars));
    }
    if let (Some(tpm), Some(_)) = (&spec.hardware.tpm, &prepared.tpm) {
        devices.push(format!("{},tpmdev=tpm0", tpm.device).into());
    }
    (devices, drives)
}

fn disk_drive(spec: &VmSpec, index: usize, path: &Path) -> OsString {
    let disk = &spec.disk;
    let attach = match disk.interface {
        DiskInterface::VirtioScsi => format!("if=none,id=drive{index}"),
        other => format!("if={}", other.name()),
    };
    let cache = disk.cache.unwrap_or(Cache::Unsafe).name();
    let discard = if disk.discard { "unmap" } else { "ignore" };
    let mut options =
        format!("{attach},cache={cache},discard={discard},format={}", disk.format.name());
    if let Some(mode) = &disk.detect_zeroes {
        options.push_str(&format!(",detect-zeroes={mode}"));
    }
    drive(path, &options)
}

fn add_cd(
    spec: &VmSpec,
    index: usize,
    path: &Path,
    devices: &mut Vec<OsString>,
    drives: &mut Vec<OsString>,
) {
    match spec.cdrom_interface {
        None => drives.push(drive(path, "media=cdrom")),
        Some(CdInterface::VirtioScsi) => {
            if index == 0 && spec.disk.interface != DiskInterface::VirtioScsi {
                devices.push("virtio-scsi-pci,id=scsi0".into());
            }
            drives.push(drive(path, &format!("if=none,id=cdrom{index},media=cdrom")));
            // Packer also adds the MMIO device `virtio-scsi-device`, which the
            // PCI machines `pc` and `q35` refuse.
            devices.push(format!("scsi-cd,bus=scsi0.0,drive=cdrom{index}").into());
        }
        Some(interface) => {
            let name = interface.name();
            let options = format!("if={name},index={index},id=cdrom{index},media=cdrom");
            drives.push(drive(path, &options));
        }
    }
}

fn drive(path: &Path, options: &str) -> OsString {
    let mut value = prefixed("file=", &escaped(path));
    value.push(",");
    value.push(options);
    value
}

/// QEMU splits options at commas; a doubled one stands for itself.
fn escaped(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) => PathBuf::from(text.replace(',', ",,")),
        // Bytes that are no UTF-8: QEMU takes them as they are.
        None => path.to_path_buf(),
    }
}

fn prefixed(prefix: &str, path: &Path) -> OsString {
    let mut value = OsString::from(prefix);
    value.push(path);
    value
}

fn socket(path: &Path) -> OsString {
    let mut value = prefixed("unix:", &escaped(path));
    value.push(",server=on,wait=off");
    value
}

fn rendered(
    spec: &VmSpec,
    paths: &WorkPaths,
    prepared: &Prepared,
) -> Result<Vec<Vec<String>>, TemplateError> {
    let context = Context::new()
        .with("HTTPIP", HOST_IN_GUEST)
        .with("HTTPPort", prepared.http_port.unwrap_or(0).to_string())
        .with("OutputDir", paths.output.to_string_lossy())
        .with("Name", spec.vm_name.as_str())
        .with("SSHHostPort", prepared.ssh_port.to_string());
    let row = |row: &Vec<String>| row.iter().map(|text| template::render(text, &context)).collect();
    spec.qemuargs.iter().map(row).collect()
}

fn override_switches(switches: &mut Switches, rows: Vec<Vec<String>>, net_device: &str) {
    let mut named = Switches::new();
    for row in rows {
        let mut row = row.into_iter();
        let Some(switch) = row.next() else { continue };
        let value: String = row.collect();
        let values = named.entry(switch).or_default();
        if !value.is_empty() {
            values.push(value.into());
        }
    }
    switches.extend(named);
    // Without a device for the network nothing would reach the guest, so Packer
    // adds it even where `-device` was replaced.
    if let Some(devices) = switches.get_mut("-device") {
        let has_network =
            devices.iter().any(|device| device.to_string_lossy().contains(net_device));
        if !has_network {
            devices.push(format!("{net_device},netdev=user.0").into());
        }
    }
}

fn flatten(switches: Switches) -> Vec<OsString> {
    let mut argv = Vec::new();
    for (switch, values) in switches {
        if values.is_empty() {
            argv.push(OsString::from(&switch));
        }
        for value in values {
            push(&mut argv, &switch, value);
        }
    }
    argv
}

fn push(argv: &mut Vec<OsString>, switch: &str, value: impl AsRef<OsStr>) {
    argv.push(switch.into());
    argv.push(value.as_ref().to_os_string());
}

#[cfg(test)]
mod tests;
