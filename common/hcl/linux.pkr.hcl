# Knobs that every Linux image has, and the credential of the build VM.
#
# defines  variables: customize_script, extra_packages, http_proxy,
#          https_proxy, iso_checksum, iso_url, kernel, locale, no_proxy,
#          package_directory, ssh_private_key_file, ssh_public_key, timezone,
#          user_data
#          locals:    linux_customize_script, linux_environment,
#          linux_package_directory, ssh_password
# expects  nothing
#
# What the knobs mean is the same everywhere; the scripts of an OS decide how.
# The README of each OS lists them.

variable "customize_script" {
  type        = string
  default     = null
  description = "Script that runs as root in the VM after all packages are installed. It may reboot. Unset: scripts/customize.sh, which does nothing."
}

variable "extra_packages" {
  type        = list(string)
  default     = []
  description = "Packages to install from the repositories."
}

variable "package_directory" {
  type        = string
  default     = null
  description = "Directory of local packages to install. Unset: packages/, which is empty."
}

variable "http_proxy" {
  type        = string
  default     = env("http_proxy")
  sensitive   = true
  description = "Proxy for http during the build. Not kept in the image."
}

variable "https_proxy" {
  type        = string
  default     = env("https_proxy")
  sensitive   = true
  description = "Proxy for https during the build. Not kept in the image."
}

variable "no_proxy" {
  type        = string
  default     = env("no_proxy")
  description = "Hosts to reach without the proxy. Not kept in the image."
}

variable "iso_url" {
  type        = string
  default     = null
  description = "Your own medium (path or URL) instead of the release's. Set iso_checksum with it."
}

variable "iso_checksum" {
  type        = string
  default     = null
  description = "Checksum of iso_url in Packer's forms: sha256:..., sha512:..., file:<URL or path>, none."
}

variable "kernel" {
  type        = string
  default     = ""
  description = "Kernel package, version allowed (name=version). Empty: the distribution's default."
}

variable "locale" {
  type        = string
  default     = "C.UTF-8"
  description = "System locale of the image."
}

variable "timezone" {
  type        = string
  default     = "Etc/UTC"
  description = "Time zone of the image, as in /usr/share/zoneinfo."
}

variable "ssh_public_key" {
  type        = string
  default     = ""
  description = "Key that may log in to the build VM as well, for debugging. Not kept in the image."
}

variable "ssh_private_key_file" {
  type        = string
  default     = null
  description = "Private key to ssh_public_key. Unset: the random password."
}

variable "user_data" {
  type        = string
  default     = null
  description = "Your own cloud-init user-data template for the build VM. It gets ssh_password and ssh_public_key, and must let root in."
}

# One password per build, known to nobody and gone from the image: the guest
# locks root in the same command that powers it off.
local "ssh_password" {
  expression = uuidv4()
  sensitive  = true
}

locals {
  linux_customize_script  = coalesce(var.customize_script, "${abspath(path.root)}/scripts/customize.sh")
  linux_package_directory = coalesce(var.package_directory, "${abspath(path.root)}/packages")

  linux_environment = [
    "EXTRA_PACKAGES=${join(" ", var.extra_packages)}",
    "KERNEL=${var.kernel}",
    "LOCALE=${var.locale}",
    "TIMEZONE=${var.timezone}",
    "http_proxy=${var.http_proxy}",
    "https_proxy=${var.https_proxy}",
    "no_proxy=${var.no_proxy}",
  ]
}
