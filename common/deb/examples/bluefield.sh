#!/bin/bash
# A BlueField card: its consoles and kernel arguments. Repository, key and kernel
# come from the image's knobs; see README.md.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
if [ "$ARCHITECTURE" != arm64 ]; then
  echo "bluefield.sh is for arm64, not $ARCHITECTURE" >&2
  exit 1
fi

# Packages of the vendor's repository; the knob extra_packages can name them too.
if [ -n "${BLUEFIELD_PACKAGES:-}" ]; then
  read -r -a packages <<<"$BLUEFIELD_PACKAGES"
  apt-get --yes install "${packages[@]}"
fi

# The card's console is a virtual one of the host besides its own port.
cat >/etc/default/grub.d/60-bluefield.cfg <<'CONFIG'
GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX console=tty0 console=hvc0 console=ttyAMA0 net.ifnames=0 biosdevname=0 iommu.passthrough=1"
CONFIG

# The vendor's packages bring network settings of their own; MAAS's must win.
rm -f /etc/netplan/60-mlnx.yaml /etc/cloud/cloud.cfg.d/*mlnx*.cfg
update-grub
