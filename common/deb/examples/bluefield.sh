#!/bin/bash
# A BlueField card: its consoles and kernel arguments. Repository, key and kernel
# come from the image's knobs; see README.md.
set -euo pipefail

if [ "$ARCHITECTURE" != arm64 ]; then
  echo "bluefield.sh is for arm64, not $ARCHITECTURE" >&2
  exit 1
fi

# The card's console is a virtual one of the host besides its own port.
cat >/etc/default/grub.d/60-bluefield.cfg <<'CONFIG'
GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX console=tty0 console=hvc0 console=ttyAMA0 net.ifnames=0 biosdevname=0 iommu.passthrough=1"
CONFIG

# The vendor's packages bring network settings of their own; MAAS's must win.
rm -f /etc/netplan/*mlnx* /etc/cloud/cloud.cfg.d/*mlnx*
update-grub
