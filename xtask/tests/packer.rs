//! What a real Packer says, through `validate`: nothing about this tree, and
//! the mistakes that are planted in a copy.
//!
//! `cargo test -p xtask --test packer -- --ignored`, with Packer 1.11 or newer
//! and its qemu plugin on `PATH` and in `PACKER_PLUGIN_PATH`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use xtask::catalog::{Image, Target};
use xtask::finding::Finding;
use xtask::repo::Repo;
use xtask::validate::Report;

fn tree() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn asked(root: &Path) -> Vec<Finding> {
    let repo = Repo::find(Some(root), None, None).unwrap();
    let catalog = repo.catalog().unwrap();
    let images: Vec<&Image> = catalog.images.iter().collect();
    let targets: Vec<&Target> = catalog.targets().collect();
    let mut report = Report::default();
    report.ask_packer(&repo, &images, &targets).unwrap();
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    report.findings
}

#[test]
#[ignore = "needs Packer 1.11 or newer with the qemu plugin"]
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn packer_accepts_every_target() {
    for words in [&["version"][..], &["plugins", "installed"]] {
        let output = Command::new("packer").args(words).output().unwrap();
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
    let findings = asked(&tree());
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
#[ignore = "needs Packer 1.11 or newer with the qemu plugin"]
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn packer_finds_what_is_planted() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["common", "rocky9", "README.md"] {
        let status = Command::new("cp").arg("-a").arg(tree().join(name)).arg(dir.path()).status();
        assert!(status.unwrap().success());
    }
    let path = dir.path().join("common/el/el.pkr.hcl");
    let text = fs::read_to_string(&path).unwrap();
    let start = text.find("source \"qemu\"").unwrap();
    let spoiled = text[start..].replacen("{\n", "{\nnosuch=1\n", 1);
    fs::write(&path, text[..start].to_owned() + &spoiled).unwrap();
    let findings = asked(dir.path());
    let mut ids: Vec<&str> = findings.iter().map(|f| f.id).collect();
    ids.dedup();
    assert_eq!(ids, ["PKR001", "PKR002"], "{findings:?}");
    assert!(findings[0].help.as_ref().unwrap().contains("nosuch"), "{findings:?}");
}

/// The block "Build with packer" of a README as a script that validates instead:
/// media of yours are a file that is there, and nothing is downloaded.
fn script(readme: &str, medium: &Path) -> String {
    let section = readme.split_once("\n## Build with packer\n").unwrap().1;
    let block = section.split("```\n").nth(1).unwrap();
    let medium = medium.display().to_string();
    let yours = |path: &str| path.starts_with('/');
    let own = block.contains("=/");
    let network = format!("packer validate -var iso_url={medium} -var iso_checksum=none");
    let mut lines = vec!["set -eu".to_owned()];
    for line in block.lines() {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| match word.split_once('=') {
                Some((name, path)) if yours(path) => format!("{name}={medium}"),
                _ => word.to_owned(),
            })
            .collect();
        let with = if own { "packer validate" } else { &network };
        lines.push(words.join(" ").replace("packer build", with));
    }
    lines.join("\n")
}

#[test]
#[ignore = "needs Packer 1.11 or newer with the qemu plugin"]
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn the_commands_of_every_readme_are_valid() {
    let dir = tempfile::tempdir().unwrap();
    let medium = dir.path().join("medium.iso");
    fs::write(&medium, "no medium").unwrap();
    let repo = Repo::find(Some(&tree()), None, None).unwrap();
    let images = repo.catalog().unwrap().images;
    assert!(images.len() >= 30, "{}", images.len());
    for image in &images {
        let readme = fs::read_to_string(image.dir.join("README.md")).unwrap();
        let script = script(&readme, &medium);
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).current_dir(tree()).env("CHECKPOINT_DISABLE", "1");
        let output = bash.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{script}\n{said}", image.name);
        assert!(said.contains("The configuration is valid"), "{}\n{said}", image.name);
    }
}
