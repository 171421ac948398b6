//! What a deploy test needs on this host: the artifact, tools, room, a base disk.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::machines::Image;
use super::{Args, Artifact, BUILTIN};
use crate::arch::Arch;
use crate::at::At as _;
use crate::build::manifest::{self, Manifest};
use crate::catalog::{self, Catalog, Selection, Target};
use crate::date;
use crate::deploy::{DiskBus, Firmware, Layout, Network, System};
use crate::exit::Coded;
use crate::given;
use crate::host::Host;
use crate::maas::filetype;
use crate::media;
use crate::verbs::Context;

/// The artifact that the command line means.
///
/// # Errors
/// No such target or file, or it was not built.
pub fn artifact(args: &Args, context: &Context) -> Result<Artifact> {
    let path = Path::new(&args.artifact);
    if given::is_meant(&args.artifact) {
        return of_file(given::file("the artifact", path)?, args, context);
    }
    if args.target.is_some() {
        return Err(Coded::usage(format!(
            "--target says what a file is, and {} is a target\n  hint: leave --target out, or write \
             ./{0} if it is a file",
            args.artifact
        )));
    }
    of_target(named(&args.artifact, args, &context.repo.catalog()?)?, args, context)
}

/// The one target of a name.
fn named<'a>(name: &str, args: &Args, catalog: &'a Catalog) -> Result<&'a Target> {
    let patterns = [name.to_owned()];
    let today = date::today();
    let selection = Selection { patterns: &patterns, all: false, arch: args.arch, today: &today };
    let chosen = catalog::select(catalog, &selection).map_err(Coded::nothing)?;
    crate::verbs::only(name, &chosen)
}

/// What the image of the command line is made for.
///
/// # Errors
/// As [`artifact`].
pub fn image(args: &Args, context: &Context) -> Result<Image> {
    let found = artifact(args, context)?;
    let firmware = found.boots;
    Ok(Image { arch: found.arch, firmware, whole_disk: found.source.starts_with("dd-") })
}

fn of_target(target: &Target, args: &Args, context: &Context) -> Result<Artifact> {
    let id = &target.id;
    let dir = context.repo.out_dir(id);
    let Some(manifest) = manifest::read(&dir) else {
        let message =
            format!("{id} has no artifact in {}\n  hint: cargo xtask build {id}", dir.display());
        return Err(Coded::nothing(message));
    };
    let file = dir.join(&manifest.artifact.file);
    let firmware = args.firmware.unwrap_or_else(|| firmware_of(target));
    let machine = machine_name(args, firmware);
    Ok(Artifact {
        source: source(&file)?,
        file,
        sha256: manifest.artifact.sha256,
        arch: target.arch,
        login_user: Some(target.facts.maas.login_user.clone()),
        system: system_of(target),
        boots: boots(target),
        firmware,
        logs: dir.join(format!("deploy-test-{machine}")),
        run: format!("deploy-test-{id}-{machine}"),
        dir,
    })
}

fn of_file(file: PathBuf, args: &Args, context: &Context) -> Result<Artifact> {
    let own = manifest_of(&file);
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    let catalog = match args.target {
        Some(_) => Some(context.repo.catalog()?),
        None => context.repo.catalog().ok(),
    };
    let target = match (&args.target, &catalog) {
        (Some(name), Some(catalog)) => Some(named(name, args, catalog)?),
        _ => own.as_ref().and_then(|m| catalog.as_ref()?.targets().find(|t| t.id == m.target)),
    };
    let firmware = args.firmware.or(target.map(firmware_of)).unwrap_or_default();
    let machine = machine_name(args, firmware);
    // A target's test is the target's, however it is named here.
    let vouched = |t: &&Target| own.as_ref().is_some_and(|manifest| manifest.target == t.id);
    let dir = match target.filter(vouched) {
        Some(target) => context.repo.out_dir(&target.id),
        None => context.repo.out.join("deploy-test").join(&name),
    };
    Ok(Artifact {
        source: source(&file)?,
        sha256: match own {
            Some(manifest) => manifest.artifact.sha256,
            None => media::hash_file(&file, None, &media::Context::silent())?.sha256,
        },
        arch: args.arch.or(target.map(|t| t.arch)).unwrap_or(Arch::Amd64),
        login_user: target.map(|t| t.facts.maas.login_user.clone()),
        system: target.map(system_of).unwrap_or_default(),
        boots: target.map_or_else(|| vec![Firmware::Uefi, Firmware::Bios], boots),
        firmware,
        logs: dir.join(format!("deploy-test-{machine}")),
        run: format!("deploy-test-{name}-{machine}"),
        file,
        dir,
    })
}

/// What a target boots from; one that does not say boots from both.
fn boots(target: &Target) -> Vec<Firmware> {
    let boot = &target.facts.contract.boot;
    let all =
        [(catalog::Firmware::Uefi, Firmware::Uefi), (catalog::Firmware::Bios, Firmware::Bios)];
    let wanted = all.into_iter().filter(|(theirs, _)| boot.is_empty() || boot.contains(theirs));
    wanted.map(|(_, ours)| ours).collect()
}

/// UEFI, unless the target boots from BIOS alone.
fn firmware_of(target: &Target) -> Firmware {
    boots(target).first().copied().unwrap_or_default()
}

/// What MAAS takes a target's image for.
fn system_of(target: &Target) -> System {
    let maas = &target.facts.maas;
    System::of(&maas.name, maas.base_image.as_deref())
}

/// Names lock, work directory and logs: different machines may be tested one
/// after the other, and the logs of all stay.
fn machine_name(args: &Args, firmware: Firmware) -> String {
    let extra = [
        (args.layout != Layout::default()).then(|| args.layout.name()),
        (args.disk != DiskBus::default()).then(|| args.disk.name()),
        (args.curtin != BUILTIN).then_some("curtin"),
        args.network.map(|network| match network {
            Network::V1 => "network-v1",
            Network::V2 => "network-v2",
        }),
        args.air_gap.then_some("air-gap"),
        (args.clock != 0).then_some("clock"),
        args.slow_disk.then_some("slow-disk"),
        args.no_boot.then_some("no-boot"),
    ];
    let words: Vec<&str> = [Some(firmware.name())].into_iter().chain(extra).flatten().collect();
    words.join("-")
}

/// What curtin calls the type of a file.
fn source(file: &Path) -> Result<String> {
    let found = filetype::of(file, None).map_err(Coded::usage)?;
    Ok(match found.name.strip_prefix("dd") {
        Some(packed) => format!("dd-{packed}"),
        None => found.name.to_owned(),
    })
}

/// The manifest beside a file, if the file is what it vouches for.
pub fn manifest_of(file: &Path) -> Option<Manifest> {
    let dir = file.parent()?;
    let own = |m: &Manifest| file.file_name().is_some_and(|name| name == m.artifact.file.as_str());
    manifest::read(dir).filter(|manifest| own(manifest) && manifest.is_intact(dir))
}

/// The emulator and `qemu-img`; the others are found by name.
pub fn tools(host: &Host, arch: Arch) -> Result<(PathBuf, PathBuf)> {
    let missing =
        |what: &str| Coded::host(format!("{what} is not installed\n  hint: cargo xtask setup"));
    let qemu = host.qemu.get(&arch).ok_or_else(|| missing(arch.qemu_binary()))?;
    let tool = |name: &str| host.tools.get(name).map(|tool| tool.path.clone());
    for name in ["ssh", "ssh-keygen"] {
        tool(name).ok_or_else(|| missing(name))?;
    }
    Ok((qemu.path.clone(), tool("qemu-img").ok_or_else(|| missing("qemu-img"))?))
}

/// Bytes that the disks of a run grow to besides the unpacked image: initrds,
/// packages and logs of the two systems (measured 1.1 GiB with Debian 13).
const OVERHEAD: u64 = 2 << 30;

/// A compressed image unpacks to two to four times its size.
pub fn need_space(host: &Host, artifact: &Path) -> Result<()> {
    let needed = std::fs::metadata(artifact)
        .at("read", artifact)?
        .len()
        .saturating_mul(4)
        .saturating_add(OVERHEAD);
    match host.space.iter().find(|space| space.role == "out") {
        Some(space) if space.free < needed => Err(Coded::host(format!(
            "{} has {} MiB free, this test needs about {} MiB for its disks\n  hint: cargo xtask clean, or --out DIR",
            space.path.display(),
            space.free >> 20,
            needed >> 20
        ))),
        _ => Ok(()),
    }
}

/// The base disk that the machine is deployed from.
///
/// # Errors
/// There is none.
pub fn ephemeral(args: &Args, media: &Path, arch: Arch) -> Result<PathBuf> {
    if let Some(file) = &args.ephemeral {
        return match file.is_file() {
            true => Ok(file.clone()),
            false => given::file("--ephemeral", file),
        };
    }
    bootstrapped(media, arch).ok_or_else(|| {
        Coded::host(format!(
            "no base disk for the ephemeral system in {}\n  \
             hint: cargo xtask media bootstrap debian-13-mirror-{arch}, or --ephemeral FILE",
            media.display()
        ))
    })
}

/// The newest Debian base disk of an architecture.
fn bootstrapped(media: &Path, arch: Arch) -> Option<PathBuf> {
    let fits = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        name.starts_with("debian-") && name.contains(arch.name()) && name.ends_with(".qcow2")
    };
    // The cache has locks and parts of downloads by the names of the disks.
    let cache = media.join("cache");
    let files = walkdir::WalkDir::new(media).max_depth(3).into_iter();
    let files = files.filter_entry(|e| e.path() != cache).flatten();
    let disks = files.filter(|e| e.file_type().is_file() && fits(e.path()));
    let newest = disks.max_by_key(|e| e.metadata().ok().and_then(|meta| meta.modified().ok()));
    newest.map(walkdir::DirEntry::into_path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_newest_base_disk_of_the_architecture_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let media = dir.path();
        std::fs::create_dir(media.join("bootstrap")).unwrap();
        let old = media.join("bootstrap/debian-12-amd64.qcow2");
        let new = media.join("bootstrap/debian-13-amd64.qcow2");
        for (path, age) in [(&old, 100), (&new, 10)] {
            let file = std::fs::File::create(path).unwrap();
            file.set_modified(std::time::SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        std::fs::write(media.join("bootstrap/debian-13-arm64.qcow2.part"), "").unwrap();
        std::fs::write(media.join("ubuntu-24-amd64.qcow2"), "").unwrap();
        std::fs::create_dir_all(media.join("cache/locks")).unwrap();
        std::fs::write(media.join("cache/locks/debian-13-amd64.qcow2"), "").unwrap();
        assert_eq!(bootstrapped(media, Arch::Amd64), Some(new));
        assert_eq!(bootstrapped(media, Arch::Arm64), None);
    }
}
