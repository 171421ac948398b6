use std::path::Path;
use std::time::Duration;

use packer_hcl::template::{Inputs, Template};

use super::*;
use crate::engine::spec::{Accelerator, Cache, CdInterface, Communicator, DiskInterface, Firmware};
use crate::engine::step::{Action, Script};

/// Evaluates a build of one source with these attributes and provisioners.
fn decode(attributes: &str, provisioners: &str) -> Result<(VmSpec, Vec<Step>), String> {
    let text = format!(
        "variable \"secret\" {{\n  default   = \"hunter22\"\n  sensitive = true\n}}\n\
         source \"qemu\" \"t\" {{\n{attributes}\n}}\n\
         build {{\n  sources = [\"source.qemu.t\"]\n{provisioners}\n}}\n"
    );
    let dir = Path::new("/template");
    let template = Template::from_sources(dir, &[("t.pkr.hcl", &text)]).unwrap();
    let mut inputs = Inputs::new("/", "1.11.0");
    inputs.build_values = build_values();
    let evaluated = template.evaluate(&inputs).unwrap_or_else(|problems| panic!("{problems:?}"));
    job(&evaluated.builds[0].sources[0])
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

const SSH: &str = "ssh_username = \"root\"";

#[test]
fn nothing_said_gives_packers_defaults() {
    let (spec, steps) = decode("communicator = \"none\"", "").unwrap();
    assert_eq!(spec, VmSpec::new("t", ""));
    assert!(steps.is_empty());
}

#[test]
fn every_attribute_reaches_its_place() {
    let (spec, _) = decode(
        r#"
  vm_name = "disk"
  disk_image = true
  qemu_binary = "qemu-system-aarch64"
  machine_type = "virt"
  accelerator = "tcg"
  cpu_model = "max"
  cpus = 4
  sockets = 2
  memory = 4096
  vga = "virtio"
  net_device = "e1000"
  vtpm = true
  tpm_device_type = "tpm-crb"
  disk_size = "8"
  disk_additional_size = ["1G"]
  disk_interface = "virtio-scsi"
  disk_cache = "none"
  disk_discard = "unmap"
  disk_detect_zeroes = "on"
  use_backing_file = true
  skip_resize_disk = true
  disk_compression = true
  cd_files = ["a/*"]
  cd_content = { "user-data" = "x" }
  cd_label = "cidata"
  cdrom_interface = "virtio-scsi"
  efi_firmware_code = "/c"
  http_content = { "/ks" = "y" }
  http_port_min = 9001
  http_port_max = 9002
  boot_wait = "-1s"
  boot_command = ["<enter>", "{{ .HTTPIP }}<wait5>"]
  boot_key_interval = "10ms"
  ssh_username = "u"
  ssh_password = var.secret
  ssh_port = 2200
  ssh_timeout = "30m"
  ssh_pty = true
  shutdown_command = "poweroff"
  shutdown_timeout = "20m"
  qemuargs = [["-device", "usb-kbd"], ["-no-reboot"]]
  headless = true
  qmp_enable = true
  qmp_socket_path = "/q"
  qemu_img_args {
    create = ["-o", "x"]
  }"#,
        "",
    )
    .unwrap();
    assert_eq!((spec.vm_name.as_str(), spec.disk_image, spec.headless), ("disk", true, true));
    assert_eq!(spec.hardware.accelerator, Some(Accelerator::Tcg));
    assert_eq!((spec.hardware.smp.cpus, spec.hardware.memory_mib), (4, 4096));
    assert_eq!(spec.hardware.tpm.as_ref().unwrap().device, "tpm-crb");
    assert_eq!((spec.disk.size.as_str(), spec.disk.interface), ("8M", DiskInterface::VirtioScsi));
    assert_eq!((spec.disk.cache, spec.disk.discard), (Some(Cache::None), true));
    assert_eq!(spec.disk.create_args, ["-o", "x"]);
    assert_eq!(spec.cdrom_interface, Some(CdInterface::VirtioScsi));
    assert_eq!(spec.cd.content["user-data"], "x");
    assert_eq!(spec.firmware, Firmware::Efi { code: Some("/c".into()), vars: None });
    assert_eq!(spec.http.ports, (9001, 9002));
    assert_eq!(spec.boot.wait, Duration::ZERO);
    assert_eq!(spec.boot.steps[0].keys, "<enter>{{ .HTTPIP }}<wait5>");
    assert_eq!(spec.boot.key_interval, Some(Duration::from_millis(10)));
    let Communicator::Ssh(ssh) = &spec.communicator else { panic!("{:?}", spec.communicator) };
    assert_eq!((ssh.port, ssh.pty), (2200, true));
    // One of the two is given, so there is no default for the other.
    assert_eq!((ssh.timeout, ssh.handshake_attempts), (Some(Duration::from_secs(1800)), None));
    assert_eq!(spec.secrets, ["hunter22"]);
    assert_eq!(spec.qemuargs.len(), 2);
    assert_eq!(spec.qmp_socket.as_deref(), Some(Path::new("/q")));
}

#[test]
fn provisioners_are_read_with_their_options() {
    let (_, steps) = decode(
        SSH,
        r#"
  provisioner "shell" {
    name              = "first"
    inline            = ["echo ${build.Password}"]
    environment_vars  = ["A=1", "B=x=y", "C=${var.secret}"]
    env               = { A = "2" }
    expect_disconnect = true
    valid_exit_codes  = [0, 7]
    pause_before      = "10s"
    timeout           = "5m"
    max_retries       = 2
  }
  provisioner "file" {
    content     = "x"
    destination = "/etc/x"
  }
  provisioner "shell-local" {
    command = "true"
    only    = ["qemu.t"]
  }
  provisioner "shell-local" {
    command = "false"
    except  = ["qemu.t"]
  }"#,
    )
    .unwrap();
    assert_eq!(steps.len(), 3);
    let Action::Shell(shell) = &steps[0].action else { panic!("{:?}", steps[0]) };
    assert_eq!(shell.script, Script::Inline(vec!["echo {{ build `Password` }}".into()]));
    assert_eq!((shell.env["A"].as_str(), shell.env["B"].as_str()), ("2", "x=y"));
    assert_eq!(shell.valid_exit_codes, [0, 7]);
    assert_eq!((steps[0].label().as_str(), steps[0].max_retries), ("first", 2));
    assert_eq!(steps[0].timeout, Some(Duration::from_secs(300)));
    assert_eq!(steps[0].origin, "t.pkr.hcl:11");
    let Action::ShellLocal(local) = &steps[2].action else { panic!("{:?}", steps[2]) };
    assert_eq!(local.script, Script::Inline(vec!["true".into()]));
}

#[test]
fn the_secret_in_a_variable_is_found_without_its_name() {
    let provisioner = "provisioner \"shell\" {\n inline = [\"true\"]\n \
                       environment_vars = [\"PW=${var.secret}!\"]\n}";
    let (spec, _) = decode(SSH, provisioner).unwrap();
    assert_eq!(spec.secrets, ["hunter22!"]);
}

#[test]
fn what_the_engine_does_not_know_is_named_with_its_place() {
    for (attributes, provisioners, parts) in [
        (
            "ssh_username = \"r\"\nfloppy_files = [\"a\"]",
            "",
            vec!["`floppy_files`", "t.pkr.hcl:7", "--engine packer"],
        ),
        (
            "ssh_username = \"r\"\nacelerator = \"kvm\"",
            "",
            vec!["\"acelerator\"", "did you mean `accelerator`"],
        ),
        (
            "ssh_username = \"r\"\naccelerator = \"xen\"",
            "",
            vec!["`xen` is none of kvm, tcg, none"],
        ),
        ("communicator = \"winrm\"", "", vec!["not `winrm`", "--engine packer"]),
        ("", "", vec!["ssh_username"]),
        (SSH, "provisioner \"ansible\" {\n}", vec!["the provisioner `ansible`", "--engine packer"]),
        (
            SSH,
            "provisioner \"shell\" {\n inline = [\"a\"]\n script = \"b\"\n}",
            vec!["Exactly one"],
        ),
        (
            SSH,
            "provisioner \"shell\" {\n inline = [\"a\"]\n inlin = [\"a\"]\n}",
            vec!["did you mean `inline`"],
        ),
        (SSH, "provisioner \"file\" {\n source = \"x\"\n}", vec!["\"destination\""]),
        ("ssh_username = \"r\"\nboot_command = [\"\u{e9}\"]", "", vec!["is not on a US keyboard"]),
        (
            "ssh_username = \"r\"\nboot_command = [\"{{ .HttpIp }}\"]",
            "",
            vec!["unknown name, known: .HTTPIP"],
        ),
        ("ssh_username = \"r\"\ndisk_size = \"8GB\"", "", vec!["`8GB` is no size"]),
        ("ssh_username = \"r\"\nuse_backing_file = true", "", vec!["needs disk_image = true"]),
        ("ssh_username = \"r\"\nmemory = -5", "", vec!["-5 is out of range"]),
        (
            "ssh_username = \"r\"\nhttp_content = { \"ks\" = \"x\" }",
            "",
            vec!["needs a leading slash"],
        ),
    ] {
        let error = decode(attributes, provisioners).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{attributes} {provisioners}: {part}\n{error}");
        }
    }
}

#[test]
fn all_findings_come_at_once_and_defaults_of_foreign_attributes_are_fine() {
    let error = decode("floppy_files = [\"a\"]\nnet_bridge = \"br0\"\nbogus = 1", "").unwrap_err();
    assert_eq!(error.matches("error: ").count(), 4, "{error}");
    let fine = "ssh_username = \"r\"\nfloppy_files = []\nnet_bridge = \"\"\nssh_agent_auth = false\n\
                vnc_bind_address = \"0.0.0.0\"\niso_url = \"https://x/y.iso\"\nwinrm_port = 5985";
    assert!(decode(fine, "").is_ok());
}

#[test]
fn every_debian_target_is_known_to_the_engine() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../debian");
    let template = Template::load(&dir).unwrap();
    for release in ["10", "11", "12", "13"] {
        for flavor in ["cloudimg", "mirror"] {
            for architecture in ["amd64", "arm64"] {
                let mut inputs = Inputs::new(&dir, "1.11.0");
                let set =
                    [("release", release), ("flavor", flavor), ("architecture", architecture)];
                inputs.vars = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
                inputs.build_values = build_values();
                let evaluated = template.evaluate(&inputs).unwrap();
                let (spec, steps) = job(&evaluated.builds[0].sources[0]).unwrap();
                assert!(matches!(spec.firmware, Firmware::Efi { .. }));
                assert!(spec.ssh().is_some_and(|ssh| ssh.username == "root"));
                assert!(steps.len() > 5 && !spec.qemuargs.is_empty());
            }
        }
    }
}
