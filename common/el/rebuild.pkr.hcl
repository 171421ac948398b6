# Rebuilds of RHEL whose trees have the same shape, point release by point
# release: AlmaLinux, Rocky Linux.
#
# defines  locals os, rpm_arch, rebuild_*
# expects  local.media_default, and local.rebuild:
#            image, title, efi_directory  as in el.pkr.hcl
#            version                      point release, which the medium and the repositories are of
#            prefix                       of the medium's name
#          and, where they are needed,
#            hook                         as in el.pkr.hcl
#            own_checksum                 true: from the medium's own list, not the directory's

locals {
  rpm_arch     = { amd64 = "x86_64", arm64 = "aarch64" }[var.architecture]
  rebuild_isos = "${local.installer_media_base}/${local.rebuild.version}/isos/${local.rpm_arch}"
  rebuild_iso  = "${local.rebuild_isos}/${local.rebuild.prefix}-${local.rebuild.version}-${local.rpm_arch}-boot.iso"
  rebuild_tree = "${local.installer_mirror}/${local.rebuild.version}"
  os = {
    image         = local.rebuild.image
    title         = local.rebuild.title
    major         = parseint(split(".", local.rebuild.version)[0], 10)
    efi_directory = local.rebuild.efi_directory
    hook          = try(local.rebuild.hook, false)
    iso_url       = local.rebuild_iso
    iso_checksum  = try(local.rebuild.own_checksum, false) ? "file:${local.rebuild_iso}.CHECKSUM" : "file:${local.rebuild_isos}/CHECKSUM"
    install_url   = "${local.rebuild_tree}/BaseOS/${local.rpm_arch}/os/"
    repositories = {
      AppStream = "${local.rebuild_tree}/AppStream/${local.rpm_arch}/os/"
      extras    = "${local.rebuild_tree}/extras/${local.rpm_arch}/os/"
    }
  }
}
