//! What makes a machine boot it.

use super::super::boot;
use super::Scope::{Archive, Root};
use super::{Rule, Text, error, warning};

pub(super) const RULES: &[Rule] = &[
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
];
