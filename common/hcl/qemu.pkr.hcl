# The machine every build VM runs on, whatever the guest.
#
# defines  variables: accelerator, cpu_model, cpus, disk_size, headless,
#          machine_type, memory, output_directory, qemu_binary, qmp_socket,
#          serial_log, timeout, vm_name
#          locals:    qemu_args, qemu_binary, qemu_cpus, qemu_disk_size,
#          qemu_machine_type, qemu_memory, qemu_output_directory, qemu_qmp_socket,
#          qemu_serial_log, qemu_timeout, qemu_vm_name
# expects  var.architecture ("amd64" or "arm64"), local.target (the target's
#          id) and local.machine = { cpus, memory, disk_size, timeout }: what
#          this OS needs when nobody says otherwise
#
# Shared by relative symlink: run `packer build .` on the directory, never on
# one file.

variable "accelerator" {
  type        = string
  default     = null
  description = "QEMU accelerator: kvm, tcg, hvf. Unset: the plugin takes kvm if /dev/kvm opens, else tcg."
}

variable "cpu_model" {
  type        = string
  default     = "max"
  description = "QEMU CPU model. max is the host's CPU under KVM and everything TCG can do without it."
}

variable "cpus" {
  type        = number
  default     = null
  description = "Virtual CPUs of the build VM."
}

variable "disk_size" {
  type        = string
  default     = null
  description = "Size of the build VM's disk, for example 8G."
}

variable "headless" {
  type        = bool
  default     = true
  description = "false opens a window on the VM's screen."
}

variable "machine_type" {
  type        = string
  default     = null
  description = "QEMU machine type. Unset: q35 for amd64, virt for arm64."
}

variable "memory" {
  type        = number
  default     = null
  description = "Memory of the build VM in MiB."
}

variable "output_directory" {
  type        = string
  default     = null
  description = "Where the disk is left. Must not exist. Unset: output-<target>."
}

variable "qemu_binary" {
  type        = string
  default     = null
  description = "QEMU system emulator. Unset: the one of the target's architecture, from PATH."
}

variable "qmp_socket" {
  type        = string
  default     = null
  description = "Path of the QMP socket, at most 107 bytes. Unset: beside the disk."
}

variable "serial_log" {
  type        = string
  default     = null
  description = "File that receives the serial console. Unset: <output_directory>.serial.log, which survives a failed build."
}

variable "timeout" {
  type        = string
  default     = null
  description = "How long to wait for the guest: to answer by SSH, or to install and turn itself off."
}

variable "vm_name" {
  type        = string
  default     = null
  description = "File name of the disk. Unset: <target>.qcow2."
}

locals {
  qemu_machines = {
    amd64 = { binary = "qemu-system-x86_64", machine_type = "q35" }
    arm64 = { binary = "qemu-system-aarch64", machine_type = "virt" }
  }

  qemu_binary       = coalesce(var.qemu_binary, local.qemu_machines[var.architecture].binary)
  qemu_machine_type = coalesce(var.machine_type, local.qemu_machines[var.architecture].machine_type)
  qemu_cpus         = coalesce(var.cpus, local.machine.cpus)
  qemu_memory       = coalesce(var.memory, local.machine.memory)
  qemu_disk_size    = coalesce(var.disk_size, local.machine.disk_size)
  qemu_timeout      = coalesce(var.timeout, local.machine.timeout)

  qemu_output_directory = coalesce(var.output_directory, "output-${local.target}")
  qemu_vm_name          = coalesce(var.vm_name, "${local.target}.qcow2")
  qemu_serial_log       = coalesce(var.serial_log, "${local.qemu_output_directory}.serial.log")
  qemu_qmp_socket       = coalesce(var.qmp_socket, "${local.qemu_output_directory}/qmp.sock")

  # Only switches that the plugin itself never sets: naming -drive, -device or
  # -netdev here would drop all of the plugin's own. Not the plugin's qmp_enable:
  # it stays connected to that socket, and QEMU serves one client.
  qemu_args = [
    ["-serial", "file:${local.qemu_serial_log}"],
    ["-qmp", "unix:${local.qemu_qmp_socket},server=on,wait=off"],
  ]
}
