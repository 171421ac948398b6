#!/bin/bash
# Wait for first boot, then point apt at what this build may use. Everything
# changed here is put back by cleanup.sh, file by file.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

say "Waiting for cloud-init"
# It exits 2 for mere warnings since 23.4, so its words decide, not its status.
status=$(cloud-init status --wait 2>&1 || true)
if grep -q 'status: error' <<<"$status"; then
  tail -n 40 /var/log/cloud-init.log >&2 || true
  die "cloud-init failed in the build VM: $status"
fi

# A reboot in the customize script runs no second backup: under /var, once.
if [ ! -e "$BUILD/apt-backup.tar" ]; then
  saved=(sources.list.d apt.conf.d)
  if [ -e /etc/apt/sources.list ]; then
    saved+=(sources.list)
  fi
  tar -C /etc/apt -cf "$BUILD/apt-backup.tar" "${saved[@]}"
fi

# /run would be lost with a reboot; this name is what cleanup.sh removes.
proxy_conf=/etc/apt/apt.conf.d/99image-build-proxy
# A proxy may carry a password.
install -m 600 /dev/null "$proxy_conf"
for scheme in http https; do
  name=${scheme}_proxy
  if [ -n "${!name:-}" ]; then
    printf 'Acquire::%s::Proxy "%s";\n' "$scheme" "${!name}" >>"$proxy_conf"
  fi
done
IFS=', ' read -r -a direct <<<"${no_proxy:-}"
for host in "${direct[@]}"; do
  printf 'Acquire::http::Proxy::%s "DIRECT";\nAcquire::https::Proxy::%s "DIRECT";\n' "$host" "$host" >>"$proxy_conf"
done
printf 'Acquire::Retries "3";\nAcquire::http::Timeout "30";\nAPT::Install-Recommends "false";\nDPkg::Lock::Timeout "300";\n' >/etc/apt/apt.conf.d/99image-build
# They would take dpkg's lock in the middle of the build; only stopped, so the
# deployed machine has them.
systemctl stop apt-daily.timer apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service unattended-upgrades.service 2>/dev/null || true

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
image_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    awk -v suite="$1" '$1 == "deb" { for (i = 2; i < NF; i++) if ($i ~ /^https?:/ && $(i + 1) == suite) { sub(/\/*$/, "", $i); print $i; exit } }' || true
}
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

install -d -m 755 /etc/apt/keyrings
find "$BUILD/keyrings" -maxdepth 1 -type f ! -name README -exec install -m 644 -t /etc/apt/keyrings {} +
repositories=$(base64 -d <<<"${APT_REPOSITORIES:-}")
if [ -n "$repositories" ]; then
  printf '%s\n' "$repositories" >/etc/apt/sources.list.d/image-extra.list
fi

# The stub stands in until boot.sh has made the initramfs: each run costs
# minutes under emulation, and one build would make half a dozen.
if [ ! -e "$BUILD/initramfs-diverted" ]; then
  say "Holding update-initramfs back"
  dpkg-divert --local --rename --divert /usr/sbin/update-initramfs.image-build --add /usr/sbin/update-initramfs
  printf '#!/bin/sh\n# Held back by the image build; boot.sh runs the real one.\ntouch %s/initramfs-wanted\n' "$BUILD" >/usr/sbin/update-initramfs
  chmod 755 /usr/sbin/update-initramfs
  touch "$BUILD/initramfs-diverted"
fi

apt-get update
