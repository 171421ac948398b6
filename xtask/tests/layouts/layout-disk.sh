#!/bin/sh
# Lays one of our bootstrapped base disks out like Ubuntu's, for tests:
# layout-disk.sh cloudimg|flat|lvm BASE.qcow2 OUT.qcow2
#
# cloudimg  As it is. BASE has a partition for /boot (`media bootstrap --boot
#           partition`), which is laid out like Ubuntu's cloud images since 24.04.
# flat      p1 ESP, p2 root. BASE has /boot on its root.
# lvm       p1 ESP, p2 /boot, p3 a volume group with a root that takes all of it.
#           BASE has a partition for /boot.
#
# Layouts and names are those of Subiquity's `direct` and `lvm`. The volume group
# is made by LVM's own tools, on a loop device and without the device mapper, so
# it needs root but no particular kernel.
set -eu
layout=$1 base=$2 out=$3
work=$(mktemp -d)
loop=
trap '[ -z "$loop" ] || losetup -d "$loop"; rm -rf "$work"' EXIT

fail() {
  echo "layout-disk.sh: $*" >&2
  exit 1
}

# Types of partitions: of BASE, and of what an installer makes.
esp_type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
boot_type=BC13C2FF-59E6-4262-A352-B275FD6F7172
root_type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
linux_type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
lvm_type=E6D6D379-F507-44C2-A23C-238F2A3DF928

qemu-img convert -O raw "$base" "$work/base"

# take TYPE NAME: copies the partition of this type to a file.
take() {
  # Start and size in sectors, without the comma and blanks between them.
  place=$(sfdisk --dump "$work/base" | sed -n "s/.*start= *\([0-9]*\), size= *\([0-9]*\), type=$1.*/\1 \2/p")
  [ -n "$place" ] || fail "$base has no partition of type $1"
  dd if="$work/base" of="$work/$2" bs=1M iflag=skip_bytes,count_bytes skip=$((${place% *} * 512)) \
    count=$((${place#* } * 512)) conv=sparse status=none
}
parts="esp root"
if [ "$layout" != flat ]; then
  take $boot_type boot
  parts="esp boot root"
fi
take $esp_type esp
take $root_type root

uuid() {
  blkid -p -s UUID -o value "$work/$1"
}
# replace FILE-SYSTEM PATH FILE
replace() {
  printf 'rm %s\nwrite %s %s\n' "$2" "$3" "$2" | debugfs -w -f - "$work/$1" >"$work/debugfs.log" 2>&1
  debugfs -R "cat $2" "$work/$1" 2>/dev/null | cmp - "$3" || fail "cannot write $2: $(cat "$work/debugfs.log")"
}

# Ubuntu's settings of initramfs-tools, as old as the disk: a change would make the
# build and the deployment spend minutes on an initrd with the same drivers.
printf 'MODULES=most\n' >"$work/image.conf"
replace root etc/initramfs-tools/conf.d/image.conf "$work/image.conf"
debugfs -w -R 'set_inode_field etc/initramfs-tools/conf.d/image.conf mtime 20200101' "$work/root" 2>/dev/null
if [ "$layout" = cloudimg ]; then
  dd if="$work/root" of="$work/base" bs=1M oflag=seek_bytes seek=$((${place% *} * 512)) conv=notrunc status=none
  qemu-img convert -O qcow2 "$work/base" "$out"
  exit
fi
rm "$work/base"

# What an installer writes; a base disk's fstab has no ESP.
case $layout in
flat) printf 'UUID=%s / ext4 defaults 0 1\n' "$(uuid root)" ;;
lvm) printf '/dev/mapper/ubuntu--vg-ubuntu--lv / ext4 defaults 0 1\nUUID=%s /boot ext4 defaults 0 1\n' "$(uuid boot)" ;;
*) fail "no layout $layout" ;;
esac >"$work/fstab"
printf 'UUID=%s /boot/efi vfat defaults 0 1\n' "$(uuid esp)" >>"$work/fstab"
replace root etc/fstab "$work/fstab"
if [ "$layout" = lvm ]; then
  # initramfs-tools starts a volume group for the name of a root, not for a UUID.
  debugfs -R 'cat grub/grub.cfg' "$work/boot" 2>/dev/null |
    sed "s|root=UUID=$(uuid root)|root=/dev/mapper/ubuntu--vg-ubuntu--lv|" >"$work/grub.cfg"
  grep -q 'root=/dev/mapper/' "$work/grub.cfg" || fail "no root=UUID in the base disk's grub.cfg"
  replace boot grub/grub.cfg "$work/grub.cfg"
fi

# The table, each partition behind the one before. Sizes in whole MiB, in sectors.
sectors() {
  truncate -s %1M "$work/$1"
  echo $(($(stat -c %s "$work/$1") / 512))
}
: >"$work/table"
: >"$work/places"
at=2048 number=1
for part in $parts; do
  kind=$linux_type size=$(sectors "$part")
  [ "$part" != esp ] || kind=$esp_type
  if [ "$part" = root ] && [ "$layout" = lvm ]; then
    kind=$lvm_type size=$((size + 8 * 2048)) # LVM's own data
  fi
  echo "$number : start=$at, size=$size, type=$kind" >>"$work/table"
  echo "$part $at $size" >>"$work/places"
  at=$((at + size)) number=$((number + 1))
done
truncate -s $(((at + 2048) * 512)) "$work/disk"
{
  echo "label: gpt"
  cat "$work/table"
} | sfdisk --quiet "$work/disk"

# The volume group lies between its partition's start and the file system.
make_group() {
  loop=$(losetup -f --show -o $(($1 * 512)) --sizelimit $(($2 * 512)) "$work/disk")
  export LVM_SUPPRESS_FD_WARNINGS=1
  lvm_tool() { "$@" --driverloaded n --devices "$loop"; }
  lvm_tool pvcreate -q "$loop" >/dev/null
  lvm_tool vgcreate -An -q ubuntu-vg "$loop" >/dev/null
  lvm_tool lvcreate -An -q -an -Zn -Wn -l 100%FREE -n ubuntu-lv ubuntu-vg >/dev/null
  data=$(lvm_tool pvs --noheadings --units s --nosuffix -o pe_start | tr -d ' ')
  losetup -d "$loop"
  loop=
}
while read -r part at size; do
  data=0
  if [ "$part" = root ] && [ "$layout" = lvm ]; then
    make_group "$at" "$size"
  fi
  dd if="$work/$part" of="$work/disk" bs=1M oflag=seek_bytes seek=$(((at + data) * 512)) conv=notrunc,sparse status=none
done <"$work/places"
qemu-img convert -O qcow2 "$work/disk" "$out"
