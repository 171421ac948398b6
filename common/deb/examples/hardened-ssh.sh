#!/bin/bash
# SSH with keys only, no root, no forwarding, few tries.
set -euo pipefail

# 00-image-build.conf is the build's own access and goes away at the end; the
# first value of an option wins, so this file sorts after it and before the rest.
cat >/etc/ssh/sshd_config.d/10-hardened.conf <<'CONFIG'
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
AllowAgentForwarding no
AllowTcpForwarding no
X11Forwarding no
MaxAuthTries 3
LoginGraceTime 30
CONFIG
chmod 644 /etc/ssh/sshd_config.d/10-hardened.conf
mkdir -p /run/sshd
sshd -t
