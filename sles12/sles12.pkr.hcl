# SUSE Linux Enterprise Server 12 SP5 for MAAS, from the JeOS cloud image that
# you bring: SUSE gives it only to its customers.

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
  description = "amd64; there is no image for another one."
  validation {
    condition     = contains(["amd64"], var.architecture)
    error_message = "The architecture must be amd64."
  }
}

variable "iso_path" {
  type        = string
  default     = env("SLES12_ISO_PATH")
  description = "Your JeOS image for OpenStack (qcow2)."
}

variable "repositories" {
  type        = list(string)
  default     = []
  description = "Repositories to install from, each NAME=URL, for example of an RMT server. They are not kept in the image."
}

variable "registration_code" {
  type        = string
  default     = ""
  sensitive   = true
  description = "Code that registers the build VM with SUSE; put it in a variable file, not on the command line. The VM is deregistered at the end."
}

variable "registration_url" {
  type        = string
  default     = ""
  description = "Your registration server instead of SUSE's."
}

variable "upgrade" {
  type        = bool
  default     = true
  description = "Install pending updates, if there is a repository or a registration."
}

locals {
  target  = "sles12-${var.architecture}"
  machine = { cpus = 2, memory = 2048, disk_size = "8G", timeout = "30m" }

  # SUSE publishes no checksum beside the download: the file's own is recorded.
  iso_url      = try(coalesce(var.iso_url, var.iso_path), "")
  iso_checksum = coalesce(var.iso_checksum, "none")

  environment = concat(local.linux_environment, [
    "ARCHITECTURE=${var.architecture}",
    "UPGRADE=${var.upgrade}",
    "REPOSITORIES=${join(" ", var.repositories)}",
    "REGISTRATION_CODE=${var.registration_code}",
    "REGISTRATION_URL=${var.registration_url}",
  ])
}

source "qemu" "sles12" {
  iso_url          = local.iso_url
  iso_checksum     = local.iso_checksum
  disk_image       = true
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
  headless          = var.headless
  vnc_bind_address  = "127.0.0.1"
  qemuargs          = local.qemu_args

  cd_label = "cidata"
  cd_content = {
    "meta-data" = file("${abspath(path.root)}/http/meta-data")
    "user-data" = templatefile(coalesce(var.user_data, "${abspath(path.root)}/http/user-data.pkrtpl.hcl"), {
      ssh_password   = local.ssh_password
      ssh_public_key = var.ssh_public_key
    })
  }

  communicator         = "ssh"
  ssh_username         = "root"
  ssh_password         = local.ssh_password
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = local.qemu_timeout
  # Under emulation sshd answers long before cloud-init has set the password.
  ssh_handshake_attempts = 500

  # Locks root, removes the credential and powers off. Last, because an engine
  # may need a new login for every step before it.
  shutdown_command = "/bin/bash /var/lib/image-build/finish.sh"
  shutdown_timeout = var.shutdown_timeout
}

build {
  sources = ["source.qemu.sles12"]

  provisioner "shell" {
    inline = ["mkdir -p /var/lib/image-build/packages", "chmod 700 /var/lib/image-build"]
  }

  provisioner "file" {
    source      = "${abspath(path.root)}/scripts/lib.sh"
    destination = "/var/lib/image-build/lib.sh"
  }

  provisioner "file" {
    source      = "${abspath(path.root)}/scripts/finish.sh"
    destination = "/var/lib/image-build/finish.sh"
  }

  provisioner "file" {
    source      = "${abspath(path.root)}/curtin/curtin-hooks"
    destination = "/var/lib/image-build/curtin-hooks"
  }

  provisioner "file" {
    source      = "${abspath(path.root)}/curtin/hooklib.py"
    destination = "/var/lib/image-build/hooklib.py"
  }

  provisioner "file" {
    source      = "${local.linux_package_directory}/"
    destination = "/var/lib/image-build/packages"
  }

  provisioner "shell" {
    environment_vars = local.environment
    scripts = [
      "${abspath(path.root)}/scripts/packages.sh",
      "${abspath(path.root)}/scripts/boot.sh",
    ]
  }

  provisioner "shell" {
    environment_vars  = local.environment
    expect_disconnect = true
    scripts           = [local.linux_customize_script]
  }

  provisioner "shell" {
    environment_vars = local.environment
    scripts          = ["${abspath(path.root)}/scripts/cleanup.sh"]
  }

  post-processor "shell-local" {
    inline = ["echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.tar.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'"]
  }
}
