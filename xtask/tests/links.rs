//! Design question: do fragments shared by relative symlinks survive every way
//! in which people get the tree? A clone, one without symlinks, `git archive`
//! as tar and zip, and a copied directory.
//!
//! With `XTASK_TEST_PACKER` naming a real Packer (and PACKER_PLUGIN_PATH a
//! directory with the qemu plugin) each of them is also given to `packer init`
//! and `packer validate`; without it that part is printed as not run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use xtask::validate::links;

/// The files of the tree that the question is about, in a repository of their own.
fn repository(dir: &Path) -> PathBuf {
    let root = dir.join("repo");
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    for name in ["common", "debian"] {
        run("cp", &["-a", &text(&tree.join(name)), &text(&root.join(name))], &make(&root));
    }
    // Outputs of a build by hand are no part of it.
    let outputs = fs::read_dir(root.join("debian")).unwrap().flatten();
    for entry in outputs.filter(|e| e.file_name().to_string_lossy().starts_with("output-")) {
        run("rm", &["-rf", &text(&entry.path())], &root);
    }
    git(&root, &["init", "--quiet", "--initial-branch=main"]);
    git(&root, &["add", "--all"]);
    git(
        &root,
        &["-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "--quiet", "--message=t"],
    );
    root
}

fn make(dir: &Path) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    dir.to_path_buf()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn output(tool: &str, args: &[&str], cwd: &Path) -> Output {
    let mut command = Command::new(tool);
    command.args(args).current_dir(cwd).env("CHECKPOINT_DISABLE", "1");
    // A hook runs with variables that point git at the outer repository.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    command.output().unwrap_or_else(|e| panic!("{tool}: {e}"))
}

fn run(tool: &str, args: &[&str], cwd: &Path) {
    let out = output(tool, args, cwd);
    // Packer reports errors on standard output.
    let said = [out.stdout, out.stderr].concat();
    assert!(out.status.success(), "{tool} {args:?}: {}", String::from_utf8_lossy(&said));
}

fn git(root: &Path, args: &[&str]) {
    run("git", args, root);
}

/// Fragments of `debian/` in a tree, with what they should hold.
fn fragments(root: &Path) -> Vec<(PathBuf, String)> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for entry in fs::read_dir(tree.join("common/hcl")).unwrap().flatten() {
        let name = entry.file_name();
        let content = fs::read_to_string(entry.path()).unwrap();
        found.push((root.join("debian").join(name), content));
    }
    assert!(found.len() >= 3, "too few fragments: {found:?}");
    found.into_iter().filter(|(path, _)| path.symlink_metadata().is_ok()).collect()
}

/// Symbolic links below a directory.
fn links_below(dir: &Path) -> usize {
    fs::read_dir(dir)
        .unwrap()
        .flatten()
        .map(|entry| match entry.file_type().unwrap() {
            kind if kind.is_symlink() => 1,
            kind if kind.is_dir() => links_below(&entry.path()),
            _ => 0,
        })
        .sum()
}

fn assert_whole(root: &Path) {
    let fragments = fragments(root);
    assert!(!fragments.is_empty(), "{} has no fragments", root.display());
    for (path, content) in fragments {
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "{}", path.display());
    }
    let findings = links::check(root, &root.join("debian"));
    assert!(findings.is_empty(), "{findings:?}");
    packer_accepts(&root.join("debian"));
}

/// `packer init` and `validate` on a directory. The medium is a local stand-in.
fn packer_accepts(dir: &Path) {
    let Some(packer) = std::env::var_os("XTASK_TEST_PACKER") else {
        // Past the capture of tests that pass.
        let what = "not run: packer init and validate (XTASK_TEST_PACKER is not set)\n";
        std::io::stderr().write_all(what.as_bytes()).unwrap();
        return;
    };
    let packer = packer.to_string_lossy().into_owned();
    let medium = dir.join("medium.qcow2");
    fs::write(&medium, "stand-in").unwrap();
    run(&packer, &["init", "."], dir);
    run(&packer, &["validate", "-var", &format!("iso_url={}", text(&medium)), "."], dir);
    fs::remove_file(medium).unwrap();
}

#[test]
fn a_clone_keeps_the_links() {
    let dir = tempfile::tempdir().unwrap();
    let root = repository(dir.path());
    git(dir.path(), &["clone", "--quiet", &text(&root), "clone"]);
    assert_whole(&dir.path().join("clone"));
}

#[test]
fn a_checkout_without_symlinks_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let root = repository(dir.path());
    git(
        dir.path(),
        &[
            "-c",
            "core.symlinks=false",
            "clone",
            "--quiet",
            "-c",
            "core.symlinks=false",
            &text(&root),
            "clone",
        ],
    );
    let clone = dir.path().join("clone");
    let count = links_below(&root.join("debian"));
    assert!(count >= 3, "too few links: {count}");
    let findings = links::check(&clone, &clone.join("debian"));
    assert_eq!(findings.iter().filter(|f| f.id == "LNK005").count(), count, "{findings:?}");
    let shown = format!("{:?}", findings);
    assert!(shown.contains("core.symlinks true"), "{shown}");
}

#[test]
fn archives_keep_the_links() {
    let dir = tempfile::tempdir().unwrap();
    let root = repository(dir.path());
    for (format, unpack) in [("tar", "tar"), ("zip", "unzip")] {
        let archive = text(&dir.path().join(format!("tree.{format}")));
        git(&root, &["archive", "--format", format, "--output", &archive, "HEAD"]);
        let to = make(&dir.path().join(format));
        match unpack {
            "tar" => run("tar", &["-xf", &archive], &to),
            _ => run("unzip", &["-q", &archive], &to),
        }
        assert_whole(&to);
    }
}

#[test]
fn a_copied_directory_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = repository(dir.path());
    let alone = make(&dir.path().join("alone"));
    run("cp", &["-rL", &text(&root.join("debian")), &text(&alone.join("debian"))], dir.path());
    assert!(!alone.join("common").exists());
    assert_whole(&alone);
}
