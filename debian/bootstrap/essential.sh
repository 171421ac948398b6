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
