//! What README, CONTRIBUTING and `docs/` say is true: links lead somewhere,
//! commands and flags exist, the walk through a new image works as written.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests start the program as a user does")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn tracked() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-co", "--exclude-standard", "-z"]).current_dir(root());
    let output = git.output().unwrap();
    assert!(output.status.success());
    let names = String::from_utf8(output.stdout).unwrap();
    names.split_terminator('\0').map(str::to_owned).collect()
}

fn pages() -> Vec<(String, String)> {
    let pages = tracked().into_iter().filter(|name| name.ends_with(".md"));
    let read = |name: String| {
        let text = fs::read_to_string(root().join(&name)).ok()?;
        Some((name, text))
    };
    let pages: Vec<_> = pages.filter_map(read).collect();
    assert!(pages.len() > 35, "{}", pages.len());
    pages
}

/// The text without fenced blocks and code spans, in which brackets mean nothing.
fn prose(text: &str) -> String {
    let parts = text.split("```").step_by(2).collect::<String>();
    parts.split('`').step_by(2).collect()
}

/// Targets of inline links.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(|t| t.trim_matches(['<', '>']).to_owned()).collect()
}

/// GitHub's anchor of a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut count = 0;
    for (page, text) in pages() {
        for link in links(&text).iter().filter(|l| !l.contains("://") && !l.starts_with("mailto:"))
        {
            count += 1;
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let page_path = root().join(&page);
            let target = match file {
                "" => page_path,
                _ => page_path.parent().unwrap().join(file),
            };
            let headings = fs::read_to_string(&target).unwrap_or_default();
            let known =
                || headings.lines().filter(|l| l.starts_with('#')).any(|l| anchor(l) == part);
            if !target.exists() || !(part.is_empty() || known()) {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(count > 40, "{count}");
}

/// Lines of fenced blocks that start with `cargo xtask`, without comments.
fn commands(text: &str) -> Vec<String> {
    let blocks: String = text.split("```").skip(1).step_by(2).collect::<Vec<_>>().join("\n");
    let joined = blocks.replace("\\\n", " ");
    let lines = joined.lines().map(|l| l.trim().trim_start_matches("$ ").trim_start_matches("! "));
    // Code within a sentence, too; a placeholder (`remote ...`) ends it.
    let outside: String = text.split("```").step_by(2).collect();
    let spans = outside.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " "));
    let spans: Vec<String> = spans.collect();
    let ours =
        lines.chain(spans.iter().map(String::as_str)).filter(|l| l.starts_with("cargo xtask "));
    ours.map(|l| l.split("  #").next().unwrap_or(l).trim().to_owned()).collect()
}

/// Flags of a command; the second level too (`media fetch`).
#[derive(Default)]
struct Help(BTreeMap<String, String>);

impl Help {
    fn of(&mut self, words: &[&str]) -> &str {
        self.0.entry(words.join(" ")).or_insert_with(|| {
            let output = Command::new(XTASK).args(words).arg("--help").output().unwrap();
            if output.status.success() {
                String::from_utf8(output.stdout).unwrap()
            } else {
                String::new()
            }
        })
    }
}

/// Code in the right column of the page for people who come from Makefiles:
/// commands without `cargo xtask`, which stands over the table.
fn translations(page: &str, text: &str) -> Vec<String> {
    if page != "docs/migrating.md" {
        return vec![];
    }
    let right = text.lines().filter_map(|line| line.strip_prefix('|')?.split('|').nth(1));
    let spans: Vec<&str> = right.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let verb =
        |span: &&str| ["build ", "upload ", "list "].iter().any(|verb| span.starts_with(verb));
    spans.into_iter().filter(verb).map(|span| format!("cargo xtask {span}")).collect()
}

#[test]
fn commands_and_flags_exist() {
    let (mut help, mut wrong, mut seen) = (Help::default(), Vec::new(), BTreeSet::new());
    for (page, text) in pages() {
        for command in commands(&text).into_iter().chain(translations(&page, &text)) {
            let words: Vec<&str> = command.split_whitespace().skip(2).collect();
            let words: Vec<&str> = words.split(|w| *w == "--").next().unwrap_or_default().to_vec();
            // `--root DIR` and its like may stand before the verb.
            let verb = words.iter().position(|w| {
                w.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !w.starts_with('-')
            });
            let Some(verb) = verb.and_then(|i| words.get(i..)) else { continue };
            let nested = verb.get(..2).filter(|two| {
                matches!(two.first(), Some(&("media" | "remote" | "bench" | "ci")))
                    && !help.of(two).is_empty()
            });
            let path = nested.unwrap_or(verb.get(..1).unwrap_or_default()).to_vec();
            let text = help.of(&path).to_owned();
            if text.is_empty() {
                wrong.push(format!("{page}: no such command: {command}"));
                continue;
            }
            seen.insert(path.join(" "));
            for flag in words.iter().filter(|w| w.starts_with("--") && w.len() > 2) {
                let flag = flag.split('=').next().unwrap_or(flag);
                let is = |line: &str| line.split([' ', ',']).any(|w| w == flag);
                if !text.lines().any(is) && !text.contains(&format!("[alias: {flag}]")) {
                    wrong.push(format!("{page}: {} has no {flag}: {command}", path.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen.len() > 12, "{seen:?}");
}

/// What people type today has a row, and what a row says to type has a meaning.
#[test]
fn every_word_of_the_makefiles_is_translated() {
    let page = fs::read_to_string(root().join("docs/migrating.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let left: Vec<&str> = rows.collect();
    for word in [
        "ISO=",
        "ARCH=",
        "SERIES=",
        "VERSION=",
        "EDIT=",
        "PKEY=",
        "VHDX=",
        "TIMEOUT=",
        "CUSTOMIZE=",
        "KS_PROXY=",
        "KS_MIRROR=",
        "MANIFEST=",
        "HEADLESS=",
        "PACKER_LOG=",
        "FOREGROUND=",
        "check-deps",
        "print-deps",
        "lint",
        "format",
        "clean",
    ] {
        assert!(
            left.iter().any(|cell| cell.contains(word)),
            "docs/migrating.md: no row for {word}"
        );
    }
}

/// `--var NAME=...` in a page names a variable that a template has.
#[test]
fn variables_of_pages_exist() {
    let known: BTreeSet<String> = tracked()
        .iter()
        .filter(|name| name.ends_with(".pkr.hcl"))
        .filter_map(|name| fs::read_to_string(root().join(name)).ok())
        .flat_map(|text| {
            let names =
                text.lines().filter_map(|l| l.strip_prefix("variable \"")?.split('"').next());
            names.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (page, text) in pages() {
        for rest in text.split("-var ").skip(1) {
            let name = rest.trim_start_matches(['\'', '"']).split('=').next().unwrap_or_default();
            // `-var name=value` and `--var NAME=VALUE` stand for any.
            let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if !word || name == "name" {
                continue;
            }
            seen += 1;
            if !known.contains(name) {
                wrong.push(format!("{page}: no template has the variable {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 15, "{seen}");
}

/// The tree as git would commit it.
fn copy_of_tree(to: &Path) {
    for name in tracked() {
        let (from, to) = (root().join(&name), to.join(&name));
        let Ok(meta) = fs::symlink_metadata(&from) else { continue };
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        if meta.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from).unwrap(), &to).unwrap();
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

/// Runs a line in `dir` with `cargo xtask` being the program under test.
fn shell(dir: &Path, line: &str) -> Output {
    let script = format!("set -eu; cargo() {{ shift; '{XTASK}' \"$@\"; }}\n{line}");
    Command::new("bash").args(["-c", &script]).current_dir(dir).output().unwrap()
}

#[test]
fn adding_an_os_as_the_page_says() {
    let page = fs::read_to_string(root().join("docs/adding-an-os.md")).unwrap();
    let steps: Vec<&str> = page.lines().filter_map(|l| l.strip_prefix("$ ")).collect();
    assert!(steps.len() >= 10, "{steps:?}");
    let tree = tempfile::tempdir().unwrap();
    copy_of_tree(tree.path());
    for step in steps {
        let output = shell(tree.path(), step);
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        // bash's `!` does not trip `set -e`, so its own status counts.
        assert!(output.status.success(), "{step}\n{said}");
        if step.starts_with("! ") {
            let said = said.to_lowercase();
            assert!(said.contains("verson") && said.contains("did you mean"), "{said}");
        }
    }
    let image = fs::read_to_string(tree.path().join("rocky11/image.toml")).unwrap();
    assert!(image.contains("2038-05-31"), "{image}");
    let readme = fs::read_to_string(tree.path().join("README.md")).unwrap();
    assert!(readme.contains("Rocky Linux 11"), "the table of images has it");
}

/// Whatever image it is made of, the new one has no finding, and names of its own.
#[test]
fn a_variant_of_an_image_validates() {
    let tree = tempfile::tempdir().unwrap();
    copy_of_tree(tree.path());
    // One of each kind of name: with a number and without, with releases, of all families.
    for like in ["rocky9", "fedora-server", "sles15", "ubuntu", "windows", "vmware-esxi"] {
        let step = format!("cargo xtask new {like}-hardened --like {like}");
        let output = shell(tree.path(), &step);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("\n0 findings"), "{step}\n{said}");
        fs::remove_dir_all(tree.path().join(format!("{like}-hardened"))).unwrap();
    }
}

/// Boxes of the picture are modules of the program or members of the workspace.
#[test]
fn the_picture_shows_modules_that_exist() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, picture) = page.split_once("```mermaid").unwrap();
    let picture = picture.split("```").next().unwrap();
    let boxes: BTreeSet<&str> =
        picture.lines().filter_map(|l| l.trim().split_once("[\"")).map(|(name, _)| name).collect();
    assert!(boxes.len() >= 12, "{boxes:?}");
    for name in boxes {
        let module = root().join(format!("xtask/src/{name}.rs"));
        let member = root().join(format!("xtask/{name}/Cargo.toml"));
        assert!(module.exists() || member.exists(), "{name}");
    }
}
