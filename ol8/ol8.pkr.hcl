# Oracle Linux 8 for MAAS, with the kernel that is compatible with Red Hat's:
# curtin asks for the package `kernel`, so no UEK repository takes part.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64" }[var.architecture]
  media_default = "https://yum.oracle.com"
  # The signed checksums are on another host; your copy has both below media_base.
  checksum_base = var.media_base == null ? "https://linux.oracle.com/security/gpg/checksum" : "${local.installer_media_base}/checksum"
  os = {
    image         = "ol8"
    title         = "Oracle Linux 8"
    major         = 8
    efi_directory = "redhat"
    iso_url       = "${local.installer_media_base}/ISOS/OracleLinux/OL8/u10/${local.rpm_arch}/OracleLinux-R8-U10-${local.rpm_arch}-boot.iso"
    iso_checksum  = "file:${local.checksum_base}/OracleLinux-R8-U10-Server-${local.rpm_arch}.checksum"
    install_url   = "${local.installer_mirror}/repo/OracleLinux/OL8/baseos/latest/${local.rpm_arch}/"
    repositories = {
      AppStream = "${local.installer_mirror}/repo/OracleLinux/OL8/appstream/${local.rpm_arch}/"
    }
    hook = true # curtin before 24.0 does not know Oracle Linux, and MAAS 3.5 has 23.1
  }
}
