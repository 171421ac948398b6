#!/bin/sh
# Settings that the package scripts of the kernel read. Runs as mmdebstrap's
# essential hook: $1 is the tree.
set -eu
root=$1

printf 'do_symlinks=no\n' >"$root/etc/kernel-img.conf"
mkdir -p "$root/etc/initramfs-tools/conf.d"
# Same text in scripts/boot.sh.
printf 'MODULES=most\nCOMPRESS=zstd\n' >"$root/etc/initramfs-tools/conf.d/image.conf"
printf 'RESUME=none\n' >"$root/etc/initramfs-tools/conf.d/resume"

# The kernel's package and the trigger of each of a dozen others would make an
# initramfs, half a minute apiece: customize.sh makes the only one.
tool=/usr/sbin/update-initramfs
chroot "$root" dpkg-divert --quiet --local --rename --divert "$tool.bootstrap" --add "$tool"
ln -s /bin/true "$root$tool"
