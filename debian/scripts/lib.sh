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

# apt that asks nothing and keeps the image's own configuration files.
apt_quiet() {
  apt-get --yes -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

is_installed() {
  dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep -q '^i'
}

# Versions of the kernels in /boot, newest first.
kernel_versions() {
  find /boot -maxdepth 1 -name 'vmlinu[xz]-*' -printf '%f\n' | sed 's/^vmlinu[xz]-//' | sort -rV
}

# One run costs minutes under emulation. The real program is $1: the diverted
# one while the stub stands in for it.
make_initramfs() {
  local program=$1 mode version
  local -a versions
  mapfile -t versions < <(kernel_versions)
  [ ${#versions[@]} -gt 0 ] || die "no kernel in /boot"
  for version in "${versions[@]}"; do
    mode=-c
    if [ -e "/boot/initrd.img-$version" ]; then
      mode=-u
    fi
    "$program" "$mode" -k "$version"
    [ -s "/boot/initrd.img-$version" ] || die "no initramfs for kernel $version"
  done
  rm -f "$BUILD/initramfs-wanted"
  update-grub
}
