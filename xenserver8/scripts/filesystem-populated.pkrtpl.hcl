#!/bin/bash
# Prepares the installed system, mounted at $1, before the installer leaves it.
set -eu
root=$1
base=$(sed -n 's|.*answerfile_generator=\(http://[^ ]*\)/generate.*|\1|p' /proc/cmdline)

# Xen or the kernel has the serial port, whichever was told to.
say() {
  for port in /dev/ttyS0 /dev/hvc0; do
    if [ -e "$port" ]; then echo "image-build: $*" >"$port" || true; fi
  done 2>/dev/null
}
trap 'say "FAILED: filesystem-populated, line $LINENO"' ERR

fetch() {
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --output "$2" "$base/$1"
  else
    wget -q -O "$2" "$base/$1"
  fi
}

say "the deploy hook"
mkdir -p "$root/curtin"
%{ for name in hook_files ~}
fetch "curtin/${name}" "$root/curtin/${name}"
%{ endfor ~}
chmod 755 "$root/curtin/curtin-hooks" "$root/curtin/first-boot"

%{ if packages ~}
say "packages"
mkdir -p "$root/tmp/packages"
cd=$(blkid -L PACKAGES)
mount -o ro "$cd" "$root/tmp/packages"
# Dependencies must be among them: there is no repository.
chroot "$root" /bin/bash -c 'rpm --upgrade --verbose --hash /tmp/packages/*.rpm'
umount "$root/tmp/packages"
rmdir "$root/tmp/packages"
%{ endif ~}

say "customizing"
fetch customize "$root/tmp/customize"
chmod 700 "$root/tmp/customize"
chroot "$root" /tmp/customize
rm -f "$root/tmp/customize"

# The installer's initrd has drivers for this VM only.
say "initrd for all machines"
printf 'hostonly="no"\n' >"$root/etc/dracut.conf.d/maas.conf"
mounted=()
for name in dev proc sys; do
  if ! mountpoint -q "$root/$name"; then
    mount --bind "/$name" "$root/$name"
    mounted+=("$root/$name")
  fi
done
found=no
for directory in "$root"/lib/modules/*; do
  version=$(basename "$directory")
  for image in "$root/boot/initrd-$version.img" "$root/boot/initramfs-$version.img"; do
    if [ -e "$image" ]; then
      chroot "$root" dracut --force --no-hostonly "$${image#"$root"}" "$version"
      found=yes
    fi
  done
done
for name in "$${mounted[@]}"; do umount "$name"; done
if [ "$found" = no ]; then
  say "FAILED: there is no initrd in /boot"
  exit 1
fi
say "the system is prepared"
