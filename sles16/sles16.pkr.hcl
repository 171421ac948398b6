# SUSE Linux Enterprise Server 16 for MAAS, from your own Full medium, by
# Agama. What both SLES share is in suse.pkr.hcl.

variable "iso_path" {
  type        = string
  default     = env("SLES16_ISO_PATH")
  description = "Your SLES 16.0 Full (offline) installation image."
}

locals {
  # The medium of 16.0 has no cloud-init. It comes from where you say. Without
  # that xtask starts no machine, and under Packer the installer stops at once.
  cloud_init_source = local.suse_registered || length(var.repositories) > 0 || var.mirror != null
  can_install       = local.cloud_init_source || var.package_directory != null || var.answer_file != null
  medium_refusal    = local.can_install ? "" : "the SLES 16 medium has no cloud-init: set registration_code, registration_url, repositories, mirror or package_directory"
  os = {
    image     = "sles16"
    disk_size = "20G"
    iso_url   = var.iso_path
    path      = "/profile.json"
    answer = templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/profile.json.pkrtpl.hcl"), merge(local.suse_values, {
      cloud_init_packages = local.cloud_init_source ? ["cloud-init"] : []
    }))
    keys      = "<down><wait1s>"
    arguments = "inst.auto=ANSWER inst.finish=poweroff inst.self_update=0"
  }
}
