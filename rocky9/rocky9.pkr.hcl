# Rocky Linux 9 for MAAS.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  media_default = "https://download.rockylinux.org/pub/rocky"
  os = {
    image         = "rocky9"
    title         = "Rocky Linux 9"
    major         = 9
    efi_directory = "rocky"
    iso_url       = "${local.installer_media_base}/9.8/isos/${local.rpm_arch}/Rocky-9.8-${local.rpm_arch}-boot.iso"
    iso_checksum  = "file:${local.installer_media_base}/9.8/isos/${local.rpm_arch}/CHECKSUM"
    install_url   = "${local.installer_mirror}/9.8/BaseOS/${local.rpm_arch}/os/"
    repositories = {
      AppStream = "${local.installer_mirror}/9.8/AppStream/${local.rpm_arch}/os/"
      extras    = "${local.installer_mirror}/9.8/extras/${local.rpm_arch}/os/"
    }
  }
}
