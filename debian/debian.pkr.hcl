# Debian for MAAS. One target is one set of release, flavor and architecture.
#
# cloudimg starts from the official `generic` cloud image (normal kernel, so it
# drives real machines). mirror starts from a base disk bootstrapped from any
# Debian mirror; make it first with
#   cargo xtask media bootstrap debian-<release>-mirror-<architecture>

packer {
  required_version = ">= 1.11.0"
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.1.3"
    }
  }
}

variable "release" {
  type        = string
  default     = "13"
  description = "Debian release."
  validation {
    condition     = contains(["10", "11", "12", "13"], var.release)
    error_message = "The release must be 10, 11, 12 or 13."
  }
}

variable "flavor" {
  type        = string
  default     = "cloudimg"
  description = "Where the build starts: cloudimg or mirror."
  validation {
    condition     = contains(["cloudimg", "mirror"], var.flavor)
    error_message = "The flavor must be cloudimg or mirror."
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

variable "media_base" {
  type        = string
  default     = "https://cloud.debian.org/images/cloud"
  description = "Where the official images are, or your copy of that tree. Flavor cloudimg."
}

variable "media_directory" {
  type        = string
  default     = null
  description = "Where bootstrapped base disks are. Unset: media/ beside this directory. Flavor mirror."
}

variable "kernel_policy" {
  type        = string
  default     = "image"
  description = "Which kernel a machine gets: image (the one in the image) or pinned (exactly the version in kernel). MAAS's own choice is Ubuntu's kernel, which Debian does not have."
  validation {
    condition     = contains(["image", "pinned"], var.kernel_policy)
    error_message = "The kernel_policy must be image or pinned."
  }
}

variable "apt_mirror" {
  type        = string
  default     = ""
  description = "Debian mirror to build from, for example http://deb.debian.org/debian. Empty: the image's own."
}

variable "apt_security_mirror" {
  type        = string
  default     = ""
  description = "Mirror of the security archive. Empty: the image's own."
}

variable "firmware_packages" {
  type        = list(string)
  default     = null
  description = "Firmware for real hardware. Unset: network cards and microcode of common servers. [] for none."
}

variable "upgrade" {
  type        = bool
  default     = true
  description = "Install pending updates."
}

locals {
  # The dated directory is the pin: its content never changes, and SHA512SUMS
  # in it is what the download is checked against. Seen in
  #   10: github.com/jpartlow/kvm_automation_tooling, get_image_url spec
  #   11: github.com/lima-vm/lima, templates/_images/debian-11.yaml @ 083507f8
  #   12: github.com/lima-vm/lima, templates/_images/debian-12.yaml @ 05efef92
  #   13: github.com/lima-vm/lima, templates/_images/debian-13.yaml @ 0a13b0f2
  # `cargo xtask media check` reports newer ones.
  releases = {
    "10" = { codename = "buster", build = "20240703-1797", nonfree = "non-free" }
    "11" = { codename = "bullseye", build = "20250429-2097", nonfree = "non-free" }
    "12" = { codename = "bookworm", build = "20260923-2610", nonfree = "non-free-firmware" }
    "13" = { codename = "trixie", build = "20260712-2537", nonfree = "non-free-firmware" }
  }

  release = local.releases[var.release]
  target  = "debian-${var.release}-${var.flavor}-${var.architecture}"
  machine = { cpus = 2, memory = 2048, disk_size = "8G", timeout = "30m" }

  image_directory = "${var.media_base}/${local.release.codename}/${local.release.build}"
  base_directory  = coalesce(var.media_directory, abspath("${path.root}/../media"))

  media = {
    cloudimg = {
      url      = "${local.image_directory}/debian-${var.release}-generic-${var.architecture}-${local.release.build}.qcow2"
      checksum = "file:${local.image_directory}/SHA512SUMS"
    }
    mirror = {
      url      = "${local.base_directory}/debian-${var.release}-${var.architecture}.qcow2"
      checksum = "file:${local.base_directory}/SHA256SUMS"
    }
  }

  iso_url      = coalesce(var.iso_url, local.media[var.flavor].url)
  iso_checksum = coalesce(var.iso_checksum, var.iso_url == null ? local.media[var.flavor].checksum : "none")

  # Network cards and CPUs of ordinary servers. Left out on purpose: graphics,
  # wireless and sound, 300 MB that only slow the initramfs down.
  firmware = {
    amd64 = ["firmware-bnx2", "firmware-bnx2x", "firmware-qlogic", "intel-microcode", "amd64-microcode"]
    arm64 = ["firmware-bnx2x", "firmware-qlogic"]
  }
  firmware_packages = var.firmware_packages == null ? local.firmware[var.architecture] : var.firmware_packages

  environment = concat(local.linux_environment, [
    "DEBIAN_FRONTEND=noninteractive",
    "RELEASE=${var.release}",
    "CODENAME=${local.release.codename}",
    "ARCHITECTURE=${var.architecture}",
    "KERNEL_POLICY=${var.kernel_policy}",
    "NONFREE=${local.release.nonfree}",
    "FIRMWARE_PACKAGES=${join(" ", local.firmware_packages)}",
    "UPGRADE=${var.upgrade}",
    # Buster left the mirrors for the archive, whose metadata has expired.
    "APT_MIRROR=${var.apt_mirror == "" && var.release == "10" ? "http://archive.debian.org/debian" : var.apt_mirror}",
    "APT_SECURITY_MIRROR=${var.apt_security_mirror == "" && var.release == "10" ? "http://archive.debian.org/debian-security" : var.apt_security_mirror}",
    "APT_KEEP_MIRROR=${var.apt_keep_mirror || var.release == "10"}",
    # One per line; base64 because a provisioner's environment is one line.
    "APT_REPOSITORIES=${base64encode(join("\n", var.apt_repositories))}",
  ])
}

source "qemu" "debian" {
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
  sources = ["source.qemu.debian"]

  provisioner "shell" {
    inline = ["mkdir -p /var/lib/image-build/packages /var/lib/image-build/keyrings", "chmod 700 /var/lib/image-build"]
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

  provisioner "file" {
    source      = "${coalesce(var.apt_keyring_directory, "${abspath(path.root)}/keyrings")}/"
    destination = "/var/lib/image-build/keyrings"
  }

  provisioner "shell" {
    environment_vars = local.environment
    scripts = [
      "${abspath(path.root)}/scripts/prepare.sh",
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
    scripts = [
      "${abspath(path.root)}/scripts/curtin.sh",
      "${abspath(path.root)}/scripts/cleanup.sh",
    ]
  }

  post-processor "shell-local" {
    inline = ["echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.tar.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'"]
  }
}
