#!/bin/bash
# GRUB defaults, SSH, locale and time zone, a generic initramfs made at most once.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

say "Boot loader defaults"
write_grub_defaults
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
set_timezone
set_locale

say "Initramfs settings"
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

package=$(cat "$BUILD/kernel-package")
package=${package%%=*}
wanted=$(kernel_of_package "$package")
[ -e "/boot/vmlinuz-$wanted" ] || die "package $package brought no /boot/vmlinuz-$wanted"
name_kernel "$wanted"
remove_other_kernels "$wanted"
finish_initramfs "$wanted"
