# A MODEL of an installation for tests: see ../../../evidence.rs.
packer {
  required_version = ">= 1.11.0"
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.1.3"
    }
  }
}

variable "release" {
  type        = string
  default     = "1"
  description = "There is one."
}

variable "iso_path" {
  type        = string
  default     = ""
  description = "The medium."
}

variable "output_directory" {
  type        = string
  default     = "output-model"
  description = "Where the disk goes."
}

variable "serial_log" {
  type        = string
  default     = "serial.log"
  description = "Console."
}

variable "qmp_socket" {
  type        = string
  default     = "qmp.sock"
  description = "Control socket."
}

variable "timeout" {
  type        = string
  default     = "30m"
  description = "For the guest to turn itself off."
}

source "qemu" "model" {
  iso_url          = var.iso_path
  iso_checksum     = "none"
  disk_image       = true
  accelerator      = "tcg"
  machine_type     = "pc"
  memory           = 128
  cpus             = 1
  disk_size        = "16M"
  net_device       = "virtio-net"
  communicator     = "none"
  headless         = true
  boot_wait        = "1s"
  boot_command     = ["http://{{ .HTTPIP }}:{{ .HTTPPort }}/answers<enter>"]
  http_content     = { "/answers" = "yes" }
  shutdown_timeout = var.timeout
  output_directory = var.output_directory
  vm_name          = "disk.qcow2"
  qemuargs = [
    ["-serial", "file:${var.serial_log}"],
    ["-qmp", "unix:${var.qmp_socket},server=on,wait=off"],
  ]
}

build {
  sources = ["source.qemu.model"]
}
