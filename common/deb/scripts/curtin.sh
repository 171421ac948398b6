#!/bin/bash
# /curtin: the deploy hook and what it needs on a machine without a mirror.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

apt_quiet autoremove --purge
release_initramfs
# Only if the customize script changed a kernel or a hook.
if [ -e "$BUILD/initramfs-wanted" ]; then
  say "Initramfs again, wanted by the customize script"
  make_initramfs update-initramfs
fi

say "Deploy hook"
install -d -m 755 /curtin /curtin/packages
install -m 755 "$BUILD/curtin-hooks" /curtin/curtin-hooks
install -m 644 "$BUILD/hooklib.py" /curtin/hooklib.py
# Without the file the hook leaves the choice of the kernel to MAAS.
if [ "${KERNEL_POLICY:-image}" != maas ]; then
  install -m 644 "$BUILD/kernel-package" /curtin/kernel-package
fi

# A BIOS machine needs grub-pc, which excludes the installed grub-efi-amd64. A
# whole disk keeps the loader it has.
if [ "$ARCHITECTURE" = amd64 ] && [ "${ARTIFACT:-tgz}" = tgz ]; then
  cd /curtin/packages || die "no /curtin/packages"
  apt-get download grub-pc
  ls grub-pc_*.deb >/dev/null || die "grub-pc was not downloaded"
fi
