//! `cargo xtask media check`: every URL and checksum that the catalog names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rayon::prelude::*;
use serde_json::json;

use super::coded;
use crate::build::output::write_atomic;
use crate::catalog::{MediaKind, Target};
use crate::cli::{Format, Targets};
use crate::exit::{Coded, Exit};
use crate::finding::Findings;
use crate::given;
use crate::media::bootstrap::Recipe;
use crate::media::check::{Asker, Probe};
use crate::media::pin::Token;
use crate::media::{self, Checksum};
use crate::pipeline::Preparation;
use crate::signal::CancelToken;
use crate::verbs::Context;

/// Which media, and what to do about newer ones.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Enter newer versions into the templates, if they and their checksums are there
    #[arg(long)]
    write: bool,
    /// Write that as a patch for `git apply --unidiff-zero` instead
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    patch: Option<PathBuf>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Ask a mirror of all sites, where https://HOST/PATH is URL/HOST/PATH
    #[arg(long, value_name = "URL")]
    via: Option<String>,
    /// Requests at once
    #[arg(long, short, value_name = "N", default_value_t = 16, value_parser = given::number::<usize>)]
    jobs: usize,
}

/// A medium, and the targets that start from it.
#[derive(Debug)]
struct Medium<'c> {
    url: String,
    checksum: Checksum,
    targets: Vec<&'c Target>,
}

/// Exit 1 if a medium or its checksum is gone; a newer one is only told.
///
/// # Errors
/// A template that cannot be resolved, interrupted, or a patch that cannot be
/// written.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let chosen = crate::verbs::selected(&catalog, &args.targets)?;
    let media = media(&chosen, context)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.jobs.max(1)).build()?;
    let asker = Asker { via: args.via.as_deref() };
    let cancel = CancelToken::global();
    let probed: Vec<Probe> = pool.install(|| {
        let one = |medium: &Medium<'_>| {
            let ctx = media::Context { cancel: cancel.clone(), ..media::Context::silent() };
            asker.probe(&medium.url, &medium.checksum, &ctx)
        };
        media.par_iter().map(one).collect::<Result<_, _>>().map_err(coded)
    })?;
    let edits = edits(&media, &probed, &context.repo.root)?;
    match &args.patch {
        Some(path) => write_atomic(path, patch(&edits, &context.repo.root).as_bytes())?,
        None if args.write => {
            for edit in edits.values() {
                write_atomic(&edit.path, edit.new.as_bytes())?;
            }
        }
        None => {}
    }
    crate::verbs::print(&match args.format {
        Format::Text => text(&media, &probed),
        Format::Json => json_text(&media, &probed),
    })?;
    let dead = probed.iter().filter(|probe| !probe.is_ok()).count();
    let newer = probed.iter().filter(|probe| probe.newer.is_some()).count();
    eprintln!("{} media of {} targets: {dead} dead, {newer} newer", media.len(), chosen.len());
    Ok(if dead == 0 { Exit::Ok } else { Exit::Failed })
}

/// What all targets start from, each once.
fn media<'c>(targets: &[&'c Target], context: &Context) -> Result<Vec<Medium<'c>>> {
    let mut preparation = Preparation::new(&context.repo, None);
    let mut all: BTreeMap<String, Medium<'c>> = BTreeMap::new();
    for target in targets.iter().copied() {
        let (url, checksum) = match target.facts.media.kind {
            MediaKind::User => continue,
            MediaKind::Mirror => (archive(&context.repo.root, target)?, Checksum::None),
            MediaKind::Download => {
                let resolved = preparation.canonical(target, &Default::default());
                let resolved = resolved.map_err(|findings| Coded {
                    exit: Exit::Usage,
                    message: Findings(findings).to_string(),
                })?;
                let medium = resolved.plan.media;
                (medium.url, medium.checksum.parse()?)
            }
        };
        let medium = || Medium { url: url.clone(), checksum, targets: vec![] };
        all.entry(url.clone()).or_insert_with(medium).targets.push(target);
    }
    Ok(all.into_values().collect())
}

/// The signed list of the archive that a mirror target is bootstrapped from.
fn archive(root: &Path, target: &Target) -> Result<String> {
    let recipe = Recipe::read(&root.join(&target.image)).map_err(coded)?;
    let release = target.release.as_deref().unwrap_or_default();
    let codename = &recipe.release(release).map_err(coded)?.codename;
    Ok(format!("{}/dists/{codename}/InRelease", recipe.mirror.trim_end_matches('/')))
}

/// A template before and after.
struct Edit {
    path: PathBuf,
    old: String,
    new: String,
}

fn edits(media: &[Medium<'_>], probed: &[Probe], root: &Path) -> Result<BTreeMap<PathBuf, Edit>> {
    let mut edits: BTreeMap<PathBuf, Edit> = BTreeMap::new();
    for (medium, probe) in media.iter().zip(probed) {
        let Some(newer) = probe.newer.as_ref().filter(|newer| newer.state.is_ok()) else {
            continue;
        };
        for target in &medium.targets {
            for path in templates(&root.join(&target.image))? {
                if !edits.contains_key(&path) {
                    let old = fs::read_to_string(&path)
                        .with_context(|| format!("cannot read {}", path.display()))?;
                    edits.insert(path.clone(), Edit { path: path.clone(), new: old.clone(), old });
                }
                if let Some(edit) = edits.get_mut(&path) {
                    edit.new = entered(&edit.new, target.release.as_deref(), &newer.tokens);
                }
            }
        }
    }
    edits.retain(|_, edit| edit.old != edit.new);
    Ok(edits)
}

/// The image's own templates. Shared fragments hold no pins; a link must stay one.
fn templates(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let entries = entries.flatten();
    let own = |path: &PathBuf| path.to_string_lossy().ends_with(".pkr.hcl") && !path.is_symlink();
    Ok(entries.map(|entry| entry.path()).filter(own).collect())
}

/// An address, or the whole version as a text of its own.
fn holds_pin(line: &str, tokens: &[Token]) -> bool {
    line.contains('/') || tokens.iter().any(|t| line.contains(&format!("\"{}\"", t.old)))
}

/// A template with new pins. Where lines name the release, only after its name;
/// else in all lines that hold addresses or the version alone.
fn entered(text: &str, release: Option<&str>, tokens: &[Token]) -> String {
    let replaced = |part: &str| tokens.iter().fold(part.to_owned(), |part, t| t.replace(&part));
    let after_name = |line: &str| -> Option<String> {
        let name = release?;
        let at = line.find(&format!("{name} ")).or_else(|| line.find(&format!("\"{name}\"")))?;
        let (before, rest) = line.split_at_checked(at + name.len())?;
        // Up to the next entry of a map in one line.
        let end = rest.find("\", \"").map_or(rest.len(), |end| end + 1);
        let (own, others) = rest.split_at_checked(end)?;
        // Or it was entered already, for another architecture.
        let known = |t: &Token| own.contains(&t.old) || own.contains(&t.new);
        tokens.iter().any(known).then(|| format!("{before}{}{others}", replaced(own)))
    };
    let named = text.lines().any(|line| after_name(line).is_some());
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match after_name(line) {
            Some(new) => out.push_str(&new),
            None if !named && holds_pin(line, tokens) => out.push_str(&replaced(line)),
            None => out.push_str(line),
        }
    }
    out
}

fn patch(edits: &BTreeMap<PathBuf, Edit>, root: &Path) -> String {
    let mut out = String::new();
    for edit in edits.values() {
        let name = edit.path.strip_prefix(root).unwrap_or(&edit.path).display().to_string();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "--- a/{name}\n+++ b/{name}");
        let pairs = edit.old.lines().zip(edit.new.lines()).enumerate();
        for (number, (old, new)) in pairs.filter(|(_, (old, new))| old != new) {
            let _ = writeln!(out, "@@ -{0},1 +{0},1 @@\n-{old}\n+{new}", number + 1);
        }
    }
    out
}

fn text(media: &[Medium<'_>], probed: &[Probe]) -> String {
    let mut out = String::new();
    for (medium, probe) in media.iter().zip(probed) {
        let ids: Vec<&str> = medium.targets.iter().map(|t| t.id.as_str()).collect();
        let sums = probe.checksum.as_ref().map_or_else(String::new, |state| {
            if state.is_ok() { String::new() } else { format!("  checksum: {}", state.shown()) }
        });
        let newer = probe.newer.as_ref().map_or_else(String::new, |newer| {
            let state = if newer.state.is_ok() {
                String::new()
            } else {
                format!(" ({})", newer.state.shown())
            };
            format!("  newer: {} -> {}{state}", newer.pinned, newer.found)
        });
        let word = if probe.is_ok() { "ok  " } else { "DEAD" };
        let state = if probe.medium.is_ok() {
            String::new()
        } else {
            format!("  {}", probe.medium.shown())
        };
        let _ =
            writeln!(out, "{word}  {}{state}{sums}{newer}\n      {}", ids.join(" "), medium.url);
    }
    out
}

fn json_text(media: &[Medium<'_>], probed: &[Probe]) -> String {
    let rows: Vec<_> = (media.iter().zip(probed))
        .map(|(medium, probe)| {
            let ids: Vec<&str> = medium.targets.iter().map(|t| t.id.as_str()).collect();
            json!({
                "url": medium.url, "targets": ids, "ok": probe.is_ok(), "medium": probe.medium,
                "checksum": probe.checksum, "newer": probe.newer,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "version": 1, "media": rows }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::pin::tokens;

    #[test]
    fn a_pin_is_entered_where_its_release_is_named() {
        let two = "  jammy = { build = \"20260705-1\" }\n  noble = { build = \"20260705-1\" }\n";
        let one_line = "c = { \"43\" = \"1.6\", \"44\" = \"1.6\" }[var.release]\n";
        let urls = "# 9.8 is pinned\nu = \"${b}/9.8/R-9.8-x.iso\"\nv = \"9.8\"\nw = \"9.8.1\"\n";
        for (text, release, pinned, found, expected) in [
            (
                two,
                Some("noble"),
                "20260705-1",
                "20260801-1",
                two.replace("noble = { build = \"20260705", "noble = { build = \"20260801"),
            ),
            (
                one_line,
                Some("43"),
                "F-43-1.6.iso",
                "F-43-1.7.iso",
                one_line.replace("\"43\" = \"1.6\"", "\"43\" = \"1.7\""),
            ),
            (
                urls,
                None,
                "9.8",
                "9.9",
                urls.replace("/9.8/R-9.8", "/9.9/R-9.9").replace("\"9.8\"", "\"9.9\""),
            ),
        ] {
            assert_eq!(entered(text, release, &tokens(pinned, found)), expected);
        }
    }
}
