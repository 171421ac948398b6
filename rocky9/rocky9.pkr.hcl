# Rocky Linux 9 for MAAS.
# What the EL family shares is in el.pkr.hcl, what rebuilds share in rebuild.pkr.hcl.

locals {
  media_default = "https://download.rockylinux.org/pub/rocky"
  rebuild = {
    image         = "rocky9"
    title         = "Rocky Linux 9"
    version       = "9.8"
    prefix        = "Rocky"
    efi_directory = "rocky"
    own_checksum  = true # the list that is signed is of one medium
  }
}
