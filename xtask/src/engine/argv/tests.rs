use super::super::host::Flash;
use super::super::spec::{Communicator, Ssh, Tpm};
use super::*;

fn host(accelerator: Accelerator) -> QemuHost {
    QemuHost {
        qemu_system: "/usr/bin/qemu-system-x86_64".into(),
        qemu_img: "/usr/bin/qemu-img".into(),
        version: (7, 2, 0),
        accelerator,
        xorriso: None,
        firmware: None,
        window: false,
        askpass: "/bin/false".into(),
    }
}

fn paths() -> WorkPaths {
    WorkPaths {
        root: "/w".into(),
        template: "/t".into(),
        output: "/w/output".into(),
        logs: "/w/logs".into(),
        secrets: "/w/secrets".into(),
        sockets: "/w/s".into(),
    }
}

fn cloud() -> (VmSpec, Prepared) {
    let mut spec = VmSpec::new("debian", "/media/base.qcow2");
    spec.disk_image = true;
    spec.headless = true;
    spec.hardware.memory_mib = 2048;
    spec.hardware.smp.cpus = 2;
    spec.communicator = Communicator::Ssh(Box::new(Ssh::new("root")));
    let prepared = Prepared {
        disks: vec!["/w/output/packer-debian".into()],
        cd: Some("/w/output/cd.iso".into()),
        ..Prepared::default()
    };
    (spec, prepared)
}

fn efi() -> Efi {
    let flash = |path: &str| Flash { path: path.into(), format: "raw" };
    Efi { code: flash("/fw/CODE.fd"), vars: flash("/w/output/efivars.fd") }
}

/// One switch with its value per line.
fn lines(argv: &[OsString]) -> String {
    let mut text = String::new();
    for word in argv.iter().map(|word| word.to_string_lossy()) {
        text.push_str(if word.starts_with('-') { "\n" } else { " " });
        text.push_str(&word);
    }
    text.trim_start().to_owned()
}

fn show(spec: &VmSpec, accelerator: Accelerator, prepared: &Prepared) -> String {
    lines(&argv(spec, &host(accelerator), &paths(), prepared).unwrap())
}

#[test]
fn disk_image_with_bios_and_emulation() {
    let (spec, prepared) = cloud();
    insta::assert_snapshot!(show(&spec, Accelerator::Tcg, &prepared));
}

#[test]
fn disk_image_with_uefi_and_kvm() {
    let (mut spec, mut prepared) = cloud();
    spec.firmware = Firmware::Efi { code: None, vars: None };
    spec.hardware.machine = "q35".into();
    spec.hardware.cpu_model = Some("host".into());
    spec.cdrom_interface = Some(CdInterface::VirtioScsi);
    prepared.efi = Some(efi());
    prepared.view = View::Screen;
    insta::assert_snapshot!(show(&spec, Accelerator::Kvm, &prepared));
}

#[test]
fn installer_on_arm64_with_scsi_and_tpm() {
    let (mut spec, mut prepared) = cloud();
    spec.disk_image = false;
    spec.medium = "/media/a,b.iso".into();
    spec.hardware.machine = "virt".into();
    spec.hardware.cpu_model = Some("host,pmu=off".into());
    spec.hardware.tpm = Some(Tpm { device: "tpm-tis-device".into(), version_1: false });
    spec.disk.interface = DiskInterface::VirtioScsi;
    spec.disk.cache = Some(Cache::Writeback);
    spec.disk.discard = true;
    spec.disk.detect_zeroes = Some("unmap".into());
    spec.firmware = Firmware::Efi { code: None, vars: None };
    spec.communicator = Communicator::None;
    spec.qemuargs = vec![
        vec!["-device".into(), "qemu-xhci".into()],
        vec!["-device".into(), "usb-kbd".into()],
        vec!["-no-reboot".into()],
    ];
    prepared.efi = Some(efi());
    prepared.tpm = Some("/w/s/tpm".into());
    insta::assert_snapshot!(show(&spec, Accelerator::Tcg, &prepared));
}

#[test]
fn a_switch_in_qemuargs_drops_its_defaults_and_nothing_else() {
    let (mut spec, mut prepared) = cloud();
    spec.qemuargs = vec![
        vec!["-drive".into(), "file={{ .OutputDir }}/{{ .Name }},if=ide".into()],
        vec!["-serial".into(), "file:/w/my.log".into()],
        vec![
            "-fw_cfg".into(),
            "name=a,".into(),
            "string=http://{{ .HTTPIP }}:{{ .HTTPPort }}".into(),
        ],
    ];
    prepared.http_port = Some(8123);
    let text = show(&spec, Accelerator::Tcg, &prepared);
    assert_eq!(text.matches("-drive").count(), 1, "{text}");
    assert!(text.contains("-drive file=/w/output/packer-debian,if=ide"), "{text}");
    assert!(text.contains("-device virtio-net,netdev=user.0"), "{text}");
    assert!(text.contains("-fw_cfg name=a,string=http://10.0.2.2:8123"), "{text}");
    assert_eq!(text.matches("-serial").count(), 1, "{text}");
    assert_eq!(serial_file(&spec, &paths()), Some("/w/my.log".into()));
    spec.qemuargs.clear();
    assert_eq!(serial_file(&spec, &paths()), Some("/w/logs/serial.log".into()));
}

#[test]
fn smp_as_packer_counts_it() {
    use super::super::spec::Smp;
    for (cpus, sockets, cores, threads, text) in [
        (0, 0, 0, 0, "1"),
        (4, 0, 0, 0, "4"),
        (0, 2, 2, 1, "4,sockets=2,cores=2,threads=1"),
        (8, 1, 2, 0, "2,sockets=1,cores=2"),
        (1, 2, 2, 0, "1,sockets=2,cores=2"),
        (0, 0, 4, 0, "4,cores=4"),
    ] {
        let (mut spec, _) = cloud();
        spec.hardware.smp = Smp { cpus, sockets, cores, threads };
        assert_eq!(smp(&spec), text);
    }
}

#[test]
fn nothing_listens_on_other_addresses_than_loopback() {
    let (mut spec, mut prepared) = cloud();
    prepared.view = View::Screen;
    for headless in [true, false] {
        spec.headless = headless;
        let text = show(&spec, Accelerator::Tcg, &prepared);
        for line in text.lines().filter(|l| l.contains("hostfwd") || l.contains("-vnc")) {
            assert!(line.contains("127.0.0.1:"), "{line}");
        }
        assert!(text.contains("-vnc") && text.contains("hostfwd"));
    }
}
