//! What every target of the tree starts from and becomes, as one table that a
//! review reads: a changed pin, size or boot command is a changed line here.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use xtask::catalog::{Catalog, Target};
use xtask::plan::{Options, Plan, Resolver};

fn tree() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Plans of the targets of some images, the same on every host.
fn plans(images: &[&str]) -> BTreeMap<String, Plan> {
    let root = tree();
    let catalog = Catalog::load(&root).unwrap();
    let mut resolver = Resolver::new(&root, &root.join("out"));
    let mine = |t: &&Target| images.contains(&t.image.as_str());
    let mut plans = BTreeMap::new();
    for target in catalog.targets().filter(mine) {
        resolver.load(target).unwrap();
        let plan = resolver.resolve(target, &options(), None).unwrap().plan;
        plans.insert(target.id.clone(), plan);
    }
    plans
}

/// What templates would take from this host.
fn options() -> Options {
    let vars = [
        ("efi_firmware_code", "CODE.fd"),
        ("efi_firmware_vars", "VARS.fd"),
        ("http_proxy", ""),
        ("https_proxy", ""),
        ("no_proxy", ""),
    ];
    Options {
        vars: vars.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..Options::default()
    }
}

/// The parts of a plan that differ between targets.
fn line(plan: &Plan) -> String {
    let text = |name: &str| plan.source.get(name).map_or_else(String::new, ToString::to_string);
    let size = plan.machine;
    format!(
        "{}\n  medium    {}\n  checksum  {}\n  machine   {} MiB, {} CPUs, {} GiB, {} {}\n  artifact  {}\n  boot      {} {}\n",
        plan.target,
        plan.media.url,
        plan.media.checksum,
        size.memory_mib,
        size.cpus,
        size.disk >> 30,
        text("qemu_binary"),
        text("machine_type"),
        plan.artifact.file_name().unwrap().to_string_lossy(),
        text("boot_wait"),
        text("boot_command"),
    )
}

#[test]
fn ubuntu_and_sles_plans() {
    let plans = plans(&["ubuntu", "sles12"]);
    assert_eq!(plans.len(), 31);
    insta::assert_snapshot!(plans.values().map(line).collect::<String>());
}

#[test]
fn debian_plans() {
    let plans = plans(&["debian"]);
    assert_eq!(plans.len(), 14);
    let root = tree().to_string_lossy().into_owned();
    let text = plans.values().map(line).collect::<String>();
    insta::assert_snapshot!(text.replace(&root, "<tree>"));
}

/// One whole plan for each flavor: every argument, file and script.
#[test]
fn whole_plans_of_each_flavor() {
    let plans = plans(&["ubuntu"]);
    let root = tree().to_string_lossy().into_owned();
    for id in
        ["ubuntu-noble-cloudimg-amd64", "ubuntu-noble-flat-arm64", "ubuntu-resolute-lvm-amd64"]
    {
        let mut plan = plans.get(id).unwrap().clone();
        // Where the tree is must not decide the order.
        plan.files.sort_by_key(|path| path.strip_prefix(&root).map(Path::to_owned).ok());
        let text = serde_json::to_string_pretty(&plan).unwrap();
        insta::assert_snapshot!(id, text.replace(&root, "<tree>"));
    }
}

/// What was wrong in images of this kind elsewhere and would be seen in a plan:
/// firmware of the host instead of the target, seeds of another build, media
/// without a checksum or over http, screens and passwords open to anybody.
#[test]
fn known_mistakes_are_in_no_plan() {
    let root = tree();
    let catalog = Catalog::load(&root).unwrap();
    let mut resolver = Resolver::new(&root, &root.join("out"));
    let mut seen = 0;
    for target in catalog.targets() {
        if !["ubuntu", "debian", "sles12"].contains(&target.image.as_str()) {
            continue;
        }
        resolver.load(target).unwrap();
        // Without what xtask finds on this host: the templates' own choice.
        let plan = resolver.resolve(target, &Options::default(), None).unwrap().plan;
        mistakes(&target.id, &plan);
        seen += 1;
    }
    assert!(seen > 35, "{seen}");
}

fn mistakes(id: &str, plan: &Plan) {
    let text = |name: &str| plan.source.get(name).and_then(|v| v.as_str()).unwrap_or_default();
    let arm = id.ends_with("arm64");
    assert_eq!(plan.source.get("efi_boot"), Some(&true.into()), "{id}");
    for name in ["efi_firmware_code", "efi_firmware_vars"] {
        let of_arm = text(name).contains("AAVMF") || text(name).contains("aarch64");
        assert!(!text(name).is_empty() && of_arm == arm, "{id}: {name} {}", text(name));
    }
    let emulator = if arm { "qemu-system-aarch64" } else { "qemu-system-x86_64" };
    assert!(text("qemu_binary").ends_with(emulator), "{id}: {}", text("qemu_binary"));
    assert_eq!(text("vnc_bind_address"), "127.0.0.1", "{id}");
    let password = plan.source.get("ssh_password").map(ToString::to_string);
    assert_eq!(password.as_deref(), Some(r#"{"sensitive":true}"#), "{id}");
    // The seed is a part of the build that uses it.
    let seed = plan.source.get("cd_content").unwrap();
    assert!(seed.get("meta-data").is_some() && seed.get("user-data").is_some(), "{id}");
    let (url, checksum) = (&plan.media.url, &plan.media.checksum);
    if url.contains("://") {
        assert!(url.starts_with("https://"), "{id}: {url}");
        let (base, _) = url.rsplit_once('/').unwrap();
        assert!(checksum.starts_with(&format!("file:{base}/SHA")), "{id}: {checksum}");
    } else if !id.starts_with("sles12") {
        assert!(checksum.starts_with("file:"), "{id}: {checksum}");
    }
}

/// A copy of the archive serves the file and its checksum.
#[test]
fn one_variable_moves_the_medium_and_its_checksum() {
    let root = tree();
    let catalog = Catalog::load(&root).unwrap();
    let mut resolver = Resolver::new(&root, &root.join("out"));
    let base = "https://copy.example/here";
    for id in ["ubuntu-noble-cloudimg-amd64", "ubuntu-noble-flat-arm64", "debian-13-cloudimg-amd64"]
    {
        let target = catalog.targets().find(|target| target.id == id).unwrap();
        resolver.load(target).unwrap();
        let vars = vec![("media_base".to_owned(), base.to_owned())];
        let options = Options { vars, ..Options::default() };
        let media = resolver.resolve(target, &options, None).unwrap().plan.media;
        assert!(media.url.starts_with(base), "{id}: {}", media.url);
        assert!(media.checksum.starts_with(&format!("file:{base}")), "{id}: {}", media.checksum);
    }
}
