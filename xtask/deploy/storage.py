"""Makes the storage that a curtin storage configuration (version 1) describes.

Knows what MAAS sends for its flat and LVM layouts: disk, partition, format,
mount, lvm_volgroup, lvm_partition. Anything else is an error.
"""

import os
import subprocess
import time

MIB = 1 << 20
# GPT types: EFI system, BIOS boot, Linux file system, Linux LVM (UEFI 2.10
# table 5.7; GRUB manual "BIOS installation"; Discoverable Partitions Specification).
TYPES = {
    "boot": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "bios_grub": "21686148-6449-6E6F-744E-656564454649",
    "": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    "lvm": "E6D6D379-F507-44C2-A23C-238F2A3DF928",
}


def run(*command, data=None):
    """Run a command; its output is part of the log. Returns standard output."""
    print("+", *command, flush=True)
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` exited with {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def find_disk(serial):
    """The device of the disk with this serial number; it may appear late."""
    seen = {}
    for _ in range(30):
        text = run("lsblk", "--nodeps", "--noheadings", "--paths", "--pairs", "--output", "NAME,SERIAL")
        for line in text.splitlines():
            pairs = dict(word.split("=", 1) for word in line.split(" ") if "=" in word)
            seen[pairs.get("SERIAL", "").strip('"')] = pairs.get("NAME", "").strip('"')
        if serial in seen:
            return seen[serial]
        time.sleep(1)
    raise RuntimeError(f"no disk with serial `{serial}`; the kernel sees {seen}")


def release_group(name):
    """Let go of a volume group if nothing holds it any more.

    A hook's lazy unmount may hold it for a moment longer. curtin leaves groups
    active; what matters is that the file systems are unmounted and synced.
    """
    for _ in range(5):
        subprocess.run(["udevadm", "settle"], check=False)
        if subprocess.run(["vgchange", "--activate", "n", name], check=False).returncode == 0:
            return
        time.sleep(2)
    print(f"volume group {name} stays active until the machine is off", flush=True)


class Storage:
    """Devices by the id that the configuration gives them."""

    def __init__(self, config, target):
        self.items = {item["id"]: item for item in config["config"]}
        self.target = target
        self.devices = {}
        self.fstab = []
        self.mounted = []

    def make(self):
        """Everything, in the order given; then mounts, parents first."""
        for item in self.items.values():
            if item["type"] != "mount":
                getattr(self, "make_" + item["type"], self.unknown)(item)
        mounts = [item for item in self.items.values() if item["type"] == "mount"]
        for item in sorted(mounts, key=lambda item: item["path"].count("/") if item["path"] != "/" else 0):
            self.make_mount(item)

    def unknown(self, item):
        """A type that MAAS sends for layouts we do not make."""
        raise RuntimeError(f"storage type `{item['type']}` ({item['id']}) is not known here")

    def make_disk(self, item):
        """An empty GPT with all its partitions."""
        device = find_disk(item["serial"])
        self.devices[item["id"]] = device
        parts = [p for p in self.items.values() if p["type"] == "partition" and p["device"] == item["id"]]
        lines = ["label: gpt"] + [self.sfdisk_line(part) for part in parts]
        run("wipefs", "--all", "--quiet", device)
        run("sfdisk", "--quiet", "--wipe", "always", device, data="\n".join(lines) + "\n")
        run("udevadm", "settle")
        infix = "p" if device[-1].isdigit() else ""
        for part in parts:
            self.devices[part["id"]] = f"{device}{infix}{part['number']}"

    def sfdisk_line(self, part):
        """One partition; a size of -1 is the rest of the disk."""
        used_by_lvm = any(part["id"] in item.get("devices", []) for item in self.items.values())
        kind = TYPES["lvm" if used_by_lvm else part.get("flag", "")]
        size = "" if part["size"] == -1 else f"size={part['size'] // 512}, "
        return f"{part['number']} : {size}type={kind}"

    def make_partition(self, item):
        """Made with its disk; here only checked."""
        if not os.path.exists(self.devices[item["id"]]):
            raise RuntimeError(f"{self.devices[item['id']]} did not appear")

    def make_lvm_volgroup(self, item):
        """Physical volumes and the group."""
        devices = [self.devices[name] for name in item["devices"]]
        run("vgcreate", "--yes", item["name"], *devices)

    def make_lvm_partition(self, item):
        """A logical volume; a size of -1 is the rest of the group."""
        group = self.items[item["volgroup"]]["name"]
        size = ["-l", "100%FREE"] if item["size"] == -1 else ["-L", f"{item['size']}b"]
        run("lvcreate", "--yes", "--wipesignatures", "y", "--name", item["name"], *size, group)
        self.devices[item["id"]] = f"/dev/{group}/{item['name']}"

    def make_format(self, item):
        """A file system on a partition or a logical volume."""
        device = self.devices[item["volume"]]
        self.devices[item["id"]] = device
        # As the mkfs of Ubuntu 22.04 and 24.04 does, which MAAS deploys from;
        # GRUB 2.06 and kernels of older targets do not read the newer features.
        plain = "^metadata_csum_seed,^orphan_file"
        tools = {"fat32": ["mkfs.vfat", "-F", "32"], "ext4": ["mkfs.ext4", "-F", "-q", "-O", plain]}
        if item["fstype"] not in tools:
            raise RuntimeError(f"file system `{item['fstype']}` ({item['id']}) is not known here")
        label = ["-n" if item["fstype"] == "fat32" else "-L", item["label"]] if item.get("label") else []
        run(*tools[item["fstype"]], *label, device)

    def make_mount(self, item):
        """Mount below the target and add a line to fstab."""
        device = self.devices[item["device"]]
        place = os.path.join(self.target, item["path"].lstrip("/"))
        os.makedirs(place, exist_ok=True)
        run("mount", device, place)
        self.mounted.append(place)
        uuid = run("blkid", "--output", "value", "--match-tag", "UUID", device).strip()
        if not uuid:
            raise RuntimeError(f"{device} has no UUID")
        kind = {"fat32": "vfat"}.get(self.items[item["device"]]["fstype"], "ext4")
        self.fstab.append(f"# {item['path']} was on {device} during deployment\n"
                          f"/dev/disk/by-uuid/{uuid} {item['path']} {kind} defaults 0 1\n")

    def release(self):
        """Unmount everything and let go of volume groups."""
        for place in reversed(self.mounted):
            run("umount", "--recursive", place)
        for item in self.items.values():
            if item["type"] == "lvm_volgroup":
                release_group(item["name"])
        run("sync")


def mount_boot(target):
    """What the target's fstab has below /boot, to be looked at.

    curtin mounts only the root of a whole disk, so this is for after its steps.
    """
    try:
        with open(os.path.join(target, "etc/fstab"), encoding="utf-8", errors="replace") as stream:
            rows = [line.split() for line in stream if not line.lstrip().startswith("#")]
    except OSError:
        return
    devices = {row[1]: row[0] for row in rows if len(row) > 2}
    for point in ("boot", "boot/efi"):
        path, device = os.path.join(target, point), devices.get("/" + point)
        if device and os.path.isdir(path) and not os.path.ismount(path):
            subprocess.run(["mount", "-o", "ro", device, path], check=False)


# Directories at the top of a file system that make it the root (curtin's
# block.get_root_device); the last two are Ubuntu Core's.
ROOT_MARKS = ("curtin", "system-data/var/lib/snapd", "snaps")
# What unpacks a disk by the type of its source, as a shell pipeline.
UNPACK = {"dd-gz": "zcat", "dd-raw": "cat", "dd-xz": "xzcat", "dd-bz2": "bzcat", "dd-tgz": "tar -xOzf -",
          "dd-tar": "smtar -xOf -", "dd-tbz": "tar -xOjf -", "dd-txz": "tar -xOJf -"}


class WrittenDisk:
    """A whole-disk image, written as curtin writes it: as it is.

    The storage configuration only says which disk; its root is the file system
    that has a directory /curtin.
    """

    def __init__(self, config, target):
        disks = [item for item in config["config"] if item["type"] == "disk"]
        chosen = next((item for item in disks if item.get("grub_device")), disks[0])
        self.device = find_disk(chosen["serial"])
        self.target = target
        self.fstab = []

    def write(self, uri, kind, command):
        """Fetch, unpack, dd. As with curtin, only dd's exit status counts."""
        if kind not in UNPACK:
            raise RuntimeError(f"source type `{kind}` is not known here")
        script = f'wget "$1" --progress=dot:mega -O - | {UNPACK[kind]} | dd bs=4M of="$2"'
        command(["sh", "-c", script, "--", uri, self.device], "writing the disk (wget | unpack | dd)")
        subprocess.run(["partprobe", self.device], check=False)
        for _ in range(3):
            run("udevadm", "settle")
            # A disk without LVM has nothing to activate.
            subprocess.run(["vgscan", "--mknodes"], check=False)
            subprocess.run(["vgchange", "--activate", "y"], check=False)

    def volumes(self):
        """Partitions and logical volumes of the disk, in the kernel's order."""
        text = run("lsblk", "--noheadings", "--raw", "--paths", "--output", "NAME,TYPE", self.device)
        pairs = [line.split() for line in text.splitlines()]
        names = [name for name, kind in pairs if kind in ("part", "lvm")]
        if not names:
            raise RuntimeError(f"the image left no partition on {self.device}: is it a disk, complete and not compressed twice?")
        return list(dict.fromkeys(names))

    def file_systems(self):
        """Types of what is on the disk."""
        return set(run("lsblk", "--noheadings", "--raw", "--output", "FSTYPE", self.device).split())

    def find_root(self):
        """Mount each in turn; the last with the mark is the root. Mounts it."""
        found, seen = None, []
        os.makedirs(self.target, exist_ok=True)
        for device in self.volumes():
            if subprocess.run(["mount", device, self.target], check=False, stderr=subprocess.DEVNULL).returncode:
                seen.append(f"{device} (cannot be mounted)")
                continue
            seen.append(f"{device} ({', '.join(sorted(os.listdir(self.target))[:6])})")
            if any(os.path.isdir(os.path.join(self.target, mark)) for mark in ROOT_MARKS):
                found = device
            run("umount", self.target)
        if not found:
            raise RuntimeError(f"no file system of the disk has a directory /curtin: {'; '.join(seen)}")
        run("mount", found, self.target)
        return found

    def release(self):
        """Unmount, let go of volume groups."""
        run("umount", "--recursive", self.target)
        for name in run("lsblk", "--noheadings", "--raw", "--output", "NAME,TYPE", self.device).splitlines():
            if name.endswith(" lvm"):
                subprocess.run(["vgchange", "--activate", "n"], check=False)
                break
        run("sync")
