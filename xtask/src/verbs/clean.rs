//! `cargo xtask clean`: removes what builds left, shows what and how much.
//!
//! Only what lies inside the two directories of the tree is removed, symbolic
//! links as links, and no target that is being built.

use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use walkdir::WalkDir;

use super::{Context, print};
use crate::build::lock::Lock;
use crate::exit::{Coded, Exit};
use crate::table;

/// What to remove.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask clean --dry-run\n  cargo xtask clean \
                        debian-12-mirror-amd64\n  cargo xtask clean --media --yes")]
pub struct Args {
    /// Directories in out/ to remove, by target id [default: all of them]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Remove downloaded and bootstrapped media, too: they take long to get
    #[arg(long, conflicts_with = "targets")]
    media: bool,
    /// Show what would go, remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Something to remove.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    path: PathBuf,
    bytes: u64,
    files: usize,
}

/// Lists, asks, removes.
///
/// # Errors
/// Exit code 2 for a target that has no directory, 3 for a refusal; else what
/// could not be removed.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let repo = &context.repo;
    let mut items = outputs(&repo.out, &args.targets)?;
    if args.media {
        items.extend(entries(&repo.media)?.into_iter().map(measure));
    }
    if items.is_empty() {
        eprintln!("nothing to remove");
        return Ok(Exit::Ok);
    }
    for item in &items {
        let size = table::size(item.bytes);
        let files = table::count(item.files, "file");
        print(&format!("{size:>8}  {files:>9}  {}\n", repo.show(&item.path)))?;
    }
    let total = table::size(items.iter().map(|item| item.bytes).sum());
    if args.dry_run {
        eprintln!("{total} would be freed");
        return Ok(Exit::Ok);
    }
    if !args.yes && !confirmed(&format!("remove them and free {total}?"))? {
        return Err(Coded::host("nothing was removed: you said no"));
    }
    remove(&repo.out, &items)?;
    eprintln!("{total} freed");
    Ok(Exit::Ok)
}

/// Entries of `out`: those named, or all.
fn outputs(out: &Path, targets: &[String]) -> Result<Vec<Item>> {
    if targets.is_empty() {
        return Ok(entries(out)?.into_iter().map(measure).collect());
    }
    let find = |target: &String| {
        let path = out.join(target);
        let plain = !target.is_empty() && !target.contains('/') && !target.starts_with('.');
        if plain && path.symlink_metadata().is_ok() {
            return Ok(measure(path));
        }
        Err(Coded::usage(format!(
            "no {} to remove\n  hint: `cargo xtask clean --dry-run` shows what is there",
            path.display()
        )))
    };
    targets.iter().map(find).collect()
}

/// What is in `dir`, sorted; locks of running builds stay.
fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let meta = match dir.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        other => other.with_context(|| format!("cannot look at {}", dir.display()))?,
    };
    if meta.is_symlink() {
        let target = fs::read_link(dir).unwrap_or_default();
        return Err(Coded::usage(format!(
            "{} is a symbolic link to {}, and clean follows none\n  hint: remove what is there by \
             hand, or name the directory itself with --out or --media-dir",
            dir.display(),
            target.display()
        )));
    }
    let list = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut paths: Vec<PathBuf> = vec![];
    for entry in list {
        let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
        if entry.file_name() != LOCKS {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Where `build::lock` keeps its files.
const LOCKS: &str = ".locks";

/// Counts space on disk, as `du` does: artifacts have holes. Links count as
/// themselves; what cannot be read counts as nothing.
fn measure(path: PathBuf) -> Item {
    use std::os::unix::fs::MetadataExt as _;
    let mut item = Item { bytes: 0, files: 0, path };
    for entry in WalkDir::new(&item.path).follow_links(false).into_iter().flatten() {
        if let Ok(meta) = entry.metadata() {
            item.bytes = item.bytes.saturating_add(meta.blocks().saturating_mul(512));
            item.files += usize::from(!meta.is_dir());
        }
    }
    item
}

/// Removes each item while it holds the lock a build of it would take.
fn remove(out: &Path, items: &[Item]) -> Result<()> {
    for item in items {
        let name = item.path.file_name().unwrap_or_default().to_string_lossy();
        let in_out = item.path.parent() == Some(out);
        let _lock = if in_out { Some(Lock::take(out, &name)?) } else { None };
        let meta = item.path.symlink_metadata();
        // remove_dir_all opens each level relative to the one above and does
        // not follow links, also not one that appears meanwhile.
        let result = match meta {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&item.path),
            Ok(_) => fs::remove_file(&item.path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        result.with_context(|| format!("cannot remove {}", item.path.display()))?;
    }
    Ok(())
}

fn confirmed(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Coded::host("nobody to ask: there is no terminal\n  hint: add --yes"));
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::repo::Repo;

    /// A tree with two outputs, a medium, and links that lead out of both.
    fn tree() -> (tempfile::TempDir, Context) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for path in ["out/a-amd64", "out/b-amd64", "media", "elsewhere", "out/.locks"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        for path in ["out/a-amd64/x.tar.gz", "media/x.iso", "elsewhere/precious"] {
            fs::write(root.join(path), vec![1; 10_000]).unwrap();
        }
        symlink(root.join("elsewhere"), root.join("out/a-amd64/link")).unwrap();
        symlink(root.join("elsewhere"), root.join("out/link")).unwrap();
        symlink(root.join("elsewhere/precious"), root.join("media/link.iso")).unwrap();
        let repo = Repo { root: root.into(), out: root.join("out"), media: root.join("media") };
        (dir, Context { repo, verbose: 0 })
    }

    fn args(targets: &[&str], media: bool) -> Args {
        let targets = targets.iter().map(|&target| target.to_owned()).collect();
        Args { targets, media, dry_run: false, yes: true }
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let (dir, context) = tree();
        run(&args(&[], true), &context).unwrap();
        assert!(dir.path().join("elsewhere/precious").exists());
        let left = |name| fs::read_dir(dir.path().join(name)).unwrap().count();
        assert_eq!((left("out"), left("media")), (1, 0), "only the locks are left");
    }

    #[test]
    fn media_and_other_targets_stay_unless_named() {
        let (dir, context) = tree();
        run(&args(&["a-amd64"], false), &context).unwrap();
        assert!(!dir.path().join("out/a-amd64").exists());
        assert!(dir.path().join("out/b-amd64").exists());
        assert!(dir.path().join("media/x.iso").exists());
    }

    #[test]
    fn names_cannot_leave_the_directory() {
        let (dir, context) = tree();
        for name in ["../elsewhere", "..", ".", "", ".locks", "/etc", "no-such"] {
            let error = run(&args(&[name], false), &context).unwrap_err();
            assert_eq!(crate::exit::of(&error), Exit::Usage, "{name}");
        }
        assert!(dir.path().join("elsewhere/precious").exists());
    }

    #[test]
    fn a_directory_that_is_a_link_is_refused() {
        let (dir, mut context) = tree();
        let link = dir.path().join("out-link");
        symlink(dir.path().join("elsewhere"), &link).unwrap();
        context.repo.out = link;
        let error = run(&args(&[], false), &context).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        assert!(dir.path().join("elsewhere/precious").exists());
    }

    #[test]
    fn a_target_that_is_being_built_stays() {
        let (dir, context) = tree();
        let held = Lock::take(&context.repo.out, "a-amd64").unwrap();
        assert!(run(&args(&["a-amd64"], false), &context).is_err());
        assert!(dir.path().join("out/a-amd64/x.tar.gz").exists());
        drop(held);
        run(&args(&["a-amd64"], false), &context).unwrap();
    }

    #[test]
    fn a_dry_run_and_an_empty_tree_remove_nothing() {
        let (dir, context) = tree();
        run(&Args { dry_run: true, ..args(&[], true) }, &context).unwrap();
        assert!(dir.path().join("out/a-amd64/x.tar.gz").exists());
        let none = tempfile::tempdir().unwrap();
        let missing = |name| none.path().join(name);
        let repo = Repo { root: none.path().into(), out: missing("out"), media: missing("media") };
        assert_eq!(run(&args(&[], true), &Context { repo, verbose: 0 }).unwrap(), Exit::Ok);
    }

    #[test]
    fn holes_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let file = fs::File::create(dir.path().join("sparse")).unwrap();
        file.set_len(1 << 30).unwrap();
        let item = measure(dir.path().to_path_buf());
        assert!(item.bytes < 1 << 20 && item.files == 1, "{item:?}");
    }
}
