#!/bin/bash
# GRUB defaults, SSH, locale and time zone, a generic initramfs made at most once.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

say "Boot loader defaults"
install -d -m 755 /etc/default/grub.d
# curtin moves 50-cloudimg-settings.cfg away and appends consoles of its own
# kernel command line; this file stays as the base.
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
rm -f /etc/default/grub.d/10_serial.cfg /etc/default/grub.d/15_timeout.cfg

say "SSH with keys only"
# As in Debian's own cloud images. The build's own 00-image-build.conf still wins;
# cloud-init writes 50-cloud-init.conf where a user asks for passwords.
if [ "$RELEASE" -ge 12 ]; then
  printf 'PasswordAuthentication no\n' >/etc/ssh/sshd_config.d/60-image.conf
else
  # Its cloud-init edits the file itself. In Debian 10 the original is set aside.
  for file in /etc/ssh/sshd_config.image-build /etc/ssh/sshd_config; do
    if [ -e "$file" ]; then
      sed -i -E 's/^#?PasswordAuthentication .*/PasswordAuthentication no/' "$file"
      break
    fi
  done
fi

say "Locale $LOCALE, time zone $TIMEZONE"
[ -e "/usr/share/zoneinfo/$TIMEZONE" ] || die "unknown time zone $TIMEZONE"
ln -sfn "/usr/share/zoneinfo/$TIMEZONE" /etc/localtime
printf '%s\n' "$TIMEZONE" >/etc/timezone
if [ "$LOCALE" != C.UTF-8 ]; then
  name=$(grep -E "^#? *${LOCALE//./\\.}( |$)" /usr/share/i18n/SUPPORTED | head -n 1) || true
  [ -n "$name" ] || die "unknown locale $LOCALE"
  printf '%s\n' "$name" >>/etc/locale.gen
  locale-gen
fi
printf 'LANG=%s\n' "$LOCALE" >/etc/default/locale

say "Initramfs settings"
# Settings that differ from the base disk's make a new initramfs necessary.
initramfs_setting() {
  local path=/etc/initramfs-tools/conf.d/$1 content=$2
  if [ "$(cat "$path" 2>/dev/null)" != "$content" ]; then
    printf '%s\n' "$content" >"$path"
    touch "$BUILD/initramfs-wanted"
  fi
}
install -d -m 755 /etc/initramfs-tools/conf.d
# Same text in bootstrap/essential.sh, so that a base disk's initramfs can stay.
# All drivers: the deployed machine's disk controller is unknown here.
# zstd: gzip takes three times as long to pack and to unpack.
if [ "$RELEASE" -ge 11 ]; then
  initramfs_setting image.conf $'MODULES=most\nCOMPRESS=zstd'
else
  initramfs_setting image.conf MODULES=most
fi
# The resume device of the build VM would be waited for.
initramfs_setting resume RESUME=none

# Only the chosen kernel ships; each further one would cost the deploy minutes.
package=$(cat "$BUILD/kernel-package")
wanted=$(dpkg-query -W -f '${Depends}\n' "$package" | grep -oE 'linux-image-[^ ,|]+' | head -n 1) || true
wanted=${wanted:-$package}
wanted=${wanted#linux-image-}
wanted=${wanted%-unsigned}
[ -e "/boot/vmlinuz-$wanted" ] || die "package $package brought no /boot/vmlinuz-$wanted"
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

if [ -e "$BUILD/initramfs-wanted" ] || [ ! -s "/boot/initrd.img-$wanted" ]; then
  say "Initramfs, once"
  make_initramfs /usr/sbin/update-initramfs.image-build
else
  say "Initramfs of the base disk stays: nothing in it changed"
  update-grub
fi
