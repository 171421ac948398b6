# RHEL and its relatives: what Anaconda installs from a kickstart, UEFI, one
# ext4 root partition. The files of one directory are one template; the OS's
# own file says what differs.
#
# defines  variable architecture; source qemu.el and the build;
#          locals: el_* , machine, target
# expects  local.media_default, and local.os:
#            image          directory name, and the release if there are several
#            title          for people
#            major          release of RHEL whose kickstart syntax and packages it has
#            efi_directory  vendor's directory below EFI/
#            iso_url        medium
#            iso_checksum   its checksum in Packer's form
#            install_url    tree to install from; "" for the medium itself
#            repositories   further repositories, name to URL
#          and, where they are needed:
#            syntax         pykickstart's name of the syntax instead of RHEL<major>
#            environment    package group instead of @core
#            packages       further packages
#            renamed        package names that differ, usual name to own
#            hook           true: the deploy hook of curtin/ goes into the image

packer {
  required_version = ">= 1.11.0"
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.1.3"
    }
  }
}

variable "architecture" {
  type        = string
  default     = "amd64"
  description = "amd64 or arm64."
  validation {
    condition     = contains(["amd64", "arm64"], var.architecture)
    error_message = "The architecture must be amd64 or arm64."
  }
}

locals {
  target  = "${local.os.image}-${var.architecture}"
  machine = { cpus = 2, memory = 4096, disk_size = "10G", timeout = "3h" }

  # Signed loaders, and GRUB for BIOS, which nothing pulls in when the
  # installer sets up no loader. curtin wants the modules on arm64, and
  # downloads all loader packages if they are missing.
  el_loader = {
    amd64 = ["grub2-pc", "grub2-efi-x64", "shim-x64"]
    arm64 = ["grub2-efi-aa64", "grub2-efi-aa64-modules", "shim-aa64"]
  }

  # cloud-init reaches MAAS with oauthlib. The storage programs are what curtin
  # would otherwise download when a machine's layout needs them.
  el_packages = concat(
    ["cloud-init", "python3-oauthlib", "cloud-utils-growpart"],
    ["lvm2", "mdadm", "device-mapper-multipath", "iscsi-initiator-utils", "xfsprogs", "e2fsprogs", "dosfstools", "cryptsetup", "nvme-cli"],
    ["grub2-tools", "efibootmgr", "dracut-config-generic"],
    ["bash-completion", "chrony", "openssh-server", "rsync", "sudo", "tar"],
  )

  # Wireless and sound firmware, the boot splash, and the second kernel that
  # curtin does not expect.
  el_removed = ["dracut-config-rescue", "plymouth", "iwl*-firmware", "ipw*-firmware", "alsa-*-firmware"]

  el_package_lines = concat(
    [try(local.os.environment, "@core")],
    [for name in concat(local.el_packages, local.el_loader[var.architecture]) : try(local.os.renamed[name], name)],
    try(local.os.packages, []),
    var.extra_packages,
    # dnf has a dash where the knob has name=version.
    [for name in compact([var.kernel]) : replace(name, "=", "-")],
    [for name in local.el_removed : "-${name}"],
  )

  el_hook         = try(local.os.hook, false)
  el_repositories = merge(local.os.repositories, var.repositories)

  # Shell variables of %post. Proxies last as long as the script.
  el_environment = {
    ARCHITECTURE  = var.architecture
    CONSOLE       = local.installer_console
    EFI_DIRECTORY = local.os.efi_directory
    LOCALE        = var.locale
    MARKER        = local.installer_marker
    RELEASE       = "${local.os.major}"
    http_proxy    = var.http_proxy
    https_proxy   = var.https_proxy
    no_proxy      = var.no_proxy
  }

  el_kickstart = templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/ks.pkrtpl.hcl"), {
    title        = local.os.title
    syntax       = try(local.os.syntax, "RHEL${local.os.major}")
    major        = local.os.major
    install_url  = local.os.install_url
    repositories = local.el_repositories
    proxy        = var.https_proxy == "" ? var.http_proxy : var.https_proxy
    # EL 7 has no C.UTF-8, and installers know languages, not locales.
    language    = var.locale == "C.UTF-8" ? "en_US.UTF-8" : var.locale
    timezone    = var.timezone
    console     = local.installer_console
    packages    = local.el_package_lines
    environment = local.el_environment
    library     = file("${abspath(path.root)}/scripts/lib.sh")
    post        = file("${abspath(path.root)}/scripts/post.sh")
    customize   = filebase64(local.linux_customize_script)
    hook        = local.el_hook ? filebase64("${abspath(path.root)}/curtin/curtin-hooks") : ""
    hooklib     = local.el_hook ? filebase64("${abspath(path.root)}/curtin/hooklib.py") : ""
  })
}

source "qemu" "el" {
  iso_url          = try(coalesce(var.iso_url, local.os.iso_url), "")
  iso_checksum     = coalesce(var.iso_checksum, var.iso_url == null ? local.os.iso_checksum : "none")
  disk_size        = local.qemu_disk_size
  disk_cache       = "unsafe"
  disk_discard     = "unmap"
  format           = "qcow2"
  skip_compaction  = true
  output_directory = local.qemu_output_directory
  vm_name          = local.qemu_vm_name

  qemu_binary       = local.qemu_binary
  machine_type      = local.qemu_machine_type
  accelerator       = var.accelerator
  cpu_model         = var.cpu_model
  cpus              = local.qemu_cpus
  memory            = local.qemu_memory
  efi_boot          = true
  efi_firmware_code = local.uefi_code
  efi_firmware_vars = local.uefi_vars
  # A real CD on both machine types; `virt` has no IDE.
  cdrom_interface  = "virtio-scsi"
  cd_label         = "PACKAGES"
  cd_files         = local.installer_cd_files
  headless         = var.headless
  vnc_bind_address = "127.0.0.1"
  qemuargs         = concat(local.qemu_args, local.installer_keyboard_args)

  http_content = { "/ks.cfg" = local.el_kickstart }

  # The default entry tests the medium, the first one installs. Line 1 of the
  # editor is setparams, line 2 is empty, line 3 the kernel's.
  boot_wait = var.boot_wait
  boot_command = [
    "<up><wait1s>e<wait2s><down><down><end>",
    " inst.ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/ks.cfg inst.cmdline inst.nosave=all console=${local.installer_console}",
    var.boot_command_suffix == "" ? "" : " ${var.boot_command_suffix}",
    "<wait1s><leftCtrlOn>x<leftCtrlOff>",
  ]

  # The kickstart ends with poweroff.
  communicator     = "none"
  shutdown_timeout = local.qemu_timeout
}

build {
  sources = ["source.qemu.el"]

  post-processor "shell-local" {
    inline = [
      local.installer_check,
      "echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.tar.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'",
    ]
  }
}
