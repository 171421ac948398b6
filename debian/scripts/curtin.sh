#!/bin/bash
# /curtin: the deploy hook and what it needs on a machine without a mirror.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

apt_quiet autoremove --purge
say "Releasing update-initramfs"
rm -f /usr/sbin/update-initramfs
dpkg-divert --local --rename --divert /usr/sbin/update-initramfs.image-build --remove /usr/sbin/update-initramfs
rm -f "$BUILD/initramfs-diverted"
# Only if the customize script changed a kernel or a hook.
if [ -e "$BUILD/initramfs-wanted" ]; then
  say "Initramfs again, wanted by the customize script"
  make_initramfs update-initramfs
fi

say "Deploy hook"
install -d -m 755 /curtin /curtin/packages
install -m 755 "$BUILD/curtin-hooks" /curtin/curtin-hooks
install -m 644 "$BUILD/kernel-package" /curtin/kernel-package

# A BIOS machine needs grub-pc, which excludes the installed grub-efi-amd64.
if [ "$ARCHITECTURE" = amd64 ]; then
  cd /curtin/packages || die "no /curtin/packages"
  apt-get download grub-pc
  ls grub-pc_*.deb >/dev/null || die "grub-pc was not downloaded"
fi
