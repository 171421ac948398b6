#!/bin/bash
# Everything a machine needs to be deployed by MAAS with no package mirror at
# hand: storage tools for each layout, boot loaders for both firmwares.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

if [ "$UPGRADE" = true ]; then
  say "Installing updates"
  apt_quiet dist-upgrade
fi

base=(
  cloud-init cloud-guest-utils openssh-server sudo python3-oauthlib
  lsb-release # curtin asks it for the release
  lvm2 mdadm xfsprogs btrfs-progs cryptsetup cryptsetup-initramfs dosfstools
  e2fsprogs gdisk fdisk parted
  efibootmgr initramfs-tools zstd iproute2 ethtool ca-certificates locales tzdata
)
# netplan carries MAAS's network configuration. With ifupdown beside it Debian's
# cloud-init would take ifupdown, which knows no bonds over VLANs of MAAS's kind.
network=(netplan.io)
if [ "$RELEASE" -ge 12 ]; then
  network+=(systemd-resolved libnss-resolve)
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
apt_quiet install "${base[@]}" "${network[@]}" "${loader[@]}"

install_extras
install_kernel "linux-image-$ARCHITECTURE"

if [ "$RELEASE" -ge 12 ] && is_installed ifupdown; then
  apt_quiet purge ifupdown
fi
# Releases 10 and 11 boot their build VM through ifupdown, so it stays; the
# deployed machine's configuration goes to netplan all the same.
printf 'system_info:\n  network:\n    renderers: [netplan, eni]\n' >/etc/cloud/cloud.cfg.d/91-image-network.cfg
rm -f /etc/udev/rules.d/75-cloud-ifupdown.rules

apt_quiet autoremove --purge
