# CentOS Stream 8 for MAAS, from the vault.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64" }[var.architecture]
  media_default = "https://vault.centos.org"
  os = {
    image         = "centos8-stream"
    title         = "CentOS Stream 8"
    major         = 8
    efi_directory = "centos"
    iso_url       = "${local.installer_media_base}/8-stream/isos/${local.rpm_arch}/CentOS-Stream-8-${local.rpm_arch}-latest-boot.iso"
    iso_checksum  = "file:${local.installer_media_base}/8-stream/isos/${local.rpm_arch}/CHECKSUM"
    install_url   = "${local.installer_mirror}/8-stream/BaseOS/${local.rpm_arch}/os/"
    repositories = {
      AppStream = "${local.installer_mirror}/8-stream/AppStream/${local.rpm_arch}/os/"
      extras    = "${local.installer_mirror}/8-stream/extras/${local.rpm_arch}/os/"
    }
  }
}
