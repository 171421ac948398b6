# shellcheck shell=bash
# Sourced by every script of the build VM.

set -Eeuo pipefail

# shellcheck disable=SC2034 # used by the scripts that source this
BUILD=/var/lib/image-build

# Without this a failed command in the middle of a script is a silent exit 1.
on_error() {
  local status=$1 line=$2 command=$3
  printf '%s: line %s: "%s" failed with status %s\n' "${0##*/}" "$line" "$command" "$status" >&2
  exit "$status"
}
trap 'on_error "$?" "$LINENO" "$BASH_COMMAND"' ERR

say() {
  printf '== %s\n' "$*"
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# zypper that asks nothing. 100 to 106 tell of pending reboots and the like.
zypper_quiet() {
  local status=0
  zypper --non-interactive "$@" || status=$?
  if [ "$status" -ge 100 ] && [ "$status" -le 106 ]; then
    status=0
  fi
  return "$status"
}

# Versions of the kernels in /boot, newest first.
kernel_versions() {
  find /boot -maxdepth 1 -name 'vmlinu[xz]-*' -printf '%f\n' | sed 's/^vmlinu[xz]-//' | sort -rV
}
