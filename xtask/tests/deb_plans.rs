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
