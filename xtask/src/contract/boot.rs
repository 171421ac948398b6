//! Kernel, initrd, boot loaders and what is on the kernel's command line.

use disk_image::artifact::{Initrd, Kernel, initrd_names};

use super::{Breach, Input, breach, breach_of_all};
use crate::arch::Arch;
use crate::catalog::Family;

pub(super) fn kernel(input: &Input<'_>) -> Vec<Breach> {
    if input.kernels.is_empty() {
        return vec![breach("/boot", "there is no kernel")];
    }
    let empty = input.kernels.iter().filter_map(|kernel| {
        let path = format!("/boot/vmlinuz-{}", kernel.version);
        let (_, node) = input.index.find(&path)?;
        (node.size < 1 << 20).then(|| breach(path, format!("only {} bytes", node.size)))
    });
    empty.collect()
}

pub(super) fn initrd(input: &Input<'_>) -> Vec<Breach> {
    let without = input.kernels.iter().filter(|kernel| !kernel.initrd);
    let missing = without.map(|k| breach("/boot", format!("kernel {} has no initrd", k.version)));
    let sizes = input.kernels.iter().flat_map(|kernel| initrd_names(&kernel.version));
    let tiny = sizes.filter_map(|name| {
        let path = format!("/boot/{name}");
        let (_, node) = input.index.find(&path)?;
        (node.size < 1 << 20).then(|| breach(path, format!("only {} bytes", node.size)))
    });
    missing.chain(tiny).collect()
}

pub(super) fn modules(input: &Input<'_>) -> Vec<Breach> {
    let without = input.kernels.iter().filter(|kernel| !kernel.modules);
    without
        .map(|k| breach(format!("/lib/modules/{}", k.version), "the kernel has no modules"))
        .collect()
}

pub(super) fn one_kernel(input: &Input<'_>) -> Vec<Breach> {
    if input.kernels.len() < 2 {
        return Vec::new();
    }
    let versions: Vec<_> = input.kernels.iter().map(|kernel| kernel.version.as_str()).collect();
    vec![breach("/boot", format!("{} kernels: {}", versions.len(), versions.join(", ")))]
}

/// Drivers without which whole classes of machines have no root.
const DRIVERS: &[(&str, &str)] =
    &[("nvme", "NVMe disks"), ("ahci", "SATA disks"), ("virtio_blk", "virtual machines' disks")];

pub(super) fn drivers(input: &Input<'_>) -> Vec<Breach> {
    // Debian's and Ubuntu's deploy hook keeps an initrd that looks fine; on
    // the others curtin or the hook make it again for any machine.
    let kept = input.family == Family::Debian;
    let mut found = Vec::new();
    for kernel in input.kernels.iter().filter(|kernel| kernel.initrd) {
        let names = initrd_names(&kernel.version);
        let paths = names.iter().map(|name| format!("/boot/{name}"));
        let read = paths.filter_map(|path| Some((input.index.initrd(&path)?, path)));
        found.extend(read.filter_map(|(initrd, path)| drivers_of(input, kernel, initrd, path)));
    }
    found.extend(host_only(input));
    if kept { found } else { found.into_iter().map(Breach::only_a_warning).collect() }
}

fn drivers_of(input: &Input<'_>, kernel: &Kernel, initrd: &Initrd, path: String) -> Option<Breach> {
    let list = format!("/lib/modules/{}/modules.builtin", kernel.version);
    let builtin = input.index.text(&list).unwrap_or_default();
    let inside = |module: &str| {
        let file = format!("/{}.ko", module.replace('_', "-"));
        let either = |line: &str| line.replace('_', "-").ends_with(&file);
        initrd.has_module(module) || builtin.lines().any(either)
    };
    let missing: Vec<String> = DRIVERS
        .iter()
        .filter(|(module, _)| !inside(module))
        .map(|(module, of)| format!("{module} ({of})"))
        .collect();
    if missing.is_empty() {
        return None;
    }
    let list = missing.join(", ");
    Some(match &initrd.unread {
        Some(why) => {
            breach(path, format!("{why}, so whether {list} is in it is not known")).only_a_warning()
        }
        None => breach(path, format!("it is without {list}: made for the build VM alone")),
    })
}

/// Settings that make the next initrd one for the machine it is made on.
fn host_only(input: &Input<'_>) -> Vec<Breach> {
    let mut files = vec!["/etc/initramfs-tools/initramfs.conf".into(), "/etc/dracut.conf".into()];
    files.extend(input.paths("/etc/initramfs-tools/conf.d/*"));
    files.extend(input.paths("/etc/dracut.conf.d/*"));
    let set = |file: &String| {
        let lines = input.lines(file);
        let last = |name: &str| {
            let mut values = lines.iter().filter_map(|line| line.strip_prefix(name));
            values.next_back().map(|value| value.trim_matches(['"', '\'']).to_owned())
        };
        match (last("MODULES="), last("hostonly=")) {
            (Some(value), _) if value == "dep" => Some("MODULES=dep"),
            (_, Some(value)) if value == "yes" => Some("hostonly=yes"),
            _ => None,
        }
    };
    // A later file of conf.d wins.
    let later = files.iter().any(|file| input.lines(file).iter().any(|l| l == "MODULES=most"));
    let named = files.iter().filter_map(|file| Some((file, set(file)?)));
    named
        .filter(|(_, setting)| !(later && *setting == "MODULES=dep"))
        .map(|(file, setting)| {
            breach(file, format!("{setting}: initrds fit only the machine they are made on"))
        })
        .collect()
}

/// Directory of the loader on the ESP by os-release's ID.
const VENDORS: &[(&str, &str)] = &[
    ("debian", "debian"),
    ("ubuntu", "ubuntu"),
    ("rhel", "redhat"),
    ("ol", "redhat"),
    ("centos", "centos"),
    ("rocky", "rocky"),
    ("almalinux", "almalinux"),
    ("fedora", "fedora"),
    ("openEuler", "openEuler"),
];

pub(super) fn vendor(input: &Input<'_>) -> Vec<Breach> {
    let id = input.os.get("ID");
    let Some((_, right)) = VENDORS.iter().find(|(known, _)| *known == id) else {
        return Vec::new();
    };
    let loaders = input.paths("/boot/efi/EFI/*/*");
    let mut dirs: Vec<&str> = loaders
        .iter()
        .filter(|path| path.to_ascii_lowercase().ends_with(".efi"))
        .filter_map(|path| path.strip_prefix("/boot/efi/EFI/")?.split('/').next())
        .filter(|dir| !dir.eq_ignore_ascii_case("BOOT"))
        .collect();
    dirs.dedup();
    if dirs.is_empty() || dirs.contains(right) {
        return Vec::new();
    }
    let message = format!(
        "the loader of ID={id} belongs in EFI/{right}, and is in EFI/{}",
        dirs.join(", EFI/")
    );
    vec![breach(format!("/boot/efi/EFI/{}", dirs.first().unwrap_or(right)), message)]
}

/// GRUB for PC BIOS, as Debian and SUSE, or Red Hat and SUSE 16 name it.
const BIOS: &[&str] = &["/usr/lib/grub/i386-pc/*.mod", "/usr/share/grub2/i386-pc/*.mod"];

/// GRUB or shim for UEFI; `PLATFORM` and `FIRMWARE` are filled in.
const UEFI: &[&str] = &[
    "/usr/lib/grub/PLATFORM-signed/*",
    "/usr/lib/grub/PLATFORM/*.mod",
    "/usr/share/grub2/PLATFORM/*.mod",
    "/usr/share/efi/*/grub.efi",
    "/boot/efi/EFI/*/grubFIRMWARE.efi",
    "/boot/efi/EFI/*/shimFIRMWARE.efi",
];

pub(super) fn bios(input: &Input<'_>) -> Vec<Breach> {
    let needed = input.expect.bios && input.expect.arch != Some(Arch::Arm64);
    // In a whole disk the loader is in boot sectors, not in files.
    if !needed || BIOS.iter().any(|pattern| !input.paths(pattern).is_empty()) {
        return Vec::new();
    }
    vec![breach_of_all("no GRUB for machines with BIOS (i386-pc)")]
}

pub(super) fn uefi(input: &Input<'_>) -> Vec<Breach> {
    let arches = match input.expect.arch {
        Some(arch) => vec![arch],
        None => Arch::ALL.to_vec(),
    };
    let found = |arch: &Arch| {
        UEFI.iter().any(|pattern| {
            let pattern = pattern.replace("PLATFORM", arch.grub_efi());
            !input.paths(&pattern.replace("FIRMWARE", arch.efi())).is_empty()
        })
    };
    if !input.expect.uefi || arches.iter().any(found) {
        return Vec::new();
    }
    let names: Vec<_> = arches.iter().map(|arch| arch.grub_efi()).collect();
    vec![breach_of_all(format!("no GRUB for machines with UEFI ({})", names.join(" or ")))]
}

pub(super) fn efibootmgr(input: &Input<'_>) -> Vec<Breach> {
    let places = ["/usr/bin/efibootmgr", "/usr/sbin/efibootmgr", "/bin/efibootmgr"];
    if !input.expect.uefi || places.iter().any(|place| input.index.exists(place)) {
        return Vec::new();
    }
    vec![breach("/usr/bin/efibootmgr", "not installed")]
}

/// Files that decide the kernel's command line after deployment.
fn grub_defaults(input: &Input<'_>) -> Vec<(String, String)> {
    let mut files = vec!["/etc/default/grub".to_string(), "/etc/kernel/cmdline".to_string()];
    files.extend(input.paths("/etc/default/grub.d/*"));
    let lines = |file: String| {
        let lines = input.lines(&file);
        lines.into_iter().map(move |line| (file.clone(), line)).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(lines).collect()
}

pub(super) fn builder_devices(input: &Input<'_>) -> Vec<Breach> {
    const DEVICES: &[&str] = &["/dev/vd", "/dev/sd", "/dev/xvd", "/dev/nvme"];
    let named = |line: &str| DEVICES.iter().find(|device| line.contains(**device)).copied();
    let defaults = grub_defaults(input).into_iter();
    let mut found: Vec<Breach> = defaults
        .filter_map(|(file, line)| {
            let device = named(&line)?;
            Some(breach(file, format!("it names a disk of the build VM ({device}...): {line}")))
        })
        .collect();
    for map in ["/boot/grub/device.map", "/boot/grub2/device.map"] {
        if input.lines(map).iter().any(|line| named(line).is_some()) {
            found.push(breach(map, "it names disks of the build VM").only_a_warning());
        }
    }
    found
}

pub(super) fn screen_console(input: &Input<'_>) -> Vec<Breach> {
    let defaults = grub_defaults(input);
    let consoles: Vec<&str> = defaults
        .iter()
        .filter(|(_, line)| line.contains("CMDLINE") || !line.contains('='))
        .flat_map(|(_, line)| line.split([' ', '"', '\'']))
        .filter_map(|word| word.strip_prefix("console="))
        .collect();
    let serial = |console: &&&str| console.starts_with("ttyS") || console.starts_with("ttyAMA");
    if consoles.is_empty() || consoles.iter().any(|console| console.starts_with("tty0")) {
        return Vec::new();
    }
    if consoles.iter().filter(serial).count() < consoles.len() {
        return Vec::new();
    }
    vec![breach("/etc/default/grub", format!("all consoles are serial: {}", consoles.join(", ")))]
}

pub(super) fn blscfg(input: &Input<'_>) -> Vec<Breach> {
    if input.family != Family::El || input.paths("/boot/loader/entries/*.conf").is_empty() {
        return Vec::new();
    }
    let off = |line: &(String, String)| {
        let value = line.1.strip_prefix("GRUB_ENABLE_BLSCFG=");
        value.is_some_and(|value| value.trim_matches(['"', '\'']) == "false")
    };
    if grub_defaults(input).iter().any(off) {
        return Vec::new();
    }
    let entries = "boot entries carry the build VM's root device, and GRUB would use them";
    vec![breach("/etc/default/grub", entries)]
}

pub(super) fn efi_grub_config(input: &Input<'_>) -> Vec<Breach> {
    if input.family != Family::El {
        return Vec::new();
    }
    let configs = input.index.glob("/boot/efi/EFI/*/grub.cfg");
    configs
        .filter(|(path, node)| node.size > 0 && !path.contains("/EFI/BOOT/"))
        .map(|(path, _)| breach(path, "it is there and not empty"))
        .collect()
}

pub(super) fn resume(input: &Input<'_>) -> Vec<Breach> {
    let files = input.paths("/etc/initramfs-tools/conf.d/*");
    let waits = |file: &String| {
        let lines = input.lines(file);
        let mut resume = lines.iter().filter_map(|line| line.strip_prefix("RESUME="));
        resume.next_back().is_some_and(|device| !matches!(device, "none" | "auto" | ""))
    };
    files.into_iter().filter(waits).map(|file| breach(file, "it names a swap device")).collect()
}
