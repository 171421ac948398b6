"""Which disks carry the target."""

import glob
import json
import os

from curtin import missing, util


def get_devices_for_mp(mountpoint):
    """The device mounted there."""
    text, _ = util.subp(["findmnt", "--noheadings", "--nofsroot", "--output", "SOURCE",
                         "--mountpoint", mountpoint], capture=True)
    return text.split()


def disks_below(device):
    """Whole disks under a partition, an LVM volume or an array."""
    text, _ = util.subp(["lsblk", "--json", "--inverse", "--paths", "--output", "NAME,TYPE", device],
                        capture=True)
    found, todo = set(), list(json.loads(text)["blockdevices"])
    while todo:
        entry = todo.pop()
        if entry["type"] == "disk":
            found.add(entry["name"])
        todo.extend(entry.get("children", []))
    return sorted(found)


def get_blockdev_for_partition(devpath, strict=True):
    """Disk and number of a partition; of anything else itself and None."""
    place = f"/sys/class/block/{os.path.basename(os.path.realpath(devpath))}/partition"
    if not os.path.exists(place):
        return os.path.realpath(devpath), None
    with open(place, encoding="utf-8") as stream:
        return disks_below(devpath)[0], stream.read().strip()


def esp_of(target):
    """Disk and partition number of the file system at /boot/efi of the target."""
    point = os.path.join(target, "boot/efi")
    source, _ = util.subp(["findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", point], capture=True)
    return get_blockdev_for_partition(source.strip())


def disk_to_byid_path(device):
    """A name below /dev/disk/by-id that will not change, or None."""
    links = sorted(glob.glob("/dev/disk/by-id/*"))
    return next((link for link in links if os.path.realpath(link) == os.path.realpath(device)), None)


def __getattr__(name):
    raise missing("block", name)
