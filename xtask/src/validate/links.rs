//! Fragments are shared by relative symlinks into `common/`; these checks keep
//! that true in every checkout, copy and archive.

use std::fs;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::finding::{Finding, Place};

/// Everything wrong with the links under `dir`, an image directory of `root`.
#[must_use]
pub fn check(root: &Path, dir: &Path) -> Vec<Finding> {
    let entries = WalkDir::new(dir).sort_by_file_name().into_iter().flatten();
    let mut findings = vec![];
    for entry in entries {
        let path = entry.path();
        if entry.path_is_symlink() {
            findings.extend(check_link(root, path));
        } else if entry.file_type().is_file() {
            findings.extend(check_text(root, path));
        }
    }
    findings
}

fn check_link(root: &Path, link: &Path) -> Option<Finding> {
    let shown = link.strip_prefix(root).unwrap_or(link);
    let target = fs::read_link(link).ok()?;
    let found = |id, message: String, help: &str| {
        Some(Finding::error(id, Place::file(shown), message).help(help))
    };
    if target.is_absolute() {
        let message = format!("the link leads to the absolute path {}", target.display());
        return found("LNK002", message, "use a relative link: ln -sr");
    }
    let lexical = normal(&link.parent()?.join(&target));
    if !lexical.starts_with(root) {
        let message = format!("the link leads out of the repository, to {}", target.display());
        return found("LNK003", message, "move the file into common/");
    }
    if !link.exists() {
        let message = format!("the link leads to {}, which does not exist", target.display());
        return found("LNK001", message, "fix or remove the link");
    }
    if !lexical.starts_with(root.join("common")) {
        let message = format!("the link leads to {}, outside common/", target.display());
        return found("LNK004", message, "move what is shared into common/");
    }
    None
}

/// A checkout without symlinks leaves the link's target as the file's text.
fn check_text(root: &Path, file: &Path) -> Option<Finding> {
    let length = fs::metadata(file).ok()?.len();
    if length > 200 {
        return None;
    }
    let text = fs::read_to_string(file).ok()?;
    let target = Path::new(&text);
    if !text.starts_with("../") || text.contains('\n') || !file.parent()?.join(target).exists() {
        return None;
    }
    let shown = file.strip_prefix(root).unwrap_or(file);
    let message = format!("this should be a link to {text}, but is a text file that says so");
    Some(
        Finding::error("LNK005", Place::file(shown), message).help(
            "the checkout has no symlinks: git config core.symlinks true && git checkout -f .",
        ),
    )
}

/// `..` and `.` removed by name, as a reader of the link would.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tree with one good link; `spoil` breaks it.
    fn ids(spoil: impl Fn(&Path)) -> Vec<&'static str> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("common/hcl")).unwrap();
        fs::create_dir(root.join("rocky9")).unwrap();
        fs::write(root.join("common/hcl/qemu.pkr.hcl"), "# fragment\n").unwrap();
        symlink("../common/hcl/qemu.pkr.hcl", root.join("rocky9/qemu.pkr.hcl")).unwrap();
        spoil(root);
        check(root, &root.join("rocky9")).iter().map(|f| f.id).collect()
    }

    #[test]
    fn a_good_link_is_silent() {
        assert_eq!(ids(|_| ()), Vec::<&str>::new());
    }

    #[test]
    fn each_bad_link_has_its_rule() {
        let dangling = |r: &Path| fs::remove_file(r.join("common/hcl/qemu.pkr.hcl")).unwrap();
        assert_eq!(ids(dangling), ["LNK001"]);
        let link =
            |target: &'static str| move |r: &Path| symlink(target, r.join("rocky9/x")).unwrap();
        assert_eq!(ids(link("/etc/hostname")), ["LNK002"]);
        assert_eq!(ids(link("../../x")), ["LNK003"]);
        let sideways = |r: &Path| {
            fs::write(r.join("x"), "").unwrap();
            symlink("../x", r.join("rocky9/x")).unwrap();
        };
        assert_eq!(ids(sideways), ["LNK004"]);
        let text = |r: &Path| {
            fs::remove_file(r.join("rocky9/qemu.pkr.hcl")).unwrap();
            fs::write(r.join("rocky9/qemu.pkr.hcl"), "../common/hcl/qemu.pkr.hcl").unwrap();
        };
        assert_eq!(ids(text), ["LNK005"]);
    }

    #[test]
    fn loops_end() {
        assert_eq!(ids(|r| symlink("x", r.join("rocky9/x")).unwrap()), ["LNK001"]);
    }
}
