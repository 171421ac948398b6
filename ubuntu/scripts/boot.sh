#!/bin/bash
# GRUB defaults, SSH, locale and time zone, a generic initramfs made at most once.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

say "Boot loader defaults"
write_grub_defaults
# Cloud images name their root by PARTUUID, and boot without an initramfs: the
# deployed machine's root has another one.
rm -f /etc/default/grub.d/40-force-partuuid.cfg

say "SSH with keys only"
# As in Ubuntu's cloud images. The build's own 00-image-build.conf still wins;
# cloud-init writes 50-cloud-init.conf where a user asks for passwords.
printf 'PasswordAuthentication no\n' >/etc/ssh/sshd_config.d/60-image.conf

say "Locale $LOCALE, time zone $TIMEZONE"
set_timezone
set_locale

if [ -d /etc/initramfs-tools ]; then
  say "Initramfs settings"
  # All drivers: the deployed machine's disk controller is unknown here.
  initramfs_setting image.conf MODULES=most
  # The resume device of the build VM would be waited for.
  initramfs_setting resume RESUME=none
elif [ -d /etc/dracut.conf.d ]; then
  printf 'hostonly="no"\n' >/etc/dracut.conf.d/90-image.conf
  touch "$BUILD/initramfs-wanted"
fi

package=$(cat "$BUILD/kernel-package")
package=${package%%=*}
wanted=$(kernel_of_package "$package")
[ -e "/boot/vmlinuz-$wanted" ] || die "package $package brought no /boot/vmlinuz-$wanted"
name_kernel "$wanted"
remove_other_kernels "$wanted"
finish_initramfs "$wanted"

if [ "$ARTIFACT" = ddgz ]; then
  case $ARCHITECTURE in
  amd64) platform=x86_64-efi loader=BOOTX64.EFI ;;
  arm64) platform=arm64-efi loader=BOOTAA64.EFI ;;
  *) die "unknown architecture $ARCHITECTURE" ;;
  esac
  say "Loader on the removable path"
  # The machine's firmware has no entry for this disk: nothing installs a loader
  # when a whole disk is deployed. The signed GRUB looks for its settings in the
  # directory of its distribution.
  grub-install --target="$platform" --efi-directory=/boot/efi --bootloader-id="$(. /etc/os-release && echo "$ID")" --force-extra-removable --no-nvram
  [ -s "/boot/efi/EFI/BOOT/$loader" ] || die "grub-install left no EFI/BOOT/$loader"

  say "Root grows at first boot"
  install -m 755 "$BUILD/grow-root" /usr/local/sbin/image-grow-root
  cat >/etc/systemd/system/image-grow-root.service <<'UNIT'
[Unit]
Description=Grow the root logical volume to the whole disk
DefaultDependencies=no
After=systemd-remount-fs.service lvm2-monitor.service
Before=cloud-init-local.service sysinit.target
ConditionPathExists=!/var/lib/image-root-grown

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/image-grow-root

[Install]
WantedBy=sysinit.target
UNIT
  systemctl enable image-grow-root.service
fi
