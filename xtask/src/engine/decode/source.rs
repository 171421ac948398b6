//! A qemu source's body as a [`VmSpec`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::BuildSource;

use super::reader::Reader;
use crate::engine::spec::{
    Accelerator, Boot, BootStep, Cache, Cd, CdInterface, Communicator, Disk, DiskFormat,
    DiskInterface, Firmware, Hardware, Http, Shutdown, Smp, Ssh, Tpm, VmSpec,
};

/// Known to Packer, of no meaning here: what and why.
const IGNORED: [(&str, &str); 18] = [
    ("iso_url", "the medium is fetched before the engine starts"),
    ("iso_urls", "the same"),
    ("iso_checksum", "the same"),
    ("iso_target_path", "the same"),
    ("iso_target_extension", "the same"),
    ("output_directory", "the build's work directory is used"),
    ("skip_compaction", "pack reads only what the file system holds"),
    ("efi_drop_efivars", "the private copy is never kept"),
    ("vnc_bind_address", "VNC is on 127.0.0.1, and only with --view"),
    ("vnc_port_min", "QEMU chooses a free port"),
    ("vnc_port_max", "the same"),
    ("vnc_use_password", "VNC is on 127.0.0.1 only"),
    ("vnc_password", "the same"),
    ("disable_vnc", "keys are typed through QMP"),
    ("host_port_min", "QEMU chooses a free port"),
    ("host_port_max", "the same"),
    ("http_bind_address", "the server is on 127.0.0.1, which the guest knows as 10.0.2.2"),
    ("ssh_clear_authorized_keys", "the build's own key never reaches authorized_keys"),
];

pub(super) fn decode(source: &BuildSource, medium: &Path) -> Result<VmSpec, Vec<Diagnostic>> {
    let mut r = Reader::new(&source.body);
    r.ignore(&IGNORED);
    let mut spec = VmSpec::new(&source.name, medium);
    if let Some(name) = r.filled("vm_name") {
        spec.vm_name = name;
    }
    spec.hardware = hardware(&mut r);
    spec.disk_image = r.flag("disk_image");
    spec.disk = disk(&mut r);
    spec.cd = cd(&mut r);
    spec.cdrom_interface = r.word("cdrom_interface", CdInterface::NAMES, CdInterface::parse);
    spec.firmware = firmware(&mut r);
    spec.http = http(&mut r);
    spec.boot = boot(&mut r);
    spec.communicator = communicator(&mut r);
    spec.shutdown = shutdown(&mut r);
    spec.qemuargs = r.rows("qemuargs");
    spec.headless = r.flag("headless");
    let qmp = r.path("qmp_socket_path");
    spec.qmp_socket = if r.flag("qmp_enable") { qmp } else { None };
    match r.finish("qemu source") {
        problems if problems.is_empty() => Ok(spec),
        problems => Err(problems),
    }
}

fn hardware(r: &mut Reader<'_>) -> Hardware {
    let default = Hardware::default();
    let device = r.filled("tpm_device_type");
    let version_1 = r.flag("use_tpm1");
    let tpm = r.flag("vtpm").then(|| Tpm {
        device: device.unwrap_or_else(|| "tpm-tis".into()),
        version_1,
    });
    // Packer takes less than 10 MiB for a mistake.
    let memory = r.number("memory").filter(|m: &u64| *m >= 10);
    Hardware {
        qemu_binary: r.filled("qemu_binary").unwrap_or(default.qemu_binary),
        machine: r.filled("machine_type").unwrap_or(default.machine),
        accelerator: r.word("accelerator", Accelerator::NAMES, Accelerator::parse),
        cpu_model: r.filled("cpu_model"),
        smp: Smp {
            cpus: r.number("cpus").unwrap_or(0),
            sockets: r.number("sockets").unwrap_or(0),
            cores: r.number("cores").unwrap_or(0),
            threads: r.number("threads").unwrap_or(0),
        },
        memory_mib: memory.unwrap_or(default.memory_mib),
        vga: r.filled("vga"),
        net_device: r.filled("net_device").unwrap_or(default.net_device),
        tpm,
    }
}

fn disk(r: &mut Reader<'_>) -> Disk {
    let default = Disk::default();
    let detect = r.filled("disk_detect_zeroes").filter(|mode| mode != "off");
    let discard = r.filled("disk_discard").is_some_and(|mode| mode == "unmap");
    Disk {
        // A plain number is MiB, as in Packer.
        size: r.filled("disk_size").map_or(default.size, |size| {
            if size.bytes().all(|b| b.is_ascii_digit()) { format!("{size}M") } else { size }
        }),
        additional: r.texts("disk_additional_size").unwrap_or_default(),
        interface: r
            .word("disk_interface", DiskInterface::NAMES, DiskInterface::parse)
            .unwrap_or(default.interface),
        cache: r.word("disk_cache", Cache::NAMES, Cache::parse),
        discard,
        detect_zeroes: detect,
        format: r.word("format", DiskFormat::NAMES, DiskFormat::parse).unwrap_or(default.format),
        use_backing_file: r.flag("use_backing_file"),
        skip_resize: r.flag("skip_resize_disk"),
        compress: r.flag("disk_compression"),
        ..Disk::default()
    }
}

fn cd(r: &mut Reader<'_>) -> Cd {
    Cd { files: r.paths("cd_files"), content: r.map("cd_content"), label: r.filled("cd_label") }
}

fn firmware(r: &mut Reader<'_>) -> Firmware {
    let (code, vars) = (r.path("efi_firmware_code"), r.path("efi_firmware_vars"));
    let efi = r.flag("efi_boot");
    let flash = r.flag("use_pflash");
    match (efi || code.is_some(), r.path("firmware")) {
        (true, _) => Firmware::Efi { code, vars },
        (false, Some(image)) if flash => Firmware::Flash(image),
        (false, Some(image)) => Firmware::Bios(image),
        (false, None) => Firmware::Machine,
    }
}

fn http(r: &mut Reader<'_>) -> Http {
    let default = Http::default();
    let slashed = |(path, text): (String, String)| (format!("/{}", path.trim_start_matches('/')), text);
    Http {
        directory: r.path("http_directory"),
        content: r.map("http_content").into_iter().map(slashed).collect(),
        ports: (
            r.number("http_port_min").unwrap_or(default.ports.0),
            r.number("http_port_max").unwrap_or(default.ports.1),
        ),
    }
}

fn boot(r: &mut Reader<'_>) -> Boot {
    let keys = r.texts("boot_command").unwrap_or_default().concat();
    let rows = r.rows("boot_steps");
    let mut steps: Vec<BootStep> = rows
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            Some(BootStep { keys: row.next()?, description: row.next() })
        })
        .collect();
    if !keys.is_empty() {
        steps.push(BootStep { keys, description: None });
    }
    Boot {
        wait: r.duration("boot_wait").unwrap_or(Boot::default().wait),
        steps,
        key_interval: r.duration("boot_key_interval"),
    }
}

fn communicator(r: &mut Reader<'_>) -> Communicator {
    let kind = r.filled("communicator").unwrap_or_else(|| "ssh".into());
    let ssh = ssh(r);
    match kind.as_str() {
        "none" => Communicator::None,
        "ssh" => Communicator::Ssh(ssh),
        other => {
            let reason = format!("the built-in engine has `ssh` and `none`, not `{other}`");
            r.problem("communicator", &reason);
            Communicator::None
        }
    }
}

fn ssh(r: &mut Reader<'_>) -> Ssh {
    let default = Ssh::new(&r.filled("ssh_username").unwrap_or_default());
    let timeout: Option<Duration> = r.duration("ssh_timeout");
    let attempts = r.number("ssh_handshake_attempts");
    Ssh {
        password: r.filled("ssh_password"),
        private_key_file: r.path("ssh_private_key_file"),
        temporary_key: (
            r.filled("temporary_key_pair_type").unwrap_or(default.temporary_key.0),
            r.number("temporary_key_pair_bits").unwrap_or(0),
        ),
        port: r.number("ssh_port").unwrap_or(default.port),
        handshake_attempts: match (attempts, timeout) {
            (Some(attempts), _) => Some(attempts),
            (None, Some(_)) => None,
            (None, None) => default.handshake_attempts,
        },
        timeout: timeout.or(default.timeout),
        pty: r.flag("ssh_pty"),
        ciphers: r.texts("ssh_ciphers").unwrap_or_default(),
        kex: r.texts("ssh_key_exchange_algorithms").unwrap_or_default(),
        keep_alive: r.duration("ssh_keep_alive_interval").unwrap_or(default.keep_alive),
        username: default.username,
    }
}

fn shutdown(r: &mut Reader<'_>) -> Shutdown {
    Shutdown {
        command: r.filled("shutdown_command"),
        timeout: r.duration("shutdown_timeout").unwrap_or(Shutdown::default().timeout),
    }
}

/// The template's own idea of its medium; replaced once the file is here.
pub(super) fn medium(source: &BuildSource) -> PathBuf {
    source.body.string("iso_url").ok().flatten().unwrap_or_default().into()
}
