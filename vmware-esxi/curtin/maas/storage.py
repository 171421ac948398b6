"""MAAS's storage configuration, version 1, as ESXi commands. Pure, Python 3.5 and later.

A command is (argv, input, required): what to run, what it reads, and whether
its failure is one.
"""

from esxcli import VMFS_GUID

MIB = 1 << 20
DEFAULT_NAME = "datastore1"


class StorageError(Exception):
    """The configuration does not fit the machine."""


def command(*argv, **options):
    return (list(argv), options.get("input"), options.get("required", True))


def section(config):
    """The `storage` section of a whole configuration, or the section itself."""
    found = config.get("storage", config)
    if found.get("version") != 1:
        raise ValueError("storage configuration has version %r, only 1 is known" % found.get("version"))
    return found.get("config") or []


def default_partition(version):
    """Number of the partition that ESXi itself makes a datastore of."""
    return 8 if version >= (7,) else 3


def normal(serial):
    return "_".join((serial or "").split()).strip("_").lower()


def wwn_of(item):
    return (item.get("wwn") or "").lower().replace("0x", "").partition(".")[2] or \
        (item.get("wwn") or "").lower().replace("0x", "")


def matches(item, disk):
    """True if MAAS's disk is this one of ESXi's: by serial number or by WWN."""
    serial, wwn = normal(item.get("serial")), wwn_of(item)
    if serial and serial in {normal(known) for known in disk["serials"]}:
        return True
    kind, _, identifier = disk["name"].partition(".")
    return bool(wwn) and kind in ("naa", "eui") and identifier.lower().startswith(wwn)


def find_disks(items, disks, boot):
    """{id: disk} for MAAS's disks, and warnings. `boot`: name of the disk we run from."""
    found, warnings = {}, []
    for item in items:
        if item.get("grub_device"):
            candidates = [disk for disk in disks if disk["name"] == boot]
        else:
            candidates = [disk for disk in disks if disk["name"] != boot and matches(item, disk)]
        if len(candidates) == 1:
            found[item["id"]] = candidates[0]
        else:
            warnings.append("%s (serial %s): %s disks fit" % (item["id"], item.get("serial"), len(candidates) or "no"))
    return found, warnings


def bytes_of(size):
    """Bytes of MAAS's sizes such as 8589934592B."""
    text = str(size).strip().upper().rstrip("B")
    return int(text)


def device(disk, number):
    return "%s:%d" % (disk["path"], number)


def place(disk, state, size):
    """(first, last) sector for a new partition of `size` bytes after all others."""
    step = max(MIB // disk["block"], 1)
    used = [last for _, last, _ in state["partitions"].values()]
    first = max(used + [state["usable"][0] - 1]) + 1
    first = -(-first // step) * step
    last = min(first + size // disk["block"] - 1, state["usable"][1])
    if last <= first:
        raise StorageError("%s has no room for another partition" % disk["name"])
    return first, last


def add_partition(disk, state, number, size):
    first, last = place(disk, state, size)
    state["partitions"][number] = (first, last, VMFS_GUID)
    return command("partedUtil", "add", disk["path"], "gpt", "%d %d %d %s 0" % (number, first, last, VMFS_GUID))


def fix_table(disk):
    """Moves GPT's copy to the end of a disk that is larger than the image."""
    return command("partedUtil", "fixGpt", disk["path"], input="Y\n", required=False)


def wipe(disk, how):
    """An empty GPT. `how` is MAAS's word; ESXi needs no more than `superblock`."""
    commands = []
    source = {"zero": "/dev/zero", "random": "/dev/urandom"}.get(how)
    if source:
        # Ends with an error at the end of the disk.
        commands.append(command("dd", "if=" + source, "of=" + disk["path"], "bs=1M", required=False))
    return commands + [command("partedUtil", "mklabel", disk["path"], "gpt")]


def remove_default(disk, state, number, volumes):
    """Commands that free the partition of the datastore ESXi made by itself."""
    if number not in state["partitions"]:
        return []
    labels = [name for name, owner, part in volumes if (owner, part) == (disk["name"], number)]
    commands = [command("esxcli", "storage", "filesystem", "unmount", "--volume-label=" + label) for label in labels]
    del state["partitions"][number]
    return commands + [command("partedUtil", "delete", disk["path"], str(number))]


def create_vmfs(name, heads):
    """A datastore on the first device, spanned over the others."""
    commands = [command("vmkfstools", "--createfs", "vmfs6", "--setfsname", name, heads[0])]
    for extent in heads[1:]:
        # It asks whether to destroy what is there; 0 is yes.
        commands.append(command("vmkfstools", "--spanfs", extent, heads[0], input="0\n"))
    return commands


def extend_default(boot, state, volumes, version):
    """No datastore in MAAS's layout: ESXi's own one gets the rest of the boot disk."""
    number = default_partition(version)
    commands = [fix_table(boot)]
    mine = [part for _, owner, part in volumes if owner == boot["name"]]
    if mine:
        first = state["partitions"][mine[0]][0]
        where = device(boot, mine[0])
        commands.append(command("partedUtil", "resize", boot["path"], str(mine[0]), str(first), str(state["usable"][1])))
        return commands + [command("vmkfstools", "--growfs", where, where)]
    commands.append(add_partition(boot, state, number, (state["usable"][1] + 1) * boot["block"]))
    return commands + create_vmfs(DEFAULT_NAME, [device(boot, number)])


def members(stores, partitions, disks):
    """[(store name, [(disk, partition entry)])], all of which exist."""
    found = []
    for store in stores:
        heads = []
        for identifier in store.get("devices") or []:
            entry = partitions.get(identifier)
            if entry is None or entry.get("device") not in disks:
                raise StorageError("datastore %s: this machine has no disk for %s" % (store["name"], identifier))
            heads.append((disks[entry["device"]], entry))
        if not heads:
            raise StorageError("datastore %s has no device" % store["name"])
        found.append((store["name"], heads))
    return found


def layout(items, disks, states, boot, volumes, version):
    """Commands for the datastores of MAAS's layout."""
    entries = {item["id"]: item for item in items if item.get("type") == "partition"}
    stores = members([item for item in items if item.get("type") == "vmfs6"], entries, disks)
    wipes = {disks[item["id"]]["name"]: item.get("wipe") for item in items
             if item.get("type") == "disk" and item["id"] in disks}
    commands = [fix_table(boot)] + remove_default(boot, states[boot["name"]], default_partition(version), volumes)
    cleaned = {boot["name"]}
    creations = []
    for name, heads in stores:
        for disk, entry in sorted(heads, key=lambda head: (head[0]["name"], head[1]["number"])):
            if disk["name"] not in cleaned:
                cleaned.add(disk["name"])
                commands += wipe(disk, wipes.get(disk["name"]))
                states[disk["name"]]["partitions"].clear()
            commands.append(add_partition(disk, states[disk["name"]], entry["number"], bytes_of(entry["size"])))
        creations += create_vmfs(name, [device(disk, entry["number"]) for disk, entry in heads])
    rescan = [command("esxcli", "storage", "core", "adapter", "rescan", "--all", required=False)]
    return commands + rescan + creations


def plan(config, machine):
    """(commands, warnings). machine: {disks, boot, states, volumes, version}.

    states: {disk name: {"partitions": {number: (first, last, GUID)}, "usable": (first, last)}}
    """
    items = section(config)
    boot = next((disk for disk in machine["disks"] if disk["name"] == machine["boot"]), None)
    if boot is None:
        raise StorageError("the disk that ESXi runs from, %s, is not in its list of disks" % machine["boot"])
    found, warnings = find_disks([item for item in items if item.get("type") == "disk"], machine["disks"], machine["boot"])
    states = {name: {"partitions": dict(state["partitions"]), "usable": state["usable"]}
              for name, state in machine["states"].items()}
    if any(item.get("type") == "vmfs6" for item in items):
        return layout(items, found, states, boot, machine["volumes"], machine["version"]), warnings
    return extend_default(boot, states[boot["name"]], machine["volumes"], machine["version"]), warnings
