# Knobs of images that an installer makes from an answer file.
#
# defines  variables: answer_file, boot_command_suffix, boot_wait, media_base,
#          mirror, repositories
#          locals:    installer_cd_files, installer_check, installer_console,
#          installer_keyboard_args, installer_marker, installer_media_base,
#          installer_mirror
# expects  var.architecture, var.package_directory (linux.pkr.hcl),
#          local.qemu_serial_log (qemu.pkr.hcl), local.media_default: where
#          the vendor's tree is

variable "media_base" {
  type        = string
  default     = null
  description = "Your copy of the vendor's tree, for media, checksums and packages. Unset: the vendor's."
}

variable "mirror" {
  type        = string
  default     = null
  description = "Another copy of that tree, for packages only."
}

variable "repositories" {
  type        = map(string)
  default     = {}
  description = "More repositories for the installation, name to URL. They do not stay in the image."
}

variable "answer_file" {
  type        = string
  default     = null
  description = "Your own answer file, a template that gets the same values as ours."
}

variable "boot_wait" {
  type        = string
  default     = "20s"
  description = "Wait before the boot menu is edited. It stays for 60s, and firmware needs 5s with KVM, 15s without."
}

variable "boot_command_suffix" {
  type        = string
  default     = ""
  description = "More arguments for the installer's kernel."
}

locals {
  installer_media_base = trimsuffix(try(coalesce(var.media_base, local.media_default), ""), "/")
  installer_mirror     = trimsuffix(try(coalesce(var.mirror, local.installer_media_base), ""), "/")
  installer_console    = { amd64 = "ttyS0", arm64 = "ttyAMA0" }[var.architecture]

  # The last step of the answer file writes this to the serial console. Without
  # it a guest that turned itself off has not finished.
  installer_marker = "image-build: installed"
  installer_check = join("; ", [
    "grep -q '${local.installer_marker}' '${local.qemu_serial_log}'",
    "if [ $? -ne 0 ]",
    "then echo 'the installation did not finish, see ${local.qemu_serial_log}' >&2",
    "exit 1",
    "fi",
  ])

  # Local packages travel on a CD labelled PACKAGES.
  installer_cd_files = var.package_directory == null ? [] : ["${trimsuffix(var.package_directory, "/")}/"]

  # Typed boot commands need a keyboard, and GRUB a screen. q35 has both, virt
  # has neither. A -device here would drop all of the plugin's own; -readconfig
  # adds to them.
  installer_keyboard_args = {
    amd64 = []
    arm64 = [["-readconfig", "${abspath(path.root)}/keyboard.cfg"]]
  }[var.architecture]
}
