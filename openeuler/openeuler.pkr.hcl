# openEuler 24.03 LTS for MAAS.
# What the EL family shares is in el.pkr.hcl.

locals {
  rpm_arch      = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  media_default = "https://repo.openeuler.org"
  version       = "24.03-LTS-SP4"
  iso           = "${local.installer_media_base}/openEuler-${local.version}/ISO/${local.rpm_arch}/openEuler-${local.version}-${local.rpm_arch}-dvd.iso"
  tree          = "${local.installer_mirror}/openEuler-${local.version}"
  os = {
    image         = "openeuler"
    title         = "openEuler ${local.version}"
    major         = 9
    syntax        = "F36" # the release its Anaconda is from
    efi_directory = "openEuler"
    iso_url       = local.iso
    iso_checksum  = "file:${local.iso}.sha256sum"
    install_url   = "${local.tree}/OS/${local.rpm_arch}/"
    repositories = {
      everything = "${local.tree}/everything/${local.rpm_arch}/"
      update     = "${local.tree}/update/${local.rpm_arch}/"
    }
    renamed = {
      "shim-x64"                = "shim"
      "shim-aa64"               = "shim"
      "iscsi-initiator-utils"   = "open-iscsi"
      "device-mapper-multipath" = "multipath-tools"
      "dracut-config-generic"   = "dracut"
    }
    hook = true # curtin does not know openEuler
  }
}
