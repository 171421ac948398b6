//! `cargo xtask deploy-test`: will this image deploy?

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Context, print};
use crate::arch::Arch;
use crate::build::lock::Lock;
use crate::build::manifest::{self, Manifest};
use crate::catalog::{self, Selection};
use crate::cli::Format;
use crate::date;
use crate::deploy::report::Report;
use crate::deploy::{self, DiskBus, Firmware, Layout, Settings};
use crate::exit::{Coded, Exit};
use crate::host::kvm::Freshness;
use crate::host::{self, Host};
use crate::records::{self, Proof, Record};

/// What is deployed, on what.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The image is deployed by steps that follow curtin's but are not curtin: storage as MAAS \
describes it, unpacking with curtin's flags, the image's own /curtin/curtin-hooks with a \
stand-in for curtin's Python package, late commands. Then the disk boots alone and asks a \
metadata service that answers as MAAS does.

Examples:
  cargo xtask deploy-test debian-12-mirror
  cargo xtask deploy-test out/debian-12-mirror-amd64/debian-12.tar.gz --firmware bios
  cargo xtask deploy-test debian-13 --disk nvme --layout lvm --format json")]
pub struct Args {
    /// A target that was built, or an artifact
    #[arg(value_name = "TARGET|FILE")]
    artifact: String,
    /// What starts the machine
    #[arg(long, value_enum, default_value_t)]
    firmware: Firmware,
    /// How the disk is divided
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// What the disk is attached to
    #[arg(long, value_enum, default_value_t)]
    disk: DiskBus,
    /// Size of the disk in GiB; larger than the image's own
    #[arg(long, value_name = "GIB", default_value_t = 8, value_parser = clap::value_parser!(u64).range(2..=4096))]
    disk_size: u64,
    /// Memory of the machine in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1024..))]
    memory: u64,
    /// Base disk (qcow2) of the ephemeral system; it is not changed
    /// [default: what `media bootstrap` made last]
    #[arg(long, value_name = "FILE", env = "XTASK_EPHEMERAL")]
    ephemeral: Option<PathBuf>,
    /// Who deploys: `builtin` (ours, not curtin), or a checkout of curtin; that
    /// installs packages in the ephemeral system, so it needs a network
    #[arg(long, value_name = "builtin|DIR", default_value = "builtin")]
    curtin: String,
    /// Architecture of a FILE without a manifest [default: amd64]
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Longest time of the deployment, and of the boot, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// If it passes, add a line of proof to records/
    #[arg(long)]
    record: bool,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The file, its architecture, and where its logs go.
#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    file: PathBuf,
    arch: Arch,
    logs: PathBuf,
    /// Names lock and work directory of this run.
    run: String,
}

/// Deploys, boots, checks, prints the report.
///
/// # Errors
/// The artifact, the ephemeral system or a tool is missing; interrupted.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let artifact = artifact(args, context)?;
    let proven = if args.record { Some(provenance(&artifact.file)?) } else { None };
    let _lock = Lock::take(&context.repo.out, &artifact.run)?;
    let settings = settings(args, context, artifact)?;
    announce(&settings);
    let start = Instant::now();
    let report = deploy::deploy_test(&settings, &mut |stage| {
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("  {:>6}  {stage}", deploy::report::clock(seconds));
    })?;
    match args.format {
        Format::Text => print(&report.to_string())?,
        Format::Json => print(&(serde_json::to_string_pretty(&report)? + "\n"))?,
    }
    if let Some(manifest) = proven.filter(|_| report.passed) {
        let path =
            records::append(&context.repo.root.join("records"), &record(&manifest, &report))?;
        eprintln!("recorded in {}", context.repo.show(&path));
    }
    Ok(if report.passed { Exit::Ok } else { Exit::Failed })
}

/// The manifest that vouches for a file; proof needs to say what was proven.
fn provenance(file: &Path) -> Result<Manifest> {
    let manifest = file.parent().and_then(manifest::read);
    let own = |m: &Manifest| file.file_name().is_some_and(|name| name == m.artifact.file.as_str());
    manifest.filter(own).ok_or_else(|| {
        let message = "--record needs an artifact of `cargo xtask build`, with its manifest.json";
        Coded::usage(format!("{}: {message}", file.display()))
    })
}

fn record(manifest: &Manifest, report: &Report) -> Record {
    let machine: Vec<String> =
        report.machine.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let media = |key: &str| manifest.media.get(key).cloned();
    Record {
        target: manifest.target.clone(),
        date: report.date.chars().take(10).collect(),
        commit: manifest.commit.clone(),
        proof: Proof::DeployTested,
        media: media("sha256").unwrap_or_default(),
        artifact: manifest.artifact.sha256.clone(),
        how: format!("deploy-test: {}; engine {}", machine.join(", "), manifest.engine),
    }
}

fn announce(settings: &Settings) {
    eprintln!(
        "deploy-test: {} · {} · {} · installer: {}{}",
        settings.artifact.display(),
        settings.firmware.name(),
        settings.disk.name(),
        deploy::run::installer(settings),
        if settings.accelerator == "kvm" { "" } else { " · no KVM: emulation" },
    );
}

fn settings(args: &Args, context: &Context, artifact: Artifact) -> Result<Settings> {
    let arch = artifact.arch;
    if arch == Arch::Arm64 && (args.firmware == Firmware::Bios || args.disk == DiskBus::Sata) {
        return Err(Coded::usage(
            "arm64 machines have neither BIOS nor SATA: leave out the option",
        ));
    }
    let repo = &context.repo;
    let host = host::probe(&host::Options::new(&repo.out, &repo.media, Some(Freshness::Cached)));
    let (qemu, qemu_img) = tools(&host, arch)?;
    need_space(&host, &artifact.file)?;
    Ok(Settings {
        artifact: artifact.file,
        arch,
        firmware: args.firmware,
        layout: args.layout,
        disk: args.disk,
        disk_bytes: args.disk_size << 30,
        ephemeral: ephemeral(args, &repo.media, arch)?,
        work: repo.out.join(".work").join(&artifact.run),
        logs: artifact.logs,
        accelerator: host.kvm.accelerator(host.arch, arch).to_owned(),
        qemu,
        qemu_img,
        cpus: host.cpus.clamp(1, 4),
        memory_mib: args.memory,
        limit: Duration::from_secs(args.timeout.saturating_mul(60)),
        // update-initramfs under emulation is silent for five minutes.
        silence: Duration::from_secs(15 * 60),
        curtin: Some(PathBuf::from(&args.curtin)).filter(|path| path.as_os_str() != "builtin"),
        firmware_scan: host.firmware,
    })
}

/// The emulator and `qemu-img`; the others are found by name.
fn tools(host: &Host, arch: Arch) -> Result<(PathBuf, PathBuf)> {
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
fn need_space(host: &Host, artifact: &Path) -> Result<()> {
    let needed = std::fs::metadata(artifact)?.len().saturating_mul(4).saturating_add(OVERHEAD);
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

fn artifact(args: &Args, context: &Context) -> Result<Artifact> {
    let given = Path::new(&args.artifact);
    let firmware = args.firmware.name();
    if given.is_file() {
        let file = given.canonicalize()?;
        let stem = file.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = format!("{}-{firmware}", stem.unwrap_or_default());
        let logs = context.repo.out.join("deploy-test").join(&name);
        let arch = args.arch.or_else(|| arch_beside(&file)).unwrap_or(Arch::Amd64);
        return Ok(Artifact { file, arch, logs, run: format!("deploy-test-{name}") });
    }
    if args.artifact.contains(['/', '.']) {
        return Err(Coded::usage(format!("{}: no such file", args.artifact)));
    }
    let catalog = context.repo.catalog()?;
    let patterns = [args.artifact.clone()];
    let today = date::today();
    let selection = Selection { patterns: &patterns, all: false, arch: args.arch, today: &today };
    let chosen = catalog::select(&catalog, &selection).map_err(Coded::nothing)?;
    let [target] = chosen.as_slice() else {
        return Err(Coded::usage(format!("`{}` means several targets; name one", args.artifact)));
    };
    let dir = context.repo.out_dir(&target.id);
    let Some(manifest) = manifest::read(&dir) else {
        let id = &target.id;
        let message =
            format!("{id} has no artifact in {}\n  hint: cargo xtask build {id}", dir.display());
        return Err(Coded::nothing(message));
    };
    Ok(Artifact {
        file: dir.join(&manifest.artifact.file),
        arch: target.arch,
        logs: dir.join(format!("deploy-test-{firmware}")),
        run: format!("deploy-test-{}-{firmware}", target.id),
    })
}

/// What the manifest beside a file says about it.
fn arch_beside(file: &Path) -> Option<Arch> {
    let manifest = manifest::read(file.parent()?)?;
    let own = file.file_name().is_some_and(|name| name == manifest.artifact.file.as_str());
    let arch = |arch: &Arch| manifest.target.ends_with(&format!("-{}", arch.name()));
    if own { Arch::ALL.into_iter().find(arch) } else { None }
}

fn ephemeral(args: &Args, media: &Path, arch: Arch) -> Result<PathBuf> {
    if let Some(file) = &args.ephemeral {
        return match file.is_file() {
            true => Ok(file.clone()),
            false => Err(Coded::usage(format!("--ephemeral {}: no such file", file.display()))),
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

    #[test]
    fn arguments_parse_and_bad_ones_do_not() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        use clap::Parser as _;
        let parse = |words: &[&str]| Line::try_parse_from([&["x"], words].concat());
        let args = parse(&["debian", "--firmware", "bios", "--disk", "nvme"])
            .unwrap_or_else(|e| panic!("{e}"))
            .args;
        assert_eq!((args.firmware, args.disk, args.disk_size), (Firmware::Bios, DiskBus::Nvme, 8));
        for bad in [&["x", "--disk-size", "1"][..], &["x", "--firmware", "efi"], &[]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
