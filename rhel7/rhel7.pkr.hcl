# Red Hat Enterprise Linux 7 for MAAS, from your own DVD.
# What the EL family shares is in el.pkr.hcl.

variable "iso_path" {
  type        = string
  default     = env("RHEL7_ISO_PATH")
  description = "Your RHEL 7 DVD image."
}

locals {
  rpm_arch      = { amd64 = "x86_64" }[var.architecture]
  media_default = "" # the DVD holds it all; mirror is your copy of its tree
  os = {
    image         = "rhel7"
    title         = "Red Hat Enterprise Linux 7"
    major         = 7
    efi_directory = "redhat"
    iso_url       = var.iso_path
    iso_checksum  = "none"
    install_url   = var.mirror == null ? "" : "${local.installer_mirror}/"
    repositories  = {}
    packages      = ["bridge-utils"]
    renamed       = { "python3-oauthlib" = "python2-oauthlib" }
  }
}
