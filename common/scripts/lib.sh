# shellcheck shell=bash
# How every script that runs inside an installer talks and fails. CONSOLE is
# the serial device, MARKER what says that all is done.

set -Eeuo pipefail

# What commands say goes to whoever runs this, and to the console if one fails.
output=$(mktemp)
exec 3>&1
exec >"$output" 2>&1
trap 'cat "$output" >&3; rm -f "$output"' EXIT

say() {
  printf 'image-build: %s\n' "$*" | tee "/dev/$CONSOLE"
}

# The reason goes to the serial console, then the machine turns off: nobody is
# there to press a key.
fail() {
  trap - ERR
  tail -n 20 "$output" >"/dev/$CONSOLE"
  printf 'image-build: FAILED: %s\n' "$*" | tee "/dev/$CONSOLE"
  sync
  sleep 5
  echo o >/proc/sysrq-trigger
  sleep 60
  exit 1
}

trap 'fail "line $LINENO: \"$BASH_COMMAND\" ended with status $?"' ERR

# What the last step of every installation begins and ends with.
build=/var/lib/image-build

# install_local_packages COMMAND...: the operator's own, from the disk beside the medium.
install_local_packages() {
  say "local packages"
  [ -e /dev/disk/by-label/PACKAGES ] || return 0
  mkdir -p "$build/packages"
  mount -o ro /dev/disk/by-label/PACKAGES "$build/packages"
  find "$build/packages" -name '*.rpm' -print0 >"$build/list"
  if [ -s "$build/list" ]; then
    xargs -0 --arg-file "$build/list" "$@"
  fi
  umount "$build/packages"
}

run_customize_script() {
  say "customize script"
  mkdir -p "$build"
  base64 --decode <<<"$CUSTOMIZE" >"$build/customize"
  chmod 700 "$build/customize"
  "$build/customize"
}

install_deploy_hook() {
  say "deploy hook"
  mkdir -p /curtin
  base64 --decode <<<"$HOOK" >/curtin/curtin-hooks
  base64 --decode <<<"$HOOKLIB" >/curtin/hooklib.py
  chmod 755 /curtin/curtin-hooks
}

# Nothing may follow: the marker tells the engine that all is done.
finish_image() {
  rm -rf "$build"
  sync
  say "${MARKER#image-build: }"
}
