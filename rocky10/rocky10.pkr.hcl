# Rocky Linux 10 for MAAS.
# What the EL family shares is in el.pkr.hcl, what rebuilds share in rebuild.pkr.hcl.

locals {
  media_default = "https://download.rockylinux.org/pub/rocky"
  rebuild = {
    image         = "rocky10"
    title         = "Rocky Linux 10"
    version       = "10.2"
    prefix        = "Rocky"
    efi_directory = "rocky"
    hook          = true # curtin accepts 10 with BIOS since February 2026
  }
}
