# shellcheck shell=bash
# Sourced by every script of the build VM: what Debian and Ubuntu have in common.

set -Eeuo pipefail

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
  dpkg-query -W -f '${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep -q '^[hi]i'
}

# Before anything else is changed.

wait_for_cloud_init() {
  local status
  say "Waiting for cloud-init"
  # It exits 2 for mere warnings since 23.4, so its words decide, not its status.
  status=$(cloud-init status --wait 2>&1 || true)
  if grep -q 'status: error' <<<"$status"; then
    tail -n 40 /var/log/cloud-init.log >&2 || true
    die "cloud-init failed in the build VM: $status"
  fi
}

# A reboot in the customize script runs no second backup: under /var, once.
save_apt() {
  local -a saved=(sources.list.d apt.conf.d)
  if [ -e "$BUILD/apt-backup.tar" ]; then
    return
  fi
  if [ -e /etc/apt/sources.list ]; then
    saved+=(sources.list)
  fi
  tar -C /etc/apt -cf "$BUILD/apt-backup.tar" "${saved[@]}"
}

# Proxies, patience and no recommended packages; cleanup.sh removes both files.
configure_apt() {
  # /run would be lost with a reboot; this name is what cleanup.sh removes.
  local proxy_conf=/etc/apt/apt.conf.d/99image-build-proxy scheme name host
  local -a direct
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
}

# The mirror that the image's one-line sources name for a suite.
image_mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    awk -v suite="$1" '$1 == "deb" { for (i = 2; i < NF; i++) if ($i ~ /^https?:/ && $(i + 1) == suite) { sub(/\/*$/, "", $i); print $i; exit } }' || true
}

# The user's repositories, which stay in the image.
add_repositories() {
  local repositories
  install -d -m 755 /etc/apt/keyrings
  find "$BUILD/keyrings" -maxdepth 1 -type f ! -name README -exec install -m 644 -t /etc/apt/keyrings {} +
  repositories=$(base64 -d <<<"${APT_REPOSITORIES:-}")
  if [ -n "$repositories" ]; then
    printf '%s\n' "$repositories" >/etc/apt/sources.list.d/image-extra.list
  fi
}

# Packages.

# Answers that the loaders' scripts would ask for. The build VM's disk and NVRAM
# are not the deployed machine's, so nothing may be installed on them.
answer_loaders() {
  debconf-set-selections <<'SELECTIONS'
grub-pc grub-pc/install_devices_empty boolean true
grub-pc grub-pc/install_devices multiselect
grub-efi-amd64 grub2/update_nvram boolean false
grub-efi-arm64 grub2/update_nvram boolean false
SELECTIONS
}

# Official images: its flag file reinstalls loaders for both firmwares on each
# GRUB upgrade, and fails on a machine that has room for only one of them.
remove_grub_cloud() {
  rm -f /etc/grub.d/enable_cloud
  if is_installed grub-cloud-amd64; then
    apt_quiet purge grub-cloud-amd64
  fi
}

# Firmware, the user's packages and the user's .deb files.
install_extras() {
  local -a firmware extra debs
  read -r -a firmware <<<"${FIRMWARE_PACKAGES:-}"
  read -r -a extra <<<"${EXTRA_PACKAGES:-}"
  if [ ${#firmware[@]} -gt 0 ]; then
    say "Firmware: ${firmware[*]}"
    apt_quiet install "${firmware[@]}"
  fi
  if [ ${#extra[@]} -gt 0 ]; then
    say "Extra packages: ${extra[*]}"
    apt_quiet install "${extra[@]}"
  fi
  mapfile -d '' debs < <(find "$BUILD/packages" -maxdepth 1 -name '*.deb' -print0 | sort -z)
  if [ ${#debs[@]} -gt 0 ]; then
    say "Local packages: ${#debs[@]}"
    apt_quiet install "${debs[@]}"
  fi
}

# Said first and not after an hour.
check_kernel_policy() {
  if [ "$KERNEL_POLICY" = pinned ] && [[ ${KERNEL:-} != *=* ]]; then
    die "kernel_policy=pinned needs the version too: -var kernel=NAME=VERSION"
  fi
}

# The kernel that was asked for, or the distribution's; boot.sh and curtin.sh
# read which one it is. Behind install_extras, because a kernel of one's own
# comes from the directory of .deb files.
install_kernel() {
  local kernel=${KERNEL:-$1}
  say "Kernel package: $kernel, policy $KERNEL_POLICY"
  apt_quiet install "$kernel"
  if [ "$KERNEL_POLICY" = pinned ]; then
    apt-mark hold "${kernel%%=*}"
    printf '%s\n' "$kernel" >"$BUILD/kernel-package"
  else
    printf '%s\n' "${kernel%%=*}" >"$BUILD/kernel-package"
  fi
}

# Boot.

# curtin moves 50-cloudimg-settings.cfg away and appends consoles of its own
# kernel command line; this file stays as the base.
write_grub_defaults() {
  install -d -m 755 /etc/default/grub.d
  cat >/etc/default/grub.d/40-image.cfg <<'GRUB'
GRUB_TIMEOUT=5
GRUB_TERMINAL="console"
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_DISABLE_OS_PROBER=true
GRUB
  case $ARCHITECTURE in
  amd64) printf 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"\n' ;;
  arm64) printf 'GRUB_CMDLINE_LINUX=""\n' ;; # the firmware's SPCR table names the console
  esac >>/etc/default/grub.d/40-image.cfg
}

set_timezone() {
  [ -e "/usr/share/zoneinfo/$TIMEZONE" ] || die "unknown time zone $TIMEZONE"
  ln -sfn "/usr/share/zoneinfo/$TIMEZONE" /etc/localtime
  printf '%s\n' "$TIMEZONE" >/etc/timezone
}

set_locale() {
  local name
  if [ "$LOCALE" != C.UTF-8 ]; then
    name=$(grep -E "^#? *${LOCALE//./\\.}( |$)" /usr/share/i18n/SUPPORTED | head -n 1) || true
    [ -n "$name" ] || die "unknown locale $LOCALE"
    printf '%s\n' "$name" >>/etc/locale.gen
    locale-gen
  fi
  printf 'LANG=%s\n' "$LOCALE" >/etc/default/locale
}

# Versions of the kernels in /boot, newest first.
kernel_versions() {
  find /boot -maxdepth 1 -name 'vmlinu[xz]-*' -printf '%f\n' | sed 's/^vmlinu[xz]-//' | sort -rV
}

# The version that a kernel package stands for, following its dependencies.
kernel_of_package() {
  local package=$1 wanted
  wanted=$(dpkg-query -W -f '${Depends}\n' "$package" | grep -oE 'linux-image-[^ ,|]+' | head -n 1) || true
  # linux-generic needs linux-image-generic, which needs the image itself.
  if [ -n "$wanted" ] && is_installed "$wanted"; then
    kernel_of_package "$wanted"
    return
  fi
  wanted=${wanted:-$package}
  wanted=${wanted#linux-image-}
  wanted=${wanted#unsigned-}
  printf '%s\n' "${wanted%-unsigned}"
}

# Of policy image the hook names the very kernel: curtin up to 24.0 asks apt for
# what it is told, and a metapackage could bring another one at deployment.
name_kernel() {
  if [ "$KERNEL_POLICY" = image ]; then
    dpkg-query -S "/boot/vmlinuz-$1" | cut -d: -f1 >"$BUILD/kernel-package"
  fi
}

# Only the chosen kernel ships; each further one would cost the deploy minutes.
remove_other_kernels() {
  local wanted=$1 version owner
  local -a versions
  mapfile -t versions < <(kernel_versions)
  for version in "${versions[@]}"; do
    if [ "$version" = "$wanted" ]; then
      continue
    fi
    say "Removing kernel $version"
    owner=$(dpkg-query -S "/boot/vmlinuz-$version" | cut -d: -f1)
    # The prerm of a running kernel would ask whether to abort.
    printf '%s %s/prerm/removing-running-kernel-%s boolean false\n' "$owner" "$owner" "$version" | debconf-set-selections
    apt_quiet purge "$owner"
    rm -f "/boot/initrd.img-$version"
  done
}

# The initramfs is made at most once: each run costs minutes under emulation, and
# one build would make half a dozen.

# The stub stands in until make_initramfs has run. With dracut there is nothing
# to hold back.
hold_initramfs() {
  if [ -e "$BUILD/initramfs-diverted" ] || [ ! -e /usr/sbin/update-initramfs ]; then
    return
  fi
  say "Holding update-initramfs back"
  dpkg-divert --local --rename --divert /usr/sbin/update-initramfs.image-build --add /usr/sbin/update-initramfs
  printf '#!/bin/sh\n# Held back by the image build; boot.sh runs the real one.\ntouch %s/initramfs-wanted\n' "$BUILD" >/usr/sbin/update-initramfs
  chmod 755 /usr/sbin/update-initramfs
  touch "$BUILD/initramfs-diverted"
}

release_initramfs() {
  if [ ! -e "$BUILD/initramfs-diverted" ]; then
    return
  fi
  say "Releasing update-initramfs"
  rm -f /usr/sbin/update-initramfs
  dpkg-divert --local --rename --divert /usr/sbin/update-initramfs.image-build --remove /usr/sbin/update-initramfs
  rm -f "$BUILD/initramfs-diverted"
}

# Settings that differ from the base disk's make a new initramfs necessary.
initramfs_setting() {
  local path=/etc/initramfs-tools/conf.d/$1 content=$2
  install -d -m 755 /etc/initramfs-tools/conf.d
  if [ "$(cat "$path" 2>/dev/null)" != "$content" ]; then
    printf '%s\n' "$content" >"$path"
    touch "$BUILD/initramfs-wanted"
  fi
}

# One initramfs for each kernel. The real program is $1: the diverted one while
# the stub stands in for it; without it dracut makes them.
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
    if command -v "$program" >/dev/null; then
      "$program" "$mode" -k "$version"
    else
      dracut --force --no-hostonly "/boot/initrd.img-$version" "$version"
    fi
    [ -s "/boot/initrd.img-$version" ] || die "no initramfs for kernel $version"
  done
  rm -f "$BUILD/initramfs-wanted"
  update-grub
}

# After all settings: only if something in it changed.
finish_initramfs() {
  local wanted=$1
  if [ -e "$BUILD/initramfs-wanted" ] || [ ! -s "/boot/initrd.img-$wanted" ]; then
    say "Initramfs, once"
    make_initramfs /usr/sbin/update-initramfs.image-build
  else
    say "Initramfs of the base disk stays: nothing in it changed"
    update-grub
  fi
}
