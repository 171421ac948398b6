# The credential of a build VM that scripts enter by SSH.
#
# defines  variables: shutdown_timeout, ssh_private_key_file, ssh_public_key,
#          user_data
#          locals:    ssh_password
# expects  nothing

variable "shutdown_timeout" {
  type        = string
  default     = "10m"
  description = "How long the guest may take to power off."
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
