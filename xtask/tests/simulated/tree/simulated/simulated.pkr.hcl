# A SIMULATED template for tests: see ../../README.md.
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
  description = "1 to 12."
}

variable "iso_path" {
  type        = string
  default     = ""
  description = "The medium."
}

variable "output_directory" {
  type        = string
  default     = "output-simulated"
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

source "qemu" "simulated" {
  iso_url          = var.iso_path
  iso_checksum     = "none"
  accelerator      = "tcg"
  memory           = 512
  cpus             = 1
  disk_size        = "64M"
  communicator     = "none"
  headless         = true
  output_directory = var.output_directory
  vm_name          = "disk.qcow2"
  qmp_enable       = true
  qmp_socket_path  = var.qmp_socket
  qemuargs         = [["-serial", "file:${var.serial_log}"]]
}

build {
  sources = ["source.qemu.simulated"]
}
