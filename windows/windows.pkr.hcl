# Windows for MAAS, from your own ISO or VHDX.
#
# The guest does it all: Setup reads Autounattend.xml from our CD (a VHDX reads
# Unattend.xml), the first logon runs scripts/first-logon.ps1, which ends with
# sysprep and power-off. What it did is told on the second serial port.

packer {
  required_version = ">= 1.11.0"
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.1.3"
    }
  }
}

variable "windows_version" {
  type        = string
  default     = "2022"
  description = "2016, 2019, 2022, 2025, 10, 11, or hci for Azure Local."
  validation {
    condition     = contains(["2016", "2019", "2022", "2025", "10", "11", "hci"], var.windows_version)
    error_message = "The version must be 2016, 2019, 2022, 2025, 10, 11 or hci."
  }
}

variable "flavor" {
  type        = string
  default     = "iso"
  description = "Where the build starts: iso or vhdx."
  validation {
    condition     = contains(["iso", "vhdx"], var.flavor)
    error_message = "The flavor must be iso or vhdx."
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
  default     = env("WINDOWS_ISO_PATH")
  description = "Your installation ISO. Flavor iso."
}

variable "vhdx_path" {
  type        = string
  default     = env("WINDOWS_VHDX_PATH")
  description = "Your sysprepped VHDX. Flavor vhdx."
}

variable "iso_checksum" {
  type        = string
  default     = "none"
  description = "Checksum of the ISO or VHDX in Packer's forms, for example sha256:..."
}

variable "edition" {
  type        = string
  default     = null
  description = "End of the image's name on the ISO: SERVERSTANDARD, SERVERDATACENTERCORE, PRO, \"Enterprise Evaluation\". Unset: SERVERSTANDARD or PRO."
}

variable "image_name" {
  type        = string
  default     = null
  description = "Whole name of the image on the ISO, where edition is not enough."
}

variable "image_index" {
  type        = number
  default     = null
  description = "Number of the image on the ISO, from 1, instead of a name."
}

variable "product_key" {
  type        = string
  default     = ""
  sensitive   = true
  description = "Product key. Evaluation media need none."
  validation {
    condition     = var.product_key == "" || can(regex("^([A-Z0-9]{5}-){4}[A-Z0-9]{5}$", var.product_key))
    error_message = "A product key has five groups of five letters and digits."
  }
}

variable "language" {
  type        = string
  default     = "en-US"
  description = "Language of Windows; the medium must have it."
}

variable "input_locale" {
  type        = string
  default     = null
  description = "Keyboard, for example 0407:00000407. Unset: the language's own."
}

variable "timezone" {
  type        = string
  default     = "UTC"
  description = "Time zone by Windows' name, for example W. Europe Standard Time."
}

variable "remote_desktop" {
  type        = bool
  default     = true
  description = "Remote Desktop on the deployed machine, with network level authentication."
}

variable "generalize" {
  type        = bool
  default     = null
  description = "Give every machine an identity of its own (sysprep /generalize). Unset: yes, for hci no."
}

variable "tpm" {
  type        = bool
  default     = null
  description = "A TPM 2.0 in the build VM, by swtpm. Unset: only for 11."
}

variable "secure_boot" {
  type        = bool
  default     = false
  description = "Build with Secure Boot on. The image boots with it in any case."
}

variable "secure_boot_code" {
  type        = string
  default     = "/usr/share/OVMF/OVMF_CODE_4M.ms.fd"
  description = "Firmware code for secure_boot."
}

variable "secure_boot_vars" {
  type        = string
  default     = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
  description = "Variable store with Microsoft's keys, of the same build as secure_boot_code."
}

variable "virtio_win_iso" {
  type        = string
  default     = env("VIRTIO_WIN_ISO_PATH")
  description = "virtio-win ISO: its drivers are part of the image. Empty: none, and the build VM has a SATA disk."
}

variable "driver_directory" {
  type        = string
  default     = null
  description = "Directory of further drivers (.inf with their files, subdirectories too)."
}

variable "cloudbase_init_msi" {
  type        = string
  default     = null
  description = "Cloudbase-Init installer on this host. Unset: the guest downloads cloudbase_init_url."
}

variable "cloudbase_init_url" {
  type        = string
  default     = "https://github.com/cloudbase/cloudbase-init/releases/download/1.1.8/CloudbaseInitSetup_1_1_8_x64.msi"
  description = "Where the guest gets Cloudbase-Init, checked against cloudbase_init_sha256."
}

variable "cloudbase_init_sha256" {
  type = string
  # Cloudbase publishes none. Ten public repositories that pin this release
  # agree on it, each from its own download (2026-11).
  default     = "0e7fa42e0cbc0ce7657f85730b0c6cc7afc4087a3639df0ff51a721a0be19bd5"
  description = "SHA-256 of that file."
  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.cloudbase_init_sha256))
    error_message = "A SHA-256 has 64 digits, lower case."
  }
}

variable "customize_script" {
  type        = string
  default     = null
  description = "PowerShell script that runs as administrator before sysprep. Unset: scripts/customize.ps1, which does nothing."
}

variable "answer_file" {
  type        = string
  default     = null
  description = "Your own answer file, a template that gets the same values as http/unattend.pkrtpl.hcl."
}

variable "boot_wait" {
  type        = string
  default     = "1s"
  description = "Wait before keys answer \"press any key to boot from CD\"."
}

# One password per build. The guest gives the account another that nobody knows
# before it turns itself off, and removes the logon data.
local "admin_password" {
  expression = "Aa1-${uuidv4()}"
  sensitive  = true
}

locals {
  # What differs between versions; the answer files come from one template.
  #   virtio    directory of the version on the virtio-win ISO
  #   prefix    how image names on the ISO begin
  #   account   client versions want a user, or their first run asks for one
  #   checks    Setup refuses machines without TPM or Secure Boot
  versions = {
    "2016" = { virtio = "2k16", prefix = "Windows Server 2016", edition = "SERVERSTANDARD", account = false, checks = false, generalize = true }
    "2019" = { virtio = "2k19", prefix = "Windows Server 2019", edition = "SERVERSTANDARD", account = false, checks = false, generalize = true }
    "2022" = { virtio = "2k22", prefix = "Windows Server 2022", edition = "SERVERSTANDARD", account = false, checks = false, generalize = true }
    "2025" = { virtio = "2k25", prefix = "Windows Server 2025", edition = "SERVERSTANDARD", account = false, checks = false, generalize = true }
    "10"   = { virtio = "w10", prefix = "Windows 10", edition = "PRO", account = true, checks = false, generalize = true }
    "11"   = { virtio = "w11", prefix = "Windows 11", edition = "PRO", account = true, checks = true, generalize = true }
    "hci"  = { virtio = "2k22", prefix = "", edition = "", account = false, checks = false, generalize = false }
  }
  version = local.versions[var.windows_version]

  target  = "windows-${var.windows_version}-${var.flavor}-${var.architecture}"
  machine = { cpus = 2, memory = 4096, disk_size = "48G", timeout = "3h" }

  vhdx       = var.flavor == "vhdx"
  medium     = local.vhdx ? var.vhdx_path : var.iso_path
  tpm        = var.tpm == null ? local.version.checks : var.tpm
  generalize = var.generalize == null ? local.version.generalize : var.generalize
  # Azure Local has one image, which is selected by number.
  image_index = var.image_index == null && var.windows_version == "hci" ? 1 : var.image_index
  image_name  = try(coalesce(var.image_name, "${local.version.prefix} ${coalesce(var.edition, local.version.edition)}"), "")

  virtio = var.virtio_win_iso != ""
  # A VHDX has no virtio driver when it starts.
  bus = local.virtio && !local.vhdx ? "virtio" : "ide"
  # A directory without drivers is none.
  infs    = var.driver_directory == null ? [] : fileset(var.driver_directory, "**/*.{inf,INF,Inf}")
  drivers = length(local.infs) == 0 ? "" : basename(trimsuffix(var.driver_directory, "/"))

  # Setup gives CDs the letters from D on, in no fixed order, and skips paths
  # that do not exist.
  letters    = ["D", "E", "F", "G"]
  pe_drivers = local.virtio && !local.vhdx ? ["viostor", "vioscsi", "NetKVM"] : []
  driver_paths = concat(
    [for pair in setproduct(local.letters, local.pe_drivers) : "${pair[0]}:\\${pair[1]}\\${local.version.virtio}\\amd64"],
    local.drivers == "" ? [] : [for letter in local.letters : "${letter}:\\${local.drivers}"],
  )

  # Texts from outside, as XML wants them.
  texts = { for name, text in {
    image_name   = local.image_name
    language     = var.language
    input_locale = coalesce(var.input_locale, var.language)
    timezone     = var.timezone
  } : name => replace(replace(text, "&", "&amp;"), "<", "&lt;") }

  bypass = concat(
    local.version.checks && !local.tpm ? ["BypassTPMCheck"] : [],
    local.version.checks && !var.secure_boot ? ["BypassSecureBootCheck"] : [],
  )

  values = merge(local.texts, {
    vhdx           = local.vhdx
    image_index    = local.image_index == null ? "" : "${local.image_index}"
    product_key    = var.product_key
    account        = local.version.account ? "imagebuild" : ""
    bypass         = local.bypass
    password       = local.admin_password
    driver_paths   = [for path in local.driver_paths : replace(replace(path, "&", "&amp;"), "<", "&lt;")]
    remote_desktop = var.remote_desktop
  })

  settings = jsonencode({
    version    = var.windows_version
    generalize = local.generalize
    virtio     = local.virtio ? local.version.virtio : ""
    drivers    = local.drivers
    msi        = var.cloudbase_init_msi == null ? "" : basename(var.cloudbase_init_msi)
    url        = var.cloudbase_init_url
    sha256     = var.cloudbase_init_sha256
    account    = local.version.account ? "imagebuild" : ""
  })

  # The guest's report, beside the log of the first serial port.
  report = "${trimsuffix(local.qemu_serial_log, ".log")}.guest.log"
  marker = "image-build: installed"
}

source "qemu" "windows" {
  iso_url          = local.medium
  iso_checksum     = var.iso_checksum
  disk_image       = local.vhdx
  skip_resize_disk = local.vhdx # a VHDX is larger than our disks
  disk_size        = local.qemu_disk_size
  disk_interface   = local.bus
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
  net_device        = "e1000e" # every version has its driver
  efi_boot          = true
  efi_firmware_code = var.secure_boot ? var.secure_boot_code : local.uefi_code
  efi_firmware_vars = var.secure_boot ? var.secure_boot_vars : local.uefi_vars
  vtpm              = local.tpm
  headless          = var.headless
  vnc_bind_address  = "127.0.0.1"

  # The second port is the guest's report. -cdrom is the third CD of the
  # machine; a -drive here would drop all of the plugin's own.
  qemuargs = concat(
    local.qemu_args,
    [["-serial", "file:${local.report}"]],
    local.virtio ? [["-cdrom", var.virtio_win_iso]] : [],
    var.secure_boot ? [["-global", "driver=cfi.pflash01,property=secure,value=on"]] : [],
  )

  cd_label = "IMAGEBUILD"
  cd_content = {
    # Setup looks for the first name, a Windows that is already there for the
    # second.
    "${local.vhdx ? "Unattend.xml" : "Autounattend.xml"}" = templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/unattend.pkrtpl.hcl"), local.values)
    "sysprep.xml"                                         = templatefile("${abspath(path.root)}/http/sysprep.pkrtpl.hcl", local.values)
    "settings.json"                                       = local.settings
    "customize.ps1"                                       = file(coalesce(var.customize_script, "${abspath(path.root)}/scripts/customize.ps1"))
  }
  cd_files = concat(
    [
      "${abspath(path.root)}/scripts/first-logon.ps1",
      "${abspath(path.root)}/scripts/setup-watch.cmd",
      "${abspath(path.root)}/scripts/setup-error.cmd",
      "${abspath(path.root)}/curtin",
    ],
    var.cloudbase_init_msi == null ? [] : [var.cloudbase_init_msi],
    local.drivers == "" ? [] : [trimsuffix(var.driver_directory, "/")],
  )

  # The CD waits five seconds for any key; more keys do no harm.
  boot_wait    = var.boot_wait
  boot_command = local.vhdx ? [] : [for n in range(20) : "<enter><wait1s>"]

  # The guest turns itself off, whether it succeeded or not.
  communicator     = "none"
  shutdown_timeout = local.qemu_timeout
}

build {
  sources = ["source.qemu.windows"]

  post-processor "shell-local" {
    inline = [
      "if ! grep -q '${local.marker}' '${local.report}'; then echo 'Windows was not installed. The end of ${local.report}:' >&2; tail -n 60 '${local.report}' >&2; exit 1; fi",
      "echo 'Disk ready. Make the MAAS image with: cargo xtask pack --target ${local.target} --output ${local.target}.dd.gz ${local.qemu_output_directory}/${local.qemu_vm_name}'",
    ]
  }
}
