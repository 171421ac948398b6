# Rocky Linux 10 for MAAS.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  media_default = "https://download.rockylinux.org/pub/rocky"
  os = {
    image         = "rocky10"
    title         = "Rocky Linux 10"
    major         = 10
    efi_directory = "rocky"
    iso_url       = "${local.installer_media_base}/10.2/isos/${local.rpm_arch}/Rocky-10.2-${local.rpm_arch}-boot.iso"
    iso_checksum  = "file:${local.installer_media_base}/10.2/isos/${local.rpm_arch}/CHECKSUM"
    install_url   = "${local.installer_mirror}/10.2/BaseOS/${local.rpm_arch}/os/"
    repositories = {
      AppStream = "${local.installer_mirror}/10.2/AppStream/${local.rpm_arch}/os/"
      extras    = "${local.installer_mirror}/10.2/extras/${local.rpm_arch}/os/"
    }
    hook = true # curtin accepts 10 with BIOS since February 2026
  }
}
