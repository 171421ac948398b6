#version=${syntax}
# ${title}: kickstart, rendered by templatefile.
cmdline
%{ if install_url == "" ~}
cdrom
%{ else ~}
url --url="${install_url}"%{ if proxy != "" } --proxy="${proxy}"%{ endif }
%{ endif ~}
%{ for name, url in repositories ~}
repo --name="${name}" --baseurl="${url}"%{ if proxy != "" && substr(url, 0, 4) == "http" } --proxy="${proxy}"%{ endif }
%{ endfor ~}

lang ${language}
keyboard us
timezone --utc ${timezone}
eula --agreed
firstboot --disabled
skipx
network --bootproto=dhcp --device=link --activate
firewall --enabled --service=ssh
selinux --enforcing
services --enabled=sshd,chronyd
# Nobody has a password; cloud-init adds the user of the deployment.
rootpw --lock --iscrypted locked

# One partition, because curtin makes the machine's layout. No ESP, so that the
# loaders' files under /boot/efi are part of the root file system, and no
# loader, because curtin installs it.
ignoredisk --only-use=vda
zerombr
clearpart --all --initlabel --disklabel=gpt --drives=vda
part / --fstype=ext4 --asprimary --size=4096 --grow
bootloader --disabled

poweroff

%packages
%{ for name in packages ~}
${name}
%{ endfor ~}
%end

%pre --erroronfail --interpreter=/bin/bash
echo "image-build: the answer file was read" >/dev/${console}
%end

%{ if major >= 8 ~}
%onerror --interpreter=/bin/bash
{
  echo "image-build: the installer stopped, its last words:"
  tail --lines 20 /tmp/anaconda.log /tmp/packaging.log
  echo "image-build: FAILED: the installer stopped"
} >/dev/${console} 2>&1
sleep 5
echo o >/proc/sysrq-trigger
%end

%{ endif ~}
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
