#!/bin/bash
# Take the build out of the image. Each removal tolerates a missing file; what
# must be there afterwards is checked.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

say "Package sources"
if [ -e "$BUILD/registered" ]; then
  SUSEConnect --de-register
  SUSEConnect --cleanup
fi
mapfile -t repositories < <(find /etc/zypp/repos.d -name 'image-build-*.repo' -printf '%f\n' | sed 's/\.repo$//')
for repository in "${repositories[@]}"; do
  zypper_quiet removerepo "$repository"
done
zypper_quiet clean --all
if grep -rqs 'image-build' /etc/zypp; then
  die "/etc/zypp still names the build"
fi

say "Machine state"
# systemd's names from the machine's own hardware; an empty file, because a
# missing one would be written again from the build VM's card.
if [ -e /etc/udev/rules.d/70-persistent-net.rules ]; then
  : >/etc/udev/rules.d/70-persistent-net.rules
fi
rm -f /etc/sysconfig/network/ifcfg-eth* /etc/netplan/50-cloud-init.yaml
# curtin writes a new one; an old one would wait for the build VM's disks.
rm -f /etc/fstab /etc/crypttab
rm -rf /root/.cache /root/.bash_history /root/.lesshst /home/*/.bash_history /home/*/.ssh
rm -f /var/lib/wicked/*.xml /var/lib/dhcp*/*.leases
rm -f /var/lib/systemd/random-seed /var/lib/misc/random-seed /var/lib/dbus/machine-id
if [ -e /etc/iscsi/initiatorname.iscsi ]; then
  printf 'GenerateName=yes\n' >/etc/iscsi/initiatorname.iscsi
fi
rm -rf /var/tmp/* /tmp/packer-* /var/crash/*
find /var/log -type f -exec truncate --size 0 {} +
rm -rf /var/log/journal/*
