# CentOS Stream 10 for MAAS. Its media roll: "latest" is the only name that lasts.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  media_default = "https://mirror.stream.centos.org"
  os = {
    image         = "centos10-stream"
    title         = "CentOS Stream 10"
    major         = 10
    efi_directory = "centos"
    iso_url       = "${local.installer_media_base}/10-stream/BaseOS/${local.rpm_arch}/iso/CentOS-Stream-10-latest-${local.rpm_arch}-boot.iso"
    iso_checksum  = "file:${local.installer_media_base}/10-stream/BaseOS/${local.rpm_arch}/iso/CentOS-Stream-10-latest-${local.rpm_arch}-boot.iso.SHA256SUM"
    install_url   = "${local.installer_mirror}/10-stream/BaseOS/${local.rpm_arch}/os/"
    repositories = {
      AppStream = "${local.installer_mirror}/10-stream/AppStream/${local.rpm_arch}/os/"
      CRB       = "${local.installer_mirror}/10-stream/CRB/${local.rpm_arch}/os/"
    }
    hook = true # curtin accepts 10 with BIOS since February 2026
  }
}
