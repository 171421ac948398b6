# Azure Linux 3.0 for MAAS. Its medium has no answer file of its own: the live
# system's shell fetches install.sh, which runs the installer with ours.

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
  description = "amd64."
  validation {
    condition     = var.architecture == "amd64"
    error_message = "The architecture must be amd64."
  }
}

variable "iso_path" {
  type        = string
  default     = env("AZURELINUX_ISO_PATH")
  description = "Your Azure Linux 3.0 installation image."
}

locals {
  target        = "azurelinux-${var.architecture}"
  machine       = { cpus = 2, memory = 4096, disk_size = "10G", timeout = "2h" }
  media_default = "" # the medium holds the installer; packages come from Microsoft's repositories

  packages = concat(
    ["cloud-init", "dracut", "efibootmgr", "grub2", "grub2-efi-binary", "grub2-pc", "kernel", "shim"],
    ["ca-certificates", "chrony", "cloud-utils-growpart", "lvm2", "mdadm", "openssh-server", "python3-oauthlib", "rsync", "sudo", "tar", "xfsprogs"],
    var.extra_packages,
    compact([var.kernel]),
  )

  environment = {
    CONSOLE     = local.installer_console
    LOCALE      = var.locale
    MARKER      = local.installer_marker
    PACKAGES    = join(" ", local.packages)
    REPOS       = join(" ", [for name, url in var.repositories : "${name}=${url}"])
    MIRROR      = local.installer_mirror
    TIMEZONE    = var.timezone
    http_proxy  = var.http_proxy
    https_proxy = var.https_proxy
    no_proxy    = var.no_proxy
  }
  head = join("\n", concat(
    ["#!/bin/bash"],
    [for name, value in local.environment : "export ${name}='${replace(value, "'", "'\\''")}'"],
    [file("${abspath(path.root)}/scripts/lib.sh")],
  ))
  post = join("\n", [
    local.head,
    "CUSTOMIZE='${filebase64(local.linux_customize_script)}'",
    "HOOK='${filebase64("${abspath(path.root)}/curtin/curtin-hooks")}'",
    "HOOKLIB='${filebase64("${abspath(path.root)}/curtin/hooklib.py")}'",
    file("${abspath(path.root)}/scripts/post.sh"),
  ])
}

source "qemu" "azurelinux" {
  iso_url          = try(coalesce(var.iso_url, var.iso_path), "")
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
  cdrom_interface   = "virtio-scsi"
  cd_label          = "PACKAGES"
  cd_files          = local.installer_cd_files
  headless          = var.headless
  vnc_bind_address  = "127.0.0.1"
  qemuargs          = concat(local.qemu_args, local.installer_keyboard_args)

  http_content = {
    "/config.json"   = templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/config.json.pkrtpl.hcl"), { packages = local.packages })
    "/packages.json" = jsonencode({ packages = local.packages })
    "/post.sh"       = local.post
    "/install.sh"    = join("\n", [local.head, file("${abspath(path.root)}/scripts/install.sh")])
  }

  # The live system starts the graphical installer; Ctrl-C leaves it for a shell.
  boot_wait = var.boot_wait
  boot_command = [
    "<wait60s><leftCtrlOn>c<leftCtrlOff><wait5s><enter><wait2s>",
    "curl -fsS http://{{ .HTTPIP }}:{{ .HTTPPort }}/install.sh | bash -s http://{{ .HTTPIP }}:{{ .HTTPPort }}",
    var.boot_command_suffix == "" ? "" : " ${var.boot_command_suffix}",
    "<enter>",
  ]

  # install.sh ends with poweroff.
  communicator     = "none"
  shutdown_timeout = local.qemu_timeout
}

build {
  sources = ["source.qemu.azurelinux"]

  post-processor "shell-local" {
    inline = [
      local.installer_check,
      "echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.tar.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'",
    ]
  }
}
