#cloud-config
# Answers for Ubuntu's installer (autoinstall, version 1). It leaves no user and
# no password behind: the build logs in as root through the seed that the first
# boot of the installed system gets, and finish.sh takes that away again.
autoinstall:
  version: 1
  refresh-installer:
    update: false
  early-commands:
    # The build would try its password on the installer's own SSH server.
    - systemctl stop ssh.socket ssh.service || true
  locale: ${jsonencode(locale)}
  keyboard:
    layout: us
  timezone: ${jsonencode(timezone)}
%{ if proxy != "" ~}
  proxy: ${jsonencode(proxy)}
%{ endif ~}
%{ if mirror != "" ~}
  apt:
    geoip: false
    primary:
      - arches: [default]
        uri: ${jsonencode(mirror)}
%{ endif ~}
  storage:
    layout:
      name: ${layout}
%{ if layout == "lvm" ~}
      sizing-policy: all
%{ endif ~}
    swap:
      size: 0
    grub:
      # So that the firmware boots the disk after the installation, not the ISO.
      update_nvram: true
  ssh:
    install-server: true
  updates: security
  user-data: ${jsonencode(seed)}
  late-commands:
    # MAAS takes the file system that holds this directory for the root.
    - mkdir -p /target/curtin
  shutdown: reboot
