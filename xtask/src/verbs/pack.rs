//! `cargo xtask pack`: a disk to an artifact that satisfies the contract.

mod convert;
mod report;
mod values;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use disk_image::block;
use disk_image::gzip;
use disk_image::pack::{AddTree, PackRequest, Packed, Progress, RootSelector, Watch};
use disk_image::policy::{Kind, STANDARD};
use disk_image::{Error, ErrorKind};
use values::FormatArg;

pub use values::{KindArg, LevelArg};

use super::Context;
use crate::catalog::Target;
use crate::cli::Format;
use crate::contents::{self, Contents};
use crate::contract::{self, Expectations, Verdict};
use crate::exit::{Coded, Exit};
use crate::finding::suggest;
use crate::given;
use crate::signal::CancelToken;
use crate::table;

/// Which disk, and what to make of it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask pack output-rocky9/packer-rocky9 --output rocky9.tar.gz\n  \
    cargo xtask pack disk.qcow2 -o x.tar.gz --root-partition 2 --curtin my-hooks\n  \
    cargo xtask pack win.raw --output win.dd.gz --kind ddgz\n  \
    cargo xtask pack disk.qcow2 -o x.tar.gz --format json | jq -r .artifact.sha256"
)]
pub struct Args {
    /// Disk to pack: raw, qcow2 (with its backing files) or a block device
    #[arg(value_name = "DISK")]
    disk: PathBuf,
    /// Artifact to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Target whose rules apply, for example debian-12-mirror-amd64
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// tgz (root file system) or ddgz (whole disk) [default: by the name of FILE]
    #[arg(long, value_enum)]
    kind: Option<KindArg>,
    /// Root: number or GPT type of a partition, or GROUP/VOLUME of LVM [default: found by type, then by content]
    #[arg(long, value_name = "N")]
    root_partition: Option<String>,
    /// Partition that is /boot [default: by fstab, or the one with the GPT type for it, if any]
    #[arg(long, value_name = "N", value_parser = given::number::<u32>)]
    boot_partition: Option<u32>,
    /// Directory that becomes /curtin in the image, instead of what is there
    #[arg(long, value_name = "DIR")]
    curtin: Option<PathBuf>,
    /// How hard to compress
    #[arg(long, value_enum, default_value_t)]
    level: LevelArg,
    /// Write one gzip member, for readers that stop after the first
    #[arg(long)]
    single_member: bool,
    /// Compressing threads [default: one per CPU]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = given::number::<usize>)]
    threads: usize,
    /// Clean-up rule that shall not be applied (repeatable), for example fstab
    #[arg(long, value_name = "RULE")]
    keep: Vec<String>,
    /// Format of DISK [default: by its first bytes]
    #[arg(long, value_enum)]
    disk_format: Option<FormatArg>,
    /// Do not write what is in it beside FILE (.contents.json, .files.txt, .spdx.json)
    #[arg(long)]
    no_manifest: bool,
    /// Replace FILE, and pack a root that is too small to be an operating system
    #[arg(short, long)]
    force: bool,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What packing and judging an artifact gave.
#[derive(Debug)]
pub struct Checked {
    /// What was packed.
    pub packed: Packed,
    /// What the contract says about it.
    pub verdict: Verdict,
    /// Where it is: the name that was asked for, or that with `.rejected`.
    pub path: PathBuf,
}

/// Packs the disk.
///
/// # Errors
/// A wrong request, a disk that cannot be read or deployed, a full disk.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = args.target.as_ref().map(|_| context.repo.catalog()).transpose()?;
    let target = match (&args.target, &catalog) {
        (Some(id), Some(catalog)) => Some(super::inspect::target(catalog, id)?),
        _ => None,
    };
    let kind = kind(args, target)?;
    check_kept(args)?;
    let hint = "`cargo xtask build` packs what it builds; here name a disk, and the target with \
                --target";
    super::no_target(&args.disk, context, hint)?;
    let request = request(args, kind)?;
    if request.output.exists() && !args.force {
        let shown = request.output.display();
        return Err(Coded::usage(format!("{shown} exists\n  hint: --force replaces it")));
    }
    let parent = request.output.parent().filter(|dir| !dir.as_os_str().is_empty());
    if let Some(dir) = parent.filter(|dir| !dir.is_dir()) {
        return Err(Coded::usage(format!(
            "--output: there is no directory {0}\n  hint: mkdir -p {0}",
            dir.display()
        )));
    }
    let mut expect = target.map_or_else(|| Expectations::unknown(kind), Expectations::from);
    expect.kind = kind;
    let (started, cancel) = (Instant::now(), CancelToken::global());
    let converted = convert::foreign(&request, &cancel)?;
    let request = converted.as_ref().map_or(&request, |it| &it.request);
    let checked = pack_and_check(request, &expect, &cancel)?;
    if checked.verdict.is_ok() && !args.no_manifest {
        describe(&checked)?;
    }
    report::show(&checked, started.elapsed(), args.format)
}

/// Rules of `--keep` that there are not.
fn check_kept(args: &Args) -> Result<()> {
    let known: Vec<&str> = STANDARD.iter().map(|rule| rule.id).collect();
    let Some(wrong) = args.keep.iter().find(|id| !known.contains(&id.as_str())) else {
        return Ok(());
    };
    let hint = match suggest(wrong, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => known.join(", "),
    };
    Err(Coded::usage(format!("--keep {wrong}: no such rule of the clean-up\n  hint: {hint}")))
}

fn kind(args: &Args, target: Option<&Target>) -> Result<Kind> {
    let name = args.output.to_string_lossy();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    match (args.kind, target) {
        (Some(kind), _) => Ok(kind.into()),
        (None, Some(target)) => Ok(Expectations::from(target).kind),
        (None, None) if ends(&[".dd.gz", ".raw.gz", ".img.gz"]) => Ok(Kind::Ddgz),
        (None, None) if ends(&[".tar.gz", ".tgz"]) => Ok(Kind::Tgz),
        (None, None) => Err(Coded::usage(format!(
            "--output {name}: its name does not say what to make\n  hint: NAME.tar.gz is the root \
             file system, NAME.dd.gz the whole disk; or say --kind"
        ))),
    }
}

fn request(args: &Args, kind: Kind) -> Result<PackRequest> {
    let curtin =
        args.curtin.iter().map(|from| AddTree { at: "/curtin".into(), from: from.clone() });
    let format = match args.single_member {
        true => gzip::Format::Single,
        false => gzip::Format::Members,
    };
    // The path as given: it is in messages, and links of backing files are relative to it.
    given::file("the disk", &args.disk)?;
    Ok(PackRequest {
        disk: args.disk.clone(),
        disk_format: args.disk_format.map(|format| match format {
            FormatArg::Raw => block::Format::Raw,
            FormatArg::Qcow2 => block::Format::Qcow2,
        }),
        root: root(args.root_partition.as_deref())?,
        mounts: args.boot_partition.iter().map(|number| ("/boot".into(), *number)).collect(),
        kind,
        keep: args.keep.clone(),
        add: curtin.collect(),
        gzip: gzip::Options { level: args.level.into(), format, threads: args.threads },
        output: args.output.clone(),
        allow_tiny: args.force,
    })
}

fn root(text: Option<&str>) -> Result<RootSelector> {
    let Some(text) = text else { return Ok(RootSelector::Auto) };
    if let Ok(number) = text.parse() {
        return Ok(RootSelector::Number(number));
    }
    if text.len() == 36 && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit()) {
        return Ok(RootSelector::TypeGuid(text.into()));
    }
    if text.split('/').filter(|name| !name.is_empty()).count() == 2 && !text.starts_with('/') {
        return Ok(RootSelector::Logical(text.into()));
    }
    Err(Coded::usage(format!(
        "--root-partition {text}: neither a number nor the GUID of a partition type nor GROUP/VOLUME\n  \
        hint: `sfdisk -l DISK` shows the numbers"
    )))
}

/// Packs and judges what went into the artifact. Only what satisfies the
/// contract gets the requested name; the rest becomes `NAME.rejected`, with
/// the findings in `NAME.rejected.txt`.
///
/// # Errors
/// Packing failed.
pub fn pack_and_check(
    request: &PackRequest,
    expect: &Expectations,
    cancel: &CancelToken,
) -> Result<Checked> {
    let staged =
        PackRequest { output: suffixed(&request.output, ".unverified"), ..request.clone() };
    let progress = Printer::new(&request.disk);
    let cancelled = || cancel.is_set();
    let report = |state| progress.show(state);
    let watch = Watch::default().cancelled_by(&cancelled).reporting_to(&report);
    let packed = disk_image::pack::pack(&staged, &watch).map_err(coded);
    progress.clear();
    let packed = packed?;
    // Of the very bytes that were compressed: a second pass over the file would
    // show little more and take as long as a third of the first.
    let verdict = contract::check(&packed.artifact, expect);
    let path = settle(&staged.output, &request.output, &verdict)?;
    Ok(Checked { packed, verdict, path })
}

/// Gives the artifact the name it deserves.
fn settle(staged: &Path, wanted: &Path, verdict: &Verdict) -> Result<PathBuf> {
    let rejected = suffixed(wanted, ".rejected");
    let notes = suffixed(wanted, ".rejected.txt");
    let path = if verdict.is_ok() { wanted.to_path_buf() } else { rejected.clone() };
    if verdict.is_ok() {
        for stale in [&rejected, &notes] {
            let _: std::io::Result<()> = std::fs::remove_file(stale);
        }
    } else {
        let text: String = verdict.breakages.iter().map(|b| format!("{b}\n")).collect();
        std::fs::write(&notes, text)
            .with_context(|| format!("cannot write {}", notes.display()))?;
    }
    // They tell of what was there before.
    contents::remove(wanted);
    contents::remove(&rejected);
    std::fs::rename(staged, &path)
        .with_context(|| format!("cannot give the artifact its name {}", path.display()))?;
    Ok(path)
}

/// Writes what is in the artifact beside it.
fn describe(checked: &Checked) -> Result<()> {
    let Checked { packed, path, .. } = checked;
    let Some(manifest) = &packed.manifest else { return Ok(()) };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (artifact, changes) = (&packed.artifact, packed.changes.as_slice());
    let contents = Contents { name: &name, artifact, manifest, changes };
    contents::write(contents, path, SystemTime::now())
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    name.into()
}

/// An error of the disk crate with the exit code it deserves.
pub(super) fn coded(error: Error) -> anyhow::Error {
    let exit = match error.kind() {
        ErrorKind::Usage => Exit::Usage,
        ErrorKind::Cancelled => Exit::Interrupted,
        _ => Exit::Failed,
    };
    Coded { exit, message: error.to_string() }.into()
}

/// A line of progress on a terminal, nothing elsewhere.
struct Printer {
    name: String,
    last: Mutex<Option<Instant>>,
    terminal: bool,
}

impl Printer {
    fn new(disk: &Path) -> Self {
        let name = disk.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, last: Mutex::default(), terminal: std::io::stderr().is_terminal() }
    }

    fn show(&self, state: Progress) {
        let Ok(mut last) = self.last.lock() else { return };
        let due = last.is_none_or(|last| last.elapsed() > Duration::from_millis(200));
        if !self.terminal || !due {
            return;
        }
        *last = Some(Instant::now());
        let percent =
            (state.done.saturating_mul(100)).checked_div(state.total).unwrap_or(0).min(100);
        let (done, total) = (table::size(state.done), table::size(state.total));
        eprint!("\r\x1b[K  packing {}  {percent} %  {done} of {total}", self.name);
        let _: std::io::Result<()> = std::io::stderr().flush();
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots() {
        assert_eq!(root(None).unwrap(), RootSelector::Auto);
        assert_eq!(root(Some("3")).unwrap(), RootSelector::Number(3));
        let guid = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
        assert_eq!(root(Some(guid)).unwrap(), RootSelector::TypeGuid(guid.into()));
        assert!(root(Some("sda1")).is_err());
    }

    #[test]
    fn an_artifact_gets_the_name_it_deserves() {
        let dir = tempfile::tempdir().unwrap();
        let (staged, wanted) = (dir.path().join("x.unverified"), dir.path().join("x"));
        let bad = contract::Breakage {
            id: "C010",
            severity: crate::finding::Severity::Error,
            path: None,
            message: "no kernel".into(),
            fix: "install one",
            accepted: None,
        };
        let names = || {
            let names = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name());
            let mut names: Vec<_> = names.map(|n| n.into_string().unwrap()).collect();
            names.sort();
            names
        };
        let broken = Verdict { breakages: vec![bad], checked: 1 };
        for (verdict, expected) in
            [(broken, &["x.rejected", "x.rejected.txt"][..]), (Verdict::default(), &["x"])]
        {
            std::fs::write(&staged, "x").unwrap();
            settle(&staged, &wanted, &verdict).unwrap();
            assert_eq!(names(), expected);
        }
    }
}
