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
