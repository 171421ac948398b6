#!/bin/bash
# Packages from the repositories of this build, if it has any. JeOS itself has
# none: without a registration only what is in the image can be used.
# shellcheck source=lib.sh disable=SC1091
. /var/lib/image-build/lib.sh

say "Waiting for cloud-init"
status=$(cloud-init status --wait 2>&1 || true)
if grep -q 'status: error' <<<"$status"; then
  tail -n 40 /var/log/cloud-init.log >&2 || true
  die "cloud-init failed in the build VM: $status"
fi

has_source=false
if [ -n "${REGISTRATION_CODE:-}" ] || [ -n "${REGISTRATION_URL:-}" ]; then
  say "Registering the build VM"
  options=()
  if [ -n "$REGISTRATION_URL" ]; then
    options+=(--url "$REGISTRATION_URL")
  fi
  if [ -n "$REGISTRATION_CODE" ]; then
    options+=(--regcode "$REGISTRATION_CODE")
  fi
  SUSEConnect "${options[@]}"
  touch "$BUILD/registered"
  has_source=true
fi
read -r -a repositories <<<"${REPOSITORIES:-}"
for repository in "${repositories[@]}"; do
  [[ $repository == *=* ]] || die "a repository must be NAME=URL, not $repository"
  zypper_quiet addrepo --refresh "${repository#*=}" "image-build-${repository%%=*}"
  has_source=true
done

if [ "$has_source" = true ]; then
  if [ "$UPGRADE" = true ]; then
    say "Installing updates"
    zypper_quiet update
  fi
  say "Installing base packages"
  # What curtin would install at deployment, where there is no repository, and
  # the kernel with the drivers of real machines.
  base=(cloud-init efibootmgr grub2 grub2-branding-SLE grub2-i386-pc grub2-x86_64-efi shim
    lvm2 mdadm xfsprogs btrfsprogs cryptsetup dosfstools sudo openssh)
  zypper_quiet install "${base[@]}" "${KERNEL:-kernel-default}"
  if rpm -q kernel-default-base >/dev/null && rpm -q kernel-default >/dev/null; then
    zypper_quiet remove kernel-default-base
  fi
elif [ -n "${KERNEL:-}" ]; then
  die "a kernel can only be installed with repositories or registration_code"
fi

for package in cloud-init efibootmgr grub2 grub2-i386-pc grub2-x86_64-efi; do
  rpm -q "$package" >/dev/null || die "the image has no $package; set repositories or registration_code"
done
if ! rpm -q kernel-default >/dev/null; then
  say "Warning: the kernel is kernel-default-base, which lacks drivers of real machines"
fi

read -r -a extra <<<"${EXTRA_PACKAGES:-}"
if [ ${#extra[@]} -gt 0 ]; then
  say "Extra packages: ${extra[*]}"
  zypper_quiet install "${extra[@]}"
fi
mapfile -d '' rpms < <(find "$BUILD/packages" -maxdepth 1 -name '*.rpm' -print0 | sort -z)
if [ ${#rpms[@]} -gt 0 ]; then
  say "Local packages: ${#rpms[@]}"
  zypper_quiet --no-gpg-checks install "${rpms[@]}"
fi
