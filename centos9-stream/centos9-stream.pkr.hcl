# CentOS Stream 9 for MAAS. Its media roll: "latest" is the only name that lasts.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  media_default = "https://mirror.stream.centos.org"
  os = {
    image         = "centos9-stream"
    title         = "CentOS Stream 9"
    major         = 9
    efi_directory = "centos"
    iso_url       = "${local.installer_media_base}/9-stream/BaseOS/${local.rpm_arch}/iso/CentOS-Stream-9-latest-${local.rpm_arch}-boot.iso"
    iso_checksum  = "file:${local.installer_media_base}/9-stream/BaseOS/${local.rpm_arch}/iso/CentOS-Stream-9-latest-${local.rpm_arch}-boot.iso.SHA256SUM"
    install_url   = "${local.installer_mirror}/9-stream/BaseOS/${local.rpm_arch}/os/"
    repositories = {
      AppStream = "${local.installer_mirror}/9-stream/AppStream/${local.rpm_arch}/os/"
      CRB       = "${local.installer_mirror}/9-stream/CRB/${local.rpm_arch}/os/"
    }
  }
}
