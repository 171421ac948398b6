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
