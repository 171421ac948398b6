//! `cargo xtask new`: a directory for an operating system, like one that is
//! there.

mod names;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use walkdir::WalkDir;

use super::{Context, docs, print};
use names::Names;

use crate::at::At as _;
use crate::build::output::write_atomic;
use crate::catalog::{IMAGE_FILE, Image, Target};
use crate::exit::{Coded, Exit};
use crate::finding::suggest;
use crate::plan::Options;
use crate::table;
use crate::validate::{self, copies, maas};

/// What is made, of what.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: cargo xtask new rocky11 --like rocky10\n\nThe directory validates at once. What still speaks of the other release is printed line by \
                        line: that is what to edit."
)]
pub struct Args {
    /// Name of the new directory: lower-case letters, digits, dashes
    name: String,
    /// Image that it resembles
    #[arg(long, value_name = "IMAGE")]
    like: String,
    /// Full name [default: the other's, with the number at the end of the names
    /// exchanged]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
}

/// Makes the directory, fills in its generated parts, says what to edit.
///
/// # Errors
/// A bad name, a directory that is there, an unknown image (exit 2 or 4).
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let root = &context.repo.root;
    let catalog = context.repo.catalog()?;
    let like = catalog.image(&args.like).ok_or_else(|| {
        let near = suggest(&args.like, catalog.images.iter().map(|i| i.name.as_str()));
        let hint =
            near.map_or("`cargo xtask list` shows them".into(), |n| format!("did you mean `{n}`?"));
        Coded::nothing(format!("--like: there is no image `{}`\n  hint: {hint}", args.like))
    })?;
    let dir = root.join(&args.name);
    check_name(&args.name)?;
    if dir.exists() {
        return Err(Coded::usage(format!(
            "{} is there already\n  hint: choose another name, or remove it first",
            args.name
        )));
    }
    let title = args.title.clone().unwrap_or_else(|| title(like, &args.name));
    let names = Names {
        old: &like.name,
        new: &args.name,
        old_title: &like.title,
        title: &title,
        ids: like.targets.iter().map(|t| t.id.as_str()).collect(),
        in_maas: like.targets.iter().map(|t| t.facts.maas.name.as_str()).collect(),
    };
    let work = tempfile::tempdir_in(root)
        .with_context(|| format!("cannot make a directory in {}", root.display()))?;
    copy(&root.join(&like.name), work.path(), &names)?;
    fs::rename(work.path(), &dir).with_context(|| format!("cannot make {}", dir.display()))?;
    // Its directory has another name now.
    let _moved = work.keep();
    docs::run(&docs::Args::default(), context)?;
    allow_copies(context, &args.name, &like.name)?;
    print(&advice(&dir, &args.name, &like.name)?)?;
    validated(context, &args.name)
}

/// A variant holds what its model holds; that is told, with its reason.
fn allow_copies(context: &Context, name: &str, like: &str) -> Result<()> {
    let catalog = context.repo.catalog()?;
    let Some(image) = catalog.image(name) else { return Ok(()) };
    if copies::check(&context.repo.root, &[image]).is_empty() {
        return Ok(());
    }
    let path = image.dir.join(IMAGE_FILE);
    let mut text = fs::read_to_string(&path).at("read", &path)?;
    text.push_str(&format!(
        "\n[[contract.exceptions]]\nrule = \"DUP001\"\nreason = \"a variant of {like}; what both keep can move into common/ and be linked\"\n"
    ));
    write_atomic(&path, text.as_bytes())
}

/// Holds the new directory against our own rules.
fn validated(context: &Context, name: &str) -> Result<Exit> {
    let catalog = context.repo.catalog()?;
    let images: Vec<&Image> = catalog.image(name).into_iter().collect();
    let targets: Vec<&Target> = images.iter().flat_map(|image| &image.targets).collect();
    let (report, _) = validate::native(&context.repo, &images, &targets, &Options::default());
    for finding in &report.findings {
        eprintln!("{finding}");
    }
    let wrong = report.findings.len();
    let number = table::count(wrong, "finding");
    eprintln!("{number} in the {} of {name}", table::count(targets.len(), "target"));
    Ok(if wrong == 0 { Exit::Ok } else { Exit::Failed })
}

fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase());
    if good && !name.ends_with('-') {
        return Ok(());
    }
    Err(Coded::usage(format!(
        "`{name}` is no name of an image\n  hint: lower-case letters, digits and dashes, a letter first"
    )))
}

/// `Rocky Linux 10` for rocky10 becomes `Rocky Linux 11` for rocky11.
fn title(like: &Image, name: &str) -> String {
    let (old, new) = (version(&like.name), version(name));
    match like.title.strip_suffix(old).filter(|_| !old.is_empty() && !new.is_empty()) {
        Some(start) => format!("{start}{new}"),
        None => format!("{} {}", like.title, name.trim_start_matches(&like.name).trim_matches('-')),
    }
}

/// The number at the end of a name; empty without one.
fn version(name: &str) -> &str {
    let start = name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    name.get(start..).unwrap_or_default()
}

/// Links stay links: what is shared stays shared.
fn copy(from: &Path, to: &Path, names: &Names<'_>) -> Result<()> {
    for entry in WalkDir::new(from).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        let inside = entry.path().strip_prefix(from)?.to_string_lossy().into_owned();
        if inside.starts_with("output-") || inside == "packer_cache" {
            continue;
        }
        let target = to.join(names.path(&inside));
        let kind = entry.file_type();
        if kind.is_symlink() {
            let link = fs::read_link(entry.path()).at("read", entry.path())?;
            symlink(link, &target).at("make", &target)?;
        } else if kind.is_dir() {
            fs::create_dir(&target).at("make", &target)?;
        } else {
            copy_file(entry.path(), &target, names)?;
        }
    }
    let mode = fs::metadata(from).at("read", from)?.permissions();
    fs::set_permissions(to, mode).at("set the mode of", to)?;
    Ok(())
}

fn copy_file(from: &Path, to: &Path, names: &Names<'_>) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if from.ends_with(IMAGE_FILE) => {
            names.catalog(&text, maas::is_refused).into_bytes()
        }
        Ok(text) if from.ends_with("README.md") => names.readme(&text).into_bytes(),
        Ok(text) => names.text(&text).into_bytes(),
        Err(binary) => binary.into_bytes(),
    };
    fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))?;
    let mode = fs::metadata(from).at("read", from)?.permissions();
    fs::set_permissions(to, mode).at("set the mode of", to)?;
    Ok(())
}

/// Every line of its own files that holds the other's number, and what is next.
fn advice(dir: &Path, name: &str, like: &str) -> Result<String> {
    let mut text = format!("made {name}/. Its own files, and what to look at:\n");
    let old = version(like);
    for path in own_files(dir) {
        let content = fs::read_to_string(&path).unwrap_or_default();
        let shown = path.strip_prefix(dir.parent().unwrap_or(dir))?.display();
        text.push_str(&format!("  {shown}\n"));
        let lines = content.lines().enumerate().filter(|(_, line)| speaks_of(line, old));
        for (number, line) in lines {
            text.push_str(&format!("  {:>5} | {}\n", number + 1, line.trim()));
        }
    }
    text.push_str(&format!(
        "its end of life in {name}/image.toml, the first lines of {name}/README.md, then\n  \
         cargo xtask docs\n  cargo xtask validate {name}\n  cargo xtask plan {name}\n  cargo xtask build {name}\n"
    ));
    Ok(text)
}

/// Files that are not shared; most of a README is generated from them.
fn own_files(dir: &Path) -> Vec<PathBuf> {
    let files = WalkDir::new(dir).sort_by_file_name().into_iter().flatten();
    let own = files.filter(|e| e.file_type().is_file() && e.file_name() != "README.md");
    own.map(walkdir::DirEntry::into_path).collect()
}

/// Whether a line holds the number as a number of its own: `9` is in `9.8` and
/// `rhel/9`, not in `2019` or `x86_64-9a`.
fn speaks_of(line: &str, number: &str) -> bool {
    if number.is_empty() {
        return false;
    }
    let plain = |c: Option<char>| !c.is_some_and(|c| c.is_ascii_alphanumeric());
    line.match_indices(number).any(|(at, found)| {
        let before = line.get(..at).unwrap_or_default().chars().next_back();
        let after = line.get(at + found.len()..).unwrap_or_default().chars().next();
        plain(before) && plain(after) && before != Some('.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_as_numbers() {
        for (line, found) in [
            ("major = 9", true),
            ("/9.8/isos/", true),
            ("base_image = \"rhel/9\"", true),
            ("eol = \"2029-05-31\"", false),
            ("1.9", false),
            ("x9", false),
        ] {
            assert_eq!(speaks_of(line, "9"), found, "{line}");
        }
        assert!(!speaks_of("9", ""));
    }

    #[test]
    fn names_are_checked() {
        for good in ["rocky11", "centos11-stream", "x"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "Rocky", "../x", "9front", "a_b", "a/b", "a-"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (version("rocky11"), version("debian"), version("centos9-stream")),
            ("11", "", "")
        );
    }

    #[test]
    fn shared_files_stay_links_and_names_are_exchanged() {
        let top = tempfile::tempdir().unwrap();
        let old = top.path().join("rocky9");
        fs::create_dir_all(old.join("output-rocky9-amd64")).unwrap();
        fs::write(old.join("rocky9.pkr.hcl"), "# Rocky Linux 9\nimage = \"rocky9\"\n").unwrap();
        symlink("../common/http", old.join("http")).unwrap();
        let new = top.path().join("rocky11");
        fs::create_dir(&new).unwrap();
        let names = Names {
            old: "rocky9",
            new: "rocky11",
            old_title: "Rocky Linux 9",
            title: "Rocky Linux 11",
            ids: vec![],
            in_maas: vec![],
        };
        copy(&old, &new, &names).unwrap();
        let text = fs::read_to_string(new.join("rocky11.pkr.hcl")).unwrap();
        assert_eq!(text, "# Rocky Linux 11\nimage = \"rocky11\"\n");
        assert_eq!(fs::read_link(new.join("http")).unwrap(), Path::new("../common/http"));
        assert_eq!(fs::read_dir(&new).unwrap().count(), 2);
    }
}
