//! Every rule of `validate` finds its mistake, on the right line, and nothing
//! else; a clean tree has no findings. The tree is in fixtures/validate/tree
//! (synthetic); each case spoils one thing in a copy of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use xtask::catalog::{Catalog, Image, Target};
use xtask::finding::{Finding, Findings};
use xtask::plan::Options;
use xtask::repo::Repo;
use xtask::validate::validate;

/// A copy of the clean tree.
struct Tree {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/validate/tree");
        copy(&from, &root);
        Self { _dir: dir, root }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap()
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        fs::write(self.root.join(file), text).unwrap();
    }

    /// Replaces a text that stands in the file once.
    fn replace(&self, file: &str, old: &str, new: &str) {
        let text = self.read(file);
        assert_eq!(text.matches(old).count(), 1, "{file}: {old}");
        self.write(file, text.replace(old, new));
    }

    fn mode(&self, file: &str, mode: u32) {
        fs::set_permissions(self.root.join(file), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn findings(&self) -> Vec<Finding> {
        let repo = Repo {
            root: self.root.clone(),
            out: self.root.join("out"),
            media: self.root.join("media"),
        };
        let catalog = match Catalog::load(&self.root) {
            Ok(catalog) => catalog,
            Err(findings) => return findings,
        };
        let images: Vec<&Image> = catalog.images.iter().collect();
        let targets: Vec<&Target> = catalog.targets().collect();
        validate(&repo, &images, &targets, &Options::default()).findings
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let to = to.join(entry.file_name());
        if kind.is_symlink() {
            symlink(fs::read_link(&path).unwrap(), to).unwrap();
        } else if kind.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// The rule, the file that is spoiled, what is replaced, by what, and the line
/// that must be shown: one that contains this text, or none.
struct Case(&'static str, &'static str, &'static str, &'static str, Option<&'static str>);

const HCL: &str = "one/one.pkr.hcl";
const TWO: &str = "two/two.pkr.hcl";
const TOML: &str = "one/image.toml";
const README: &str = "one/README.md";

/// Aligned as the formatter leaves it.
const CASES: &[Case] = &[
    Case(
        "HCL001",
        HCL,
        "  disk_size         = \"8G\"\n",
        "  disk_size         = \"8G\n",
        Some("\"8G"),
    ),
    Case("HCL001", HCL, "var.firmware_code", "var.firmware_kode", Some("var.firmware_kode")),
    Case("HCL001", HCL, "local.password", "lokal.password", Some("lokal.password")),
    Case(
        "HCL001",
        HCL,
        "  headless          = true",
        "  headless          = nope(1)",
        Some("nope"),
    ),
    Case("HCL001", HCL, "http/user-data\"", "http/user-dat\"", Some("http/user-dat")),
    Case("HCL001", HCL, "default     = \"9\"\n", "default     = [\"9\"]\n", Some("[\"9\"]")),
    Case("HCL001", HCL, "source.qemu.one", "source.qemu.won", Some("build {")),
    Case(
        "HCL001",
        "common/hcl/machine.pkr.hcl",
        "type        = string\n  default     = null",
        "type        = strin\n  default     = null",
        Some("strin"),
    ),
    Case("VAR001", HCL, "accelerator       = var.accelerator\n", "", None),
    Case("VAR002", TOML, "release = \"release\"", "release = \"relese\"", Some("relese")),
    Case("VAR003", HCL, "default     = \"9\"\n", "default     = \"7\"\n", None),
    Case("VAR004", HCL, "  description = \"8 or 9.\"\n", "", Some("variable \"release\"")),
    Case(
        "VAR004",
        HCL,
        "  type        = string\n  default     = \"9\"",
        "  default     = \"9\"",
        Some("variable \"release\""),
    ),
    Case("REF001", HCL, "scripts/setup.sh", "scripts/set-up.sh", Some("set-up.sh")),
    Case("SRC003", HCL, "cpu_model         =", "cpu_modell        =", Some("cpu_modell")),
    Case(
        "SRC003",
        HCL,
        "  headless          = true\n",
        "  headless          = true\n\n  qemu_image_args {\n    create = []\n  }\n",
        Some("qemu_image_args"),
    ),
    Case("SRC004", HCL, "    scripts = [\"", "    skripts = [\"", Some("skripts")),
    Case("SRC004", HCL, "provisioner \"shell\"", "provisioner \"shel\"", None),
    Case(
        "SRC004",
        HCL,
        "    inline = [\"echo done\"]",
        "    inlin = [\"echo done\"]",
        Some("inlin ="),
    ),
    Case("SRC004", HCL, "post-processor \"shell-local\"", "post-processor \"shell-remote\"", None),
    Case(
        "PLG001",
        HCL,
        "source  = \"github.com/hashicorp/qemu\"",
        "source  = \"github.com/hashicorp/quemu\"",
        None,
    ),
    Case("PLG002", HCL, "version = \">= 1.1.3\"", "version = \">= 1.1.0\"", None),
    Case("PLG002", HCL, "version = \">= 1.1.3\"", "version = \">= 1.1.3, < 1.1.0\"", None),
    Case("PLG003", HCL, "  required_version = \">= 1.11.0\"\n", "", None),
    Case(
        "MED001",
        HCL,
        "= \"file:https://example.org/${local.codenames[var.release]}/SHA256SUMS\"",
        "= \"none\"",
        Some("iso_checksum"),
    ),
    Case(
        "MED002",
        HCL,
        "\"https://example.org/${local.codenames[var.release]}/${var.architecture}.iso\"",
        "\"http://example.org/${local.codenames[var.release]}/${var.architecture}.iso\"",
        Some("http://example.org"),
    ),
    Case("MED002", HCL, "\"file:https://", "\"file:http://", Some("file:http://")),
    Case(
        "MED003",
        HCL,
        "\"https://example.org/${local.codenames[var.release]}/${var.architecture}.iso\"",
        "try(local.codename.one, \"\")",
        Some("local.codename"),
    ),
    Case(
        "MED004",
        TOML,
        "kind = \"download\"",
        "kind = \"download\"\nsigned_by = \"one\"",
        Some("signed_by"),
    ),
    Case("VNC001", HCL, "\"127.0.0.1\"", "\"0.0.0.0\"", Some("0.0.0.0")),
    Case(
        "SEC001",
        HCL,
        "ssh_password      = local.password",
        "ssh_password      = \"packer\"",
        Some("\"packer\""),
    ),
    Case(
        "NET001",
        HCL,
        "  cpu_model ",
        "  http_port_min     = 8080\n  http_port_max     = 8080\n  cpu_model ",
        Some("http_port_min"),
    ),
    Case(
        "NET001",
        HCL,
        "  cpu_model ",
        "  host_port_min     = 2222\n  host_port_max     = 2222\n  cpu_model ",
        Some("host_port_min"),
    ),
    Case("OUT001", HCL, "\"output-${local.target}\"", "\"output-one\"", Some("output-one")),
    Case(
        "OUT001",
        HCL,
        "\"output-${local.target}\"",
        "\"output-${var.architecture}\"",
        Some("output-"),
    ),
    Case(
        "FW001",
        HCL,
        "var.firmware_code",
        "\"/usr/share/OVMF/OVMF_CODE.fd\"",
        Some("OVMF_CODE.fd"),
    ),
    Case(
        "FW001",
        HCL,
        "[\"-serial\", \"file:serial.log\"]",
        "[\"-bios\", \"/usr/share/AAVMF/QEMU_EFI.fd\"]",
        Some("-bios"),
    ),
    Case("ACC001", HCL, "= var.accelerator", "= \"kvm\"", Some("\"kvm\"")),
    Case("ACC001", HCL, "= \"max\"", "= \"host\"", Some("\"host\"")),
    Case(
        "ACC001",
        HCL,
        "[\"-serial\", \"file:serial.log\"]",
        "[\"-machine\", \"q35,accel=kvm\"]",
        Some("accel=kvm"),
    ),
    Case("ACC001", HCL, "[\"-serial\", \"file:serial.log\"]", "[\"-cpu\", \"host\"]", Some("-cpu")),
    Case(
        "QMU001",
        HCL,
        "[\"-serial\", \"file:serial.log\"]",
        "[\"-drive\", \"file=x,if=virtio\"]",
        Some("-drive"),
    ),
    Case(
        "QMU001",
        HCL,
        "[\"-serial\", \"file:serial.log\"]",
        "[\"-netdev\", \"user,id=n\"]",
        Some("-netdev"),
    ),
    Case(
        "QMU001",
        HCL,
        "= [[\"-serial\", \"file:serial.log\"]]",
        "= [[\"-device\", \"virtio-rng-pci\"]]\n  cdrom_interface   = \"virtio-scsi\"",
        Some("-device"),
    ),
    Case(
        "PTH001",
        HCL,
        "file(\"${abspath(path.root)}/http/user-data\")",
        "file(\"${path.root}/http/user-data\")",
        Some("path.root}/http"),
    ),
    Case(
        "MAA001",
        TOML,
        "name = \"custom/one-{release}\"",
        "name = \"debian/one-{release}\"",
        Some("name ="),
    ),
    Case(
        "MAA001",
        TOML,
        "name = \"custom/one-{release}\"",
        "name = \"custom/one/{release}\"",
        Some("name ="),
    ),
    Case("MAA002", TOML, "\"ubuntu/noble\"", "\"debian/trixie\"", Some("base_image")),
    Case(
        "MAA002",
        TOML,
        "name = \"custom/one-{release}\"",
        "name = \"rhel/one-{release}\"",
        Some("base_image"),
    ),
    Case("MAA004", TOML, "\"cloud-user\"", "\"root\"", Some("login_user")),
    Case("DOC002", README, "## Needs\n", "", None),
    Case("DOC003", README, "| `release` | string | release |\n", "", Some("## Knobs")),
    Case("DOC003", README, "| `architecture` |", "| `architecture` `flavour` |", Some("flavour")),
    Case("DOC004", README, "custom/one-9", "custom/one-7", Some("custom/one-7")),
    Case("RUN001", "one/scripts/setup.sh", "#!/bin/bash\n", "", None),
    Case("RUN002", "one/scripts/setup.sh", "set -euo pipefail\n", "", Some("#!/bin/bash")),
    Case("TXT001", "one/scripts/setup.sh", "#!/bin/bash\n", "#!/bin/bash\r\n", Some("#!/bin/bash")),
    Case("TXT001", "one/scripts/setup.sh", "echo three", "echo \0three", Some("three")),
    Case("CAT001", TOML, "login_user", "log_in_user", Some("log_in_user")),
    Case("CAT002", TOML, "title = \"One\"", "title = One", Some("title = One")),
    Case("CAT004", TOML, "\"3.3\"", "3.3", Some("min_version")),
    Case("CAT005", TOML, "family = \"el\"", "family = \"elf\"", Some("\"elf\"")),
    Case("CAT007", TOML, "release = \"9\"", "release = \"10\"", Some("release")),
    Case(
        "FMT001",
        HCL,
        "  headless          = true",
        "  headless = true",
        Some("  headless = true"),
    ),
];

/// Rules whose case spoils what others look at as well.
const ALSO: &[(&str, &[&str])] = &[
    // A script that is gone is not used either.
    ("REF001", &["REF002"]),
    // The name of the artifact and the upload line follow from it.
    ("MAA001", &["DOC004"]),
    ("MAA002", &["DOC004"]),
    // Without its interpreter line nothing says that it is a shell script.
    ("RUN001", &["RUN002"]),
    ("SRC004", &["SRC002", "REF002"]),
    ("SRC003", &["SRC002"]),
    ("CAT001", &["CAT007"]),
    // What is written out is not taken from the variable.
    ("FW001", &["VAR001"]),
    ("ACC001", &["VAR001"]),
    // A text that cannot be evaluated any more.
    ("TXT001", &[]),
];

fn others_allowed(rule: &str) -> &'static [&'static str] {
    ALSO.iter().find(|(id, _)| *id == rule).map_or(&[], |(_, others)| *others)
}

#[test]
fn a_clean_tree_has_no_findings() {
    let findings = Tree::new().findings();
    assert!(findings.is_empty(), "{}", Findings(findings));
}

#[test]
fn every_mistake_is_found_on_its_line() {
    let wrong: Vec<String> = CASES.iter().filter_map(misses).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n\n"));
}

/// What `validate` gets wrong about a case.
fn misses(Case(rule, file, old, new, line): &Case) -> Option<String> {
    let tree = Tree::new();
    tree.replace(file, old, new);
    let findings = tree.findings();
    let mut mine = findings.iter().filter(|f| f.id == *rule).peekable();
    let silent = mine.peek().is_none();
    let hit = |line: &str| mine.any(|f| f.place.text.contains(line) && f.place.line > 0);
    let elsewhere = !line.is_none_or(hit);
    let allowed = others_allowed(rule);
    // Alignment is lost with the line that was the longest; which of the outside
    // validators this host has is not the question here.
    let expected =
        |id: &str| id == *rule || id == "FMT001" || id.starts_with("EXT") || allowed.contains(&id);
    let noise = !findings.iter().all(|f| expected(f.id));
    let what = match (silent, elsewhere, noise) {
        (true, _, _) => "is silent",
        (_, true, _) => "shows another line",
        (_, _, true) => "is not alone",
        _ => return None,
    };
    Some(format!("{rule} {what}, `{new}`:\n{}", Findings(findings)))
}

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
        let tree = Tree::new();
        spoil(&tree);
        let findings = tree.findings();
        let found = findings.iter().any(|f| f.id == *rule);
        assert!(found, "{rule} is silent:\n{}", Findings(findings));
    }
}

#[test]
fn image_toml_allows_with_a_reason() {
    let tree = Tree::new();
    tree.replace(HCL, "\"127.0.0.1\"", "\"0.0.0.0\"");
    let allow = "[contract]\nexceptions = [{ rule = \"VNC001\", reason = \"a lab\" }]\n\n[maas]";
    tree.replace(TOML, "[maas]", allow);
    let findings = tree.findings();
    assert!(findings.is_empty(), "{}", Findings(findings));
}

/// A password or path that somebody gave is theirs.
#[test]
fn what_the_user_gives_is_no_finding() {
    let tree = Tree::new();
    tree.replace(
        HCL,
        "\"https://example.org/${local.codenames[var.release]}/${var.architecture}.iso\"",
        "\"http://127.0.0.1:8000/${local.codenames[var.release]}/${var.architecture}.iso\"",
    );
    assert!(tree.findings().is_empty());
}

/// Odd trees give findings, never a panic or a hang.
#[test]
fn damaged_files_give_findings() {
    let spoil: &[fn(&Tree)] = &[
        |t| t.write(HCL, b"\xff\xfe\0"),
        |t| t.write(HCL, "x".repeat(1 << 20)),
        |t| t.write(HCL, "[".repeat(100_000)),
        |t| t.write(HCL, format!("a = \"{}\"\n", "${".repeat(5_000))),
        |t| t.write(HCL, ""),
        |t| t.write(TOML, b"\xff"),
        |t| t.write(TOML, "[[[["),
        |t| symlink(".", t.root.join("one/loop")).unwrap(),
    ];
    for (index, spoil) in spoil.iter().enumerate() {
        let tree = Tree::new();
        spoil(&tree);
        assert!(!tree.findings().is_empty(), "case {index}");
    }
}

/// Every rule that `explain` knows is either spoiled here or listed with the
/// place that tests it.
#[test]
fn every_rule_has_a_case() {
    let elsewhere = [
        "CAT003", "CAT006", // catalog/tests.rs
        "HCL002", // a warning of Packer that no clean change of this tree gives
        "SRC002", // engine/decode/tests.rs
        "DOC001", // verbs/docs.rs
        "EXT001", "EXT002", "EXT003", "EXT004", // validate/external.rs
        "PKR001", "PKR002", // real Packer: tests/packer.rs
    ];
    let text = include_str!("validate.rs");
    for rule in xtask::rules::RULES {
        let named = text.contains(&format!("\"{}\",", rule.id));
        assert!(named || elsewhere.contains(&rule.id), "no case for {}", rule.id);
    }
}

/// A tree of somebody else's: no image.toml, a README that says nothing, one
/// directory per template (synthetic).
const FOREIGN: &[(&str, &str)] = &[
    ("README.md", "somebody's tree\n"),
    (
        "bad/os.pkr.hcl",
        "packer {\n  required_plugins {\n    qemu = {\n      source  = \"github.com/hashicorp/qemu\"\n      version = \"~> 1\"\n    }\n  }\n}\n\nvariable \"iso\" {\n  type    = string\n  default = \"http://example.org/os.iso\"\n}\n\nsource \"qemu\" \"os\" {\n  iso_url           = var.iso\n  iso_checksum      = \"none\"\n  accelerator       = \"kvm\"\n  efi_firmware_code = \"/usr/share/OVMF/OVMF_CODE.fd\"\n  vnc_bind_address  = \"0.0.0.0\"\n  ssh_username      = \"root\"\n  ssh_password      = \"packer\"\n  http_content      = { \"/ks\" = file(\"${path.root}/ks.cfg\") }\n}\n\nbuild {\n  sources = [\"source.qemu.os\"]\n  provisioner \"shell\" {\n    script = \"setup.sh\"\n  }\n}\n",
    ),
    ("bad/ks.cfg", "text\n"),
    // Everything valid that a scanner may stumble over.
    (
        "odd/odd.pkr.hcl",
        "locals {\n  text = <<-EOT\n    $${not} %%{this} \"quotes\" # no comment\n      deeper\n  EOT\n  list = [for k, v in { a = 1, \"b c\" = 2 } : \"${k}=${v}\" if v != 1]\n  more = { for s in [\"x\"] : s => upper(s)... }\n  one  = try(local.list[0], null) == null ? \"n\" : <<EOT\n%{for x in local.list~}\n${x}\n%{endfor~}\nEOT\n  /* a\n     comment */ two = local.list[*]\n}\n\nsource \"null\" \"x\" {\n  communicator = \"none\"\n}\n\nbuild {\n  name = \"odd\"\n  source \"null.x\" {\n    name = \"y\"\n  }\n  dynamic \"provisioner\" {\n    labels   = [\"shell-local\"]\n    for_each = [\"a\", \"b\"]\n    content {\n      inline = [\"echo ${provisioner.value} ${local.text} ${jsonencode(local.more)} ${local.one} ${join(\",\", local.two)}\"]\n    }\n  }\n}\n",
    ),
    ("odd/ks.pkrtpl.hcl", "%{ if x }this is no configuration\n${x}\n%{ endif }\n"),
    (
        "unset/deep/u.pkr.hcl",
        "variable \"iso\" {\n  type = string\n}\n\nsource \"null\" \"x\" {\n  communicator = \"none\"\n  ssh_host     = var.iso\n}\n\nbuild {\n  sources = [\"source.null.x\"]\n}\n",
    ),
    (".git/x.pkr.hcl", "not HCL {{{"),
];

#[test]
fn a_foreign_tree_is_judged_without_a_catalog() {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in FOREIGN {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let report = xtask::validate::foreign::validate(dir.path());
    let shown = Findings(report.findings.clone()).to_string();
    let ids_in = |name: &str| {
        let mine = report.findings.iter().filter(|f| f.place.file.starts_with(name));
        let mut ids: Vec<&str> = mine.map(|f| f.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let expected = [
        "ACC001", "FW001", "MED001", "MED002", "PLG002", "PLG003", "PTH001", "REF001", "SEC001",
        "VNC001",
    ];
    assert_eq!(ids_in("bad"), expected, "{shown}");
    let odd = ids_in("odd");
    assert!(odd.iter().all(|id| ["PLG003", "FMT001"].contains(id)), "{shown}");
    assert_eq!(ids_in("unset"), Vec::<&str>::new(), "{shown}");
    assert_eq!(report.targets, 3);
    assert_eq!(report.skipped.len(), 1, "{:?}", report.skipped);
    assert!(report.skipped.iter().all(|skip| skip.contains("unset/deep") && skip.contains("iso")));
}
