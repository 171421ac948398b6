# Oracle Linux 10 for MAAS, with the kernel that is compatible with Red Hat's:
# curtin asks for the package `kernel`, so no UEK repository takes part.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64" }[var.architecture]
  media_default = "https://yum.oracle.com"
  # The signed checksums are on another host; your copy has both below media_base.
  checksum_base = var.media_base == null ? "https://linux.oracle.com/security/gpg/checksum" : "${local.installer_media_base}/checksum"
  os = {
    image         = "ol10"
    title         = "Oracle Linux 10"
    major         = 10
    efi_directory = "redhat"
    iso_url       = "${local.installer_media_base}/ISOS/OracleLinux/OL10/u2/${local.rpm_arch}/OracleLinux-R10-U2-${local.rpm_arch}-boot.iso"
    iso_checksum  = "file:${local.checksum_base}/OracleLinux-R10-U2-Server-${local.rpm_arch}.checksum"
    install_url   = "${local.installer_mirror}/repo/OracleLinux/OL10/baseos/latest/${local.rpm_arch}/"
    repositories = {
      AppStream = "${local.installer_mirror}/repo/OracleLinux/OL10/appstream/${local.rpm_arch}/"
    }
    hook = true # curtin accepts 10 with BIOS since February 2026
  }
}
