# Where packages come from on Debian and Ubuntu, beside apt_mirror.
#
# defines  variables: apt_keep_mirror, apt_keyring_directory, apt_repositories
# expects  nothing

variable "apt_keep_mirror" {
  type        = bool
  default     = false
  description = "Keep apt_mirror and apt_security_mirror in the image."
}

variable "apt_repositories" {
  type        = list(string)
  default     = []
  description = "More repositories as one-line sources; they stay in the image. Keys: apt_keyring_directory."
}

variable "apt_keyring_directory" {
  type        = string
  default     = null
  description = "Keyrings to copy to /etc/apt/keyrings. Unset: keyrings/, which is empty."
}
