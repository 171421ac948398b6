#!/bin/busybox sh
# Stands in for Anaconda: see README.md.
/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev

stop() {
  echo "stand-in: $*"
  sleep 1
  poweroff -f
}
need() {
  grep -qE "$1" /tmp/ks.cfg || stop "the kickstart has no line like: $1"
}

# Their order is modprobe's work, which is not here: who comes too early gets in
# with the second or third round.
for _ in 1 2 3; do
  for file in /modules/*.ko*; do
    insmod "$file" 2>/dev/null
  done
done

url=$(sed -n 's/.*[[:space:]]@ARGUMENT@=\([^[:space:]]*\).*/\1/p' /proc/cmdline)
[ -n "$url" ] || stop "there is no @ARGUMENT@ on the command line: $(cat /proc/cmdline)"
grep -q rd.live.check /proc/cmdline && stop "the entry that tests the medium was taken"
grep -qw console=ttyS0 /proc/cmdline || stop "there is no console=ttyS0 on the command line"

# QEMU's user network: fixed addresses, no DHCP client needed.
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
wget -q -O /tmp/ks.cfg "$url" || stop "cannot fetch $url"

# The policy of an answer file that this installer obeys.
need '^#version=RHEL9$'
need '^cmdline$'
need '^ignoredisk --only-use=vda$'
need '^clearpart --all .*--drives=vda$'
need '^part / --fstype=ext4 '
need '^bootloader --disabled$'
need '^poweroff$'
need '^cloud-init$'
need '^python3-oauthlib$'

echo "stand-in: partitioning"
# GPT by hand is no work for busybox: an MBR table has the same one partition.
printf 'n\np\n1\n2048\n\nw\n' | fdisk /dev/vda >/dev/null
sleep 1
[ -b /dev/vda1 ] || stop "there is no /dev/vda1"
zcat /root.img.gz | dd of=/dev/vda1 bs=1M 2>/dev/null
mount -t ext4 /dev/vda1 /target || stop "cannot mount /dev/vda1"
if grep -qE '^rootpw .*--lock' /tmp/ks.cfg; then
  echo 'root:!locked:19000:0:99999:7:::' >/target/etc/shadow
else
  echo "root:\$6\$salt\$hash:19000:0:99999:7:::" >/target/etc/shadow
fi
umount /target
sync

marker=$(sed -n "s/^export MARKER='\(.*\)'$/\1/p" /tmp/ks.cfg)
[ -n "$marker" ] || stop "the kickstart promises no marker"
echo "$marker"
sleep 1
poweroff -f
