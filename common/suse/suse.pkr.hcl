# SLES: what YaST or Agama installs from an answer file, UEFI, one ext4 root
# partition behind the ESP. The OS's own file says what differs.
#
# defines  variables architecture, registration_code, registration_url; source
#          qemu.suse and the build; locals: suse_* , machine, media_default,
#          target
# expects  local.os:
#            image      directory name
#            disk_size  what the installer's proposal needs at least
#            iso_url    medium
#            path       where the installer finds the answer file
#            answer     the answer file
#            keys       from the boot menu to the editor's first line
#            arguments  of the installer's kernel; ANSWER stands for the URL
#          and local.medium_refusal: why nothing can come of this medium with
#          these variables, or ""

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

variable "registration_code" {
  type        = string
  default     = env("SLES_REGISTRATION_CODE")
  sensitive   = true
  description = "Registers the installation with SUSE, or with registration_url. Deregistered at the end."
}

variable "registration_url" {
  type        = string
  default     = ""
  description = "Your RMT server instead of SUSE's."
}

locals {
  target        = "${local.os.image}-${var.architecture}"
  machine       = { cpus = 2, memory = 4096, disk_size = local.os.disk_size, timeout = "3h" }
  media_default = "" # the medium is yours

  suse_rpm_arch = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  # YaST and Agama ask for packages by name alone.
  suse_kernel_refusal = length(regexall("=", var.kernel)) > 0 ? "the SLES installers take a kernel by its name: leave out the version, and give repositories that have no other" : ""
  refusal             = try(coalesce(local.suse_kernel_refusal, local.medium_refusal), "")

  suse_registered = var.registration_code != "" || var.registration_url != ""
  # Installers know languages, not locales.
  suse_language = var.locale == "C.UTF-8" ? "en_US" : split(".", var.locale)[0]

  # Loaders for BIOS and UEFI, and what curtin would download for a machine's
  # storage layout. The default kernel has the drivers of real machines.
  suse_loader = {
    amd64 = ["grub2-i386-pc", "grub2-x86_64-efi", "shim", "mokutil"]
    arm64 = ["grub2-arm64-efi", "shim", "mokutil"]
  }
  suse_packages = concat(
    ["bash-completion", "btrfsprogs", "chrony", "cryptsetup", "dosfstools", "e2fsprogs", "efibootmgr", "grub2"],
    [coalesce(var.kernel, "kernel-default"), "kernel-firmware-all"],
    ["lvm2", "mdadm", "multipath-tools", "nvme-cli", "open-iscsi", "openssh", "rsync", "sudo", "tar", "wget", "xfsprogs"],
    local.suse_loader[var.architecture],
    var.extra_packages,
  )

  # Shell variables of the scripts. Proxies last as long as they run.
  suse_environment = {
    ARCHITECTURE = var.architecture
    CONSOLE      = local.installer_console
    LOCALE       = var.locale
    MARKER       = local.installer_marker
    http_proxy   = var.http_proxy
    https_proxy  = var.https_proxy
    no_proxy     = var.no_proxy
  }

  # What every answer file is made from.
  suse_values = {
    architecture      = var.architecture
    rpm_arch          = local.suse_rpm_arch
    console           = local.installer_console
    language          = local.suse_language
    timezone          = var.timezone
    packages          = local.suse_packages
    repositories      = merge({ for name, url in { mirror = local.installer_mirror } : name => url if url != "" }, var.repositories)
    registration_code = var.registration_code
    registration_url  = var.registration_url
    registered        = local.suse_registered
    refusal           = local.refusal
    script = join("\n", concat(
      ["#!/bin/bash"],
      [for name, value in local.suse_environment : "export ${name}='${replace(value, "'", "'\\''")}'"],
      [
        "CUSTOMIZE='${filebase64(local.linux_customize_script)}'",
        "HOOK='${filebase64("${abspath(path.root)}/curtin/curtin-hooks")}'",
        "HOOKLIB='${filebase64("${abspath(path.root)}/curtin/hooklib.py")}'",
        "",
        file("${abspath(path.root)}/scripts/lib.sh"),
        file("${abspath(path.root)}/scripts/post.sh"),
      ],
    ))
  }
}

source "qemu" "suse" {
  iso_url          = try(coalesce(var.iso_url, local.os.iso_url), "")
  iso_checksum     = coalesce(var.iso_checksum, "none")
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

  http_content = { (local.os.path) = local.os.answer }

  # The kernel's line is the fifth of the editor.
  boot_wait = var.boot_wait
  boot_command = [
    local.os.keys,
    "e<wait2s><down><down><down><down><end>",
    " ${replace(local.os.arguments, "ANSWER", "http://{{ .HTTPIP }}:{{ .HTTPPort }}${local.os.path}")} console=${local.installer_console}",
    var.boot_command_suffix == "" ? "" : " ${var.boot_command_suffix}",
    "<wait1s><leftCtrlOn>x<leftCtrlOff>",
  ]

  # The installer turns the machine off.
  communicator     = "none"
  shutdown_timeout = local.qemu_timeout
}

build {
  sources = ["source.qemu.suse"]

  post-processor "shell-local" {
    inline = [
      local.installer_check,
      "echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.tar.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'",
    ]
  }
}
