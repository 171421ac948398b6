#version=RHEL6
# CentOS 6: kickstart, rendered by templatefile.
install
cmdline
url --url="${install_url}"%{ if proxy != "" } --proxy="${proxy}"%{ endif }
%{ for name, url in repositories ~}
repo --name="${name}" --baseurl="${url}"%{ if proxy != "" } --proxy="${proxy}"%{ endif }
%{ endfor ~}

lang ${language}
keyboard us
timezone --utc ${timezone}
firstboot --disabled
skipx
network --device=eth0 --bootproto=dhcp --onboot=yes
firewall --enabled --ssh
selinux --enforcing
authconfig --enableshadow --passalgo=sha512
services --enabled=sshd,chronyd
# No password matches a star; cloud-init adds the user of the deployment.
rootpw --iscrypted *

ignoredisk --only-use=vda
zerombr
clearpart --all --initlabel --drives=vda
part / --fstype=ext4 --asprimary --size=2048 --grow --ondisk=vda
bootloader --location=mbr --driveorder=vda --timeout=1

poweroff

%packages
@core
chrony
cloud-init
cloud-utils-growpart
grub
lvm2
mdadm
openssh-server
python-oauth
rsync
sudo
tar
xfsprogs
%{ for name in packages ~}
${name}
%{ endfor ~}
-plymouth
-iwl*-firmware
-ipw*-firmware
%end

%pre --erroronfail --interpreter=/bin/bash
echo "image-build: the answer file was read" >/dev/${console}
%end

%post --erroronfail --interpreter=/bin/bash
%{ for name, value in environment ~}
export ${name}='${replace(value, "'", "'\\''")}'
%{ endfor ~}
CUSTOMIZE='${customize}'
HOOK='${hook}'
HOOKLIB='${hooklib}'

${library}
${post}
%end
