# shellcheck shell=bash
# Last step of a SUSE installation: makes an installed system an image. Runs in
# it by chroot, after lib.sh and with these variables set:
: "${ARCHITECTURE:?}" "${CUSTOMIZE?}" "${HOOK:?}" "${HOOKLIB:?}" "${LOCALE:?}" "${MARKER:?}"

install_local_packages zypper --non-interactive --no-gpg-checks install --auto-agree-with-licenses
run_customize_script
install_deploy_hook

say "what a deployment needs"
command -v cloud-init >/dev/null || fail "cloud-init is not installed: the repositories do not have it"
cloud-init --version
mapfile -t kernels < <(find /lib/modules -mindepth 1 -maxdepth 1 -type d -printf '%f\n')
[ "${#kernels[@]}" -eq 1 ] || fail "one kernel was expected, here are ${#kernels[@]}: ${kernels[*]}"
# Drivers of disks that the build VM does not have.
mkdir -p /etc/dracut.conf.d
cat >/etc/dracut.conf.d/90-image.conf <<'DRACUT'
hostonly="no"
add_drivers+=" ahci nvme sd_mod raid0 raid1 raid10 raid456 "
DRACUT
dracut --force "/boot/initrd-${kernels[0]}" "${kernels[0]}"
[ -s "/boot/initrd-${kernels[0]}" ] || fail "dracut made no initrd"

for unit in cloud-init-local cloud-init cloud-init-main cloud-init-network cloud-config cloud-final; do
  if systemctl cat "$unit.service" >/dev/null 2>&1; then
    systemctl enable "$unit.service"
  fi
done
systemctl enable sshd
# One line, one name: what ds-identify takes as it is.
printf 'datasource_list: [ MAAS ]\n' >/etc/cloud/cloud.cfg.d/90-image-build-maas.cfg
printf 'LANG=%s\n' "$LOCALE" >/etc/locale.conf

say "boot loader"
# The installer copies its own console and the build VM's root device.
cat >/etc/default/grub <<'GRUB'
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=
GRUB_DEFAULT=saved
GRUB_TERMINAL="console"
GRUB_CMDLINE_LINUX=""
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_DISABLE_RECOVERY="true"
GRUB
rm -f /boot/grub2/grub.cfg /boot/grub2/grubenv /boot/grub2/device.map /boot/loader/entries/*.conf
if [ "$ARCHITECTURE" = amd64 ]; then
  [ -d /usr/share/grub2/i386-pc ] || [ -d /usr/lib/grub2/i386-pc ] || fail "there is no GRUB for machines with BIOS"
fi

say "clean-up"
if command -v SUSEConnect >/dev/null && [ -s /etc/zypp/credentials.d/SCCcredentials ]; then
  SUSEConnect --de-register || fail "the installation could not be deregistered"
  SUSEConnect --cleanup
fi
# The installation's repositories are the build's.
rm -f /etc/zypp/repos.d/*.repo /etc/zypp/services.d/*.service /etc/zypp/credentials.d/*
zypper --non-interactive clean --all
# curtin before 2026 stops at comment lines.
sed -i '/^[[:space:]]*#/d' "$(readlink --canonicalize /etc/os-release)"
: >/etc/fstab
chmod 644 /etc/fstab
rm -f /etc/crypttab /etc/resolv.conf /etc/multipath/wwids /etc/multipath/bindings
: >/etc/resolv.conf
find /etc/sysconfig/network -name 'ifcfg-*' ! -name ifcfg-lo -delete 2>/dev/null || true
rm -f /etc/NetworkManager/system-connections/* /etc/udev/rules.d/70-persistent-*.rules /etc/iscsi/initiatorname.iscsi
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/dbus/machine-id
rm -rf /root/.ssh /root/.cache /root/.bash_history /root/autoinst.xml /root/inst-sys
rm -rf /var/log/YaST2 /var/log/agama-installation /var/log/journal/* /var/adm/autoinstall /var/tmp/* /var/lib/autoinstall
find /var/log -type f -exec truncate --size 0 {} +
usermod --password '!' root
cloud-init clean --logs || rm -rf /var/lib/cloud/*
: >/etc/machine-id
finish_image
