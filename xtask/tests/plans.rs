//! Every target of the tree resolves to the same plan as yesterday. One snapshot
//! per image: what decides a build, one line each, and the digest of what is
//! rendered. Four answer files are kept whole, one per kind.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[path = "standin/menu.rs"]
mod menu;

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
const ENVIRONMENT: [&str; 7] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "iso_path",
    "registration_code",
    "vhdx_path",
    "virtio_win_iso",
];

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

/// What a machine for Windows, ESXi or XenServer has, beside the summary.
fn devices(resolved: &Resolved) -> String {
    let names = [
        "communicator",
        "disk_image",
        "disk_interface",
        "efi_boot",
        "format",
        "net_device",
        "qemuargs",
        "skip_resize_disk",
        "vtpm",
    ];
    let body = &resolved.source.body;
    let found = names.iter().filter_map(|name| Some((name, body.attribute(name)?)));
    found.map(|(name, value)| format!("  {name:<9} {}\n", value.value.to_plan_json())).collect()
}

const FOREIGN: [&str; 3] = ["windows", "vmware-esxi", "xenserver8"];

#[test]
fn plans_of_every_release_of_windows_esxi_and_xenserver() {
    let catalog = Catalog::load(&root()).unwrap();
    for name in FOREIGN {
        let image = catalog.image(name).unwrap();
        let all = image.targets.iter().map(|target| {
            let resolved = resolve(image, target);
            let text = summary(target, &resolved) + &devices(&resolved);
            text.replace(root().to_str().unwrap(), ".")
        });
        insta::assert_snapshot!(name, all.collect::<String>());
    }
}

#[test]
fn answer_files_of_windows_esxi_and_xenserver() {
    let catalog = Catalog::load(&root()).unwrap();
    for (id, name) in [
        ("windows-2022-iso-amd64", "Autounattend.xml"),
        ("windows-2022-iso-amd64", "sysprep.xml"),
        ("windows-11-iso-amd64", "Autounattend.xml"),
        ("windows-2022-vhdx-amd64", "Unattend.xml"),
        ("vmware-esxi-6.7-amd64", "/ks.cfg"),
        ("vmware-esxi-8-amd64", "/ks.cfg"),
        ("xenserver8-xenserver-8-amd64", "/generate"),
    ] {
        let target = catalog.targets().find(|t| t.id == id).unwrap();
        let resolved = resolve(catalog.image(&target.image).unwrap(), target);
        let all = rendered(&resolved.source.body);
        let (_, text) = all.iter().find(|(known, _)| known == name).unwrap();
        let file = name.trim_start_matches('/');
        insta::assert_snapshot!(format!("answers-{id}-{file}"), readable(text));
    }
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

/// Menu, argument, and whether it is isolinux, by the file that has the keys.
fn menus(image: &Image) -> Option<(&'static [&'static str], &'static str, bool)> {
    let has = |name: &str| image.dir.join(name).exists();
    match image.name.as_str() {
        "centos6" => Some((&["el6"], "ks", true)),
        "sles15" => Some((&["sles15"], "autoyast", false)),
        "sles16" => Some((&["sles16"], "inst.auto", false)),
        _ if has("el.pkr.hcl") => Some((&["el", "el-fips"], "inst.ks", false)),
        _ => None,
    }
}

/// Entries that a mutated menu has where the keys expect the installation's.
const ANOTHER: [&str; 2] = [
    "menuentry 'Another entry' {\n\thalt\n}\n",
    "label another\n  menu default\n  append initrd=/x rescue\n",
];

#[test]
fn keys_reach_the_kernels_line_of_every_menu_and_of_no_mutated_one() {
    let catalog = Catalog::load(&root()).unwrap();
    let mut shown = 0;
    for (image, (names, argument, isolinux)) in
        catalog.images.iter().filter_map(|image| Some((image, menus(image)?)))
    {
        let boots = if isolinux { menu::isolinux_boots } else { menu::grub_boots };
        for target in &image.targets {
            let command = boot_command(&resolve(image, target).source.body);
            for name in names {
                let line = boots(&menu::text(name, None), &command);
                let line = line.unwrap_or_else(|| panic!("{} {name}: {command}", target.id));
                assert!(
                    line.contains(&format!(" {argument}=http://{{{{")),
                    "{}: {line}",
                    target.id
                );
                let wrong = ["rd.live.check", "upgrade=1", "nomodeset", "rescue"];
                assert!(!wrong.iter().any(|word| line.contains(word)), "{}: {line}", target.id);
                let another = ANOTHER.get(usize::from(isolinux)).copied();
                let mutated = boots(&menu::text(name, another), &command);
                assert!(mutated.is_none_or(|line| line.contains("rescue")), "{}", target.id);
                let moved = menu::text(name, None).replace("linux ", "echo loading\nlinux ");
                assert!(isolinux || boots(&moved, &command).is_none(), "{}", target.id);
                shown += 1;
            }
        }
    }
    assert!(shown >= 60, "{shown} menus");
}

/// Knobs that reach an answer file, with a value that quoting and escaping have
/// to survive; unset is the other value of each.
const KNOBS: [(&str, &str); 10] = [
    ("mirror", "http://mirror.example/it's"),
    ("media_base", "http://127.0.0.1:8000"),
    ("repositories", r#"{"extra"="https://repo.example/x?a=1&b=2"}"#),
    ("https_proxy", "http://user:pa$$'word@proxy.example:3128"),
    ("http_proxy", "http://proxy.example:3128"),
    ("kernel", "kernel-5.14.0"),
    ("locale", "de_DE.UTF-8"),
    ("timezone", "Europe/Berlin"),
    ("extra_packages", r#"["vim-enhanced", "@development"]"#),
    ("package_directory", "/var/tmp"),
];

/// Only SLES has these.
const SUSE: [(&str, &str); 2] =
    [("registration_code", "CODE<&>1"), ("registration_url", "https://rmt.example/?a=1&b=2")];

/// Every value of every knob with every value of every other one (pairwise): the
/// product would be 1024 and 4096 runs for each target. A knob is set in a
/// run if that bit of its code is; found by a random search, checked below.
const CODES: [u16; 12] = [
    0b11_1001_0010,
    0b01_0011_0110,
    0b00_1101_1100,
    0b10_1001_1010,
    0b11_1010_0001,
    0b11_0010_1010,
    0b00_0011_1110,
    0b11_0100_0110,
    0b01_0011_0011,
    0b01_0110_0110,
    0b11_1010_1000,
    0b00_0001_1111,
];
const RUNS: u16 = 10;

#[test]
fn every_pair_of_values_is_there() {
    for (at, one) in CODES.iter().enumerate() {
        for other in CODES.iter().skip(at + 1) {
            for (a, b) in [(true, true), (true, false), (false, true), (false, false)] {
                let has = |run: u16| (one >> run & 1 == 1) == a && (other >> run & 1 == 1) == b;
                assert!((0..RUNS).any(has), "{one:010b} {other:010b}: {a} {b}");
            }
        }
    }
}

/// The knobs of one run, of those that the image has.
fn knobs(suse: bool, run: u16) -> Vec<(String, String)> {
    let all = KNOBS.iter().chain(if suse { &SUSE[..] } else { &[] });
    all.zip(CODES)
        .filter(|(_, code)| code >> run & 1 == 1)
        .map(|((name, value), _)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// `cargo test -p xtask --test plans -- --ignored`
#[test]
#[ignore = "runs ksvalidator, shellcheck and xmllint some hundred times; needs all three"]
fn answer_files_are_valid_with_every_knob() {
    let root = root();
    let catalog = Catalog::load(&root).unwrap();
    let mut documents = Documents::default();
    for image in catalog.images.iter().filter(|i| is_installed(i)) {
        let suse = image.dir.join("suse.pkr.hcl").exists();
        for (target, run) in image.targets.iter().flat_map(|t| (0..RUNS).map(move |r| (t, r))) {
            let mut resolver = Resolver::new(&root, &root.join("out"));
            resolver.load(target).unwrap();
            let options = Options { vars: knobs(suse, run), ..Options::default() };
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
