//! `cargo xtask inspect`: what is in an artifact, and how two differ.

mod diff;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use disk_image::artifact::{self, Artifact, Package, Packages};
use disk_image::pack::Manifest;
use disk_image::policy::Kind;
use serde::Serialize;
use serde_json::json;

use super::pack::{KindArg, coded};
use super::{Context, only, print, selected};
use crate::catalog::{Catalog, Target};
use crate::cli::{Format, Targets};
use crate::contract::{self, Expectations, Verdict};
use crate::exit::Exit;
use crate::given;
use crate::plan::fingerprint::hex;
use crate::signal::CancelToken;
use crate::table::{self, count};

pub use diff::{Difference, compare};

/// Which artifacts, and how they are shown.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask inspect out/debian-12-mirror-amd64/debian-12-mirror-amd64.tar.gz\n  \
    cargo xtask inspect old.tar.gz new.tar.gz\n  cargo xtask inspect x.tar.gz --format json | jq .contract"
)]
pub struct Args {
    /// Artifact to judge
    #[arg(value_name = "A")]
    artifact: PathBuf,
    /// Second artifact: show what changed from A to B
    #[arg(value_name = "B")]
    other: Option<PathBuf>,
    /// Target whose rules apply, for example debian-12-mirror-amd64
    #[arg(long, value_name = "ID")]
    target: Option<String>,
    /// What MAAS will be told it is [default: what it is]
    #[arg(long, value_enum)]
    kind: Option<KindArg>,
    /// Show every package and every difference
    #[arg(long)]
    full: bool,
    /// Text for people, JSON for programs
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Differences shown without `--full`.
const SHOWN: usize = 40;

/// Judges one artifact or compares two.
///
/// # Errors
/// A file that is no artifact, or an unknown target.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = args.target.as_ref().map(|_| context.repo.catalog()).transpose()?;
    let target = match (&args.target, &catalog) {
        (Some(id), Some(catalog)) => Some(target(catalog, id)?),
        _ => None,
    };
    for path in [Some(&args.artifact), args.other.as_ref()].into_iter().flatten() {
        let hint = "name the artifact: `cargo xtask build` leaves it in out/, in the directory of \
                    its target";
        super::no_target(path, context, hint)?;
        given::file("the artifact", path)?;
    }
    let first = Seen::read(&args.artifact, args, target)?;
    let Some(other) = &args.other else {
        match args.format {
            Format::Json => print_json(&json!({ "version": 1, "artifact": first.report() }))?,
            Format::Text => print(&first.text(args.full))?,
        }
        return Ok(if first.verdict.is_ok() { Exit::Ok } else { Exit::Failed });
    };
    let second = Seen::read(other, args, target)?;
    let changes = compare(&first.artifact, &second.artifact);
    match args.format {
        Format::Json => print_json(&json!({
            "version": 1,
            "a": first.report(),
            "b": second.report(),
            "difference": changes,
        }))?,
        Format::Text => {
            let limit = if args.full { usize::MAX } else { SHOWN };
            print(&format!("{}{}{}", first.line(), second.line(), changes.text(limit)))?;
        }
    }
    Ok(if changes.is_empty() { Exit::Ok } else { Exit::Failed })
}

/// The one target that an id or its leading parts mean.
pub(super) fn target<'c>(catalog: &'c Catalog, id: &str) -> Result<&'c Target> {
    let wanted = Targets { targets: vec![id.to_owned()], ..Targets::default() };
    only(id, &selected(catalog, &wanted)?)
}

fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&format!("{value:#}\n"))
}

/// An artifact that was read and judged.
struct Seen {
    path: PathBuf,
    artifact: Artifact,
    manifest: Manifest,
    verdict: Verdict,
}

/// One artifact for programs.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    file: &'a Path,
    kind: &'static str,
    bytes: u64,
    sha256: String,
    root: Option<&'a str>,
    unreadable: Option<&'a str>,
    unpacked_bytes: u64,
    entries: usize,
    os: &'a BTreeMap<String, String>,
    kernels: Vec<&'a str>,
    packages: Option<BTreeMap<String, &'a str>>,
    contract: &'a Verdict,
}

impl<'a> Report<'a> {
    /// Of the file at `path`.
    pub(super) fn of(
        path: &'a Path,
        artifact: &'a Artifact,
        manifest: &'a Manifest,
        contract: &'a Verdict,
    ) -> Self {
        Self {
            file: path,
            kind: kind_name(artifact.kind),
            bytes: artifact.bytes,
            sha256: hex(&artifact.sha256),
            root: artifact.root.as_deref().ok(),
            unreadable: artifact.root.as_ref().err().map(String::as_str),
            unpacked_bytes: artifact.unpacked,
            entries: artifact.index.len(),
            os: &manifest.os_release.0,
            kernels: manifest.kernels.iter().map(|k| k.version.as_str()).collect(),
            packages: manifest.packages.list().map(versions),
            contract,
        }
    }
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tgz => "tgz",
        Kind::Ddgz => "ddgz",
    }
}

impl Seen {
    fn read(path: &Path, args: &Args, target: Option<&Target>) -> Result<Self> {
        let cancel = CancelToken::global();
        let cancelled = || cancel.is_set();
        let fingerprints = args.other.is_some();
        let options = artifact::Options { fingerprints, cancel: Some(&cancelled), temp: None };
        let artifact = artifact::read(path, options).map_err(coded)?;
        let is = args.kind.map_or(artifact.kind, Kind::from);
        let mut expect = target.map_or_else(|| Expectations::unknown(is), Expectations::from);
        if args.kind.is_some() {
            expect.kind = is;
        }
        let manifest = Manifest::of(&artifact.index);
        let verdict = contract::check(&artifact, &expect);
        Ok(Self { path: path.into(), artifact, manifest, verdict })
    }

    fn report(&self) -> Report<'_> {
        Report::of(&self.path, &self.artifact, &self.manifest, &self.verdict)
    }

    /// One line: file, kind, size, hash.
    fn line(&self) -> String {
        let size = table::size(self.artifact.bytes);
        let hash = hex(&self.artifact.sha256);
        format!(
            "{}  {}  {size}  sha256 {hash}\n",
            self.path.display(),
            kind_name(self.artifact.kind)
        )
    }

    fn text(&self, full: bool) -> String {
        let mut text = self.line();
        let os = self.manifest.os_release.get("PRETTY_NAME");
        let os = if os.is_empty() { "no os-release" } else { os };
        let place = match &self.artifact.root {
            Ok(place) => place.clone(),
            Err(reason) => format!("nothing can be read: {reason}"),
        };
        let entries = self.artifact.index.len();
        let size = table::size(self.artifact.unpacked);
        text.push_str(&format!("{os}, {place}, {entries} entries, {size} unpacked\n"));
        let kernels: Vec<_> = self.manifest.kernels.iter().map(|k| k.version.as_str()).collect();
        let kernels = if kernels.is_empty() { "none".into() } else { kernels.join(", ") };
        text.push_str(&format!("kernel {kernels}, {}\n", self.packages()));
        text.push_str(&self.largest());
        if full {
            let list = self.manifest.packages.list().map(versions).unwrap_or_default();
            list.iter().for_each(|(name, version)| text.push_str(&format!("  {name} {version}\n")));
        }
        text.push('\n');
        self.verdict.breakages.iter().for_each(|b| text.push_str(&format!("{b}\n")));
        let (errors, warnings) = (self.verdict.errors(), self.verdict.warnings());
        let checked = self.verdict.checked;
        let (errors, warnings) = (count(errors, "error"), count(warnings, "warning"));
        text.push_str(&format!("{checked} rules: {errors}, {warnings}\n"));
        text
    }

    fn packages(&self) -> String {
        match &self.manifest.packages {
            Packages::Unknown(reason) => format!("packages are not listed ({reason})"),
            Packages::Dpkg(list) | Packages::Rpm(list) => {
                format!("{} packages", versions(list).len())
            }
        }
    }

    /// Bytes by directory, the largest first.
    fn largest(&self) -> String {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for (path, node) in self.artifact.index.iter() {
            let mut names = path.split(|&byte| byte == b'/').map(String::from_utf8_lossy);
            let (top, below) = (names.next().unwrap_or_default(), names.next());
            let key = match below {
                Some(below) => format!("/{top}/{below}"),
                None => format!("/{top}"),
            };
            *sizes.entry(key).or_default() += node.size;
        }
        let mut sizes: Vec<_> = sizes.into_iter().collect();
        sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        let shown =
            sizes.iter().take(5).map(|(path, size)| format!("{path} {}", table::size(*size)));
        format!("largest: {}\n", shown.collect::<Vec<_>>().join(", "))
    }
}

/// Installed packages: `name:arch` and version.
fn versions(packages: &[Package]) -> BTreeMap<String, &str> {
    let installed = packages.iter().filter(|package| package.is_installed());
    installed.map(|p| (format!("{}:{}", p.name, p.arch), p.version.as_str())).collect()
}
