//! The `qemu` source.

use std::time::Duration;

use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::BuildSource;

use super::reader::Reader;
use crate::engine::argv::HOST_IN_GUEST;
use crate::engine::spec::{
    Accelerator, Boot, BootStep, Cache, Cd, CdInterface, Communicator, Disk, DiskFormat,
    DiskInterface, Firmware, Hardware, Http, Shutdown, Smp, Ssh, Tpm, VmSpec,
};
use crate::engine::template::Context;
use crate::engine::typing;

/// Reads a source; what is wrong goes to `problems`.
pub(super) fn spec(source: &BuildSource, problems: &mut Vec<Diagnostic>) -> VmSpec {
    let url = source.body.string("iso_url").ok().flatten();
    let mut spec = VmSpec::new(&source.name, url.unwrap_or_default());
    let images = source.body.blocks_of("qemu_img_args");
    for block in images {
        let mut reader = Reader::new(&block.body, problems);
        spec.disk.convert_args = reader.texts("convert");
        spec.disk.create_args = reader.texts("create");
        spec.disk.resize_args = reader.texts("resize");
        reader.finish_step();
    }
    let mut reader = Reader::new(&source.body, problems);
    let r = &mut reader;
    if let Some(name) = r.text("vm_name") {
        spec.vm_name = name;
    }
    spec.hardware = hardware(r);
    spec.disk_image = r.flag("disk_image");
    disk(r, &mut spec);
    spec.cd = cd(r);
    spec.cdrom_interface = r.choice("cdrom_interface", CdInterface::NAMES, CdInterface::parse);
    spec.firmware = firmware(r);
    spec.http = http(r);
    spec.boot = boot(r);
    spec.communicator = communicator(r);
    spec.shutdown = shutdown(r);
    spec.qemuargs = qemuargs(r);
    spec.headless = r.flag("headless");
    let socket = r.path("qmp_socket_path");
    spec.qmp_socket = socket.filter(|_| r.flag("qmp_enable"));
    r.skip("qmp_enable");
    check(r, &spec);
    reader.finish_source(&["qemu_img_args"]);
    spec
}

fn hardware(r: &mut Reader<'_>) -> Hardware {
    let default = Hardware::default();
    let memory = r.number("memory").unwrap_or(0_u64);
    Hardware {
        qemu_binary: r.text("qemu_binary").unwrap_or(default.qemu_binary),
        machine: r.text("machine_type").unwrap_or(default.machine),
        accelerator: r.choice("accelerator", Accelerator::NAMES, Accelerator::parse),
        cpu_model: r.text("cpu_model"),
        smp: Smp {
            cpus: r.number("cpus").unwrap_or(0),
            sockets: r.number("sockets").unwrap_or(0),
            cores: r.number("cores").unwrap_or(0),
            threads: r.number("threads").unwrap_or(0),
        },
        // Packer takes less than 10 for a mistake.
        memory_mib: if memory < 10 { default.memory_mib } else { memory },
        vga: r.text("vga"),
        net_device: r.text("net_device").unwrap_or(default.net_device),
        tpm: tpm(r),
    }
}

fn tpm(r: &mut Reader<'_>) -> Option<Tpm> {
    let device = r.text("tpm_device_type").unwrap_or_else(|| "tpm-tis".into());
    let version_1 = r.flag("use_tpm1");
    r.flag("vtpm").then_some(Tpm { device, version_1 })
}

fn disk(r: &mut Reader<'_>, spec: &mut VmSpec) {
    let default = std::mem::take(&mut spec.disk);
    let discard = r.choice("disk_discard", &["unmap", "ignore"], |word| match word {
        "unmap" => Some(true),
        "ignore" => Some(false),
        _ => None,
    });
    let zeroes = r.choice("disk_detect_zeroes", &["unmap", "on", "off"], |word| {
        ["unmap", "on", "off"].contains(&word).then(|| word.to_owned())
    });
    spec.disk = Disk {
        size: size(r).unwrap_or(default.size.clone()),
        additional: r.texts("disk_additional_size"),
        interface: r
            .choice("disk_interface", DiskInterface::NAMES, DiskInterface::parse)
            .unwrap_or(default.interface),
        cache: r.choice("disk_cache", Cache::NAMES, Cache::parse),
        discard: discard.unwrap_or(false),
        detect_zeroes: zeroes.filter(|word| word != "off"),
        format: r.choice("format", DiskFormat::NAMES, DiskFormat::parse).unwrap_or(default.format),
        use_backing_file: r.flag("use_backing_file"),
        skip_resize: r.flag("skip_resize_disk"),
        compress: r.flag("disk_compression"),
        ..default
    };
}

/// `disk_size`: digits and one of `b k m g t`; without a unit it is MiB.
fn size(r: &mut Reader<'_>) -> Option<String> {
    let size = r.text("disk_size").filter(|size| size != "0")?;
    let digits = size.trim_end_matches(|c: char| "bkmgtBKMGT".contains(c));
    let unit = size.len().saturating_sub(digits.len());
    if digits.is_empty() || unit > 1 || !digits.chars().all(|c| c.is_ascii_digit()) {
        r.wrong("disk_size", &format!("`{size}` is no size such as \"8G\" or \"40960M\""));
        return None;
    }
    Some(if unit == 0 { format!("{size}M") } else { size })
}

fn cd(r: &mut Reader<'_>) -> Cd {
    Cd {
        files: r.texts("cd_files").into_iter().map(Into::into).collect(),
        content: r.map("cd_content"),
        label: r.text("cd_label"),
    }
}

fn firmware(r: &mut Reader<'_>) -> Firmware {
    let (code, vars) = (r.path("efi_firmware_code"), r.path("efi_firmware_vars"));
    let (firmware, flash) = (r.path("firmware"), r.flag("use_pflash"));
    if r.flag("efi_boot") || code.is_some() || vars.is_some() {
        return Firmware::Efi { code, vars };
    }
    match firmware {
        Some(path) if flash => Firmware::Flash(path),
        Some(path) => Firmware::Bios(path),
        None => Firmware::Machine,
    }
}

fn http(r: &mut Reader<'_>) -> Http {
    let default = Http::default();
    let http = Http {
        directory: r.path("http_directory"),
        content: r.map("http_content"),
        ports: (
            r.number("http_port_min").unwrap_or(default.ports.0),
            r.number("http_port_max").unwrap_or(default.ports.1),
        ),
    };
    if http.directory.is_some() && !http.content.is_empty() {
        r.wrong("http_content", "it cannot be used together with http_directory");
    }
    if http.ports.0 > http.ports.1 {
        r.wrong("http_port_min", "it is greater than http_port_max");
    }
    for path in http.content.keys().filter(|path| !path.starts_with('/')) {
        r.wrong("http_content", &format!("the path `{path}` needs a leading slash"));
    }
    http
}

fn boot(r: &mut Reader<'_>) -> Boot {
    let command = r.texts("boot_command").concat();
    let rows = r.rows("boot_steps");
    if !command.is_empty() && !rows.is_empty() {
        r.wrong("boot_steps", "it cannot be used together with boot_command");
    }
    let step = |row: Vec<String>| {
        let mut row = row.into_iter();
        let keys = row.next()?;
        Some(BootStep { keys, description: row.next().filter(|text| !text.is_empty()) })
    };
    let mut steps: Vec<BootStep> = rows.into_iter().filter_map(step).collect();
    if !command.is_empty() {
        steps = vec![BootStep { keys: command, description: None }];
    }
    let boot = Boot {
        wait: r.time_or_none("boot_wait").unwrap_or(Boot::default().wait),
        steps,
        key_interval: r.time("boot_key_interval"),
    };
    // Read now with stand-ins: a key that cannot be typed is known before the
    // VM runs.
    let stand_ins = Context::new()
        .with("HTTPIP", HOST_IN_GUEST)
        .with("HTTPPort", "8000")
        .with("Name", "name")
        .with("SSHPublicKey", "key");
    if let Err(trouble) = typing::prepare(&boot, &stand_ins) {
        let name = if boot.steps.len() > 1 { "boot_steps" } else { "boot_command" };
        r.wrong(name, &trouble.message);
    }
    boot
}

fn communicator(r: &mut Reader<'_>) -> Communicator {
    let kind = r.text("communicator").unwrap_or_else(|| "ssh".into());
    // Read in every case: they are fine, though without effect, with `none`.
    let ssh = ssh(r, kind == "ssh");
    match kind.as_str() {
        "none" => Communicator::None,
        "ssh" => Communicator::Ssh(Box::new(ssh)),
        other => {
            let reason = format!(
                "the built-in engine knows ssh and none, not `{other}`; build with --engine packer"
            );
            r.wrong("communicator", &reason);
            Communicator::None
        }
    }
}

fn ssh(r: &mut Reader<'_>, needed: bool) -> Ssh {
    let username = r.text("ssh_username");
    if username.is_none() && needed {
        r.problem("Missing required argument", "The communicator \"ssh\" needs \"ssh_username\".");
    }
    let mut ssh = Ssh::new(&username.unwrap_or_default());
    ssh.password = r.text("ssh_password");
    ssh.private_key_file = r.path("ssh_private_key_file");
    ssh.port = r.number("ssh_port").unwrap_or(ssh.port);
    let timeout = r.time("ssh_wait_timeout");
    let timeout = timeout.or(r.time("ssh_timeout"));
    r.skip("ssh_timeout");
    let attempts = r.number("ssh_handshake_attempts");
    if timeout.is_some() || attempts.is_some() {
        (ssh.timeout, ssh.handshake_attempts) = (timeout, attempts);
    }
    ssh.pause = r.time("pause_before_connecting").unwrap_or(Duration::ZERO);
    ssh.pty = r.flag("ssh_pty");
    ssh.ciphers = r.texts("ssh_ciphers");
    ssh.kex = r.texts("ssh_key_exchange_algorithms");
    ssh.keep_alive = r.time_or_none("ssh_keep_alive_interval").unwrap_or(ssh.keep_alive);
    let kind = r.text("temporary_key_pair_type").unwrap_or(ssh.temporary_key.0);
    ssh.temporary_key = (kind, r.number("temporary_key_pair_bits").unwrap_or(0));
    ssh
}

fn shutdown(r: &mut Reader<'_>) -> Shutdown {
    Shutdown {
        command: r.text("shutdown_command"),
        timeout: r.time("shutdown_timeout").unwrap_or(Shutdown::default().timeout),
    }
}

fn qemuargs(r: &mut Reader<'_>) -> Vec<Vec<String>> {
    let rows = r.rows("qemuargs");
    for row in &rows {
        if !row.first().is_some_and(|switch| switch.starts_with('-')) {
            r.wrong("qemuargs", "every row starts with a switch such as \"-device\"");
        }
    }
    rows
}

/// What Packer refuses too.
fn check(r: &mut Reader<'_>, spec: &VmSpec) {
    let disk = &spec.disk;
    if disk.use_backing_file && !(spec.disk_image && disk.format == DiskFormat::Qcow2) {
        r.wrong("use_backing_file", "it needs disk_image = true and format = \"qcow2\"");
    }
    if disk.skip_resize && !spec.disk_image {
        r.wrong("skip_resize_disk", "it needs disk_image = true");
    }
    if spec.vm_name.contains('/') {
        r.wrong("vm_name", "it is a file name, so it holds no slash");
    }
}
