//! Every rule of `validate` finds its mistake, on the right line, and nothing
//! else; clean trees have no findings. Mistakes are data: `own.toml` spoils this
//! repository's images, `small.toml` a synthetic tree.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod foreign;
mod hostile;
mod sarif;
mod seeds;
mod tree;

use std::fs;
use std::os::unix::fs::symlink;

use tree::Tree;
use xtask::finding::Findings;

const HCL: &str = "one/one.pkr.hcl";
const TWO: &str = "two/two.pkr.hcl";
const TOML: &str = "one/image.toml";

/// The rule, and what breaks it.
type Spoil = (&'static str, fn(&Tree));

/// Mistakes that are no replacement in one file.
#[test]
fn mistakes_in_the_tree() {
    let spoil: &[Spoil] = &[
        ("LNK001", |t| fs::remove_file(t.root.join("common/hcl/machine.pkr.hcl")).unwrap()),
        ("LNK002", |t| symlink("/etc/hostname", t.root.join("one/http/x")).unwrap()),
        ("LNK003", |t| symlink("../../../x", t.root.join("one/http/x")).unwrap()),
        ("LNK004", |t| symlink("../two/two.pkr.hcl", t.root.join("one/README.two")).unwrap()),
        ("LNK005", |t| {
            fs::remove_file(t.root.join("one/machine.pkr.hcl")).unwrap();
            t.write("one/machine.pkr.hcl", "../common/hcl/machine.pkr.hcl");
        }),
        ("RUN001", |t| t.mode("one/scripts/setup.sh", 0o644)),
        ("RUN001", |t| {
            fs::create_dir(t.root.join("one/curtin")).unwrap();
            t.write("one/curtin/curtin-hooks", "print()\n");
        }),
        ("MAA003", |t| {
            t.replace(TOML, "kind = \"tgz\"", "kind = \"ddgz\"");
            t.replace(TOML, "custom/one-{release}", "suse/sles{release}");
        }),
        ("REF002", |t| t.write("one/http/old.ks", "# synthetic\n")),
        ("DUP001", |t| t.write("two/scripts/setup.sh", t.read("one/scripts/setup.sh"))),
        ("TXT001", |t| t.write("one/scripts/x.sh", b"#!/bin/sh\nset -e\necho \xff\n")),
        ("TXT002", |t| {
            t.write("one/http/user-data", format!("#cloud-config\nx: {}\n", "a".repeat(1 << 20)))
        }),
        ("DOC002", |t| fs::remove_file(t.root.join("one/README.md")).unwrap()),
        ("SRC001", |t| {
            let text = t.read("two/two.pkr.hcl");
            let start = text.find("source \"qemu\"").unwrap();
            let end = text.find("build {").unwrap();
            let more = text.get(start..end).unwrap().replace("\"two\"", "\"three\"");
            let sources = "[\"source.qemu.two\", \"source.qemu.three\"]";
            t.write(TWO, format!("{more}{}", text.replace("[\"source.qemu.two\"]", sources)));
        }),
    ];
    for (rule, spoil) in spoil {
        let tree = Tree::small();
        spoil(&tree);
        let findings = tree.findings();
        let found = findings.iter().any(|f| f.id == *rule);
        assert!(found, "{rule} is silent:\n{}", Findings(findings));
    }
}

#[test]
fn image_toml_allows_with_a_reason() {
    let tree = Tree::small();
    tree.replace(HCL, "\"127.0.0.1\"", "\"0.0.0.0\"");
    let allow = "[contract]\nexceptions = [{ rule = \"VNC001\", reason = \"a lab\" }]\n\n[maas]";
    tree.replace(TOML, "[maas]", allow);
    let findings = tree.findings();
    assert!(findings.is_empty(), "{}", Findings(findings));
}

/// A password or path that somebody gave is theirs.
#[test]
fn what_the_user_gives_is_no_finding() {
    let tree = Tree::small();
    tree.replace(
        HCL,
        "\"https://example.org/${local.codenames[var.release]}/${var.architecture}.iso\"",
        "\"http://127.0.0.1:8000/${local.codenames[var.release]}/${var.architecture}.iso\"",
    );
    assert!(tree.findings().is_empty());
}
