# shellcheck shell=bash
# %post of the EL family: makes an installed system an image. Runs in it by
# chroot, after lib.sh and with these variables set:
: "${ARCHITECTURE:?}" "${CUSTOMIZE?}" "${EFI_DIRECTORY:?}" "${HOOK?}" "${HOOKLIB?}" "${LOCALE:?}" "${MARKER:?}" "${RELEASE:?}"

if command -v dnf >/dev/null; then
  manager=dnf
else
  manager=yum
fi

install_local_packages "$manager" --assumeyes install
run_customize_script
if [ -n "$HOOK" ]; then
  install_deploy_hook
fi

say "what a deployment needs"
cloud-init --version
# The MAAS datasource signs its requests with oauthlib.
python=python2
if [ "$RELEASE" -ge 8 ]; then
  python=$(command -v /usr/libexec/platform-python || command -v python3)
fi
"$python" -c 'import oauthlib'
mapfile -t kernels < <(find /lib/modules -mindepth 1 -maxdepth 1 -type d -printf '%f\n')
[ "${#kernels[@]}" -eq 1 ] || fail "curtin expects one kernel, here are ${#kernels[@]}: ${kernels[*]}"
kernel=${kernels[0]}
[ -s "/boot/vmlinuz-$kernel" ] || fail "there is no /boot/vmlinuz-$kernel"

# The build VM's initramfs has the drivers of the build VM.
if ! rpm --query --quiet dracut-config-generic; then
  mkdir -p /etc/dracut.conf.d
  printf 'hostonly="no"\n' >/etc/dracut.conf.d/01-image-build-generic.conf
fi
dracut --force --no-hostonly "/boot/initramfs-$kernel.img" "$kernel"
[ -s "/boot/initramfs-$kernel.img" ] || fail "dracut made no initramfs"
rm -f /boot/*rescue*

for unit in cloud-init-local cloud-init cloud-init-main cloud-init-network cloud-config cloud-final; do
  if systemctl cat "$unit.service" >/dev/null 2>&1; then
    systemctl enable "$unit.service"
  fi
done
# One line, one name: what ds-identify takes as it is.
printf 'datasource_list: [ MAAS ]\n' >/etc/cloud/cloud.cfg.d/90-image-build-maas.cfg

if [ "$RELEASE" -ge 8 ] || [ "$LOCALE" != C.UTF-8 ]; then
  printf 'LANG=%s\n' "$LOCALE" >/etc/locale.conf
fi

say "boot loader"
# The installer writes this file only with a loader. BLS entries hold the build
# VM's root device, and grub2-mkconfig uses them unless told not to.
cat >/etc/default/grub <<'GRUB'
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR="$(sed 's, release .*$,,g' /etc/system-release)"
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_TERMINAL_OUTPUT="console"
GRUB_CMDLINE_LINUX=""
GRUB_DISABLE_RECOVERY="true"
GRUB_ENABLE_BLSCFG=false
GRUB
rm -f /boot/loader/entries/*.conf /etc/kernel/cmdline /boot/grub2/grubenv /boot/grub2/device.map
# grub2-mkconfig refuses to replace this file at deployment.
rm -f "/boot/efi/EFI/$EFI_DIRECTORY/grub.cfg"

# MAAS boots installed machines through EFI/BOOT, and firmware that lost its
# entries does too. GRUB itself finds its configuration in the vendor's
# directory. shim would prefer fb*.efi, which writes an entry and reboots.
case $ARCHITECTURE in
amd64) grub=grubx64.efi shim=shimx64.efi removable=BOOTX64.EFI ;;
arm64) grub=grubaa64.efi shim=shimaa64.efi removable=BOOTAA64.EFI ;;
*) fail "unknown architecture $ARCHITECTURE" ;;
esac
vendor=/boot/efi/EFI/$EFI_DIRECTORY
[ -s "$vendor/$shim" ] || fail "there is no $vendor/$shim"
[ -s "$vendor/$grub" ] || fail "there is no $vendor/$grub"
mkdir -p /boot/efi/EFI/BOOT
cp "$vendor/$shim" "/boot/efi/EFI/BOOT/$removable"
cp "$vendor/$grub" "/boot/efi/EFI/BOOT/$grub"
rm -f /boot/efi/EFI/BOOT/fb*.efi
# curtin before December 2024 looks for x64 names on every machine.
if [ "$ARCHITECTURE" = arm64 ]; then
  cp "$vendor/$shim" "$vendor/shimx64.efi"
  cp "$vendor/$grub" "$vendor/grubx64.efi"
fi
if [ "$ARCHITECTURE" = amd64 ]; then
  [ -d /usr/lib/grub/i386-pc ] || fail "there is no GRUB for machines with BIOS"
fi

say "clean-up"
"$manager" clean all
rm -rf /var/cache/dnf/* /var/cache/yum/*
# curtin writes fstab; an old one would wait for the build VM's disk.
: >/etc/fstab
: >/etc/resolv.conf
chmod 644 /etc/fstab /etc/resolv.conf
rm -f /etc/crypttab /etc/lvm/devices/system.devices /etc/multipath/wwids /etc/multipath/bindings
find /etc/sysconfig/network-scripts -name 'ifcfg-*' ! -name ifcfg-lo -delete 2>/dev/null || true
rm -f /etc/NetworkManager/system-connections/* /var/lib/NetworkManager/* /etc/udev/rules.d/70-persistent-*.rules
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/dbus/machine-id
rm -rf /root/.ssh /root/.cache /root/.bash_history /root/*.cfg /root/install.log*
rm -rf /var/log/anaconda /var/log/journal/* /var/tmp/* /tmp/ks-script-*
find /var/log -type f -exec truncate --size 0 {} +
# EL 7 has nothing that makes a new name.
if [ -e /usr/lib/systemd/system/iscsi-init.service ]; then
  rm -f /etc/iscsi/initiatorname.iscsi
fi
cloud-init clean --logs || rm -rf /var/lib/cloud/*
: >/etc/machine-id
finish_image
