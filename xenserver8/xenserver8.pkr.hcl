# XenServer 8 and XCP-ng 8 for MAAS, from your own ISO.
#
# The installer runs a script that writes its answer file: only at run time is
# known where the further scripts are served. One of them prepares the installed
# system, another turns the VM off.

packer {
  required_version = ">= 1.11.0"
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.1.3"
    }
  }
}

variable "product" {
  type        = string
  default     = "xenserver-8"
  description = "xenserver-8, xcp-ng-8.2 or xcp-ng-8.3."
  validation {
    condition     = contains(["xenserver-8", "xcp-ng-8.2", "xcp-ng-8.3"], var.product)
    error_message = "The product must be xenserver-8, xcp-ng-8.2 or xcp-ng-8.3."
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
  default     = env("XENSERVER8_ISO_PATH")
  description = "Your installation ISO, the full one."
}

variable "iso_checksum" {
  type        = string
  default     = "none"
  description = "Checksum of the ISO in Packer's forms, for example sha256:..."
}

variable "sr_type" {
  type        = string
  default     = "ext"
  description = "Type of the local storage repository: ext (thin) or lvm."
  validation {
    condition     = contains(["ext", "lvm"], var.sr_type)
    error_message = "The type must be ext or lvm."
  }
}

variable "network_backend" {
  type        = string
  default     = "openvswitch"
  description = "openvswitch or bridge."
  validation {
    condition     = contains(["openvswitch", "bridge"], var.network_backend)
    error_message = "The network backend must be openvswitch or bridge."
  }
}

variable "root_password_hash" {
  type        = string
  default     = ""
  sensitive   = true
  description = "Hash of root's password (openssl passwd -6). Empty: a random one that nobody knows; log in by SSH key."
}

variable "timezone" {
  type        = string
  default     = "Etc/UTC"
  description = "Time zone of the image, as in /usr/share/zoneinfo."
}

variable "keymap" {
  type        = string
  default     = "us"
  description = "Keyboard of the console."
}

variable "package_directory" {
  type        = string
  default     = null
  description = "Directory of .rpm files to install, without a network."
}

variable "customize_script" {
  type        = string
  default     = null
  description = "Script that runs in the installed system's root, as root. Unset: scripts/customize.sh, which does nothing."
}

variable "answer_file" {
  type        = string
  default     = null
  description = "Your own answer file, a template that gets the same values as http/answers.pkrtpl.hcl."
}

variable "boot_wait" {
  type        = string
  default     = "6s"
  description = "Wait before the boot menu is edited. It stays for 5s; firmware needs 5s with KVM, longer without."
}

variable "boot_menu_lines" {
  type        = number
  default     = 4
  description = "How often to press Down in the menu's editor to get below the kernel's line. The medium decides."
}

variable "boot_command_suffix" {
  type        = string
  default     = ""
  description = "More arguments for the installer's kernel."
}

# The installer wants a password. Nobody ever learns this one.
local "random_password" {
  expression = uuidv4()
  sensitive  = true
}

locals {
  target  = "xenserver8-${var.product}-${var.architecture}"
  machine = { cpus = 4, memory = 4096, disk_size = "64G", timeout = "2h" }

  marker = "image-build: installed"

  # Texts from outside, as XML wants them.
  texts = { for name, text in {
    password = var.root_password_hash == "" ? local.random_password : var.root_password_hash
    timezone = var.timezone
    keymap   = var.keymap
  } : name => replace(replace(text, "&", "&amp;"), "<", "&lt;") }

  answers = templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/answers.pkrtpl.hcl"), merge(local.texts, {
    password_hash   = var.root_password_hash != ""
    sr_type         = var.sr_type
    network_backend = var.network_backend
  }))

  # What filesystem-populated fetches into the installed system.
  hook_files = ["curtin-hooks", "metadata.py", "first-boot", "maas-first-boot.service"]
  packages   = var.package_directory == null ? [] : fileset(trimsuffix(var.package_directory, "/"), "*.rpm")
}

source "qemu" "xen" {
  iso_url          = var.iso_path
  iso_checksum     = var.iso_checksum
  disk_size        = local.qemu_disk_size
  disk_interface   = "ide" # SATA on q35, which the installer's kernel drives
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
  net_device        = "e1000e"
  efi_boot          = true
  efi_firmware_code = local.uefi_code
  efi_firmware_vars = local.uefi_vars
  headless          = var.headless
  vnc_bind_address  = "127.0.0.1"
  qemuargs          = local.qemu_args

  http_content = merge(
    { for name in local.hook_files : "/curtin/${name}" => file("${abspath(path.root)}/curtin/${name}") },
    {
      "/generate"              = templatefile("${abspath(path.root)}/scripts/generate.pkrtpl.hcl", { answers = local.answers })
      "/filesystem-populated"  = templatefile("${abspath(path.root)}/scripts/filesystem-populated.pkrtpl.hcl", { hook_files = local.hook_files, packages = length(local.packages) > 0 })
      "/installation-complete" = templatefile("${abspath(path.root)}/scripts/installation-complete.pkrtpl.hcl", { marker = local.marker })
      "/customize"             = file(coalesce(var.customize_script, "${abspath(path.root)}/scripts/customize.sh"))
    },
  )

  # Local packages travel on a CD.
  cd_label = "PACKAGES"
  cd_files = var.package_directory == null ? [] : ["${trimsuffix(var.package_directory, "/")}/"]

  # The editor shows setparams, an empty line, Xen, the kernel and the initrd;
  # Left from the start of the last is the end of the kernel's. Seen in
  # bootloader/grub.cfg of github.com/xenserver/host-installer @ 056a76d8, which
  # also gives the serial port to Xen and its console, hvc0, to the kernel.
  boot_wait = var.boot_wait
  boot_command = [
    "e<wait2s>${join("", [for n in range(var.boot_menu_lines) : "<down>"])}<left>",
    " answerfile_generator=http://{{ .HTTPIP }}:{{ .HTTPPort }}/generate network_device=all",
    var.boot_command_suffix == "" ? "" : " ${var.boot_command_suffix}",
    "<wait1s><f10>",
  ]

  # The script of the stage installation-complete turns the VM off.
  communicator     = "none"
  shutdown_timeout = local.qemu_timeout
}

build {
  sources = ["source.qemu.xen"]

  post-processor "shell-local" {
    inline = [
      "if ! grep -q '${local.marker}' '${local.qemu_serial_log}'; then echo 'the installation did not finish, see ${local.qemu_serial_log}' >&2; exit 1; fi",
      "echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.dd.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'",
    ]
  }
}
