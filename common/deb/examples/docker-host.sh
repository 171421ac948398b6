#!/bin/bash
# Docker from the distribution, with logs that cannot fill the disk.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
apt-get --yes install docker.io

mkdir -p /etc/docker
cat >/etc/docker/daemon.json <<'CONFIG'
{
  "log-driver": "json-file",
  "log-opts": { "max-size": "10m", "max-file": "3" },
  "live-restore": true
}
CONFIG
# Images and networks of the build VM belong to no deployed machine.
systemctl stop docker.socket docker.service || true
rm -rf /var/lib/docker/*
rm -f /etc/docker/key.json
systemctl enable docker.service
