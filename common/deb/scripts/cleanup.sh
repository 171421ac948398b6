#!/bin/bash
# Take the build out of the image. Each removal tolerates a missing file; what
# must be there afterwards is checked.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

say "Package sources"
rm -f /etc/apt/apt.conf.d/99image-build /etc/apt/apt.conf.d/99image-build-proxy
if [ "$APT_KEEP_MIRROR" != true ]; then
  rm -f /etc/apt/sources.list
  tar -C /etc/apt -xf "$BUILD/apt-backup.tar"
fi
# Firmware gets security updates too, from Debian's component of that name.
if [ -n "$FIRMWARE_PACKAGES" ] && [ -n "${NONFREE:-}" ]; then
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    if [ -e "$file" ] && ! grep -q "$NONFREE" "$file"; then
      sed -i -E "/^(deb|deb-src|Components:) /s/ main( |\$)/ main $NONFREE\\1/" "$file"
    fi
  done
fi
if grep -rqs 'image-build' /etc/apt; then
  die "/etc/apt still names the build"
fi

apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin

say "Machine state"
rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init* /etc/udev/rules.d/70-persistent-net.rules
rm -f /etc/systemd/network/*cloud-init* /run/systemd/network/*cloud-init*
# Left by Ubuntu's installer: its answers, a datasource list without MAAS, and
# the network of the build VM.
rm -f /etc/netplan/00-installer-config*.yaml /etc/cloud/cloud-init.disabled /etc/cloud/ds-identify.cfg
rm -f /etc/cloud/cloud.cfg.d/99-installer.cfg /etc/cloud/cloud.cfg.d/20-disable-cc-dpkg-grub.cfg
rm -f /etc/cloud/cloud.cfg.d/*subiquity-disable-cloudinit-networking.cfg /etc/cloud/cloud.cfg.d/90-installer-network.cfg
rm -f /etc/cloud/cloud.cfg.d/curtin-preserve-sources.cfg
rm -rf /var/log/installer
# curtin writes a new one; an old one would wait for the build VM's disks. A
# whole disk keeps its layout, so it keeps its fstab.
if [ "${ARTIFACT:-tgz}" = tgz ]; then
  rm -f /etc/fstab /etc/crypttab
fi
rm -rf /root/.cache /root/.bash_history /root/.lesshst /root/.wget-hsts /home/*/.bash_history /home/*/.ssh
rm -f /var/lib/dhcp/*.leases /var/lib/dhclient/*.leases /var/lib/NetworkManager/*.lease
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
rm -f /var/lib/dbus/machine-id
if [ -e /etc/iscsi/initiatorname.iscsi ]; then
  printf 'GenerateName=yes\n' >/etc/iscsi/initiatorname.iscsi
fi
rm -rf /var/tmp/* /tmp/packer-* /var/crash/*
find /var/log -type f -exec truncate --size 0 {} +
find /var/log -type f \( -name '*.gz' -o -name '*.[0-9]' -o -name '*.old' \) -delete
rm -rf /var/log/journal/*
