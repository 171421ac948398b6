//! What the build must not leave in it.

use super::super::{access, traces};
use super::Scope::{Archive, Disk, Root};
use super::{Rule, Text, error, warning};

pub(super) const RULES: &[Rule] = &[
    error(
        "C050",
        Archive,
        traces::fstab,
        Text(
            "fstab is empty",
            "a memory-only boot waits for the build VM's file systems and ends in emergency mode",
            "leave it to pack, which empties it",
        ),
    ),
    error(
        "C051",
        Disk,
        traces::fstab_on_disk,
        Text(
            "fstab names file systems by UUID or label",
            "the machine's disks have other names",
            "use UUIDs in fstab",
        ),
    ),
    error(
        "C052",
        Root,
        traces::machine_id,
        Text(
            "machine-id is empty",
            "machines with one id share DHCP leases and journal names",
            "truncate /etc/machine-id last; pack does it in archives",
        ),
    ),
    error(
        "C053",
        Root,
        access::host_keys,
        Text(
            "there are no SSH host keys",
            "every machine would have the same",
            "delete them last; pack leaves them out of archives",
        ),
    ),
    error(
        "C054",
        Root,
        access::authorized_keys,
        Text(
            "nobody's key may log in",
            "whoever built the image could log in everywhere",
            "delete them last; pack leaves them out of archives",
        ),
    ),
    error(
        "C055",
        Root,
        access::passwords,
        Text(
            "nobody has a password",
            "the password of the build would be valid on every machine",
            "lock the account: passwd --lock USER; or accept it in image.toml with a reason",
        ),
    ),
    error(
        "C056",
        Root,
        access::sudoers,
        Text(
            "no user of the build is root by sudo",
            "an account that MAAS does not know would be root",
            "delete the file in /etc/sudoers.d",
        ),
    ),
    warning(
        "C057",
        Root,
        access::sshd,
        Text(
            "root cannot log in by password over SSH",
            "the build switched it on, and every machine would have it",
            "restore sshd_config at the end of the build",
        ),
    ),
    error(
        "C060",
        Root,
        traces::proxies,
        Text(
            "no proxy of the build is set",
            "the machine cannot reach it, and package installation hangs at deployment",
            "remove the setting at the end of the build",
        ),
    ),
    error(
        "C061",
        Root,
        traces::packer,
        Text(
            "there are no files of the build",
            "they may hold credentials",
            "delete them at the end of the build; pack leaves the known ones out of archives",
        ),
    ),
    error(
        "C062",
        Root,
        traces::answers,
        Text(
            "there are no answers of the installer",
            "they hold password hashes and addresses",
            "delete them at the end of the build; pack leaves the known ones out of archives",
        ),
    ),
    error(
        "C063",
        Root,
        traces::network,
        Text(
            "no interface of the build is configured",
            "it does not exist on the machine, and waiting for it delays every boot",
            "delete the file at the end of the build; pack leaves the known ones out of archives",
        ),
    ),
    warning(
        "C064",
        Root,
        traces::resolver,
        Text(
            "resolv.conf names no server of the build",
            "names cannot be resolved until something rewrites it",
            "empty /etc/resolv.conf, or link it to systemd-resolved's",
        ),
    ),
    warning(
        "C065",
        Root,
        traces::histories,
        Text(
            "there are no shell histories",
            "commands of the build may hold credentials",
            "delete them at the end of the build; pack leaves them out of archives",
        ),
    ),
    error(
        "C066",
        Root,
        traces::seeds,
        Text(
            "there is no random seed",
            "machines would start with the same randomness",
            "delete it last; pack leaves it out of archives",
        ),
    ),
];
