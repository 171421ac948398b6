#!/bin/bash
# GRUB defaults, SSH, locale and time zone, login user, a generic initrd, /curtin.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

say "Boot loader defaults"
set_grub() {
  local name=$1 value=$2
  sed -i "/^$name=/d" /etc/default/grub
  printf '%s="%s"\n' "$name" "$value" >>/etc/default/grub
}
set_grub GRUB_TIMEOUT 5
set_grub GRUB_TERMINAL console
set_grub GRUB_CMDLINE_LINUX_DEFAULT ""
set_grub GRUB_CMDLINE_LINUX "console=tty0 console=ttyS0,115200"
set_grub GRUB_DISABLE_OS_PROBER true

say "SSH with keys only"
# The original is set aside while the build's password works; see the seed.
for file in /etc/ssh/sshd_config.image-build /etc/ssh/sshd_config; do
  if [ -e "$file" ]; then
    sed -i -E 's/^#?PasswordAuthentication .*/PasswordAuthentication no/' "$file"
    break
  fi
done

say "Locale $LOCALE, time zone $TIMEZONE"
[ -e "/usr/share/zoneinfo/$TIMEZONE" ] || die "unknown time zone $TIMEZONE"
ln -sfn "/usr/share/zoneinfo/$TIMEZONE" /etc/localtime
printf 'LANG=%s\n' "$LOCALE" >/etc/locale.conf

say "Login user sles"
cat >/etc/cloud/cloud.cfg.d/91-image-user.cfg <<'CONFIG'
system_info:
  default_user:
    name: sles
    lock_passwd: true
    gecos: SLES
    groups: [users]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
users: [default]
disable_root: true
CONFIG

say "Initrd for any machine"
printf 'hostonly="no"\n' >/etc/dracut.conf.d/90-image.conf
mapfile -t versions < <(kernel_versions)
[ ${#versions[@]} -gt 0 ] || die "no kernel in /boot"
for version in "${versions[@]}"; do
  dracut --force --no-hostonly "/boot/initrd-$version" "$version"
  [ -s "/boot/initrd-$version" ] || die "no initrd for kernel $version"
done
grub2-mkconfig -o /boot/grub2/grub.cfg

say "Deploy hook"
install -d -m 755 /curtin
install -m 755 "$BUILD/curtin-hooks" /curtin/curtin-hooks
install -m 644 "$BUILD/hooklib.py" /curtin/hooklib.py
