"""The swap file."""

import os
import re

from curtin import util
from curtin.paths import target_path

GIB = 1 << 30


def suggested_swapsize(memsize, avail):
    """Bytes of swap for this much memory, at most a quarter of the free space."""
    limit = min(avail // 4, 8 * GIB)
    if memsize <= GIB:
        wanted = 2 * memsize
    elif memsize <= 2 * GIB:
        wanted = 2 * GIB
    else:
        wanted = min(memsize, 4 * GIB)
    size = min(wanted, limit)
    return 0 if size < memsize // 2 and size < 4 * GIB else size


def human2bytes(text):
    """`2G` as a number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([bkmgt]?)b?", str(text).strip().lower())
    if not match:
        raise ValueError(f"`{text}` is not a size")
    return int(float(match[1]) * 1024 ** " kmgt".replace(" ", "b").index(match[2] or "b"))


def setup_swapfile(target, fstab=None, swapfile=None, size=None, maxsize=None, force=False):
    """Create the file and its line in fstab."""
    if size is None:
        room = os.statvfs(target)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        size = suggested_swapsize(memory, room.f_bavail * room.f_frsize)
        size = min(size, maxsize) if maxsize else size
    if size == 0:
        return
    name = "/" + (swapfile or "swap.img").lstrip("/")
    path = target_path(target, name)
    util.write_file(path, "", mode=0o600)
    util.subp(["fallocate", "--length", str(size // (1 << 20) << 20), path])
    util.subp(["mkswap", path], capture=True)
    if fstab:
        with open(fstab, "a", encoding="utf-8") as stream:
            stream.write(f"{name}\tnone\tswap\tsw\t0\t0\n")
