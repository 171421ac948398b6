"""Devices by the id that the storage configuration gives them. Disks only: MAAS marks no other for a boot sector."""

from collections import OrderedDict

from curtin import missing, util


def extract_storage_ordered_dict(config):
    """The items of the storage configuration by their id, in order."""
    items = (config.get("storage") or {}).get("config")
    if not items:
        raise ValueError("invalid storage configuration")
    return OrderedDict((item["id"], item) for item in items)


def get_path_to_storage_volume(volume, storage_config):
    """The device of a disk, which is known by its serial number."""
    item = storage_config[volume]
    if item["type"] != "disk":
        raise missing("commands.block_meta", f"path to a {item['type']}")
    text, _ = util.subp(["lsblk", "--nodeps", "--noheadings", "--paths", "--output", "NAME,SERIAL"], capture=True)
    for line in text.splitlines():
        if line.split()[1:] == [item["serial"]]:
            return line.split()[0]
    raise ValueError(f"no disk with serial {item['serial']}")


def __getattr__(name):
    raise missing("commands.block_meta", name)
