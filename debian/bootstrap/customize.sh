#!/bin/sh
# Turns a bootstrapped tree into a system that boots in a VM and obeys a NoCloud
# seed. Runs as mmdebstrap's customize hook: $1 is the tree. Its text is passed
# on the command line, because the user namespace of a rootless run cannot read
# a home directory.
#
# Environment: ARCHITECTURE, CODENAME, ROOT_UUID, BOOT_UUID (file system of /boot,
# empty if that is on the root), SERIAL (console device), SOURCES (contents of
# sources.list).
set -eu
root=$1
# Where GRUB finds /boot.
boot_fs=${BOOT_UUID:-$ROOT_UUID}
boot_path=/boot

printf '%s\n' "$SOURCES" >"$root/etc/apt/sources.list"
rm -f "$root"/etc/apt/sources.list.d/0000*.list
# The options of this run, the host's proxy among them.
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap"
echo debian >"$root/etc/hostname"
# Without it cloud-init makes en_US.UTF-8, which locale-gen leaves out unless
# locale.gen names it: cloud-config.service fails on every first start.
printf 'LANG=C.UTF-8\n' >"$root/etc/default/locale"
printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
: >"$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_*
ln -sfn ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
# Enabled by its package since Debian 12; before that it is part of systemd.
chroot "$root" systemctl enable systemd-resolved.service
mkdir -p "$root/boot/efi" "$root/boot/grub"
printf 'UUID=%s / ext4 rw,discard,errors=remount-ro 0 1\n' "$ROOT_UUID" >"$root/etc/fstab"
if [ -n "$BOOT_UUID" ]; then
  boot_path=
  printf 'UUID=%s /boot ext4 rw,discard 0 2\n' "$BOOT_UUID" >>"$root/etc/fstab"
fi
usermod --root "$root" --password '*' root 2>/dev/null || chroot "$root" usermod --password '*' root

# essential.sh put a stub in its place while packages were installed.
tool=/usr/sbin/update-initramfs
rm "$root$tool"
chroot "$root" dpkg-divert --quiet --local --rename --divert "$tool.bootstrap" --remove "$tool"
kernel=$(find "$root/boot" -maxdepth 1 -name 'vmlinuz-*' -printf '%f\n' | sort -V | tail -n 1)
version=${kernel#vmlinuz-}
chroot "$root" update-initramfs -c -k "$version"

mkdir -p "$root/etc/default/grub.d"
printf 'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX="console=tty0 console=%s"\n' "$SERIAL" >"$root/etc/default/grub.d/10_serial.cfg"
# update-grub would look at the disks of this host. no_timer_check: on a busy host
# without KVM the kernel's test of the timer fails by chance, and it panics.
# mitigations=off: nobody else runs in this VM, and under emulation they cost time.
# The first update-grub in the build removes both.
cat >"$root/boot/grub/grub.cfg" <<GRUB
set timeout=0
menuentry "Debian" {
  search --no-floppy --fs-uuid --set=root $boot_fs
  linux $boot_path/$kernel root=UUID=$ROOT_UUID ro no_timer_check mitigations=off console=tty0 console=$SERIAL
  initrd $boot_path/initrd.img-$version
}
GRUB

# What a BIOS loads; the blocks it lies in are entered when the disk is made.
if [ "$ARCHITECTURE" = amd64 ]; then
  mkdir -p "$root/boot/grub/i386-pc"
  # shellcheck disable=SC2016 # $root is GRUB's
  printf 'search.fs_uuid %s root\nset prefix=($root)%s/grub\n' "$boot_fs" "$boot_path" >"$root/boot/grub/i386-pc/load.cfg"
  chroot "$root" grub-mkimage --directory=/usr/lib/grub/i386-pc --format=i386-pc \
    --config=/boot/grub/i386-pc/load.cfg --prefix=/boot/grub --output=/boot/grub/i386-pc/core.img \
    biosdisk part_gpt ext2 search search_fs_uuid normal configfile linux echo test boot
fi
