# UEFI firmware for the build VM.
#
# defines  variables: efi_firmware_code, efi_firmware_vars
#          locals:    uefi_code, uefi_vars
# expects  var.architecture ("amd64" or "arm64")
#
# CODE and VARS must come from one build of the firmware, so they are chosen as
# a pair. The plugin copies VARS for each build and never writes to the
# original. cargo xtask passes both from QEMU's firmware descriptors; the list
# below serves a plain `packer build .` on the usual distributions.

variable "efi_firmware_code" {
  type        = string
  default     = null
  description = "UEFI firmware code image (raw pflash). Set efi_firmware_vars with it."
}

variable "efi_firmware_vars" {
  type        = string
  default     = null
  description = "UEFI variable store template that belongs to efi_firmware_code."
}

locals {
  uefi_pairs = {
    amd64 = [
      # Debian, Ubuntu: package ovmf
      { code = "/usr/share/OVMF/OVMF_CODE_4M.fd", vars = "/usr/share/OVMF/OVMF_VARS_4M.fd" },
      { code = "/usr/share/OVMF/OVMF_CODE.fd", vars = "/usr/share/OVMF/OVMF_VARS.fd" },
      # Fedora, RHEL: package edk2-ovmf
      { code = "/usr/share/edk2/ovmf/OVMF_CODE.fd", vars = "/usr/share/edk2/ovmf/OVMF_VARS.fd" },
      # Arch: package edk2-ovmf
      { code = "/usr/share/edk2/x64/OVMF_CODE.4m.fd", vars = "/usr/share/edk2/x64/OVMF_VARS.4m.fd" },
      # Homebrew: part of qemu
      { code = "/opt/homebrew/share/qemu/edk2-x86_64-code.fd", vars = "/opt/homebrew/share/qemu/edk2-i386-vars.fd" },
    ]
    arm64 = [
      # Debian, Ubuntu: package qemu-efi-aarch64
      { code = "/usr/share/AAVMF/AAVMF_CODE.fd", vars = "/usr/share/AAVMF/AAVMF_VARS.fd" },
      # Fedora, RHEL: package edk2-aarch64
      { code = "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", vars = "/usr/share/edk2/aarch64/vars-template-pflash.raw" },
      # Homebrew: part of qemu
      { code = "/opt/homebrew/share/qemu/edk2-aarch64-code.fd", vars = "/opt/homebrew/share/qemu/edk2-arm-vars.fd" },
    ]
  }

  # With none installed the first is named, so that the error says which file
  # is missing.
  uefi_found = concat(
    [for pair in local.uefi_pairs[var.architecture] : pair if fileexists(pair.code) && fileexists(pair.vars)],
    local.uefi_pairs[var.architecture],
  )

  uefi_code = coalesce(var.efi_firmware_code, local.uefi_found[0].code)
  uefi_vars = coalesce(var.efi_firmware_vars, local.uefi_found[0].vars)
}
