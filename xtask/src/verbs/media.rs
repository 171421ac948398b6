//! `cargo xtask media`: what builds start from.

mod check;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Context;
use super::plan::PlanFlags;
use crate::build::board::Board;
use crate::build::media::Access;
use crate::build::{self, report::Reporter};
use crate::catalog::{MediaKind, Target};
use crate::cli::Targets;
use crate::exit::{self, Coded, Exit};
use crate::finding::Findings;
use crate::given;
use crate::media::bootstrap::{self, Boot, Mode, Options, Recipe, Wanted};
use crate::media::{self, Checksum, MediaError, Progress, Request, SignedBy, Store};
use crate::pipeline::Preparation;
use crate::signal::CancelToken;

/// What to do with media.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask media check --all\n  cargo xtask media bootstrap debian-12-mirror \\\n    --mirror http://mirror.example/debian --security-mirror none"
)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make the base disks of mirror targets
    #[command(after_help = "Example: cargo xtask media bootstrap debian-13-mirror-amd64")]
    Bootstrap(BootstrapArgs),
    /// Get what targets start from, so that builds can run with --offline
    #[command(after_help = "Example: cargo xtask media fetch 'debian-1[23]' ubuntu")]
    Fetch(FetchArgs),
    /// Ask whether pinned media and checksums are still there and which are newer
    #[command(
        after_help = "Examples:\n  cargo xtask media check --all\n  cargo xtask media check --all --format json --patch newer.patch"
    )]
    Check(check::Args),
    /// Check a file, or download one, against a checksum
    #[command(
        after_help = "Example:\n  cargo xtask media verify debian-12.qcow2 \\\n    file:https://cloud.debian.org/images/cloud/bookworm/20260923-2610/SHA512SUMS"
    )]
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct BootstrapArgs {
    #[command(flatten)]
    targets: Targets,
    /// Mirror of the main archive, an http, https or file URL [default: that of the last time, else deb.debian.org]
    #[arg(long, value_name = "URL", env = "XTASK_MIRROR", requires = "security_mirror")]
    mirror: Option<String>,
    /// Mirror of the security archive, or `none`
    #[arg(long, value_name = "URL", env = "XTASK_SECURITY_MIRROR")]
    security_mirror: Option<String>,
    /// Archive areas, comma separated
    #[arg(long, value_name = "AREAS", value_delimiter = ',')]
    components: Option<Vec<String>>,
    /// Keyring that signs the mirror [default: the host's debian-archive-keyring]
    #[arg(long, value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// Where /boot is: on the root, or on a partition of its own (GPT type XBOOTLDR) [default: that of the last time, else root]
    #[arg(long, value_enum)]
    boot: Option<Boot>,
    /// How to get the rights to make a system
    #[arg(long, value_enum, default_value = "auto")]
    mode: Mode,
    /// Do not look at the mirror; use the disk that is there
    #[arg(long, conflicts_with = "refresh")]
    offline: bool,
    /// Make it again even if nothing changed
    #[arg(long)]
    refresh: bool,
}

impl BootstrapArgs {
    /// What the command line leaves out stays as it was the last time. The two
    /// mirrors belong together.
    fn options(&self, last: Options) -> Options {
        let (mirror, security_mirror) = match (&self.mirror, &self.security_mirror) {
            (None, None) => (last.mirror, last.security_mirror),
            (mirror, security) => (mirror.clone(), security.clone()),
        };
        Options {
            mirror,
            security_mirror,
            components: self.components.clone().or(last.components),
            keyring: self.keyring.clone().or(last.keyring),
            boot: self.boot.unwrap_or(last.boot),
            mode: self.mode,
            refresh: self.refresh,
        }
    }
}

#[derive(Debug, clap::Args)]
struct FetchArgs {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    flags: PlanFlags,
    /// Trust a checksum list whose signature is missing or wrong
    #[arg(long, env = "XTASK_UNSIGNED_MEDIA")]
    unsigned_media: bool,
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// Path or URL
    medium: String,
    /// sha256:..., sha512:..., file:<URL or path of a list>, none
    checksum: Checksum,
    /// Armored public keys that must have signed the list
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// What follows the list's address in the signature's, as `.gpg` [default: the list is clear-signed]
    #[arg(long, value_name = "SUFFIX", requires = "keys")]
    signature: Option<String>,
    /// Use only what was downloaded before
    #[arg(long)]
    offline: bool,
}

/// Runs the action.
///
/// # Errors
/// Whatever the action reports, with the exit code of its kind.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let store = Store::new(context.repo.media.clone());
    match &args.action {
        Action::Bootstrap(args) => bootstrap_all(args, context, &store),
        Action::Fetch(args) => fetch(args, context),
        Action::Check(args) => check::run(args, context),
        Action::Verify(args) => verify(args, &store),
    }
}

fn bootstrap_all(args: &BootstrapArgs, context: &Context, store: &Store) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let chosen = super::selected(&catalog, &args.targets)?;
    let (mirrors, others): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|t| t.facts.media.kind == MediaKind::Mirror);
    if mirrors.is_empty() {
        let names: Vec<_> = others.iter().map(|t| t.id.as_str()).collect();
        return Err(Coded::nothing(format!(
            "no base disk to make for {}\n  hint: only flavors whose medium is a mirror have one, see `cargo xtask list`",
            names.join(", ")
        )));
    }
    for target in mirrors {
        bootstrap_one(target, args, context, store)?;
    }
    Ok(Exit::Ok)
}

fn bootstrap_one(
    target: &Target,
    args: &BootstrapArgs,
    context: &Context,
    store: &Store,
) -> Result<()> {
    let dir = context.repo.root.join(&target.image);
    let recipe = Recipe::read(&dir).map_err(coded)?;
    let release = target.release.as_deref().unwrap_or_default();
    let wanted = Wanted { image: &target.image, release, arch: target.arch };
    let options = args.options(bootstrap::remembered(store, &wanted));
    let since = Instant::now();
    let disk = with_report(args.offline, |ctx| {
        bootstrap::bootstrap(store, &recipe, &wanted, &options, ctx)
    })?;
    let state = match (disk.made, args.offline) {
        (true, _) => format!("made in {:.0} s", since.elapsed().as_secs_f64()),
        (false, false) => "up to date".to_owned(),
        (false, true) => format!("up to date with the mirror of {}", disk.mirror.checked),
    };
    eprintln!("{}: {state}", target.id);
    super::print(&format!("{}\n", disk.path.display()))
}

fn fetch(args: &FetchArgs, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let options = args.flags.options()?;
    let mut preparation = Preparation::new(&context.repo, args.flags.firmware.clone());
    let board = Arc::new(Board::new(false, context.verbose));
    let access = Access {
        given: options.iso.is_some(),
        offline: false,
        unsigned: args.unsigned_media,
        cancel: CancelToken::global(),
    };
    let mut failed = 0;
    for target in super::selected(&catalog, &args.targets)? {
        let resolved = preparation.resolve(target, &options).map_err(|findings| Coded {
            exit: Exit::Usage,
            message: Findings(findings).to_string(),
        })?;
        board.begin(&target.id, None);
        let reporter = Reporter::new(&target.id, context.verbose, Arc::clone(&board));
        let ready =
            build::media::get(&context.repo, target, &resolved.plan.media, &access, &reporter);
        board.end(&target.id, &serde_json::Value::Null);
        match ready {
            Ok(ready) => super::print(&format!("{}\t{}\n", target.id, ready.path.display()))?,
            Err(error) if exit::of(&error) == Exit::Interrupted => return Err(error),
            Err(error) => {
                let text = exit::text(&error);
                let text = text.strip_prefix("error: ").unwrap_or(&text);
                match text.contains(&target.id) {
                    true => eprintln!("error: {text}"),
                    false => eprintln!("error: {}: {text}", target.id),
                }
                failed += 1;
            }
        }
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::Failed })
}

fn verify(args: &VerifyArgs, store: &Store) -> Result<Exit> {
    if !args.medium.contains("://") {
        given::file("the medium", Path::new(&args.medium))?;
    }
    let signed = args.keys.clone().map(|keys| SignedBy { keys, suffix: args.signature.clone() });
    let request = Request { url: args.medium.clone(), checksum: args.checksum.clone(), signed };
    let media = with_report(args.offline, |ctx| store.fetch(&request, ctx))?;
    let against = media.verified.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
    eprintln!("verified against {against}");
    if let Some(key) = &media.signed_by {
        eprintln!("whose list is signed by {key}");
    }
    super::print(&format!("{}  {}\n", media.sha256, media.path.display()))?;
    Ok(Exit::Ok)
}

/// Runs an operation that reports to stderr.
fn with_report<T>(
    offline: bool,
    run: impl FnOnce(&media::Context<'_>) -> Result<T, MediaError>,
) -> Result<T> {
    let meter = Meter::new();
    let progress = |p: Progress| meter.show(p);
    let notice = |text: &str| {
        meter.clear();
        eprintln!("{text}");
    };
    let ctx = media::Context {
        offline,
        cancel: CancelToken::global(),
        progress: &progress,
        notice: &notice,
    };
    let result = run(&ctx);
    meter.clear();
    result.map_err(coded)
}

/// An error with the exit code of its kind.
pub(crate) fn coded(error: MediaError) -> anyhow::Error {
    Coded { exit: error.exit(), message: error.to_string() }.into()
}

/// A line that is rewritten, on terminals only.
struct Meter {
    last: Mutex<Option<Instant>>,
    on: bool,
}

impl Meter {
    const EVERY: Duration = Duration::from_millis(200);

    fn new() -> Self {
        Self { last: Mutex::new(None), on: std::io::stderr().is_terminal() }
    }

    fn show(&self, progress: Progress) {
        let Ok(mut last) = self.last.lock() else { return };
        if !self.on || last.is_some_and(|t| t.elapsed() < Self::EVERY) {
            return;
        }
        *last = Some(Instant::now());
        eprint!("\r\x1b[K{}", meter_text(progress));
    }

    fn clear(&self) {
        let Ok(mut last) = self.last.lock() else { return };
        if last.take().is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

fn meter_text(progress: Progress) -> String {
    const MIB: u64 = 1 << 20;
    let done = progress.done / MIB;
    match progress.total.filter(|total| *total > 0) {
        Some(total) => {
            let percent = progress.done.saturating_mul(100) / total;
            format!("{done} of {} MiB, {percent} %", total.div_ceil(MIB))
        }
        None => format!("{done} MiB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meter() {
        let text = |done, total| meter_text(Progress { done, total });
        assert_eq!(text(5 << 20, Some(10 << 20)), "5 of 10 MiB, 50 %");
        assert_eq!(text(5 << 20, None), "5 MiB");
        assert_eq!(text(0, Some(0)), "0 MiB");
    }
}
