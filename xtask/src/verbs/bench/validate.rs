//! `cargo xtask bench validate`: the time of a process that checks a tree, by
//! the size of the tree.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::super::{Context, print};
use crate::at::At as _;
use crate::catalog::{Image, Target};
use crate::cmd::Cmd;
use crate::exit::Exit;
use crate::host::packer::Packer;
use crate::{table, validate};

/// Which trees, how often.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Sizes: copies of every image directory
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100], value_parser = clap::value_parser!(u16).range(1..=1000))]
    copies: Vec<u16>,
    /// Runs of each size; the median and the best are shown
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Leave out `packer validate`, which takes minutes
    #[arg(long)]
    no_packer: bool,
}

/// No tree takes longer, even in a debug build on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// Measures.
///
/// # Errors
/// No space for the copies, or a copy that is not as clean as this tree.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let repo = &context.repo;
    fs::create_dir_all(&repo.out).at("make", &repo.out)?;
    let dir = tempfile::Builder::new().prefix("bench-validate-").tempdir_in(&repo.out);
    let dir = dir.at("make a directory in", &repo.out)?;
    let catalog = repo.catalog()?;
    let targets: Vec<&Target> = catalog.targets().collect();
    let mut rows = vec![];
    for copies in &args.copies {
        let tree = dir.path().join(format!("x{copies}"));
        grow(&repo.root, &catalog.images, &tree, *copies)?;
        // Warm: the first run is not counted.
        let times: Result<Vec<Duration>> = (0..=args.rounds).map(|_| once(&tree)).collect();
        let mut times = times?.split_off(1);
        times.sort();
        fs::remove_dir_all(&tree)?;
        let count = targets.len() * usize::from(*copies);
        rows.push(row(format!("validate --native, {copies}x"), count, &times));
    }
    if !args.no_packer {
        rows.push(packer(context, &catalog.images, &targets)?);
    }
    let head = ["what", "targets", "median", "best", "per target"];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    print(&format!(
        "{}profile {profile}, {cores} cores, {} runs each, process time with files in the page cache\n",
        table::render(&head, &rows),
        args.rounds
    ))?;
    Ok(Exit::Ok)
}

fn row(what: String, targets: usize, times: &[Duration]) -> Vec<String> {
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let best = times.first().copied().unwrap_or_default();
    let each = median / u32::try_from(targets.max(1)).unwrap_or(u32::MAX);
    let show = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    vec![what, targets.to_string(), show(median), show(best), format!("{} us", each.as_micros())]
}

/// One process, from its start to its end.
fn once(tree: &Path) -> Result<Duration> {
    let program = std::env::current_exe().context("cannot tell which file this program is")?;
    let command = Cmd::new(program, "validate a copy of the tree")
        .cwd(tree)
        .args(["--root", ".", "--out", "out", "validate", "--native"])
        .timeout(TIMEOUT);
    let started = Instant::now();
    command.output()?;
    Ok(started.elapsed())
}

/// What a real Packer needs for the tree as it is.
fn packer(context: &Context, images: &[Image], targets: &[&Target]) -> Result<Vec<String>> {
    let what = "packer validate and fmt, 1x".to_owned();
    let Some(packer) = crate::host::packer::probe().filter(Packer::is_good) else {
        eprintln!("skipped: {}", validate::NO_PACKER);
        return Ok(vec![what, targets.len().to_string(), "skipped".into(), "-".into(), "-".into()]);
    };
    let images: Vec<&Image> = images.iter().collect();
    let started = Instant::now();
    validate::packer::check(&context.repo, &packer, &images, targets)?;
    Ok(row(what, targets.len(), &[started.elapsed()]))
}

/// A tree with every image `copies` times. Each copy is made of files of its
/// own with a line of its own, so that none is read or parsed for another.
fn grow(root: &Path, images: &[Image], tree: &Path, copies: u16) -> Result<()> {
    copy(&root.join("common"), &tree.join("common"), None)?;
    for image in images {
        for number in 0..copies {
            let name = match number {
                0 => image.name.clone(),
                number => format!("{}-copy{number}", image.name),
            };
            let to = tree.join(name);
            copy(&image.dir, &to, Some(number))?;
            if copies > 1 {
                allow_copies(&to.join(crate::catalog::IMAGE_FILE))?;
            }
        }
    }
    Ok(())
}

fn allow_copies(path: &Path) -> Result<()> {
    let mut file = fs::OpenOptions::new().append(true).open(path).at("write", path)?;
    let allow =
        "\n[[contract.exceptions]]\nrule = \"DUP001\"\nreason = \"made by the benchmark\"\n";
    file.write_all(allow.as_bytes()).at("write", path)
}

fn copy(from: &Path, to: &Path, number: Option<u16>) -> Result<()> {
    fs::create_dir_all(to).at("make", to)?;
    let entries = fs::read_dir(from).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries: Vec<fs::DirEntry> = entries.at("list", from)?;
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name().to_string_lossy().into_owned();
        let to: PathBuf = to.join(&name);
        if kind.is_symlink() {
            fs::read_link(&path).and_then(|link| symlink(link, &to)).at("make", &to)?;
        } else if kind.is_dir() && !name.starts_with("output-") && name != "__pycache__" {
            copy(&path, &to, number)?;
        } else if kind.is_file() {
            fs::copy(&path, &to).at("copy to", &to)?;
            if let Some(number) = number.filter(|_| name.ends_with(".pkr.hcl")) {
                let mut file = fs::OpenOptions::new().append(true).open(&to).at("write", &to)?;
                writeln!(file, "# copy {number}").at("write", &to)?;
            }
        }
    }
    Ok(())
}
