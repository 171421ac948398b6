//! `cargo xtask deploy-test`: will this image deploy?

mod find;
mod machines;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

pub use self::machines::Machines;
use super::{Context, print};
use crate::arch::Arch;
use crate::build::lock::Lock;
use crate::build::manifest::Manifest;
use crate::build::output::write_atomic;
use crate::cli::Format;
use crate::deploy::report::Report;
use crate::deploy::{
    self, Adversity, Curtin, DiskBus, Firmware, Layout, Network, Settings, System, outputs,
};
use crate::exit::{Coded, Exit};
use crate::host;
use crate::host::kvm::Freshness;
use crate::records::{self, Proof, Record};

const DISK_GIB: u64 = 8;
const MEMORY_MIB: u64 = 2048;
/// Emulation takes ten times as long as KVM.
const TIMEOUT_MINUTES: u64 = 120;

/// What is deployed, on what.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The image is deployed by steps that follow curtin's but are not curtin: storage as MAAS \
describes it, unpacking with curtin's flags, the image's own /curtin/curtin-hooks with a \
stand-in for curtin's Python package, late commands. A whole-disk image is written as it is. Then \
the disk boots alone and asks a metadata service that answers as MAAS does. A disk without Linux \
is not started, and the report says so.

Examples:
  cargo xtask deploy-test debian-12-mirror
  cargo xtask deploy-test ./debian-12.tar.gz --firmware bios
  cargo xtask deploy-test debian-13 --disk nvme --layout lvm --format json
  cargo xtask deploy-test debian-13 --machines pairs
  cargo xtask deploy-test ./windows.dd.gz --target windows-2022
  cargo xtask deploy-test rocky9-arm64 --no-boot
  cargo xtask deploy-test debian-12 --air-gap --clock=-400d --slow-disk")]
pub struct Args {
    /// A target that was built, or an artifact
    #[arg(value_name = "TARGET|FILE")]
    artifact: String,
    /// What starts the machine [default: uefi if the target boots from it]
    #[arg(long, value_enum)]
    firmware: Option<Firmware>,
    /// How the disk is divided
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// What the disk is attached to
    #[arg(long, value_enum, default_value_t)]
    disk: DiskBus,
    /// Test on several machines, one after the other: four that cover every pair of firmware,
    /// layout and disk (NVMe, virtio), or all there are
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["firmware", "layout", "disk"])]
    machines: Machines,
    /// Form of the network configuration: curtin's v1 or netplan's v2
    /// [default: what MAAS sends for the image's name and base image]
    #[arg(long, value_enum)]
    network: Option<Network>,
    /// Cut the machine off from everything but MAAS
    #[arg(long)]
    air_gap: bool,
    /// A clock that is wrong: +2h, -30d, or seconds
    #[arg(long, value_name = "OFFSET", default_value = "0", allow_hyphen_values = true, value_parser = offset)]
    clock: i64,
    /// A disk of 120 operations and 40 MB per second
    #[arg(long)]
    slow_disk: bool,
    /// Deploy and look at the disk from outside, but do not start it: for systems that cannot run
    /// on this host
    #[arg(long, conflicts_with = "record")]
    no_boot: bool,
    /// Size of the disk in GiB; larger than the image's own
    #[arg(long, value_name = "GIB", default_value_t = DISK_GIB, value_parser = clap::value_parser!(u64).range(2..=4096))]
    disk_size: u64,
    /// Memory of the machine in MiB
    #[arg(long, value_name = "MIB", default_value_t = MEMORY_MIB, value_parser = clap::value_parser!(u64).range(1024..))]
    memory: u64,
    /// Base disk (qcow2) of the ephemeral system: Debian or Ubuntu with Python; it is not changed
    /// [default: what `media bootstrap` made last]
    #[arg(long, value_name = "FILE", env = "XTASK_EPHEMERAL")]
    ephemeral: Option<PathBuf>,
    /// Who deploys: `builtin` (ours, not curtin), or a real curtin: a checkout, a directory with
    /// its packages, or what apt finds. That one installs packages in the ephemeral system, so it
    /// needs a network
    #[arg(long, value_name = "builtin|DIR|apt", default_value = BUILTIN, conflicts_with = "air_gap")]
    curtin: String,
    /// Archive for `--curtin apt`, a line of sources.list; signed-by names a keyring of this host.
    /// Debian has no curtin, Ubuntu has up to 22.04
    #[arg(long, value_name = "LINE")]
    curtin_source: Option<String>,
    /// What a FILE is, if no manifest beside it says so: its login user, firmware, and what MAAS
    /// sends it
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Architecture of a FILE without a manifest [default: amd64]
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Longest time of the deployment, and of the boot, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = TIMEOUT_MINUTES, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// If it passes, add a line of proof to records/
    #[arg(long)]
    record: bool,
    /// Also write the result as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Text for people, JSON for programs: one document, or a line for each of several machines
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Our own installer.
const BUILTIN: &str = "builtin";

impl Args {
    /// The test of a target as `build --deploy-test` runs it.
    #[must_use]
    pub fn of_target(id: &str) -> Self {
        Self {
            artifact: id.to_owned(),
            firmware: None,
            layout: Layout::default(),
            disk: DiskBus::default(),
            machines: Machines::One,
            network: None,
            air_gap: false,
            clock: 0,
            slow_disk: false,
            no_boot: false,
            disk_size: DISK_GIB,
            memory: MEMORY_MIB,
            ephemeral: std::env::var_os("XTASK_EPHEMERAL").map(PathBuf::from),
            curtin: BUILTIN.to_owned(),
            curtin_source: None,
            target: None,
            arch: None,
            timeout: TIMEOUT_MINUTES,
            record: false,
            junit: None,
            format: Format::Text,
        }
    }
}

/// The file, what is known about it, and where its logs go.
#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    file: PathBuf,
    sha256: String,
    source: String,
    arch: Arch,
    login_user: Option<String>,
    system: System,
    boots: Vec<Firmware>,
    firmware: Firmware,
    logs: PathBuf,
    /// Where the last test of this artifact is kept.
    dir: PathBuf,
    /// Names lock and work directory of this run.
    run: String,
}

/// Deploys, boots, checks, prints the report.
///
/// # Errors
/// The artifact, the ephemeral system or a tool is missing; interrupted.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    if args.machines == Machines::One {
        let report = test(args, context)?;
        print(&shown(args.format, &report, false)?)?;
        return Ok(exit(report.passed));
    }
    let mut passed = Vec::new();
    for args in args.each(&find::image(args, context)?) {
        let report = test(&args, context)?;
        print(&shown(args.format, &report, true)?)?;
        passed.push(report.passed);
    }
    eprintln!("{}", machines::tally(&passed));
    Ok(exit(passed.iter().all(|passed| *passed)))
}

fn exit(passed: bool) -> Exit {
    if passed { Exit::Ok } else { Exit::Failed }
}

/// Of several machines each report is a line of JSON (JSON Lines), there as soon as
/// its machine is done: hours later the others may not come to an end.
fn shown(format: Format, report: &Report, several: bool) -> Result<String> {
    Ok(match (format, several) {
        (Format::Text, _) => report.to_string(),
        (Format::Json, true) => serde_json::to_string(report)? + "\n",
        (Format::Json, false) => serde_json::to_string_pretty(report)? + "\n",
    })
}

/// The same without printing the report.
///
/// # Errors
/// As [`run`].
pub fn test(args: &Args, context: &Context) -> Result<Report> {
    let artifact = find::artifact(args, context)?;
    let proven = if args.record { Some(provenance(&artifact.file)?) } else { None };
    let _lock = Lock::take(&context.repo.out, &artifact.run)?;
    let dir = artifact.dir.clone();
    let settings = settings(args, context, artifact)?;
    announce(&settings);
    let start = Instant::now();
    let report = deploy::deploy_test(&settings, &mut |stage| {
        let seconds = start.elapsed().as_secs_f64();
        eprintln!("  {:>6}  {stage}", deploy::report::clock(seconds));
    })?;
    let page = outputs::store(&dir, &report)?;
    eprintln!("report: {}", context.repo.show(&page));
    if let Some(path) = &args.junit {
        write_atomic(path, outputs::junit(&report).as_bytes())?;
    }
    if let Some(manifest) = proven {
        eprintln!("{}", keep(&manifest, &report, context)?);
    }
    Ok(report)
}

/// Adds the line of proof, and says so or why not.
fn keep(manifest: &Manifest, report: &Report, context: &Context) -> Result<String> {
    if let Some(why) = report.no_proof() {
        return Ok(format!("not recorded: {why}"));
    }
    let path = records::append(&context.repo.root.join("records"), &record(manifest, report))?;
    Ok(format!("recorded in {}", context.repo.show(&path)))
}

/// The manifest that vouches for a file; proof needs to say what was proven.
fn provenance(file: &Path) -> Result<Manifest> {
    find::manifest_of(file).ok_or_else(|| {
        Coded::usage(format!(
            "--record: no manifest.json beside {} says what it was built from\n  hint: test what \
             `cargo xtask build` left in out/, by its target, or leave --record out",
            file.display()
        ))
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
        "deploy-test: {} · sent as {} · {} · {} · installer: {}{}",
        settings.artifact.display(),
        settings.system,
        settings.firmware.name(),
        settings.disk.name(),
        deploy::run::installer(settings),
        if settings.accelerator == "kvm" { "" } else { " · no KVM: emulation" },
    );
}

fn settings(args: &Args, context: &Context, artifact: Artifact) -> Result<Settings> {
    let arch = artifact.arch;
    if arch == Arch::Arm64 && (artifact.firmware == Firmware::Bios || args.disk == DiskBus::Sata) {
        return Err(Coded::usage(format!(
            "{} is for arm64, and such machines have neither BIOS nor SATA\n  hint: leave out \
             --firmware bios and --disk sata",
            artifact.file.display()
        )));
    }
    let repo = &context.repo;
    let host = host::probe(&host::Options::new(&repo.out, &repo.media, Some(Freshness::Cached)));
    let (qemu, qemu_img) = find::tools(&host, arch)?;
    let ephemeral = find::ephemeral(args, &repo.media, arch)?;
    find::need_space(&host, &artifact.file)?;
    Ok(Settings {
        artifact: artifact.file,
        sha256: artifact.sha256,
        source: artifact.source,
        login_user: artifact.login_user,
        arch,
        firmware: artifact.firmware,
        layout: args.layout,
        disk: args.disk,
        disk_bytes: args.disk_size << 30,
        network: args.network.unwrap_or_else(|| artifact.system.network()),
        system: artifact.system,
        adversity: Adversity {
            air_gap: args.air_gap,
            clock: args.clock,
            slow_disk: args.slow_disk,
        },
        start: deploy::start::of(&ephemeral)?,
        ephemeral,
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
        no_boot: args.no_boot,
        curtin: Curtin::parse(&args.curtin, args.curtin_source.as_deref())?,
        firmware_scan: host.firmware,
    })
}

/// `+2h`, `-30d`, `90`: seconds.
fn offset(text: &str) -> Result<i64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        _ => (Some(text), 1),
    };
    let number = number.and_then(|number| number.parse::<i64>().ok());
    let seconds = number.and_then(|number| number.checked_mul(unit));
    // QEMU's clock has four digits for the year.
    let limit = 100 * 366 * 86_400;
    let wanted = seconds.filter(|seconds| (-limit..=limit).contains(seconds));
    wanted.ok_or_else(|| "a number with s, m, h or d is needed, such as +2h or -30d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(
            (args.firmware, args.disk, args.disk_size),
            (Some(Firmware::Bios), DiskBus::Nvme, 8)
        );
        let default = parse(&["debian"]).unwrap_or_else(|e| panic!("{e}")).args;
        assert_eq!(format!("{default:?}"), format!("{:?}", Args::of_target("debian")));
        for bad in [&["x", "--disk-size", "1"][..], &["x", "--firmware", "efi"], &[]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn clocks() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("+2h", Some(7200)),
            ("-30d", Some(-2_592_000)),
            ("90", Some(90)),
            ("5m", Some(300)),
        ] {
            assert_eq!(offset(text).ok(), seconds, "{text}");
        }
        for bad in
            ["", "h", "2w", "1.5h", "9999999d", "99999999999999999999", "9223372036854775807d"]
        {
            assert!(offset(bad).is_err(), "{bad}");
        }
    }
}
