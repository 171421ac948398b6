# VMware ESXi for MAAS, from your own ISO.
#
# The installer gets a kickstart by HTTP and turns the VM off when everything is
# installed; the installed system has never run when it is packed. Then
# scripts/inject puts the deploy hook into the FAT partition 1.

packer {
  required_version = ">= 1.11.0"
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.1.3"
    }
  }
}

variable "esxi_version" {
  type        = string
  default     = "8"
  description = "6.7, 7, 8 or 9."
  validation {
    condition     = contains(["6.7", "7", "8", "9"], var.esxi_version)
    error_message = "The version must be 6.7, 7, 8 or 9."
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
  default     = env("VMWARE_ESXI_ISO_PATH")
  description = "Your ESXi installation ISO."
}

variable "iso_checksum" {
  type        = string
  default     = "none"
  description = "Checksum of the ISO in Packer's forms, for example sha256:..."
}

variable "firmware" {
  type        = string
  default     = null
  description = "Firmware of the build VM: uefi or bios. Unset: uefi, for 6.7 bios."
}

variable "root_password_hash" {
  type        = string
  default     = ""
  sensitive   = true
  description = "Hash of root's password (openssl passwd -6). Empty: a random one that nobody knows; log in by SSH key."
}

variable "license_key" {
  type        = string
  default     = ""
  sensitive   = true
  description = "ESXi license. Empty: evaluation."
  validation {
    condition     = var.license_key == "" || can(regex("^([A-Z0-9]{5}-){4}[A-Z0-9]{5}$", var.license_key))
    error_message = "A license key has five groups of five letters and digits."
  }
}

variable "ssh" {
  type        = bool
  default     = true
  description = "SSH on the deployed machine, for root with the SSH keys of MAAS."
}

variable "esxi_shell" {
  type        = bool
  default     = false
  description = "The ESXi shell on the deployed machine's console."
}

variable "system_media_size" {
  type        = string
  default     = "min"
  description = "How much of the disk ESXi 7 and later take: min (33 GB), small, default, max."
  validation {
    condition     = contains(["min", "small", "default", "max"], var.system_media_size)
    error_message = "The size must be min, small, default or max."
  }
}

variable "allow_legacy_cpu" {
  type        = bool
  default     = true
  description = "Warn about a CPU that the release no longer supports instead of stopping."
}

variable "answer_file" {
  type        = string
  default     = null
  description = "Your own kickstart, a template that gets the same values as ours."
}

variable "boot_wait" {
  type        = string
  default     = null
  description = "Wait before the loader's options are edited, which it shows for 5s. Unset: 3s, with UEFI 7s."
}

variable "boot_command_suffix" {
  type        = string
  default     = ""
  description = "More boot options of the installer."
}

# The kickstart needs a password. Nobody ever learns this one. ESXi demands
# three kinds of characters.
local "random_password" {
  expression = "Esx!${uuidv4()}"
  sensitive  = true
}

locals {
  #   legacy_cpu   the installer refuses CPUs that the release no longer supports,
  #                and knows the words that allow them
  versions = {
    "6.7" = { firmware = "bios", memory = 4096, media_size = false, legacy_cpu = false }
    "7"   = { firmware = "uefi", memory = 8192, media_size = true, legacy_cpu = true }
    "8"   = { firmware = "uefi", memory = 8192, media_size = true, legacy_cpu = true }
    "9"   = { firmware = "uefi", memory = 8192, media_size = true, legacy_cpu = true }
  }
  version = local.versions[var.esxi_version]
  uefi    = coalesce(var.firmware, local.version.firmware) == "uefi"

  target  = "vmware-esxi-${var.esxi_version}-${var.architecture}"
  machine = { cpus = 4, memory = local.version.memory, disk_size = "32G", timeout = "2h" }

  kickstart = templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/ks.pkrtpl.hcl"), {
    version       = var.esxi_version
    password      = var.root_password_hash == "" ? local.random_password : var.root_password_hash
    password_hash = var.root_password_hash != ""
    license_key   = var.license_key
    ssh           = var.ssh
    esxi_shell    = var.esxi_shell
    unsupported   = local.version.legacy_cpu && var.allow_legacy_cpu
    marker        = local.marker
  })
  marker = "image-build: installed"

  # Virtual CPUs may differ in features, which ESXi takes for a defect.
  # com1 shows what tty2 does, so that the log of the serial port explains.
  boot_options = compact([
    "ks=http://{{ .HTTPIP }}:{{ .HTTPPort }}/ks.cfg",
    "cpuUniformityHardCheckPanic=FALSE",
    local.version.media_size ? "systemMediaSize=${var.system_media_size}" : "",
    local.version.legacy_cpu && var.allow_legacy_cpu ? "allowLegacyCPU=true" : "",
    "com1_baud=115200 com1_Port=0x3f8 tty2Port=com1",
    var.boot_command_suffix,
  ])

  # Named here so that a change of the hook makes a new build.
  hook_files = fileset("${abspath(path.root)}/curtin", "**")
  hook_sum   = sha256(join("", [for name in local.hook_files : file("${abspath(path.root)}/curtin/${name}")]))
}

source "qemu" "esxi" {
  iso_url          = var.iso_path
  iso_checksum     = var.iso_checksum
  disk_size        = local.qemu_disk_size
  disk_interface   = "ide" # SATA on q35; ESXi has no virtio
  disk_cache       = "unsafe"
  disk_discard     = "unmap"
  format           = "raw" # scripts/inject writes into it
  skip_compaction  = true
  output_directory = local.qemu_output_directory
  vm_name          = local.qemu_vm_name

  qemu_binary       = local.qemu_binary
  machine_type      = local.qemu_machine_type
  accelerator       = var.accelerator
  cpu_model         = var.cpu_model
  cpus              = local.qemu_cpus
  memory            = local.qemu_memory
  net_device        = "vmxnet3"
  efi_boot          = local.uefi
  efi_firmware_code = local.uefi ? local.uefi_code : null
  efi_firmware_vars = local.uefi ? local.uefi_vars : null
  headless          = var.headless
  vnc_bind_address  = "127.0.0.1"
  qemuargs          = local.qemu_args

  http_content = { "/ks.cfg" = local.kickstart }

  # Enter leaves the menu that BIOS shows; the loader then takes Shift+O for
  # five seconds. The line ends with the installer's own options.
  boot_wait = coalesce(var.boot_wait, local.uefi ? "7s" : "3s")
  boot_command = [
    local.uefi ? "" : "<enter><wait2s>",
    "<leftShiftOn>o<leftShiftOff><wait1s>",
    " ${join(" ", local.boot_options)}",
    "<wait1s><enter>",
  ]

  # Only %post turns the VM off, after everything is on the disk.
  communicator     = "none"
  shutdown_timeout = local.qemu_timeout
}

build {
  sources = ["source.qemu.esxi"]

  post-processor "shell-local" {
    environment_vars = [
      "DISK=${local.qemu_output_directory}/${local.qemu_vm_name}",
      "CURTIN=${abspath(path.root)}/curtin",
      "HOOK_SUM=${local.hook_sum}",
    ]
    script = "${abspath(path.root)}/scripts/inject"
  }

  post-processor "shell-local" {
    inline = ["echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.dd.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'"]
  }
}
