//! Hostile trees: findings, never a panic or a hang.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use super::tree::Tree;
use super::{HCL, TOML};

/// How a tree is spoiled.
type Spoil = fn(&Tree);

/// What each does, and what must be found (a rule, or any).
const TREES: &[(&str, &str, Spoil)] = &[
    ("bytes that are no text", "HCL001", |t| t.write(HCL, b"\xff\xfe\0")),
    ("a line of 1 MB in HCL", "", |t| t.write(HCL, "x".repeat(1 << 20))),
    ("a line of 1 MB in an answer file", "TXT002", |t| {
        t.write("one/http/user-data", format!("#cloud-config\nx: {}\n", "a".repeat(1 << 20)));
    }),
    ("a line of 1 MB in image.toml", "", |t| {
        t.write(TOML, format!("title = \"{}", "x".repeat(1 << 20)))
    }),
    ("deep brackets", "HCL001", |t| t.write(HCL, "[".repeat(100_000))),
    ("deep blocks", "HCL001", |t| t.write(HCL, "a {\n".repeat(50_000))),
    ("deep templates", "HCL001", |t| t.write(HCL, format!("a = \"{}\"\n", "${".repeat(5_000)))),
    ("deep TOML", "", |t| t.write(TOML, format!("a = {}\n", "[".repeat(100_000)))),
    ("deep YAML", "ANS001", |t| {
        t.write("one/http/user-data", format!("#cloud-config\na: {}\n", "[".repeat(100_000)))
    }),
    ("YAML that unfolds to billions", "ANS001", |t| {
        let more: String = (1..12)
            .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(",")))
            .collect();
        t.write(
            "one/http/user-data",
            format!("#cloud-config\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{more}"),
        );
    }),
    ("deep XML", "ANS001", |t| {
        t.write("one/http/user-data", format!("<?xml version='1.0'?>\n{}", "<a>".repeat(100_000)))
    }),
    ("NUL bytes in a script", "TXT001", |t| {
        t.write("one/scripts/setup.sh", "#!/bin/bash\nset -e\necho \0\n")
    }),
    ("NUL bytes in HCL", "HCL001", |t| t.write(HCL, "a = \0\n")),
    ("NUL bytes in image.toml", "", |t| t.write(TOML, "title = \"\0\"\n")),
    ("an empty template", "", |t| t.write(HCL, "")),
    ("image.toml that is no text", "", |t| t.write(TOML, b"\xff")),
    ("image.toml that is no TOML", "", |t| t.write(TOML, "[[[[")),
    ("a README that is no text", "", |t| t.write("one/README.md", b"# One\n\xff\n")),
    ("a link to its own directory", "LNK004", |t| symlink(".", t.root.join("one/loop")).unwrap()),
    ("two links to each other", "LNK001", |t| {
        symlink("b", t.root.join("one/http/a")).unwrap();
        symlink("a", t.root.join("one/http/b")).unwrap();
    }),
    ("a fragment that links to itself", "", |t| {
        fs::remove_file(t.root.join("one/machine.pkr.hcl")).unwrap();
        symlink("machine.pkr.hcl", t.root.join("one/machine.pkr.hcl")).unwrap();
    }),
    ("a directory where a template should be", "", |t| {
        fs::remove_file(t.root.join(HCL)).unwrap();
        fs::create_dir(t.root.join(HCL)).unwrap();
    }),
    ("a pipe that nobody writes to", "", |t| {
        let path = t.root.join("one/pipe.pkr.hcl");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o644.into(), 0)
            .unwrap();
    }),
];

#[test]
fn hostile_trees_give_findings() {
    let mut wrong = vec![];
    for (what, rule, spoil) in TREES {
        let tree = Tree::small();
        spoil(&tree);
        let started = Instant::now();
        let findings = tree.findings();
        let took = started.elapsed();
        if findings.is_empty() || !(rule.is_empty() || findings.iter().any(|f| f.id == *rule)) {
            let ids: Vec<&str> = findings.iter().map(|f| f.id).collect();
            wrong.push(format!("{what}: {ids:?} without {rule}"));
        }
        // A debug build on a loaded machine; a hang is longer.
        if took > Duration::from_secs(60) {
            wrong.push(format!("{what}: {took:?}"));
        }
        let widest = findings.iter().map(|f| f.to_string().len()).max().unwrap_or(0);
        if widest > 20_000 {
            wrong.push(format!("{what}: a finding of {widest} bytes"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Root reads everything, so this shows nothing there.
#[test]
fn unreadable_files_give_findings() {
    let tree = Tree::small();
    tree.mode("one/http/user-data", 0);
    if fs::read(tree.root.join("one/http/user-data")).is_ok() {
        eprintln!("skipped: this user may read every file");
        return;
    }
    let ids: Vec<&str> = tree.findings().iter().map(|f| f.id).collect();
    assert!(ids.contains(&"TXT001") && ids.contains(&"HCL001"), "{ids:?}");
}

/// Nor do trees without a catalog.
#[test]
fn hostile_foreign_trees_are_survived() {
    for (what, _, spoil) in TREES {
        let tree = Tree::small();
        spoil(&tree);
        for image in ["one", "two"] {
            drop(fs::remove_file(tree.root.join(image).join("image.toml")));
        }
        let report = xtask::validate::foreign::validate(&tree.root);
        assert!(report.targets >= 1, "{what}");
    }
}
