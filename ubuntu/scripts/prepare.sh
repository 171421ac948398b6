#!/bin/bash
# Wait for first boot, then point apt at what this build may use. Everything
# changed here is put back by cleanup.sh, file by file.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

check_kernel_policy
wait_for_cloud_init
save_apt
configure_apt

if [ -n "${APT_MIRROR:-}" ]; then
  security=${APT_SECURITY_MIRROR:-$APT_MIRROR}
  say "Package sources: $APT_MIRROR, $security"
  rm -f /etc/apt/sources.list.d/ubuntu.sources
  components="main restricted universe multiverse"
  {
    printf 'deb %s %s %s\n' "$APT_MIRROR" "$RELEASE" "$components"
    printf 'deb %s %s-updates %s\n' "$APT_MIRROR" "$RELEASE" "$components"
    printf 'deb %s %s-security %s\n' "$security" "$RELEASE" "$components"
  } >/etc/apt/sources.list
fi

add_repositories
hold_initramfs
apt-get update
