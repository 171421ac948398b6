#!/bin/bash
# The shutdown command: what ends the build's own access, then power off. If a
# step fails the VM stays up, the engine's shutdown timeout fails the build, and
# the reason is on the serial console.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

exec > >(tee /dev/console) 2>&1

say "Closing the build's access"
usermod --password '*' root
rm -f /etc/ssh/sshd_config.d/00-image-build.conf
if [ -e /etc/ssh/sshd_config.image-build ]; then
  mv /etc/ssh/sshd_config.image-build /etc/ssh/sshd_config
fi
rm -rf /root/.ssh
rm -f /etc/ssh/ssh_host_*

# The service writes a seed when it stops, also when the machine does: of a whole
# disk, which is packed as it is, every machine would have the same.
systemctl stop systemd-random-seed.service || true
rm -f /var/lib/systemd/random-seed

# Last: from here on nothing may write what first boot would take for its own.
cloud-init clean --logs --seed
: >/etc/machine-id

cd /
rm -rf "$BUILD"
fstrim --all || true # only saves space; not every disk can
sync
systemctl --no-block poweroff
