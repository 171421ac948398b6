"""The built-in steps for relatives of RHEL, as curtin 24.0 takes them.

What the image would have to download is an error: a deployment of ours has no
repositories of these systems.
"""

import os

from curtin import block, distro, util
from curtin.log import LOG
from curtin.paths import target_path

# Directory on the ESP where it is not the distribution's name.
VENDORS = {"rhel": "redhat", "ol": "redhat"}
BIOS_RELEASES = ("7", "8", "9")
PLATFORMS = {"amd64": "x86_64-efi", "arm64": "arm64-efi"}
EFI = "/boot/efi/EFI"
# Packages that a storage needs in the target, by what its configuration names.
STORAGE = {"ext2": "e2fsprogs", "ext3": "e2fsprogs", "ext4": "e2fsprogs", "xfs": "xfsprogs", "btrfs": "btrfs-progs",
           "lvm_volgroup": "lvm2", "raid": "mdadm", "dm_crypt": "cryptsetup"}


def install_missing_packages(cfg, target):
    """Only says what is missing."""
    wanted = {STORAGE[kind] for kind in _storage_kinds(cfg) if kind in STORAGE}
    if util.is_uefi_bootable():
        wanted.add("efibootmgr")
        arch = {"amd64": "x64", "arm64": "aa64"}[util.get_platform_arch()]
        if f"grub2-efi-{arch}-modules" not in distro.get_installed_packages(target):
            wanted |= {f"grub2-efi-{arch}", f"shim-{arch}"}
    absent = sorted(wanted - distro.get_installed_packages(target))
    if absent:
        raise RuntimeError(f"curtin would download {', '.join(absent)}: the image lacks them")


def _storage_kinds(cfg):
    """Types and file systems that the storage configuration names."""
    items = (cfg.get("storage") or {}).get("config", [])
    return {item.get("type", "") for item in items} | {item.get("fstype", "") for item in items}


def apply_selinux_autorelabel(target):
    """Files that were written from outside have no labels."""
    util.write_file(target_path(target, "/.autorelabel"), "")


def update_initramfs(cfg, target):
    """The initramfs of the kernel that rpm names, with the storage's modules."""
    kinds = _storage_kinds(cfg)
    modules = {"lvm" for kind in kinds if kind.startswith("lvm_")} | {"mdraid" for kind in kinds if kind == "raid"}
    util.write_file(target_path(target, "/etc/dracut.conf.d/50-curtin-storage.conf"),
                    f'add_dracutmodules+=" {" ".join(sorted(modules))}"\n')
    with util.ChrootableTarget(target) as chroot:
        query = ["rpm", "-q", "--queryformat", "%{VERSION}-%{RELEASE}.%{ARCH}", "kernel"]
        version, _ = chroot.subp(query, capture=True)
        chroot.subp(["dracut", "-f", f"/boot/initramfs-{version.strip()}.img", version.strip()])


def setup_grub(cfg, target, variant):
    """The loader that the packages brought, on UEFI; GRUB on the disk, on BIOS."""
    _write_grub_settings(target)
    if util.is_uefi_bootable():
        commands = _uefi_commands(cfg, target, VENDORS.get(variant, variant))
    else:
        commands = _bios_commands(target)
    with util.ChrootableTarget(target) as chroot:
        for command in commands:
            chroot.subp(command)


def _uefi_commands(cfg, target, vendor):
    loaders = [f"{EFI}/{vendor}/shimx64.efi", f"{EFI}/BOOT/BOOTX64.EFI", f"{EFI}/{vendor}/grubx64.efi"]
    loader = next((path for path in loaders if os.path.exists(target_path(target, path))), None)
    if not loader:
        return [["grub2-install", f"--target={PLATFORMS[util.get_platform_arch()]}", "--efi-directory=/boot/efi",
                 f"--bootloader-id={vendor}", "--recheck"], ["grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"]]
    disk, part = block.esp_of(target)
    commands = [["efibootmgr", "-v"]]
    if (cfg.get("boot") or cfg.get("grub") or {}).get("update_nvram", True):
        commands.append(["efibootmgr", "--create", "--write-signature", "--label", vendor, "--disk", disk,
                         "--part", part, "--loader", loader[len("/boot/efi"):]])
    return commands + [["grub2-mkconfig", "-o", f"{EFI}/{vendor}/grub.cfg"], ["efibootmgr", "-v"]]


def _bios_commands(target):
    with util.ChrootableTarget(target) as chroot:
        release, _ = chroot.subp(["rpm", "-E", "%rhel"], capture=True)
    if release.strip() not in BIOS_RELEASES:
        raise ValueError(f"curtin 24.0 sets up no BIOS loader of release {release.strip()!r}")
    disks = sorted({disk for device in block.get_devices_for_mp(target) for disk in block.disks_below(device)})
    if not disks:
        raise ValueError(f"no disk found below {target}")
    return [*(["grub2-install", disk] for disk in disks), ["grub2-mkconfig", "-o", "/boot/grub2/grub.cfg"]]


def _write_grub_settings(target):
    with open("/proc/cmdline", encoding="utf-8") as stream:
        words = [word for word in stream.read().split() if word.startswith("console=")] + ["rd.auto=1"]
    path = target_path(target, "/etc/default/grub")
    old = util.load_file(path).splitlines() if os.path.exists(path) else []
    kept = [line for line in old if not line.startswith(("GRUB_CMDLINE_LINUX_DEFAULT=", "GRUB_TERMINAL="))]
    lines = [f'GRUB_CMDLINE_LINUX_DEFAULT="{" ".join(words)}"', 'GRUB_DISABLE_OS_PROBER="true"',
             'GRUB_TERMINAL="console"']
    util.write_file(path, "\n".join([*kept, *lines, ""]))


def curthooks(cfg, target, state, variant, shared):
    """All steps in curtin's order; `shared` are those of every family."""
    install_missing_packages(cfg, target)
    shared.add_swap(cfg, target, state.get("fstab"))
    if cfg.get("cloudconfig"):
        shared.handle_cloudconfig(cfg["cloudconfig"], target_path(target, "/etc/cloud/cloud.cfg.d"))
    shared.apply_networking(target, state)
    shared.copy_fstab(state.get("fstab"), target)
    apply_selinux_autorelabel(target)
    LOG.info("making the initramfs")
    update_initramfs(cfg, target)
    setup_grub(cfg, target, variant)
