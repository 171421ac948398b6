# CentOS 8 for MAAS, from the vault.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64" }[var.architecture]
  media_default = "https://vault.centos.org"
  os = {
    image         = "centos8"
    title         = "CentOS 8"
    major         = 8
    efi_directory = "centos"
    iso_url       = "${local.installer_media_base}/8.5.2111/isos/${local.rpm_arch}/CentOS-8.5.2111-${local.rpm_arch}-boot.iso"
    iso_checksum  = "file:${local.installer_media_base}/8.5.2111/isos/${local.rpm_arch}/CHECKSUM"
    install_url   = "${local.installer_mirror}/8.5.2111/BaseOS/${local.rpm_arch}/os/"
    repositories = {
      AppStream = "${local.installer_mirror}/8.5.2111/AppStream/${local.rpm_arch}/os/"
      extras    = "${local.installer_mirror}/8.5.2111/extras/${local.rpm_arch}/os/"
    }
  }
}
