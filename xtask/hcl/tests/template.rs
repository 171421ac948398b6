//! Template directories from text, evaluated.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::Path;

use packer_hcl::template::{Inputs, Template};
use packer_hcl::value::Value;

fn inputs() -> Inputs {
    Inputs::new("/work", "1.16.0")
}

fn errors(result: Result<impl Sized, Vec<packer_hcl::diagnostic::Diagnostic>>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

const SIMPLE: &str = r#"
packer {
  required_version = ">= 1.11"
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.1.3"
    }
  }
}

variable "name" {
  type    = string
  default = "rocky"
}

variable "sizes" {
  type    = list(number)
  default = [1, 2]
}

locals {
  title = "${local.base}-${var.name}"
  base  = join
}

locals {
  join = "os"
}

source "qemu" "this" {
  iso_url   = "https://example.org/${var.name}.iso"
  disk_size = var.sizes[0]
  headless  = true
  qemuargs  = [["-m", 4096], ["-smp", "2"]]
}

build {
  name    = "main"
  sources = ["source.qemu.this"]

  provisioner "shell" {
    only         = ["qemu.this"]
    pause_before = "10s"
    inline       = ["echo ${build.Host} ${source.name}"]
  }

  dynamic "provisioner" {
    for_each = var.sizes
    labels   = ["file"]
    content {
      source      = "/tmp/${provisioner.value}"
      destination = "/x"
    }
  }

  post-processor "checksum" {
    output = "sums"
  }
}
"#;

fn simple(text: &str) -> Template {
    let text = text.replace("base  = join", "base  = local.join");
    Template::from_sources(Path::new("rocky9"), &[("rocky9.pkr.hcl", &text)]).unwrap()
}

#[test]
fn a_whole_template() {
    let evaluated = simple(SIMPLE).evaluate(&inputs()).unwrap();
    assert_eq!(evaluated.locals["title"].value, Value::string("os-rocky"));
    let source = &evaluated.builds[0].sources[0];
    assert_eq!(source.id(), "qemu.this");
    assert_eq!(source.body.string("disk_size").unwrap().as_deref(), Some("1"));
    let qemuargs = source.body.string_lists("qemuargs").unwrap().unwrap();
    assert_eq!(qemuargs[0], ["-m", "4096"]);
    let kinds: Vec<&str> =
        source.provisioners.iter().map(|step| step.provisioner_type.as_str()).collect();
    assert_eq!(kinds, ["shell", "file", "file"]);
    assert_eq!(source.provisioners[2].body.string("source").unwrap().as_deref(), Some("/tmp/2"));
    assert_eq!(source.provisioners[0].pause_before.as_secs(), 10);
    let unknown = source.provisioners[0].body.strings("inline").unwrap_err();
    assert!(unknown.detail.contains("build.Host"), "{unknown}");
    assert_eq!(evaluated.packer.required_plugins["qemu"].version, ">= 1.1.3");
}

/// Each name comes from the block's iterator, and provisioners see it.
#[test]
fn sources_made_by_a_dynamic_block() {
    let text = r#"
source "file" "base" {}
build {
  dynamic "source" {
    for_each = { a = 1, b = 2 }
    labels   = ["file.base"]
    content {
      name   = source.key
      target = "${source.value}.txt"
    }
  }
  provisioner "shell-local" {
    inline = ["echo ${source.name}"]
  }
}
"#;
    let template = Template::from_sources(Path::new("x"), &[("x.pkr.hcl", text)]).unwrap();
    let sources = &template.evaluate(&inputs()).unwrap().builds[0].sources;
    let seen: Vec<_> = sources
        .iter()
        .map(|s| {
            let inline = s.provisioners[0].body.strings("inline").unwrap().unwrap();
            (s.id(), s.body.string("target").unwrap().unwrap(), inline[0].clone())
        })
        .collect();
    let text = |id: &str, target: &str, line: &str| (id.into(), target.into(), line.into());
    assert_eq!(seen, [text("file.a", "1.txt", "echo a"), text("file.b", "2.txt", "echo b")]);
}

#[test]
fn build_values_become_known() {
    let evaluated = simple(SIMPLE).evaluate(&inputs()).unwrap();
    let host = [("Host".to_owned(), Value::string("127.0.0.1"))].into();
    let evaluated = evaluated.with_build_values(host).unwrap();
    let inline = evaluated.builds[0].sources[0].provisioners[0].body.strings("inline");
    assert_eq!(inline.unwrap().unwrap(), ["echo 127.0.0.1 this"]);
}

#[test]
fn errors_show_the_place() {
    let text = SIMPLE.replace("var.name}.iso", "var.nane}.iso");
    let shown = errors(simple(&text).evaluate(&inputs())).join("\n");
    let want = "\
error: Unsupported attribute
  --> rocky9/rocky9.pkr.hcl:32:42
   |
32 |   iso_url   = \"https://example.org/${var.nane}.iso\"
   |                                          ^^^^ did you mean `name`?
   = This object does not have an attribute named \"nane\".";
    assert_eq!(shown, want);
}

/// HCL's own words name the key that is missing; what there is instead stands
/// below the marked text.
#[test]
fn what_is_not_there_is_named_with_what_there_is() {
    let many = "{ for n in range(13) : n => n }";
    for (expr, remark) in [
        ("{ amd64 = 1, arm64 = 2 }[\"amd46\"]", "there is no `amd46`: did you mean `amd64`?"),
        ("{ amd64 = 1, arm64 = 2 }[\"s390\"]", "there is no `s390`; known: `amd64`, `arm64`"),
        ("{ amd64 = 1 }.s390", "known: `amd64`"),
        ("var.sizes[2]", "the index is 2, that of the last element 1"),
        (&format!("{many}[\"none\"]"), "^^ there is no `none`\n"),
        ("sizes[0]", "did you mean `var.sizes`?"),
        ("local.nothing", "known: `title`, `base`, `join`"),
        ("lenght(var.sizes)", "did you mean `length`?"),
    ] {
        let text = SIMPLE.replace("base  = join", &format!("base = {expr}"));
        let shown = errors(simple(&text).evaluate(&inputs())).join("\n");
        assert!(shown.contains(remark), "{expr}\n{shown}");
    }
}

#[test]
fn what_is_written_wrongly_is_shown_how() {
    for (old, new, remark) in [
        ("type    = string", "type    = strng", "did you mean `string`?"),
        ("type    = string", "type    = text", "known: `string`, `number`, `bool`, `any`"),
        ("list(number)", "array(number)", "known: `list`, `set`, `map`, `object`, `tuple`"),
        ("default = \"rocky\"", "default = local.base", "what is computed goes into a local"),
        ("default = \"rocky\"", "default = upper(\"a\")", "no function named"),
        ("\">= 1.1.3\"", "\"newest\"", "for example `>= 1.1.3`"),
        ("\">= 1.1.3\"", "\">= 1.1.3-rc1\"", "leave out what follows the dash"),
        ("sources = [\"source.qemu.this\"]", "", "sources = [\"source.qemu.NAME\"]"),
        ("  join = \"os\"", "  join = \"os\"\n  map {}", "an object is written `map = { ... }`"),
        ("  type    = string", "  kind = 1", "known: `description`, `default`, `type`"),
    ] {
        assert!(SIMPLE.contains(old), "{old}");
        let template = Template::from_sources(
            Path::new("rocky9"),
            &[("rocky9.pkr.hcl", &*SIMPLE.replacen(old, new, 1))],
        );
        let shown = errors(template.and_then(|template| template.evaluate(&inputs()))).join("\n");
        assert!(shown.contains(remark), "{new}\n{shown}");
    }
}
