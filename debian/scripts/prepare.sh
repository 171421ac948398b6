#!/bin/bash
# Wait for first boot, then point apt at what this build may use. Everything
# changed here is put back by cleanup.sh, file by file.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

check_kernel_policy
wait_for_cloud_init
save_apt
configure_apt

components="main"
if [ -n "${FIRMWARE_PACKAGES:-}" ]; then
  components="main $NONFREE"
fi

# Buster and bullseye named their security suite differently: codename/updates
# until 10, codename-security since 11.
security_suite="$CODENAME-security"
if [ "$RELEASE" = 10 ]; then
  security_suite="$CODENAME/updates"
fi

# No value: take what the image has, so that only what was asked for changes.
# Official images since 12 name their mirrors in mirror+file lists instead.
mirror=${APT_MIRROR:-$(image_mirror "$CODENAME")}
mirror=${mirror:-http://deb.debian.org/debian}
security=${APT_SECURITY_MIRROR:-$(image_mirror "$security_suite")}
security=${security:-http://deb.debian.org/debian-security}

write_sources() {
  printf 'deb %s %s %s\n' "$mirror" "$CODENAME" "$components"
  # The archive has no updates suite.
  if [ "$RELEASE" != 10 ]; then
    printf 'deb %s %s-updates %s\n' "$mirror" "$CODENAME" "$components"
  fi
  printf 'deb %s %s %s\n' "$security" "$security_suite" "$components"
}

say "Package sources: $mirror, $security ($components)"
rm -f /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/debian.list
write_sources >/etc/apt/sources.list
if [ "$RELEASE" = 10 ]; then
  # The archive's Release files are past their Valid-Until.
  printf 'Acquire::Check-Valid-Until "false";\n' >/etc/apt/apt.conf.d/90archive
fi

add_repositories
hold_initramfs
apt-get update
