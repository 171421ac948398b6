//! Every target of the tree resolves to the same plan as yesterday. One snapshot
//! per image: what decides a build, one line each, and the digest of what is
//! rendered. Four answer files are kept whole, one per kind.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use packer_hcl::body::Body;
use xtask::catalog::{Catalog, Image, Target};
use xtask::plan::{Options, Resolved, Resolver};
use xtask::validate::documents::{Document, Documents};
use xtask::validate::external;

/// Directories whose snapshots this test keeps: what an installer makes.
fn is_installed(image: &Image) -> bool {
    image.dir.join("installer.pkr.hcl").exists()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Values that would otherwise come from the environment of whoever runs this.
const ENVIRONMENT: [&str; 5] =
    ["http_proxy", "https_proxy", "no_proxy", "iso_path", "registration_code"];

fn resolve(image: &Image, target: &Target) -> Resolved {
    let root = root();
    let mut resolver = Resolver::new(&root, &root.join("out"));
    resolver.load(target).unwrap();
    let text: String = std::fs::read_dir(&image.dir)
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().ends_with(".pkr.hcl"))
        .map(|e| std::fs::read_to_string(e.path()).unwrap())
        .collect();
    let declared = |name: &&&str| text.contains(&format!("variable \"{name}\""));
    let vars = ENVIRONMENT.iter().filter(declared).map(|n| ((*n).to_owned(), String::new()));
    let options = Options { vars: vars.collect(), ..Options::default() };
    resolver.resolve(target, &options, None).unwrap_or_else(|f| panic!("{}: {f:?}", target.id))
}

/// FNV-1a, 64 bits: enough to see that a text changed.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn rendered(body: &Body) -> Vec<(String, String)> {
    let names = ["http_content", "cd_content"];
    let maps = names.iter().filter_map(|name| body.attribute(name)?.value.as_mapping());
    maps.flatten()
        .map(|(k, v)| (k.to_string(), v.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn boot_command(body: &Body) -> String {
    let Some(attribute) = body.attribute("boot_command") else { return String::new() };
    let parts = attribute.value.as_sequence().unwrap_or_default();
    parts.iter().filter_map(packer_hcl::value::Value::as_str).collect()
}

fn summary(target: &Target, resolved: &Resolved) -> String {
    let (plan, body) = (&resolved.plan, &resolved.source.body);
    let mut text = format!("{}\n", target.id);
    let mut line = |name: &str, value: String| writeln!(text, "  {name:<9} {value}").unwrap();
    line("media", plan.media.url.clone());
    line("checksum", plan.media.checksum.clone());
    let size = plan.machine;
    line(
        "machine",
        format!("{} CPUs, {} MiB, {} GiB", size.cpus, size.memory_mib, size.disk >> 30),
    );
    line("keys", boot_command(body));
    for (name, content) in rendered(body) {
        line(
            "answers",
            format!("{name} {} lines {:016x}", content.lines().count(), digest(&content)),
        );
    }
    let maas = &target.facts.maas;
    line("maas", format!("{} base {}", maas.name, maas.base_image.as_deref().unwrap_or("-")));
    text
}

/// Long lines are encoded files; their digest is in the summary.
fn readable(text: &str) -> String {
    let short = |line: &str| match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    };
    text.lines().map(short).collect::<Vec<_>>().join("\n")
}

#[test]
fn plans_of_every_installed_image() {
    let catalog = Catalog::load(&root()).unwrap();
    let mut images = 0;
    for image in catalog.images.iter().filter(|i| is_installed(i)) {
        images += 1;
        let all = image.targets.iter().map(|t| summary(t, &resolve(image, t)));
        insta::assert_snapshot!(image.name.clone(), all.collect::<String>());
    }
    assert!(images >= 20, "{images} images");
}

#[test]
fn answer_files_of_each_kind() {
    let catalog = Catalog::load(&root()).unwrap();
    for id in ["rocky9-amd64", "rhel7-amd64", "sles15-amd64", "sles16-amd64"] {
        let target = catalog.targets().find(|t| t.id == id).unwrap();
        let image = catalog.image(&target.image).unwrap();
        let resolved = resolve(image, target);
        let (_, text) = rendered(&resolved.source.body).remove(0);
        insta::assert_snapshot!(format!("answers-{id}"), readable(&text));
    }
}

/// Values that quoting and escaping have to survive, and every branch of the
/// answer files.
const KNOBS: [&[(&str, &str)]; 4] = [
    &[
        ("mirror", "http://mirror.example/it's"),
        ("repositories", r#"{"extra"="https://repo.example/x?a=1&b=2"}"#),
        ("https_proxy", "http://user:pa$$'word@proxy.example:3128"),
    ],
    &[("http_proxy", "http://proxy.example:3128"), ("kernel", "kernel-5.14.0")],
    &[
        ("locale", "de_DE.UTF-8"),
        ("timezone", "Europe/Berlin"),
        ("extra_packages", r#"["vim-enhanced", "@development"]"#),
    ],
    &[("media_base", "http://127.0.0.1:8000"), ("package_directory", "/var/tmp")],
];

/// `cargo test -p xtask --test plans -- --ignored`
#[test]
#[ignore = "runs ksvalidator, shellcheck and xmllint some hundred times; needs all three"]
fn answer_files_are_valid_with_every_knob() {
    let root = root();
    let catalog = Catalog::load(&root).unwrap();
    let mut documents = Documents::default();
    for image in catalog.images.iter().filter(|i| is_installed(i)) {
        for (target, knobs) in image.targets.iter().flat_map(|t| KNOBS.map(|k| (t, k))) {
            let mut resolver = Resolver::new(&root, &root.join("out"));
            resolver.load(target).unwrap();
            let vars = knobs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            let options = Options { vars: vars.collect(), ..Options::default() };
            let resolved = resolver.resolve(target, &options, None).unwrap();
            for (name, text) in rendered(&resolved.source.body) {
                let document = Document { file: image.name.clone().into(), name, text };
                documents.texts.entry(document).or_default().targets.push(target.id.clone());
            }
        }
    }
    let outcome = external::check(&root, &documents, tempfile::tempdir().unwrap().path());
    assert_eq!(outcome.skipped, Vec::<String>::new());
    let shown: Vec<String> = outcome.findings.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "{} findings:\n{}", shown.len(), shown.join("\n"));
    assert!(documents.texts.len() >= 100, "{} documents", documents.texts.len());
}
