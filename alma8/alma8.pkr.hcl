# AlmaLinux 8 for MAAS.
# What the EL family shares is in el.pkr.hcl, what rebuilds share in rebuild.pkr.hcl.

locals {
  media_default = "https://repo.almalinux.org/almalinux"
  rebuild = {
    image         = "alma8"
    title         = "AlmaLinux 8"
    version       = "8.10"
    prefix        = "AlmaLinux"
    efi_directory = "almalinux"
    hook          = true # curtin before 24.0 does not know AlmaLinux
  }
}
