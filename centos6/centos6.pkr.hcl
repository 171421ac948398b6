# CentOS 6 for MAAS, from the vault. The last of its kind: BIOS, isolinux, GRUB
# 0.97, a kickstart of older syntax. So it shares little with el.pkr.hcl.

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

variable "epel" {
  type        = string
  default     = "http://archives.fedoraproject.org/pub/archive/epel/6/x86_64/"
  description = "EPEL 6, which has cloud-init. http, because the installer's TLS is too old for today's servers."
}

locals {
  target        = "centos6-${var.architecture}"
  machine       = { cpus = 1, memory = 2048, disk_size = "6G", timeout = "2h" }
  media_default = "https://vault.centos.org"
  directory     = "${local.installer_media_base}/6.10/isos/x86_64"
  # The installer's TLS is too old for the vault's; see epel.
  tree = "${replace(local.installer_mirror, "https://vault.centos.org", "http://vault.centos.org")}/6.10"

  environment = {
    CONSOLE     = local.installer_console
    MARKER      = local.installer_marker
    http_proxy  = var.http_proxy
    https_proxy = var.https_proxy
    no_proxy    = var.no_proxy
  }

  kickstart = templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/ks.pkrtpl.hcl"), {
    install_url  = "${local.tree}/os/x86_64/"
    repositories = merge({ epel = var.epel, updates = "${local.tree}/updates/x86_64/" }, var.repositories)
    proxy        = var.http_proxy
    language     = var.locale == "C.UTF-8" ? "en_US.UTF-8" : var.locale
    timezone     = var.timezone
    console      = local.installer_console
    packages     = concat(var.extra_packages, [for name in compact([var.kernel]) : replace(name, "=", "-")])
    environment  = local.environment
    library      = file("${abspath(path.root)}/scripts/lib.sh")
    post         = file("${abspath(path.root)}/scripts/post.sh")
    customize    = filebase64(local.linux_customize_script)
    hook         = filebase64("${abspath(path.root)}/curtin/curtin-hooks")
    hooklib      = filebase64("${abspath(path.root)}/curtin/hooklib.py")
  })
}

source "qemu" "centos6" {
  iso_url          = coalesce(var.iso_url, "${local.directory}/CentOS-6.10-x86_64-netinstall.iso")
  iso_checksum     = coalesce(var.iso_checksum, var.iso_url == null ? "file:${local.directory}/sha256sum.txt" : "none")
  disk_size        = local.qemu_disk_size
  disk_cache       = "unsafe"
  disk_discard     = "unmap"
  format           = "qcow2"
  skip_compaction  = true
  output_directory = local.qemu_output_directory
  vm_name          = local.qemu_vm_name

  qemu_binary = local.qemu_binary
  # Its kernel is from before q35.
  machine_type     = coalesce(var.machine_type, "pc")
  accelerator      = var.accelerator
  cpu_model        = var.cpu_model
  cpus             = local.qemu_cpus
  memory           = local.qemu_memory
  cd_label         = "PACKAGES"
  cd_files         = local.installer_cd_files
  headless         = var.headless
  vnc_bind_address = "127.0.0.1"
  qemuargs         = local.qemu_args

  http_content = { "/ks.cfg" = local.kickstart }

  # The first entry is the default, Tab edits it.
  boot_wait = var.boot_wait
  boot_command = [
    "<tab><wait1s>",
    " ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/ks.cfg ksdevice=link cmdline console=${local.installer_console}",
    var.boot_command_suffix == "" ? "" : " ${var.boot_command_suffix}",
    "<wait1s><enter>",
  ]

  # The kickstart ends with poweroff.
  communicator     = "none"
  shutdown_timeout = local.qemu_timeout
}

build {
  sources = ["source.qemu.centos6"]

  post-processor "shell-local" {
    inline = [
      local.installer_check,
      "echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.tar.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'",
    ]
  }
}
