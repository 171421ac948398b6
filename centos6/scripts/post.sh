# shellcheck shell=bash
# %post of CentOS 6: makes an installed system an image. Runs in it by chroot,
# after lib.sh and with these variables set:
: "${CUSTOMIZE?}" "${HOOK:?}" "${HOOKLIB:?}" "${MARKER:?}"

install_local_packages yum --assumeyes install
run_customize_script
install_deploy_hook

say "what a deployment needs"
cloud-init --version
kernels=(/lib/modules/*)
[ "${#kernels[@]}" -eq 1 ] || fail "one kernel was expected, here are ${#kernels[@]}: ${kernels[*]}"
kernel=$(basename "${kernels[0]}")
dracut --force "/boot/initramfs-$kernel.img" "$kernel"
[ -s "/boot/initramfs-$kernel.img" ] || fail "dracut made no initramfs"
for service in cloud-init-local cloud-init cloud-config cloud-final; do
  chkconfig "$service" on
done
printf 'datasource_list: [ MAAS ]\n' >/etc/cloud/cloud.cfg.d/90-image-build-maas.cfg

say "clean-up"
yum clean all
: >/etc/fstab
: >/etc/resolv.conf
chmod 644 /etc/fstab /etc/resolv.conf
rm -f /boot/grub/grub.conf /boot/grub/device.map /boot/grub/menu.lst /etc/grub.conf /etc/crypttab
find /etc/sysconfig/network-scripts -name 'ifcfg-*' ! -name ifcfg-lo -delete
rm -f /etc/udev/rules.d/70-persistent-*.rules /etc/ssh/ssh_host_* /var/lib/random-seed
rm -rf /root/.ssh /root/.bash_history /root/*.cfg /root/install.log* /var/tmp/* /tmp/ks-script-* /var/lib/cloud/*
find /var/log -type f -exec truncate --size 0 {} +
usermod --password '!!' root
finish_image
