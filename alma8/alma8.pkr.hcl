# AlmaLinux 8 for MAAS.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  media_default = "https://repo.almalinux.org/almalinux"
  os = {
    image         = "alma8"
    title         = "AlmaLinux 8"
    major         = 8
    efi_directory = "almalinux"
    iso_url       = "${local.installer_media_base}/8.10/isos/${local.rpm_arch}/AlmaLinux-8.10-${local.rpm_arch}-boot.iso"
    iso_checksum  = "file:${local.installer_media_base}/8.10/isos/${local.rpm_arch}/CHECKSUM"
    install_url   = "${local.installer_mirror}/8.10/BaseOS/${local.rpm_arch}/os/"
    repositories = {
      AppStream = "${local.installer_mirror}/8.10/AppStream/${local.rpm_arch}/os/"
      extras    = "${local.installer_mirror}/8.10/extras/${local.rpm_arch}/os/"
    }
    hook = true # curtin before 24.0 does not know AlmaLinux
  }
}
