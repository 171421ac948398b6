# Ubuntu Server for MAAS. One target is one set of release, flavor and
# architecture.
#
# cloudimg starts from the official cloud image. flat and lvm run the live-server
# installer: flat with one root partition, packed as a tgz; lvm with a volume
# group, packed as a whole disk.

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
  default     = "noble"
  description = "Ubuntu release by code name."
  validation {
    condition     = contains(["focal", "jammy", "noble", "resolute", "stonking"], var.release)
    error_message = "The release must be focal, jammy, noble, resolute or stonking."
  }
}

variable "flavor" {
  type        = string
  default     = "cloudimg"
  description = "How it is built: cloudimg, flat or lvm."
  validation {
    condition     = contains(["cloudimg", "flat", "lvm"], var.flavor)
    error_message = "The flavor must be cloudimg, flat or lvm."
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
  default     = null
  description = "Your copy of cloud-images.ubuntu.com/releases (cloudimg), releases.ubuntu.com (flat, lvm on amd64) or cdimage.ubuntu.com/releases (on arm64). Unset: the original."
}

variable "kernel_policy" {
  type        = string
  default     = "image"
  description = "Which kernel a machine gets: image (the one in the image), pinned (exactly the version in kernel) or maas (what MAAS and curtin choose)."
  validation {
    condition     = contains(["image", "pinned", "maas"], var.kernel_policy)
    error_message = "The kernel_policy must be image, pinned or maas."
  }
}

variable "apt_mirror" {
  type        = string
  default     = ""
  description = "Ubuntu mirror to build from, for example http://archive.ubuntu.com/ubuntu. Empty: the medium's own."
}

variable "apt_security_mirror" {
  type        = string
  default     = ""
  description = "Mirror of the security pocket. Empty: apt_mirror."
}

variable "firmware_packages" {
  type        = list(string)
  default     = null
  description = "Firmware for real hardware. Unset: linux-firmware and microcode. [] for none."
}

variable "upgrade" {
  type        = bool
  default     = true
  description = "Install pending updates."
}

variable "answer_file" {
  type        = string
  default     = null
  description = "Your own autoinstall template. It gets what http/autoinstall.pkrtpl.hcl gets. Flavors flat and lvm."
}

variable "boot_command_suffix" {
  type        = string
  default     = ""
  description = "More arguments for the installer's kernel. Flavors flat and lvm."
}

variable "boot_wait" {
  type        = string
  default     = null
  description = "How long to wait for the installer's boot menu. Unset: by release."
}

locals {
  # The dated directory pins the cloud image, the point release pins the ISO;
  # SHA256SUMS beside each is what the download is checked against. Seen in
  #   cloud images: github.com/lima-vm/lima, templates/_images/ubuntu-20.04.yaml
  #     @ 906c157b, ubuntu-22.04.yaml and ubuntu-24.04.yaml @ 6a9ec35b,
  #     ubuntu-26.04.yaml @ c759e2ac; no dated directory of 26.10 was seen, so
  #     it takes the newest build
  #   code names and versions: ubuntu.csv of distro-info-data 0.58+deb12u7
  # `cargo xtask media check` reports newer ones.
  releases = {
    focal    = { version = "20.04", point = "20.04.6", build = "release-20250624", boot_wait = "2s" }
    jammy    = { version = "22.04", point = "22.04.5", build = "release-20260705", boot_wait = "5s" }
    noble    = { version = "24.04", point = "24.04.5", build = "release-20260705", boot_wait = "5s" }
    resolute = { version = "26.04", point = "26.04.1", build = "release-20260720", boot_wait = "5s" }
    stonking = { version = "26.10", point = "26.10", build = "release", boot_wait = "5s" }
  }

  # Where each kind of medium is, by architecture.
  sites = {
    cloud = { amd64 = "https://cloud-images.ubuntu.com/releases", arm64 = "https://cloud-images.ubuntu.com/releases" }
    iso   = { amd64 = "https://releases.ubuntu.com", arm64 = "https://cdimage.ubuntu.com/releases" }
  }

  flavors = {
    cloudimg = { site = "cloud", artifact = "tgz", layout = "", memory = 2048, timeout = "30m" }
    flat     = { site = "iso", artifact = "tgz", layout = "direct", memory = 4096, timeout = "90m" }
    lvm      = { site = "iso", artifact = "ddgz", layout = "lvm", memory = 4096, timeout = "90m" }
  }

  release = local.releases[var.release]
  flavor  = local.flavors[var.flavor]
  install = local.flavor.site == "iso"
  target  = "ubuntu-${var.release}-${var.flavor}-${var.architecture}"
  # A whole disk is written as large as it is here, so it is kept small; the
  # root grows at first boot.
  machine = { cpus = 2, memory = local.flavor.memory, disk_size = "8G", timeout = local.flavor.timeout }

  media_base = coalesce(var.media_base, local.sites[local.flavor.site][var.architecture])
  directories = {
    cloud = { amd64 = "${var.release}/${local.release.build}", arm64 = "${var.release}/${local.release.build}" }
    iso   = { amd64 = var.release, arm64 = "${var.release}/release" }
  }
  files = {
    cloud = "ubuntu-${local.release.version}-server-cloudimg-${var.architecture}.img"
    iso   = "ubuntu-${local.release.point}-live-server-${var.architecture}.iso"
  }
  media_directory = "${local.media_base}/${local.directories[local.flavor.site][var.architecture]}"

  iso_url      = coalesce(var.iso_url, "${local.media_directory}/${local.files[local.flavor.site]}")
  iso_checksum = coalesce(var.iso_checksum, var.iso_url == null ? "file:${local.media_directory}/SHA256SUMS" : "none")

  firmware = {
    amd64 = ["linux-firmware", "intel-microcode", "amd64-microcode"]
    arm64 = ["linux-firmware"]
  }
  firmware_packages = var.firmware_packages == null ? local.firmware[var.architecture] : var.firmware_packages

  # What lets the build into its VM: the seed of a cloud image, or of the first
  # boot of an installed system.
  seed = templatefile(coalesce(var.user_data, "${abspath(path.root)}/http/user-data.pkrtpl.hcl"), {
    ssh_password   = local.ssh_password
    ssh_public_key = var.ssh_public_key
  })

  # The serial console is what a failed installation is judged by.
  consoles = { amd64 = "ttyS0,115200", arm64 = "ttyAMA0" }

  arguments = compact(["autoinstall", "console=tty0", "console=${local.consoles[var.architecture]}", var.boot_command_suffix, "---"])

  # In GRUB's editor: the linux line is the fourth of the first entry, and ends
  # in ` ---`, which parts the installer's arguments from the installed system's.
  # Four backspaces remove it, so that ours are the installer's.
  boot_command = [
    "e<wait><down><down><down><end>",
    "<bs><bs><bs><bs>",
    " ${join(" ", local.arguments)}",
    "<f10>",
  ]

  # QEMU's virt machine has neither screen nor keyboard of its own, and keys can
  # only be typed into the boot menu with both. The plugin adds its network card
  # again, the only device it would have had for this source.
  keyboard_args = [
    ["-device", "virtio-gpu-pci"],
    ["-device", "qemu-xhci"],
    ["-device", "usb-kbd"],
  ]

  environment = concat(local.linux_environment, [
    "DEBIAN_FRONTEND=noninteractive",
    "RELEASE=${var.release}",
    "FLAVOR=${var.flavor}",
    "ARTIFACT=${local.flavor.artifact}",
    "ARCHITECTURE=${var.architecture}",
    "KERNEL_POLICY=${var.kernel_policy}",
    "FIRMWARE_PACKAGES=${join(" ", local.firmware_packages)}",
    "UPGRADE=${var.upgrade}",
    "APT_MIRROR=${var.apt_mirror}",
    "APT_SECURITY_MIRROR=${var.apt_security_mirror}",
    "APT_KEEP_MIRROR=${var.apt_keep_mirror}",
    # One per line; base64 because a provisioner's environment is one line.
    "APT_REPOSITORIES=${base64encode(join("\n", var.apt_repositories))}",
  ])
}

source "qemu" "ubuntu" {
  iso_url          = local.iso_url
  iso_checksum     = local.iso_checksum
  disk_image       = !local.install
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
  qemuargs          = concat(local.qemu_args, local.install && var.architecture == "arm64" ? local.keyboard_args : [])

  cd_label = "cidata"
  cd_content = {
    "meta-data" = file("${abspath(path.root)}/http/meta-data")
    "user-data" = local.install ? templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/autoinstall.pkrtpl.hcl"), {
      layout   = local.flavor.layout
      locale   = var.locale
      timezone = var.timezone
      mirror   = var.apt_mirror
      proxy    = var.http_proxy
      seed     = yamldecode(local.seed)
    }) : local.seed
  }

  boot_wait    = local.install ? coalesce(var.boot_wait, local.release.boot_wait) : "-1s"
  boot_command = local.install ? local.boot_command : []

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
  sources = ["source.qemu.ubuntu"]

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
    source      = "${abspath(path.root)}/scripts/grow-root"
    destination = "/var/lib/image-build/grow-root"
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
    inline = ["echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.${var.flavor == "lvm" ? "dd" : "tar"}.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'"]
  }
}
