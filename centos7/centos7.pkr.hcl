# CentOS 7 for MAAS, from the vault.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64" }[var.architecture]
  media_default = "https://vault.centos.org"
  os = {
    image         = "centos7"
    title         = "CentOS 7"
    major         = 7
    efi_directory = "centos"
    iso_url       = "${local.installer_media_base}/7.9.2009/isos/${local.rpm_arch}/CentOS-7-${local.rpm_arch}-NetInstall-2009.iso"
    iso_checksum  = "file:${local.installer_media_base}/7.9.2009/isos/${local.rpm_arch}/sha256sum.txt"
    install_url   = "${local.installer_mirror}/7.9.2009/os/${local.rpm_arch}/"
    repositories = {
      extras  = "${local.installer_mirror}/7.9.2009/extras/${local.rpm_arch}/"
      updates = "${local.installer_mirror}/7.9.2009/updates/${local.rpm_arch}/"
    }
    packages = ["bridge-utils", "yum-utils"]
    renamed  = { "python3-oauthlib" = "python2-oauthlib" }
  }
}
