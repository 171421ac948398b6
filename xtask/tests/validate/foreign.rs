//! Trees of somebody else's.

use std::fs;

use xtask::finding::Findings;

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
    (
        "data/d.pkr.hcl",
        "data \"http\" \"sums\" {\n  url = \"https://example.org/SHA256SUMS\"\n}\n\nsource \"null\" \"x\" {\n  communicator = \"none\"\n  ssh_host     = data.http.sums.body\n}\n\nbuild {\n  sources = [\"source.null.x\"]\n}\n",
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
    assert!(ids_in("data").iter().all(|id| *id == "PLG003"), "{shown}");
    assert_eq!(report.targets, 4);
    let skipped: Vec<&str> = report.skipped.iter().map(String::as_str).collect();
    let said = |dir: &str, what: &str| skipped.iter().any(|s| s.contains(dir) && s.contains(what));
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    assert!(said("unset/deep", "iso") && said("data", "a data source"), "{skipped:?}");
}
