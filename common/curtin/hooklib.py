"""What the deploy hooks of Linux images share.

Lies beside curtin-hooks in /curtin of the image. Runs in the ephemeral Ubuntu
that deploys, as root, not chrooted, under whatever Python that has (3.6 and
later). Nothing here needs a network. Only names that every curtin from 22.1 to
26 has are used.
"""

import contextlib
import glob
import os
import re
import subprocess
import sys

DATASOURCE_DIR = "etc/cloud/cloud.cfg.d"
# grub2 platform, file names of shim and GRUB, removable name; by `uname -m`.
EFI_NAMES = {
    "x86_64": ("x86_64-efi", "shimx64.efi", "grubx64.efi", "BOOTX64.EFI"),
    "aarch64": ("arm64-efi", "shimaa64.efi", "grubaa64.efi", "BOOTAA64.EFI"),
}


# Arguments that PXELINUX and GRUB append for the installer.
NETWORK_BOOT = ("BOOTIF=", "initrd=", "BOOT_IMAGE=")


def log(message):
    print("curtin-hooks: " + message, file=sys.stderr, flush=True)


# Pure functions of what curtin and the machine say.

def is_dd(cfg):
    """True if a whole-disk image was written, so that its disk stays as it is."""
    sources = cfg.get("sources") or {}
    values = sources.values() if isinstance(sources, dict) else sources
    kinds = [s.get("type", "") if isinstance(s, dict) else str(s) for s in values]
    return any(kind.startswith("dd-") for kind in kinds)


def datasource_files(cloudconfig):
    """File name to content for the `cloudconfig` section; the names are curtin's."""
    files = {}
    for name in sorted(cloudconfig or {}):
        entry = cloudconfig[name]
        content = entry.get("content", "") if isinstance(entry, dict) else str(entry)
        files["95-cloudconfig-%s.cfg" % name] = content
    return files


def kernel_parameters(cmdline):
    """What the deployed kernel gets of the installer's command line.

    Consoles, and what MAAS was told to pass on, which stands after `---` or, of
    old, `--`. What the network boot appended there too is not meant for it. The
    last console is the one the system talks on, so one named twice is the later.
    """
    separator = " --- " if " --- " in cmdline else " -- "
    before, *after = cmdline.split(separator)
    carried = [word for word in " ".join(after).split() if not word.startswith(NETWORK_BOOT)]
    consoles = [word for word in before.split() if word.startswith("console=") and word not in carried]
    return list(dict.fromkeys(consoles + carried + ["rd.auto=1"]))


def with_parameters(text, parameters):
    """/etc/default/grub with these words in GRUB_CMDLINE_LINUX."""
    lines = text.splitlines()
    line = 'GRUB_CMDLINE_LINUX="%s"' % " ".join(parameters)
    kept = [old for old in lines if not old.startswith("GRUB_CMDLINE_LINUX=")]
    return "\n".join(kept + [line]) + "\n"


def boot_order(entries, added):
    """A BootOrder with `added` last: MAAS needs the network first.

    entries: output of efibootmgr.
    """
    match = re.search(r"^BootOrder: ([0-9A-Fa-f,]*)$", entries, re.M)
    old = [n for n in match.group(1).split(",") if n] if match else []
    return ",".join([n for n in old if n != added] + [added])


def entry_number(entries, label):
    """Number of the boot entry with this label, or None."""
    match = re.search(r"^Boot([0-9A-Fa-f]{4})\*? +%s(?:\t|$)" % re.escape(label), entries, re.M)
    return match.group(1) if match else None


def updates_nvram(cfg):
    """False if MAAS's user told curtin to leave the firmware's entries alone."""
    section = cfg.get("boot") or cfg.get("grub") or {}
    return bool(section.get("update_nvram", True))


def parse_disks(tree):
    """Names of the disks in `lsblk -o NAME,TYPE`, each once; of a multipath disk not its paths."""
    rows = [line.split() for line in tree.splitlines()]
    names = [[row[0] for row in rows if row[1:] == [kind]] for kind in ("mpath", "disk")]
    return list(dict.fromkeys(names[0] or names[1]))


# The target's state.

def os_release(target):
    values = {}
    with open(os.path.join(target, "etc/os-release"), encoding="utf-8") as stream:
        for line in stream:
            name, _, value = line.strip().partition("=")
            values[name] = value.strip("\"'")
    return values


def kernel_versions(target):
    """Versions with a kernel in /boot, wherever the image keeps the rest."""
    pattern = os.path.join(glob.escape(target), "boot", "vmlinu[xz]-*")
    images = glob.glob(pattern) + glob.glob(pattern.replace("vmlinu[xz]", "Image"))
    names = {os.path.basename(path).split("-", 1)[1] for path in images}
    return sorted(name for name in names if os.path.isdir(os.path.join(target, "lib/modules", name)))


def output_of(argv):
    done = subprocess.run(argv, check=True, universal_newlines=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


def boot_disks(cfg, path):
    """The disks for a boot sector: those MAAS marked, else those below the file system at path."""
    items = (cfg.get("storage") or {}).get("config") or []
    marked = [item["id"] for item in items if item.get("grub_device")]
    if marked:
        from curtin.commands import block_meta
        volumes = block_meta.extract_storage_ordered_dict(cfg)
        return [block_meta.get_path_to_storage_volume(name, volumes) for name in marked]
    source = output_of(["findmnt", "-n", "-o", "SOURCE", "-M", path]).split("[")[0]
    return parse_disks(output_of(["lsblk", "-s", "-n", "-l", "-p", "-o", "NAME,TYPE", source]))


def esp_of(target):
    """Disk and partition number of the ESP that is mounted in the target."""
    from curtin import block
    source = output_of(["findmnt", "-n", "-o", "SOURCE", "-M", os.path.join(target, "boot/efi")])
    # It knows the partitions of multipath disks, which the kernel does not.
    disk, partition = block.get_blockdev_for_partition(source)
    if partition is None:
        raise RuntimeError("the ESP has to be a partition, and %s is none" % source)
    return disk, str(partition)


# Changes.

def write_file(target, name, content, mode=0o644):
    path = os.path.join(target, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as stream:
        stream.write(content)


def write_datasource(target, cloudconfig):
    """The machine's MAAS credentials, for its cloud-init only."""
    for name, content in datasource_files(cloudconfig).items():
        write_file(target, os.path.join(DATASOURCE_DIR, name), content, 0o600)


def write_network(target, state):
    """curtin's network configuration, for cloud-init to render."""
    path = state.get("network_config")
    if not path or not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as stream:
        write_file(target, os.path.join(DATASOURCE_DIR, "50-curtin-networking.cfg"), stream.read(), 0o600)


@contextlib.contextmanager
def chroot_runner(target):
    """Yield run(argv, check=True): the command in the target, with output kept."""
    mounts = []

    def run(argv, check=True):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["chroot", target] + argv, env=env, check=False, universal_newlines=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check and done.returncode != 0:
            raise RuntimeError("%s failed with status %d:\n%s" % (" ".join(argv), done.returncode, done.stdout))
        return done

    try:
        for name in ("dev", "proc", "sys", "run"):
            point = os.path.join(target, name)
            if not os.path.ismount(point):
                subprocess.run(["mount", "--rbind", "/" + name, point], check=True)
                # Without it, unmounting here would unmount the originals.
                subprocess.run(["mount", "--make-rslave", point], check=True)
                mounts.append(point)
        yield run
    finally:
        for point in reversed(mounts):
            subprocess.run(["umount", "--recursive", "--lazy", point], check=False)


def set_kernel_parameters(target):
    with open("/proc/cmdline", encoding="utf-8") as stream:
        parameters = kernel_parameters(stream.read().strip())
    text = ""
    with contextlib.suppress(FileNotFoundError), open(os.path.join(target, "etc/default/grub"), encoding="utf-8") as stream:
        text = stream.read()
    write_file(target, "etc/default/grub", with_parameters(text, parameters))


def configure_storage(curthooks, cfg, target, state, iscsi="redhat"):
    """fstab, swap, RAID, iSCSI, multipath and disk names by curtin's own functions.

    They are called as for RHEL: SUSE has its files in the same places, and they
    refuse RAID on SUSE. iscsi: whose places and services iSCSI's nodes have.
    """
    state_dir = os.path.dirname(state.get("fstab") or "")
    curthooks.configure_iscsi(cfg, state_dir, target, osfamily=iscsi)
    curthooks.configure_mdadm(cfg, state_dir, target, osfamily="redhat")
    # It adds the swap file to curtin's fstab, not to the target's.
    curthooks.add_swap(cfg, target, state.get("fstab"))
    curthooks.copy_fstab(state.get("fstab"), target)
    crypttab = os.path.join(state_dir, "crypttab")
    if os.path.exists(crypttab):
        curthooks.copy_crypttab(crypttab, target)
    # The programs are in the image, under whatever name; nothing is downloaded.
    multipath = dict(cfg.get("multipath") or {}, packages=[])
    curthooks.detect_and_handle_multipath(dict(cfg, multipath=multipath), target, osfamily="redhat")
    rules = os.path.join(state.get("scratch") or "", "rules.d")
    if state.get("scratch") and os.path.isdir(rules):
        os.makedirs(os.path.join(target, "etc/udev/rules.d"), exist_ok=True)
        curthooks.copy_dname_rules(rules, target)


def register_entry(run, cfg, target, label, loader):
    """An NVRAM entry for the loader, last in the order."""
    if not updates_nvram(cfg):
        log("the firmware's boot entries stay as they are")
        return
    entries = run(["efibootmgr"]).stdout
    stale = entry_number(entries, label)
    if stale:
        run(["efibootmgr", "--bootnum", stale, "--delete-bootnum"])
    disk, partition = esp_of(target)
    run(["efibootmgr", "--create-only", "--disk", disk, "--part", partition, "--label", label, "--loader", loader])
    entries = run(["efibootmgr"]).stdout
    added = entry_number(entries, label)
    if added is None:
        raise RuntimeError("efibootmgr made no entry %r:\n%s" % (label, entries))
    run(["efibootmgr", "--bootorder", boot_order(entries, added)])


def install_bios_loader(run, cfg, target):
    """GRUB in the boot sector of every disk that the machine may start from."""
    boot = os.path.join(target, "boot")
    disks = boot_disks(cfg, boot if os.path.ismount(boot) else target)
    if not disks:
        raise RuntimeError("found no disk below " + target)
    for disk in disks:
        log("installing GRUB on " + disk)
        run(["grub2-install", "--target=i386-pc", "--recheck", disk])
