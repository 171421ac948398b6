# Red Hat Enterprise Linux 10 for MAAS, from your own DVD.
# What the EL family shares is in el.pkr.hcl.

variable "iso_path" {
  type        = string
  default     = env("RHEL10_ISO_PATH")
  description = "Your RHEL 10 DVD image (the full one, not boot.iso)."
}

locals {
  media_default = "" # the DVD holds it all; mirror is your copy of its tree
  rpm_arch      = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  os = {
    image         = "rhel10"
    title         = "Red Hat Enterprise Linux 10"
    major         = 10
    efi_directory = "redhat"
    iso_url       = var.iso_path
    iso_checksum  = "none"
    install_url   = var.mirror == null ? "" : "${local.installer_mirror}/BaseOS/"
    repositories = {
      AppStream = var.mirror == null ? "file:///run/install/repo/AppStream" : "${local.installer_mirror}/AppStream/"
    }
    hook = true # curtin accepts 10 with BIOS since February 2026
  }
}
