//! What any artifact must be, whatever is in it.

use super::super::plausible;
use super::Scope::{Any, Archive, Root};
use super::{Rule, Text, error, warning};

pub(super) const RULES: &[Rule] = &[
    error(
        "C001",
        Any,
        plausible::kind,
        Text(
            "the file is of the kind that MAAS is told",
            "MAAS never looks inside; curtin unpacks a disk as an archive or the reverse and fails",
            "give the right --kind to pack, or the right filetype to the upload",
        ),
    ),
    warning(
        "C002",
        Any,
        plausible::readable,
        Text(
            "the root file system on the disk can be read",
            "what cannot be read cannot be judged",
            "deploy it once to see that it works; ext4 on a plain partition can be judged",
        ),
    ),
    error(
        "C003",
        Archive,
        plausible::size,
        Text(
            "the root has the size of an operating system",
            "an installation that was cut short still makes a file",
            "look at the serial log of the build; pack the right partition",
        ),
    ),
    error(
        "C004",
        Root,
        plausible::tree,
        Text(
            "the top directories of a Linux root are there",
            "curtin mounts /proc, /sys, /dev and /run inside, and programs need the rest",
            "pack the root partition, and archive directories even when they are empty",
        ),
    ),
    warning(
        "C005",
        Any,
        plausible::clean_archive,
        Text(
            "the archive is well formed",
            "tar complains or extracts something else than was meant",
            "make the archive with `cargo xtask pack`",
        ),
    ),
];
