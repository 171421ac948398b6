#!/bin/bash
# The user's script of the test: Ubuntu's login user on a Debian base disk, then
# the example for SSH, and what the knobs came to in the guest.
set -euo pipefail

sed -i 's/name: debian/name: ubuntu/' /etc/cloud/cloud.cfg
grep -q 'name: ubuntu' /etc/cloud/cloud.cfg
mkdir -p /usr/local/share/knobs
printf '%s\n' "$EXTRA_PACKAGES" "$KERNEL_POLICY" "$FLAVOR" >/usr/local/share/knobs/seen
