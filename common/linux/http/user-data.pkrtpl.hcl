#cloud-config
# Seed of the build VM. Nothing of it may reach the image: finish.sh runs
# `cloud-init clean`, locks root and removes what bootcmd added.
users: []
disable_root: false
preserve_hostname: true
manage_etc_hosts: false
locale: C.UTF-8
apt:
  preserve_sources_list: true
package_update: false
package_upgrade: false
ssh_deletekeys: true
# One key: making RSA and ECDSA keys as well costs seconds under emulation.
ssh_genkeytypes: [ed25519]
%{ if ssh_public_key != "" ~}
ssh_authorized_keys:
  - ${jsonencode(ssh_public_key)}
%{ endif ~}
bootcmd:
  # Before sshd starts, so that it needs no restart.
  - "printf '%s' 'root:${ssh_password}' | chpasswd"
  # First match wins in sshd_config, so the file sorts first.
  - "mkdir -p /etc/ssh/sshd_config.d"
  - "printf 'PermitRootLogin yes\nPasswordAuthentication yes\n' > /etc/ssh/sshd_config.d/00-image-build.conf"
  # Debian 10's sshd has no Include: there the file itself is changed, once.
  - "grep -qi '^include /etc/ssh/sshd_config.d' /etc/ssh/sshd_config || test -e /etc/ssh/sshd_config.image-build || { cp -p /etc/ssh/sshd_config /etc/ssh/sshd_config.image-build; cat /etc/ssh/sshd_config.d/00-image-build.conf /etc/ssh/sshd_config.image-build > /etc/ssh/sshd_config; }"
