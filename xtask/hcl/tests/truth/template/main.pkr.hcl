# What the truth expressions refer to. `packer console template` loads it; the
# test loads the same directory. Every input type has one variable, so that
# `-var` conversions can be recorded.

variable "unset" {
  type = string
}

variable "unset_any" {}

variable "unset_list" {
  type = list(string)
}

variable "any" {
  default = "dynamic"
}

variable "str" {
  type    = string
  default = "text"
}

variable "num" {
  type    = number
  default = 3
}

variable "flag" {
  type    = bool
  default = true
}

variable "strings" {
  type    = list(string)
  default = ["b", "a", "b"]
}

variable "numbers" {
  type    = list(number)
  default = [3, 1, 2]
}

variable "string_set" {
  type    = set(string)
  default = ["b", "a", "b"]
}

variable "number_set" {
  type    = set(number)
  default = [10, 9, 1, 10]
}

variable "bool_set" {
  type    = set(bool)
  default = [true, false, true]
}

variable "string_map" {
  type    = map(string)
  default = { b = "2", a = "1" }
}

variable "number_map" {
  type    = map(number)
  default = { b = 2, a = "1" }
}

variable "object" {
  type    = object({ name = string, size = number })
  default = { name = "disk", size = "20" }
}

variable "optional_object" {
  type    = object({ name = string, tags = list(string) })
  default = { name = "x", tags = [1, true], extra = "dropped" }
}

variable "tuple" {
  type    = tuple([string, number, bool])
  default = [1, "2", "true"]
}

variable "lists" {
  type    = list(list(string))
  default = [["a", "b"], [], ["c"]]
}

variable "any_list" {
  type    = list(any)
  default = [1, "two", true]
}

variable "any_map" {
  type    = map(any)
  default = { a = 1, b = "two" }
}

variable "object_set" {
  type    = set(object({ n = number, s = string }))
  default = [{ n = 2, s = "b" }, { n = 1, s = "a" }, { n = 2, s = "b" }]
}

variable "empty_list" {
  type    = list(string)
  default = []
}

variable "empty_map" {
  type    = map(string)
  default = {}
}

variable "null_string" {
  type    = string
  default = null
}

variable "null_list" {
  type    = list(string)
  default = null
}

variable "environment" {
  default = env("TRUTH_ENVIRONMENT")
}

variable "no_environment" {
  default = env("TRUTH_UNSET_ENVIRONMENT")
}

variable "secret" {
  type      = string
  sensitive = true
  default   = "hunter2"
}

variable "port" {
  type    = number
  default = 8080
  validation {
    condition     = var.port > 1024
    error_message = "The port must be above 1024."
  }
}
