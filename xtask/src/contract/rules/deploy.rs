//! What curtin needs to install it.

use super::super::deploy;
use super::Scope::{Archive, Disk, Hook, Root};
use super::{Rule, Text, error};

pub(super) const RULES: &[Rule] = &[
    error(
        "C040",
        Hook,
        deploy::hook,
        Text(
            "the deploy hooks are there and can be run",
            "curtin runs it directly; without it, it applies what is meant for Ubuntu",
            "pack with --curtin DIR, or let the guest put executable scripts with #! into /curtin, and beside them what they import",
        ),
    ),
    error(
        "C041",
        Disk,
        deploy::marker,
        Text(
            "there is a directory /curtin on the disk",
            "curtin takes the partition with this directory as root, and fails if there is none",
            "create it while the image is built; it may be empty",
        ),
    ),
    error(
        "C042",
        Root,
        deploy::os_release,
        Text(
            "curtin understands os-release",
            "curtin stops with a ValueError at a distribution it does not know",
            "set ID or ID_LIKE to a distribution that curtin knows, or ship a deploy hook",
        ),
    ),
    error(
        "C043",
        Archive,
        deploy::lsb_release,
        Text(
            "lsb_release is there",
            "curtin runs it in Debian and Ubuntu images and stops if it fails",
            "install the package lsb-release",
        ),
    ),
    error(
        "C044",
        Root,
        deploy::dpkg,
        Text(
            "every package is installed completely",
            "apt at deployment would stop at the broken package",
            "run `dpkg --configure -a` and `apt-get -f install` in the image",
        ),
    ),
    error(
        "C045",
        Root,
        deploy::apt_sources,
        Text(
            "apt has sources, and they are not on the build host",
            "curtin runs apt-get update at deployment",
            "restore the distribution's sources at the end of the build",
        ),
    ),
    error(
        "C046",
        Archive,
        deploy::kernel_package,
        Text(
            "the deploy hook of a Debian names an installed kernel package",
            "MAAS names no kernel for custom images; curtin then installs linux-generic and fails",
            "write the name of the installed kernel package to /curtin/kernel-package, such as linux-image-amd64",
        ),
    ),
];
