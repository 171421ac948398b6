use std::path::Path;

use super::*;

fn fixtures() -> Catalog {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalog");
    Catalog::load(&root).unwrap_or_else(|f| panic!("{}", crate::finding::Findings(f)))
}

fn ids(catalog: &Catalog, patterns: &[&str], arch: Option<Arch>) -> Result<Vec<String>, String> {
    let patterns: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
    let selection = Selection { patterns: &patterns, all: false, arch, today: "2026-11-23" };
    select(catalog, &selection).map(|t| t.iter().map(|t| t.id.clone()).collect())
}

#[test]
fn four_images_written_before_the_types() {
    let catalog = fixtures();
    let counts: Vec<(&str, usize)> =
        catalog.images.iter().map(|i| (i.name.as_str(), i.targets.len())).collect();
    assert_eq!(counts, [("debian", 16), ("rhel9", 2), ("ubuntu", 12), ("windows", 2)]);
}

#[test]
fn layers_override_key_by_key() {
    let catalog = fixtures();
    let find = |id: &str| catalog.targets().find(|t| t.id == id).unwrap().facts.clone();
    let lvm = find("ubuntu-noble-lvm-amd64");
    assert_eq!(lvm.artifact, ArtifactKind::Ddgz);
    assert_eq!(lvm.maas.name, "custom/ubuntu-noble-lvm");
    assert_eq!(lvm.maas.base_image.as_deref(), Some("ubuntu/noble"));
    assert_eq!(lvm.contract.boot, [Firmware::Uefi]);
    let cloud = find("ubuntu-jammy-cloudimg-arm64");
    assert_eq!((cloud.root, cloud.boot), (Some(Partition::Number(1)), Some(Partition::Xbootldr)));
    let windows = find("windows-2022-amd64");
    assert_eq!(windows.media.label.as_deref(), Some("SSS_X64FRE*"));
    assert_eq!(windows.media.env.as_deref(), Some("WINDOWS_ISO_PATH"));
}

#[test]
fn variables_select_the_target() {
    let catalog = fixtures();
    let target = catalog.targets().find(|t| t.id == "debian-12-mirror-arm64").unwrap();
    let vars: Vec<(&str, &str)> =
        target.facts.vars.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(vars, [("architecture", "arm64"), ("flavor", "mirror"), ("release", "12")]);
}

#[test]
fn leading_components_take_defaults() {
    let catalog = fixtures();
    let amd64 = Some(Arch::Amd64);
    let cases: &[(&str, &[&str])] = &[
        ("debian", &["debian-13-mirror-amd64"]),
        ("debian-12", &["debian-12-mirror-amd64"]),
        ("debian-12-cloudimg", &["debian-12-cloudimg-amd64"]),
        ("debian-12-cloudimg-arm64", &["debian-12-cloudimg-arm64"]),
        ("rhel9", &["rhel9-amd64"]),
        ("rhel9/", &["rhel9-amd64"]),
        ("debian-1[23]", &["debian-12-mirror-amd64", "debian-13-mirror-amd64"]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(ids(&catalog, &[pattern], amd64).unwrap(), *expected, "{pattern}");
    }
}

#[test]
fn globs_take_every_live_target() {
    let catalog = fixtures();
    assert_eq!(ids(&catalog, &["rhel*"], None).unwrap(), ["rhel9-amd64", "rhel9-arm64"]);
    let arm = ids(&catalog, &["debian-*-arm64"], None).unwrap();
    assert!(arm.iter().all(|i| i.ends_with("arm64") && !i.starts_with("debian-10")), "{arm:?}");
    assert_eq!(arm.len(), 4);
}

#[test]
fn typos_get_a_suggestion() {
    let error = ids(&fixtures(), &["debain-12"], None).unwrap_err();
    assert!(error.contains("did you mean `debian-12`?"), "{error}");
}

#[test]
fn glob_classes() {
    for (pattern, text, expected) in [
        ("*", "", true),
        ("a?c", "abc", true),
        ("a[0-9]", "a5", true),
        ("a[!0-9]", "a5", false),
        ("a[", "a[", false),
        ("*-arm64", "x-arm64", true),
    ] {
        assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn all_problems_in_one_go_with_lines() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("rocky9");
    fs::create_dir(&image).unwrap();
    let text =
        "title = 5\nfamly = \"el\"\narches = [\"amd64\", \"x86\"]\n[maas]\nnme = \"custom/x\"\n";
    fs::write(image.join(IMAGE_FILE), text).unwrap();
    let findings = Catalog::load(dir.path()).unwrap_err();
    let lines: Vec<(usize, &str)> =
        findings.iter().map(|f| (f.place.line, f.message.as_str())).collect();
    assert_eq!(
        lines,
        [
            (1, "`title` is integer, not string"),
            (2, "unknown key `famly`"),
            (3, "`arches` cannot be `x86`"),
            (5, "unknown key `nme` in `maas`"),
            (1, "the file needs `family`"),
        ]
    );
    assert_eq!(findings[1].help.as_deref(), Some("did you mean `family`?"));
}

#[test]
fn cross_checks_point_at_their_key() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("x");
    fs::create_dir(&image).unwrap();
    let text = "title = \"X\"\nfamily = \"el\"\narches = [\"amd64\"]\neol = \"someday\"\n[default]\nrelease = \"9\"\n";
    fs::write(image.join(IMAGE_FILE), text).unwrap();
    let findings = Catalog::load(dir.path()).unwrap_err();
    let shown = crate::finding::Findings(findings).to_string();
    assert!(shown.contains("x/image.toml:4:8"), "{shown}");
    assert!(shown.contains("`9` is no release of this image"), "{shown}");
    assert!(shown.contains("`artifact.kind` is missing"), "{shown}");
}

/// Root may look everywhere, and then there is nothing to test.
#[test]
fn directories_that_are_closed_are_known() {
    use std::os::unix::fs::PermissionsExt as _;
    let tree = tempfile::tempdir().unwrap();
    let dir = tree.path().join("rocky9");
    fs::create_dir(&dir).unwrap();
    fs::create_dir(tree.path().join("docs")).unwrap();
    assert!(closed_dirs(tree.path()).is_empty());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&dir).is_err() {
        assert_eq!(closed_dirs(tree.path()), [dir]);
    }
}
