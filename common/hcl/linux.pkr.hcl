# Knobs that every Linux image has.
#
# defines  variables: customize_script, extra_packages, http_proxy,
#          https_proxy, iso_checksum, iso_url, kernel, locale, no_proxy,
#          package_directory, timezone
#          locals:    linux_customize_script, linux_environment,
#          linux_package_directory
# expects  nothing
#
# What the knobs mean is the same everywhere; the scripts of an OS decide how.
# The README of each OS lists them.

variable "customize_script" {
  type        = string
  default     = null
  description = "Script that runs as root in the system after all packages are installed. Unset: scripts/customize.sh, which does nothing."
}

variable "extra_packages" {
  type        = list(string)
  default     = []
  description = "Packages to install from the repositories."
}

variable "package_directory" {
  type        = string
  default     = null
  description = "Directory of local packages to install. Unset: none."
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
