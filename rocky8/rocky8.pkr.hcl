# Rocky Linux 8 for MAAS.
# What the EL family shares is in el.pkr.hcl, what rebuilds share in rebuild.pkr.hcl.

locals {
  media_default = "https://download.rockylinux.org/pub/rocky"
  rebuild = {
    image         = "rocky8"
    title         = "Rocky Linux 8"
    version       = "8.10"
    prefix        = "Rocky"
    efi_directory = "rocky"
  }
}
