//! The table of rules. Longer than other files on purpose: it is one table.

use super::{Breach, Input, Rule, Scope, access, boot, cloud, deploy, plausible, traces};
use crate::finding::Severity;

type Check = fn(&Input<'_>) -> Vec<Breach>;

/// Title, why, fix: what a rule says.
struct Text(&'static str, &'static str, &'static str);

const fn error(id: &'static str, scope: Scope, check: Check, text: Text) -> Rule {
    let Text(title, why, fix) = text;
    Rule { id, severity: Severity::Error, title, why, fix, scope, check }
}

const fn warning(id: &'static str, scope: Scope, check: Check, text: Text) -> Rule {
    Rule { severity: Severity::Warning, ..error(id, scope, check, text) }
}

use Scope::{Any, Archive, Disk, Hook, Root};

/// All rules, by id.
pub static RULES: &[Rule] = &[
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
    error(
        "C010",
        Root,
        boot::kernel,
        Text(
            "there is a kernel in /boot",
            "the machine would reboot into nothing",
            "install a kernel package; pack the /boot partition too if there is one",
        ),
    ),
    error(
        "C011",
        Root,
        boot::initrd,
        Text(
            "every kernel has an initrd",
            "the kernel would find no disk and panic",
            "run update-initramfs or dracut in the image for this kernel",
        ),
    ),
    error(
        "C012",
        Root,
        boot::modules,
        Text(
            "every kernel has its modules",
            "the initrd that is made at deployment would be empty",
            "install the modules package of this kernel",
        ),
    ),
    warning(
        "C013",
        Root,
        boot::one_kernel,
        Text(
            "there is one kernel",
            "each further kernel costs minutes at every deployment, and GRUB boots the newest",
            "remove the kernels that are not meant to run",
        ),
    ),
    error(
        "C014",
        Archive,
        boot::bios,
        Text(
            "GRUB for BIOS is in the image",
            "a machine with BIOS gets no boot loader when the repositories are out of reach",
            "install grub-pc-bin, grub2-pc-modules or grub2-i386-pc",
        ),
    ),
    error(
        "C015",
        Archive,
        boot::uefi,
        Text(
            "GRUB for UEFI is in the image",
            "a machine with UEFI gets no boot loader when the repositories are out of reach",
            "install grub-efi-amd64-signed and shim-signed, grub2-efi-x64 and shim-x64, or grub2-x86_64-efi",
        ),
    ),
    warning(
        "C016",
        Root,
        boot::efibootmgr,
        Text(
            "efibootmgr is in the image",
            "curtin has to install it at deployment to register the boot loader",
            "install the package efibootmgr",
        ),
    ),
    error(
        "C017",
        Root,
        boot::builder_devices,
        Text(
            "GRUB's settings name no disk of the build",
            "the machine's disks have other names, and the root would not be found",
            "use UUIDs, or leave root= to grub-mkconfig",
        ),
    ),
    warning(
        "C018",
        Root,
        boot::screen_console,
        Text(
            "a screen shows the boot messages",
            "a machine without that serial port looks dead",
            "add console=tty0 to GRUB_CMDLINE_LINUX, or drop the serial console",
        ),
    ),
    error(
        "C019",
        Archive,
        boot::blscfg,
        Text(
            "GRUB does not use the build's boot entries",
            "since RHEL 9.3 grub2-mkconfig leaves root= of the build VM in them, and machines do not boot",
            "append GRUB_ENABLE_BLSCFG=false to /etc/default/grub",
        ),
    ),
    error(
        "C020",
        Archive,
        boot::efi_grub_config,
        Text(
            "there is no grub.cfg of the distribution below /boot/efi",
            "grub2-mkconfig refuses to write it at deployment if it is there",
            "delete it in the image; pack leaves it out",
        ),
    ),
    warning(
        "C021",
        Root,
        boot::resume,
        Text(
            "no initrd waits for a swap device of the build",
            "every boot would wait 30 seconds for it",
            "write RESUME=none to /etc/initramfs-tools/conf.d/resume",
        ),
    ),
    error(
        "C022",
        Root,
        boot::drivers,
        Text(
            "initrds have the drivers of any machine",
            "an initrd for the build VM alone finds no NVMe or SATA disk, and the kernel stops without a root",
            "MODULES=most for initramfs-tools, hostonly=\"no\" for dracut, and make the initrd again",
        ),
    ),
    error(
        "C023",
        Root,
        boot::vendor,
        Text(
            "the loader on the ESP is in the directory of this distribution",
            "shim, NVRAM entries and MAAS's boot from the local disk look in the vendor's directory",
            "let grub-install or the packages of shim and GRUB make the directory; do not rename it",
        ),
    ),
    error(
        "C030",
        Root,
        cloud::installed,
        Text(
            "cloud-init is installed",
            "nobody would configure network, keys and host name, and MAAS never hears that the machine is up",
            "install the package cloud-init",
        ),
    ),
    error(
        "C031",
        Root,
        cloud::enabled,
        Text("cloud-init is switched on", "see C030", "remove what switches it off"),
    ),
    error(
        "C032",
        Root,
        cloud::datasource,
        Text(
            "cloud-init may use MAAS as its datasource",
            "it would not ask MAAS for its configuration",
            "remove the datasource_list of the build, or add MAAS to it",
        ),
    ),
    error(
        "C033",
        Root,
        cloud::oauth,
        Text(
            "cloud-init can authenticate to MAAS",
            "the MAAS datasource signs its requests with oauthlib",
            "install python3-oauthlib",
        ),
    ),
    error(
        "C034",
        Root,
        cloud::state,
        Text(
            "there is no state of cloud-init",
            "it would believe that it already ran, or replay the build's seed",
            "run `cloud-init clean --logs --seed` last; pack removes it from archives",
        ),
    ),
    warning(
        "C035",
        Root,
        cloud::locale,
        Text(
            "cloud-init has no locale to make",
            "it wants en_US.UTF-8, which Debian's locale-gen leaves out unless it is in locale.gen: \
             cloud-config.service fails and the machine reports an error",
            "write LANG=C.UTF-8 to /etc/default/locale",
        ),
    ),
    error(
        "C040",
        Hook,
        deploy::hook,
        Text(
            "the deploy hooks are there and can be run",
            "curtin runs it directly; without it, it applies what is meant for Ubuntu",
            "pack with --curtin DIR, or let the guest put executable scripts with #! into /curtin",
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

/// The rule of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
}
