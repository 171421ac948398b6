#!/bin/bash
# Everything a machine needs to be deployed by MAAS with no package mirror at
# hand: storage tools for each layout, boot loaders for both firmwares, a kernel
# for real hardware.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

if [ "$UPGRADE" = true ]; then
  say "Installing updates"
  apt_quiet dist-upgrade
fi

base=(
  cloud-init cloud-guest-utils openssh-server sudo python3-oauthlib
  lsb-release # curtin asks it for the release
  lvm2 mdadm xfsprogs btrfs-progs cryptsetup dosfstools
  e2fsprogs gdisk fdisk parted
  efibootmgr zstd iproute2 ethtool ca-certificates locales tzdata netplan.io
)
# 25.10 and later make the initramfs with dracut, which excludes initramfs-tools.
if ! is_installed dracut; then
  base+=(initramfs-tools cryptsetup-initramfs)
fi

# grub-pc and grub-efi-* exclude each other. The image carries the UEFI one
# installed and the other as a file for the deploy hook; see curtin.sh.
case $ARCHITECTURE in
amd64) loader=(grub2-common grub-efi-amd64 grub-efi-amd64-bin grub-efi-amd64-signed shim-signed grub-pc-bin) ;;
arm64) loader=(grub2-common grub-efi-arm64 grub-efi-arm64-bin grub-efi-arm64-signed shim-signed) ;;
*) die "unknown architecture $ARCHITECTURE" ;;
esac

answer_loaders
remove_grub_cloud

say "Installing base packages"
apt_quiet install "${base[@]}" "${loader[@]}"

install_extras
# Cloud images have linux-virtual, which lacks the drivers of real machines.
install_kernel linux-generic

# eni would win where ifupdown was added; MAAS's configuration is netplan's.
printf 'system_info:\n  network:\n    renderers: [netplan, eni]\n' >/etc/cloud/cloud.cfg.d/91-image-network.cfg

apt_quiet autoremove --purge
