# shellcheck shell=bash
# Post-install script: makes an installed system an image. Runs in it by
# chroot, after lib.sh and with these variables set:
: "${CUSTOMIZE?}" "${HOOK:?}" "${HOOKLIB:?}" "${LOCALE:?}" "${MARKER:?}" "${MIRROR?}" "${PACKAGES:?}" "${REPOS?}" "${TIMEZONE:?}"

# Names of this build's own repositories; they go with it.
if [ -n "$MIRROR" ]; then
  REPOS="mirror=$MIRROR $REPOS"
fi
for repository in $REPOS; do
  printf '[image-build-%s]\nname=%s\nbaseurl=%s\nenabled=1\ngpgcheck=1\n' "${repository%%=*}" "${repository%%=*}" "${repository#*=}" \
    >"/etc/yum.repos.d/image-build-${repository%%=*}.repo"
done

say "packages"
read -ra packages <<<"$PACKAGES"
tdnf --assumeyes install "${packages[@]}"
install_local_packages tdnf --assumeyes --nogpgcheck install
run_customize_script
install_deploy_hook
# The ESP is no part of the root file system, so the loaders travel beside the hook.
cp -r /boot/efi /curtin/esp
find /curtin/esp -name grub.cfg -delete

say "what a deployment needs"
cloud-init --version
python3 -c 'import oauthlib'
mapfile -t kernels < <(find /lib/modules -mindepth 1 -maxdepth 1 -type d -printf '%f\n')
[ "${#kernels[@]}" -eq 1 ] || fail "one kernel was expected, here are ${#kernels[@]}: ${kernels[*]}"
mkdir -p /etc/dracut.conf.d
printf 'hostonly="no"\n' >/etc/dracut.conf.d/90-image.conf
dracut --force "/boot/initramfs-${kernels[0]}.img" "${kernels[0]}"
for unit in cloud-init-local cloud-init cloud-init-main cloud-init-network cloud-config cloud-final sshd; do
  if systemctl cat "$unit.service" >/dev/null 2>&1; then
    systemctl enable "$unit.service"
  fi
done
printf 'datasource_list: [ MAAS ]\n' >/etc/cloud/cloud.cfg.d/90-image-build-maas.cfg
printf 'LANG=%s\n' "$LOCALE" >/etc/locale.conf
ln -sf "/usr/share/zoneinfo/$TIMEZONE" /etc/localtime

say "clean-up"
rm -f /etc/yum.repos.d/image-build-*.repo
tdnf clean all
: >/etc/fstab
rm -f /etc/resolv.conf /etc/crypttab /etc/systemd/network/*.network /boot/grub2/grub.cfg
: >/etc/resolv.conf
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed
rm -rf /root/.ssh /root/.cache /root/.bash_history /var/log/journal/* /var/tmp/*
find /var/log -type f -exec truncate --size 0 {} +
usermod --password '!' root
cloud-init clean --logs || rm -rf /var/lib/cloud/*
: >/etc/machine-id
finish_image
