"""What is done to an unpacked target before it boots: debian family, and by redhat.py its one."""

import os
import platform
import shutil
import sys

from curtin import block, config, distro, missing, swap, util
from curtin.commands import apply_net, apt_config, redhat
from curtin.log import LOG
from curtin.paths import get_kernel_list, target_path

DIVERTED = ".curtin-disabled"


def builtin_curthooks(cfg, target, state):
    """All steps, in curtin's order, for an image without a hook of its own."""
    variant, family = distro.get_distroinfo(target)
    LOG.info("built-in steps of the stand-in for the %s family", family)
    if family == "redhat":
        redhat.curthooks(cfg, target, state, variant, sys.modules[__name__])
        return
    if family != "debian":
        raise missing("commands.curthooks", f"builtin_curthooks for the {family} family")
    do_apt_config(cfg, target)
    disable_overlayroot(cfg, target)
    disable_update_initramfs(cfg, target)
    install_missing_packages(cfg, target)
    configure_iscsi(cfg, None, target)
    configure_mdadm(cfg, None, target)
    install_kernel(cfg, target)
    add_swap(cfg, target, state.get("fstab"))
    if cfg.get("cloudconfig"):
        handle_cloudconfig(cfg["cloudconfig"], target_path(target, "/etc/cloud/cloud.cfg.d"))
    apply_networking(target, state)
    copy_fstab(state.get("fstab"), target)
    detect_and_handle_multipath(cfg, target)
    system_upgrade(cfg, target)
    enable_update_initramfs(cfg, target)
    reconfigure_kernels(target)
    setup_boot(cfg, target)


def curthooks(cfg, target, state):
    """The image's own hook if it has one, else the built-in steps."""
    mode = cfg.get("curthooks", {}).get("mode", "auto")
    if mode in ("auto", "target") and util.run_hook_if_exists(target, "curtin-hooks"):
        return "hook"
    builtin_curthooks(cfg, target, state)
    return "builtin"


def do_apt_config(cfg, target):
    """The `apt` key."""
    apt_config.translate_old_apt_features(cfg)
    if cfg.get("apt") is not None:
        apt_config.handle_apt(cfg["apt"], target)


def disable_overlayroot(cfg, target):
    """A cloud image's overlayroot is not for an installed system."""
    conf = target_path(target, "/etc/overlayroot.local.conf")
    if cfg.get("disable_overlayroot", True) and os.path.exists(conf):
        shutil.move(conf, conf + ".old")


def disable_update_initramfs(cfg, target, machine=None):
    """Divert update-initramfs to a no-op, so that it runs once, at the end."""
    tool = util.which("update-initramfs", target=target)
    if not tool or update_initramfs_is_disabled(target):
        return
    with util.ChrootableTarget(target) as chroot:
        chroot.subp(["dpkg-divert", "--add", "--rename", "--divert", tool + DIVERTED, tool], capture=True)
    util.write_file(target_path(target, tool), "#!/bin/true\n", mode=0o755)


def update_initramfs_is_disabled(target):
    """Whether update-initramfs is diverted."""
    text, _ = util.subp(["dpkg-divert", "--list"], capture=True, target=target)
    return any(DIVERTED in line for line in text.splitlines())


def enable_update_initramfs(cfg, target, machine=None):
    """Undo disable_update_initramfs."""
    if not update_initramfs_is_disabled(target):
        return
    tool = util.which("update-initramfs", target=target)
    util.del_file(target_path(target, tool))
    util.subp(["dpkg-divert", "--rename", "--remove", tool], target=target, capture=True)


def update_initramfs(target=None, all_kernels=False):
    """Create or update the initrd of every kernel in /boot."""
    if update_initramfs_is_disabled(target):
        return
    kernels = get_kernel_list(target)
    if not util.which("update-initramfs", target=target):
        if kernels and not util.which("dracut", target=target):
            raise RuntimeError("the target has kernels but neither update-initramfs nor dracut")
        return
    for _kernel, initrd, version in kernels:
        mode = "-u" if os.path.exists(initrd) else "-c"
        with util.ChrootableTarget(target) as chroot:
            chroot.subp(["update-initramfs", mode, "-k", version])


def reconfigure_kernels(target):
    """What curtin does since 2025: reconfigure packages that provide linux-image.

    Debian's kernels provide no such name, so their initrds stay as they are;
    curtin up to 24.0 updated the initrd of every kernel here.
    """
    query = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Provides}\n"]
    text, _ = util.subp(query, capture=True, target=target)
    for line in text.splitlines():
        status, package, provides = line.split("\t")
        names = {entry.split()[0] for entry in provides.split(",") if entry.strip()}
        if status.startswith("ii") and "linux-image" in names:
            util.subp(["dpkg-reconfigure", package], target=target)


def install_missing_packages(cfg, target, osfamily="debian"):
    """What the firmware this machine was started by and its storage need."""
    arch = distro.get_architecture(target)
    if util.is_uefi_bootable():
        wanted = ["efibootmgr", f"grub-efi-{arch}"]
        # Asked of the ephemeral system's apt, as curtin does.
        wanted += [name for name in (f"grub-efi-{arch}-signed", "shim-signed")
                   if distro.has_pkg_available(name)]
    else:
        wanted = ["grub-pc"] if arch == "amd64" else []
    kinds = {item.get("type", "") for item in (cfg.get("storage") or {}).get("config", [])}
    if any(kind.startswith("lvm_") for kind in kinds):
        wanted.append("lvm2")
    absent = sorted(set(wanted) - distro.get_installed_packages(target))
    if absent:
        LOG.info("installing packages that the target lacks: %s", absent)
        distro.install_packages(absent, target=target)


def install_kernel(cfg, target):
    """The package that the configuration names, else `linux-generic`.

    curtin maps old Ubuntu releases to other names; every release that can be
    a custom image today falls through to the fallback package.
    """
    kernel = cfg.get("kernel", {})
    if kernel is None:
        return
    package = kernel.get("package") or kernel.get("fallback-package", "linux-generic")
    if not kernel.get("install", True):
        # curtin before 24 does not know `install` and installs the package.
        # apt takes NAME=VERSION for a pinned one.
        name, _, version = package.partition("=")
        if not distro.has_pkg_installed(name, target):
            raise RuntimeError(f"kernel package {package} is named but not in the image")
        there = distro.installed_version(name, target) if version else ""
        if there != version:
            raise RuntimeError(f"kernel package {package} is named, in the image is {name} {there}")
        return
    LOG.info("installing kernel package %s", package)
    distro.install_packages([package], target=target)


def add_swap(cfg, target, fstab):
    """The swap file, unless switched off."""
    if "swap" in cfg and not cfg["swap"]:
        return
    wanted = cfg.get("swap", {})
    sizes = {key: swap.human2bytes(wanted[key]) for key in ("size", "maxsize") if wanted.get(key)}
    if wanted.get("size") in (0, "0"):
        return
    swap.setup_swapfile(target, fstab, wanted.get("filename"), **sizes)


def handle_cloudconfig(cfg, base_dir=None):
    """Each entry becomes 95-cloudconfig-NAME.cfg; its `path` is ignored."""
    if not isinstance(cfg, dict):
        raise ValueError("cloudconfig is not a mapping")
    for name, entry in cfg.items():
        path = os.path.join(base_dir, f"95-cloudconfig-{name}.cfg")
        util.write_file(path, entry["content"], mode=int(str(entry.get("permissions", "0644")), 8))


def apply_networking(target, state):
    """The machine's network configuration, for the target's cloud-init."""
    given = state.get("network_config")
    if given and os.path.exists(given) and os.path.getsize(given):
        apply_net.apply_net(target, network_config=given)
    else:
        LOG.warning("no network configuration was given")


def copy_fstab(fstab, target):
    """Replace the target's fstab with the one of the storage that was made."""
    if not fstab:
        LOG.warning("no fstab was given")
        return
    text = distro.fstab_header() + "\n" + util.load_file(fstab)
    util.write_file(target_path(target, "/etc/fstab"), text)


def copy_crypttab(crypttab, target):
    """Copy crypttab if the storage needs one."""
    if crypttab:
        shutil.copy(crypttab, target_path(target, "/etc/crypttab"))


def copy_dname_rules(rules_d, target):
    """Copy the udev rules that name disks."""
    if rules_d and os.path.isdir(rules_d):
        for name in os.listdir(rules_d):
            shutil.copy(os.path.join(rules_d, name), target_path(target, "/etc/udev/rules.d/" + name))


def configure_iscsi(cfg, state_etcd, target, osfamily="debian"):
    """Our storage never has iSCSI disks."""


def configure_mdadm(cfg, state_etcd, target, osfamily="debian"):
    """Our storage never has md arrays."""


def detect_and_handle_multipath(cfg, target, osfamily="debian"):
    """Our machines never have multipath disks."""


def system_upgrade(cfg, target, osfamily="debian"):
    """Upgrade the target if the configuration asks for it."""
    if cfg.get("system_upgrade", {}).get("enabled"):
        distro.run_apt_command("dist-upgrade", target=target)


def handle_pollinate_user_agent(cfg, target):
    """Only targets with pollinate have its file; nothing depends on it."""


def setup_grub(cfg, target, osfamily="debian", variant=None):
    """Install GRUB for the firmware this machine was started by."""
    uefi = util.is_uefi_bootable()
    disks = sorted({disk for device in block.get_devices_for_mp(target)
                    for disk in block.disks_below(device)})
    if not disks:
        raise ValueError(f"no disk found below {target}")
    links = [block.disk_to_byid_path(disk) or disk for disk in disks]
    question = "grub-efi/install_devices" if uefi else "grub-pc/install_devices"
    apt_config.apply_debconf_selections(
        {"debconf_selections": {"grub": f"grub-pc {question} multiselect {', '.join(links)}"}}, target)
    _write_grub_settings(target)
    arch = distro.get_architecture(target)
    package = f"grub-efi-{arch}" if uefi else "grub-pc"
    commands = [["efibootmgr", "-v"]] if uefi else []
    commands += [["dpkg-reconfigure", package], ["update-grub"]]
    commands += _uefi_commands(cfg, target, arch) if uefi else [["grub-install", d] for d in disks]
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    with util.ChrootableTarget(target) as chroot:
        for command in commands:
            chroot.subp(command, env=env)


def _uefi_commands(cfg, target, arch):
    settings = cfg.get("boot") or cfg.get("grub") or {}
    several = "/usr/lib/grub/grub-multi-install"
    if os.path.exists(target_path(target, several)):
        return [[several]]
    platform_name = {"amd64": "x86_64-efi", "arm64": "arm64-efi"}[arch]
    command = ["grub-install", f"--target={platform_name}", "--efi-directory=/boot/efi",
               f"--bootloader-id={distro.get_distro(target)}", "--recheck"]
    return [command + ([] if settings.get("update_nvram", True) else ["--no-nvram"])]


def _write_grub_settings(target):
    with open("/proc/cmdline", encoding="utf-8") as stream:
        consoles = [word for word in stream.read().split() if word.startswith("console=")]
    path = target_path(target, "/etc/default/grub")
    old = util.load_file(path).splitlines() if os.path.exists(path) else []
    kept = [line for line in old if not line.startswith("GRUB_CMDLINE_LINUX_DEFAULT=")]
    util.write_file(path, "\n".join([*kept, f'GRUB_CMDLINE_LINUX_DEFAULT="{" ".join(consoles)}"', ""]))
    extra = 'GRUB_DISABLE_OS_PROBER="true"\nGRUB_TERMINAL="console"\n'
    util.write_file(target_path(target, "/etc/default/grub.d/50-curtin-settings.cfg"), extra)


def setup_boot(cfg, target, machine=None, stack_prefix="", osfamily="debian", variant=None):
    """The loader, on machines that use GRUB."""
    if platform.machine() in ("x86_64", "aarch64"):
        setup_grub(cfg, target)


def __getattr__(name):
    raise missing("commands.curthooks", name)
