//! `cargo xtask bench pack`: packing against the pipelines that people use
//! today and against the limits of this machine.

mod corpus;
mod measure;
mod rivals;
mod table;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use disk_image::block::{self, ExtentKind};
use disk_image::gzip;

use self::corpus::Corpus;
use self::measure::{Run, best, ourselves, own_cpu};
use self::rivals::{CONVERT, FUSE, MOUNT, Rival};
use self::table::Results;
use crate::at::At as _;
use crate::exit::{Coded, Exit};
use crate::repo::Repo;
use crate::verbs::print;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How often everything is run, in turns; the best of each counts
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
    /// Mirror to install the measured server from
    #[arg(long, value_name = "URL", default_value = "http://deb.debian.org/debian")]
    mirror: String,
    /// Leave the pipelines for comparison out; only the limits of this machine count
    #[arg(long)]
    limits_only: bool,
}

/// Measures and shows every bar.
///
/// # Errors
/// Not root, no disk to pack, or a pipeline fails.
pub(super) fn run(args: &Args, repo: &Repo) -> Result<Exit> {
    if !rustix::process::geteuid().is_root() {
        return Err(Coded::usage(
            "`bench pack` mounts file systems and installs a system: run it as root\n  hint: sudo -E cargo xtask bench pack",
        ));
    }
    let dir = std::path::absolute(repo.out.join(".cache/bench-pack"))?;
    let corpus = corpus::prepare(&dir, &args.mirror)?;
    let work = tempfile::Builder::new().prefix("work-").tempdir_in(&dir);
    let work = work.at("make a directory in", &dir)?;
    let mut results = Results::default();
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        results.read.push(bare_read(&corpus.raw)?);
        ours(&mut results, work.path(), &corpus)?;
        if !args.limits_only {
            results.fuse.extend(rival(&FUSE, work.path(), &corpus)?);
            results.mount.extend(rival(&MOUNT, work.path(), &corpus)?);
            results.convert.extend(rival(&CONVERT, work.path(), &corpus)?);
        }
    }
    let (text, failed) = results.show(args.limits_only);
    print(&text)?;
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// All of ours, one after the other, and the bare compressor on the same bytes.
fn ours(results: &mut Results, work: &Path, corpus: &Corpus) -> Result<()> {
    let pack = |disk: &Path, output: &str, level: &str| -> Result<Run> {
        let disk = disk.to_string_lossy();
        let args = ["pack", &disk, "--output", output, "--force", "--level", level];
        eprintln!("  ours: {disk} to {output}, level {level}");
        ourselves(work, &args, output)
    };
    results.qcow2.push(pack(&corpus.qcow2, "root.tar.gz", "default")?);
    results.raw.push(pack(&corpus.raw, "root.tar.gz", "default")?);
    results.limit.push(bare_compressor(&work.join("root.tar.gz"))?);
    results.fast.push(pack(&corpus.qcow2, "fast.tar.gz", "fast")?);
    results.dd.push(pack(&corpus.qcow2, "disk.dd.gz", "default")?);
    for name in ["root.tar.gz", "fast.tar.gz", "disk.dd.gz"] {
        let path = work.join(name);
        std::fs::remove_file(&path).at("remove", &path)?;
    }
    Ok(())
}

fn rival(rival: &Rival, work: &Path, corpus: &Corpus) -> Result<Option<Run>> {
    if let Some(missing) = rival.missing() {
        eprintln!("  skip: {}: not installed: {missing}", rival.name);
        return Ok(None);
    }
    eprintln!("  {}", rival.name);
    rival.run(work, corpus).map(Some)
}

/// The stored bytes of the disk into memory, once.
fn bare_read(disk: &Path) -> Result<Run> {
    let started = Instant::now();
    let device = block::open(disk)?;
    let mut buffer = vec![0; 1 << 20];
    let (mut at, mut bytes) = (0, 0);
    while at < device.len() {
        let extent = device.extent_at(at)?;
        let end = at + extent.len;
        while at < end && extent.kind == ExtentKind::Data {
            let len = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            device.read_at(at, &mut buffer[..len])?;
            at += u64::try_from(len)?;
            bytes += u64::try_from(len)?;
        }
        at = end;
    }
    Ok(Run { wall: started.elapsed(), bytes, ..Run::default() })
}

/// What the compressor takes for the bytes of an archive that are in memory.
fn bare_compressor(archive: &Path) -> Result<Run> {
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let mut bytes = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(std::io::BufReader::new(file));
    reader.read_to_end(&mut bytes).at("unpack", archive)?;
    eprintln!("  the bare compressor, {} bytes in memory", bytes.len());
    let (started, before) = (Instant::now(), own_cpu());
    let compressed = gzip::bare(&bytes, gzip::Options::default())?;
    let (wall, cpu) = (started.elapsed(), own_cpu().saturating_sub(before));
    eprintln!("    {:.2} s, {:.1} s of CPU", wall.as_secs_f64(), cpu.as_secs_f64());
    Ok(Run { wall, cpu, bytes: compressed, ..Run::default() })
}
