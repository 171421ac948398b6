# Synthetic: a machine as the checks want it. Programs answer from fake/.
set -e
mkdir -p bin fake etc/ssh etc/cloud/cloud.cfg.d etc/sudoers.d etc/apt/apt.conf.d etc/netplan etc/selinux \
  run/cloud-init var/lib/misc var/lib/dbus home/debian/.ssh root/.ssh proc sys/firmware/efi \
  dev/disk/by-uuid boot/grub boot/efi/EFI/BOOT boot/efi/EFI/debian lib/modules/6.1.0-1-amd64/kernel usr/sbin tmp opt \
  srv usr/local var/tmp var/lib/cloud/seed
answers() { # PROGRAM FILE: it prints the file
  printf '#!/bin/sh\ncat fake/%s\n' "$2" >"bin/$1"
  chmod 755 "bin/$1"
}
# `cloud-init status` prints, `--wait` prints the same.
answers cloud-init cloud-init
echo 'status: done' >fake/cloud-init
for name in hostname uname getenforce restorecon findmnt runuser sshd dpkg dpkg-divert lsblk; do
  answers "$name" "$name"
  : >"fake/$name"
done
echo calm-heron >fake/hostname
echo 6.1.0-1-amd64 >fake/uname
echo Enforcing >fake/getenforce
echo vfat >fake/findmnt
echo 0 >fake/runuser
echo 'permitrootlogin without-password' >fake/sshd
printf '#!/bin/sh\ncase "$*" in *route*) cat fake/route ;; *) cat fake/address ;; esac\n' >bin/ip
echo 'lan0 UP 10.0.2.15/24' >fake/address
echo 'default via 10.0.2.2 dev lan0 proto static' >fake/route
printf '#!/bin/sh\ncase $1 in --failed) cat fake/failed ;; esac\n' >bin/systemctl
: >fake/failed
printf '#!/bin/sh\necho 1B-blocks\ncat fake/df\n' >bin/df
echo 8000000000 >fake/df
printf '#!/bin/sh\ncat "fake/passwd-$2"\n' >bin/passwd
echo 'root L 11/30/2026 0 99999 7 -1' >fake/passwd-root
echo 'debian L 11/30/2026 0 99999 7 -1' >fake/passwd-debian
printf '#!/bin/sh\ncat fake/id\n' >bin/id
echo debian >fake/id
chmod 755 bin/*

echo maas >run/cloud-init/cloud-id
printf 'user-data of MAAS was applied' >var/lib/misc/deploy-test
echo 00112233445566778899aabbccddeeff >etc/machine-id
cp etc/machine-id var/lib/dbus/machine-id
echo 'ssh-ed25519 NEW root@calm-heron' >etc/ssh/ssh_host_ed25519_key.pub
echo '127.0.1.1 calm-heron.maas calm-heron' >etc/hosts
echo 'nameserver 10.0.2.3' >etc/resolv.conf
printf 'SELINUX=enforcing\nSELINUXTYPE=targeted\n' >etc/selinux/config
: >.autorelabel
: >dev/disk/by-uuid/1111
printf 'UUID=1111 / ext4 defaults 0 1\nUUID=1111 none swap sw 0 0\n' >etc/fstab
printf 'Filename Type Size Used Priority\n/swap.img file 1 0 -2\n' >proc/swaps
echo 'debian:x:1000:1000::/home/debian:/bin/bash' >etc/passwd
echo 'ssh-ed25519 KEY comment' >home/debian/.ssh/authorized_keys
: >etc/sudoers.d/README
: >etc/sudoers.d/90-cloud-init-users
echo 'deb https://deb.debian.org/debian bookworm main' >etc/apt/sources.list
printf 'ID=debian\n' >etc/os-release
: >etc/netplan/50-cloud-init.yaml
: >boot/initrd.img-6.1.0-1-amd64

# Before the first start.
echo kernel >boot/vmlinuz-6.1.0-1-amd64
echo initrd >boot/initrd.img-6.1.0-1-amd64
printf '\tlinux /boot/vmlinuz root=UUID=1111 ro\n' >boot/grub/grub.cfg
: >boot/efi/EFI/BOOT/BOOTX64.EFI
echo 'datasource_list: [ MAAS ]' >etc/cloud/cloud.cfg.d/95-cloudconfig-maas-datasource.cfg
echo 'datasource: {"MAAS": {"consumer_key": "x"}}' >etc/cloud/cloud.cfg.d/95-cloudconfig-maas-cloud-config.cfg
echo '{"network": {"addresses": ["10.0.2.15/24"]}}' >etc/cloud/cloud.cfg.d/50-curtin-networking.cfg
echo 'fake/disk disk' >fake/lsblk
printf 'xxxGRUB' >fake/disk
