packer {
  required_version = ">= 1.9" # c
}
variable "v" {
  type    = object({ a = optional(list(string), ["x"]) })
  default = {}
  validation {
    condition     = length(var.v.a) > 0
    error_message = "No."
  }
}
locals {
  t = "a ${~ var.v.a[0] ~} %{ for i, x in var.v.a ~}${i}%{ endfor }$${z}"
  h = <<-EOT
    %{ if true ~}
    x
    %{ else }y%{ endif }
  EOT
  o = { for k, v in { a = 1, (local.t) = -2.5e1 } : k => v... if v != null }
  s = var.v[*].a.0
}
source "null" "n" { communicator = "none" }
build {
  source "null.n" {
    name = "q"
  }
  dynamic "provisioner" {
    for_each = try(local.o["a"], [true ? 1 : 2])
    labels   = ["shell"]
    content {
      inline = ["${provisioner.value} ${build.ID}"]
    }
  }
}
