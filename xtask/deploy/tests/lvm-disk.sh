#!/bin/sh
# Makes a disk with a root on a logical volume of one of our bootstrapped base
# disks, for tests: lvm-disk.sh BASE.qcow2 HOOK OUT.raw
#
# The volume group is made by LVM's own tools, on a loop device and without the
# device mapper, so it needs root but no particular kernel. HOOK becomes
# /curtin/curtin-hooks. The first start grows volume and file system.
set -eu
base=$1 hook=$2 out=$3
mib=1048576
work=$(mktemp -d)
loop=
trap '[ -z "$loop" ] || losetup -d "$loop"; rm -rf "$work"' EXIT

qemu-img convert -O raw "$base" "$work/base"
# Prints start and size in sectors of a partition of this type.
partition() {
  sfdisk --dump "$work/base" | sed -n "s/.*start= *\([0-9]*\), size= *\([0-9]*\), type=$1.*/\1 \2/p"
}
# The types are those of the EFI system partition and of an amd64 root.
# Four numbers without blanks are wanted.
# shellcheck disable=SC2046
set -- $(partition C12A7328-F81F-11D2-BA4B-00A0C93EC93B) $(partition 4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709)
[ $# = 4 ] || { echo "$base has no ESP or no root of the type for amd64" >&2; exit 1; }
dd if="$work/base" of="$work/root" bs=512 skip="$3" count="$4" conv=sparse status=none

cat >"$work/grow.cfg" <<'EOF'
# The partition of the volume group, the group, the root in it.
bootcmd:
- - cloud-init-per
  - once
  - grow-lvm
  - sh
  - -c
  - >-
    pv=$(pvs --noheadings -o pv_name | tr -d ' ');
    disk=/dev/$(lsblk -ndo PKNAME $pv);
    growpart $disk 2; pvresize $pv; lvextend -r -l +100%FREE /dev/image/root
growpart: {mode: "off"}
EOF
uuid=$(dumpe2fs -h "$work/root" 2>/dev/null | sed -n 's/^Filesystem UUID: *//p')
dd if="$work/base" of="$work/esp" bs=512 skip="$1" count="$2" conv=sparse status=none
esp=$(blkid -p -s UUID -o value "$work/esp")
# A whole disk keeps its fstab; that of a base disk has no ESP.
printf 'UUID=%s / ext4 rw,discard,errors=remount-ro 0 1\nUUID=%s /boot/efi vfat umask=0077 0 1\n' "$uuid" "$esp" >"$work/fstab"
debugfs -w -f - "$work/root" >"$work/debugfs.log" 2>&1 <<EOF
mkdir curtin
write $hook curtin/curtin-hooks
set_inode_field curtin/curtin-hooks mode 0100755
rm etc/fstab
write $work/fstab etc/fstab
write $work/grow.cfg etc/cloud/cloud.cfg.d/92-grow-lvm.cfg
EOF
debugfs -R 'cat etc/fstab' "$work/root" 2>/dev/null | cmp - "$work/fstab"
debugfs -R 'stat curtin/curtin-hooks' "$work/root" 2>/dev/null | grep -q 'Mode:  0755' || { cat "$work/debugfs.log" >&2; exit 1; }

esp_mib=$(($2 / 2048)) root_mib=$((($4 + 2047) / 2048))
total=$((2 + esp_mib + 8 + root_mib + 8))
rm -f "$out"
truncate -s "${total}M" "$out"
sfdisk --quiet "$out" <<EOF
label: gpt
1 : start=2048, size=$2, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
2 : start=$(((1 + esp_mib) * 2048)), type=E6D6D379-F507-44C2-A23C-238F2A3DF928
EOF
dd if="$work/esp" of="$out" bs=512 seek=2048 conv=notrunc,sparse status=none
pv_offset=$(((1 + esp_mib) * mib))
loop=$(losetup -f --show -o "$pv_offset" --sizelimit $(((total - 2 - esp_mib) * mib)) "$out")
export LVM_SUPPRESS_FD_WARNINGS=1
lvm_tool() { "$@" --driverloaded n --devices "$loop" >/dev/null; }
lvm_tool pvcreate -q "$loop"
lvm_tool vgcreate -q image "$loop"
lvm_tool lvcreate -q -an -Zn -Wn -L "${root_mib}m" -n root image
data=$(pvs --driverloaded n --devices "$loop" --noheadings --units b --nosuffix -o pe_start | tr -d ' ')
losetup -d "$loop"
loop=
dd if="$work/root" of="$out" bs=1M oflag=seek_bytes seek=$((pv_offset + data)) conv=notrunc,sparse status=none
