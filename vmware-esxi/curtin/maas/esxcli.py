"""What ESXi's programs print, as data. Pure, Python 3.5 and later."""

import binascii
import re

VMFS_GUID = "AA31E02A400F11DB9590000C2911D1B8"


def stanzas(text):
    """Output of the form `name`, then indented `Key: value` lines: [(name, {key: value})]."""
    found = []
    for line in text.splitlines():
        if not line.strip():
            continue
        if not line[0].isspace():
            found.append((line.strip().rstrip(":"), {}))
        elif found and ":" in line:
            key, _, value = line.strip().partition(":")
            found[-1][1].setdefault(key.strip(), value.strip())
    return found


def table(text):
    """Output with a header line and a line of dashes: [{header: value}].

    The dashes give the columns, because values hold spaces.
    """
    lines = text.splitlines()
    rule = next((i for i, line in enumerate(lines) if re.match(r"^-+(\s+-+)*\s*$", line)), None)
    if not rule:
        return []
    spans = [match.span() for match in re.finditer(r"-+", lines[rule])]
    # A value may be longer than its dashes, up to the next column.
    ends = [start for start, _ in spans[1:]] + [None]
    columns = [(start, end) for (start, _), end in zip(spans, ends)]
    names = [lines[rule - 1][start:end].strip() for start, end in columns]
    rows = [line for line in lines[rule + 1:] if line.strip()]
    return [dict(zip(names, [row[start:end].strip() for start, end in columns])) for row in rows]


def nics(text):
    """`esxcli network nic list`: {MAC in lower case: vmnic}."""
    return {row["MAC Address"].lower(): row["Name"] for row in table(text) if row.get("MAC Address")}


def names(text, key):
    """Column `key` of a table, or the names of stanzas if there is no table."""
    rows = table(text)
    return [row[key] for row in rows if row.get(key)] if rows else [name for name, _ in stanzas(text)]


def search_domains(text):
    """`esxcli network ip dns search list`: one line with a list."""
    match = re.search(r"DNSSearch Domains:\s*(.*)", text)
    return [word for word in re.split(r"[,\s]+", match.group(1)) if word] if match else []


def partition_table(text):
    """`partedUtil getptbl`: (label, total sectors, {number: (first, last, type GUID)})."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 2 or len(lines[1]) < 4:
        return None, 0, {}
    partitions = {int(row[0]): (int(row[1]), int(row[2]), row[3]) for row in lines[2:] if len(row) >= 4}
    return lines[0][0], int(lines[1][3]), partitions


def usable_sectors(text):
    """`partedUtil getUsableSectors`: (first, last)."""
    first, last = text.split()[:2]
    return int(first), int(last)


def boot_device(text):
    """Disk of `vmkfstools -P /bootbank`, without the partition number."""
    match = re.search(r"Partitions spanned[^\n]*\n\s+(\S+):\d+", text)
    return match.group(1) if match else None


def vml_serial(uids):
    """Serial number in a `vml.` identifier, which holds it in hexadecimal digits."""
    match = re.search(r"vml\.01[0-9a-f]{8}((?:[0-9a-f]{2})+)", uids or "")
    if not match:
        return ""
    text = binascii.unhexlify(match.group(1)).decode("ascii", "replace")
    # Six characters of the model follow.
    return text[:-6].strip(" \0")


def name_serial(name):
    """Last part of names such as t10.ATA_____MODEL____SERIAL or t10.NVMe____MODEL____SERIAL."""
    if not name.startswith(("t10.ATA", "t10.NVMe", "t10.SCSI")):
        return ""
    parts = [part for part in re.split(r"_{2,}", name.strip("_")) if part]
    return parts[-1] if len(parts) > 1 else ""


def block_sizes(text):
    """`esxcli storage core device capacity list`: {device: logical block size}."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[1].isdigit() and words[2].isdigit():
            found[words[0]] = int(words[2])
    return found


def disks(devices, capacities):
    """Disks of `esxcli storage core device list`: [{name, path, serials, size, block}]."""
    blocks = block_sizes(capacities)
    found = []
    for name, values in stanzas(devices):
        path = values.get("Devfs Path", "")
        if not path.startswith("/vmfs/devices/disks/") or values.get("Device Type", "Direct-Access").strip() != "Direct-Access":
            continue
        serials = {name_serial(name), vml_serial(values.get("Other UIDs"))} - {""}
        found.append({"name": name, "path": path, "serials": serials,
                      "size": int(values.get("Size") or 0) << 20, "block": blocks.get(name, 512)})
    return found


def volumes(text):
    """`esxcli storage vmfs extent list`: [(volume name, device, partition)]."""
    return [(row["Volume Name"], row["Device Name"], int(row["Partition"]))
            for row in table(text) if row.get("Partition", "").isdigit()]
