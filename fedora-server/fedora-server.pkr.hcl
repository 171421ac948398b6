# Fedora Server for MAAS.
# What the EL family shares is in el.pkr.hcl.

variable "release" {
  type        = string
  default     = "44"
  description = "Fedora release."
  validation {
    condition     = contains(["41", "42", "43", "44"], var.release)
    error_message = "The release must be 41, 42, 43 or 44."
  }
}

locals {
  rpm_arch = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  # Releases move to the archive some weeks after their end of life.
  archived      = contains(["41", "42"], var.release)
  media_default = local.archived ? "https://archives.fedoraproject.org/pub/archive/fedora/linux" : "https://download.fedoraproject.org/pub/fedora/linux"
  compose       = { "41" = "1.4", "42" = "1.1", "43" = "1.6", "44" = "1.7" }[var.release]
  iso_directory = "${local.installer_media_base}/releases/${var.release}/Server/${local.rpm_arch}/iso"
  os = {
    image         = "fedora-server-${var.release}"
    title         = "Fedora Server ${var.release}"
    major         = 10
    syntax        = "F${var.release}"
    efi_directory = "fedora"
    iso_url       = "${local.iso_directory}/Fedora-Server-netinst-${local.rpm_arch}-${var.release}-${local.compose}.iso"
    iso_checksum  = "file:${local.iso_directory}/Fedora-Server-${var.release}-${local.compose}-${local.rpm_arch}-CHECKSUM"
    install_url   = "${local.installer_mirror}/releases/${var.release}/Everything/${local.rpm_arch}/os/"
    repositories = {
      updates = "${local.installer_mirror}/updates/${var.release}/Everything/${local.rpm_arch}/"
    }
    environment = "@^server-product-environment"
    hook        = true # curtin cannot install Fedora's loader for BIOS: it asks for RHEL's version
  }
}
