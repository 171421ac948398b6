"""Paths below the target."""

import glob
import os


def target_path(target, path=None):
    """`path` as seen from outside the chroot `target` (None is `/`)."""
    root = os.path.abspath(target or "/")
    if not path:
        return root
    return os.path.join(root, path.lstrip("/"))


def get_kernel_list(target):
    """(kernel, initrd, version) for each kernel in the target's /boot."""
    boot = target_path(target, "/boot")
    found = []
    for kernel in sorted(glob.glob(os.path.join(boot, "vmlinu[xz]-*"))):
        version = os.path.basename(kernel).split("-", 1)[1]
        found.append((kernel, os.path.join(boot, "initrd.img-" + version), version))
    return found


def kernel_parse(fname):
    """The version that a kernel's file name holds."""
    return os.path.basename(fname).split("-", 1)[1]
