# SUSE Linux Enterprise Server 15 for MAAS, from your own Full medium, by
# AutoYaST. What both SLES share is in suse.pkr.hcl.

variable "iso_path" {
  type        = string
  default     = env("SLES15_ISO_PATH")
  description = "Your SLE 15 Full medium, service pack 4 or later. The Online one has no modules."
}

locals {
  medium_refusal = ""
  os = {
    image     = "sles15"
    disk_size = "8G"
    iso_url   = var.iso_path
    path      = "/autoinst.xml"
    answer    = templatefile(coalesce(var.answer_file, "${abspath(path.root)}/http/autoinst.xml.pkrtpl.hcl"), local.suse_values)
    keys      = "<esc><wait1s>"
    arguments = "autoyast=ANSWER install=cd:/ netsetup=dhcp textmode=1 self_update=0 lang=en_US"
  }
}
