//! A user's medium is recognised by its volume label: the right one passes for
//! its target, any other is refused before QEMU starts. The media are empty ISO
//! 9660 file systems by xorriso with the labels of real ones.
//!
//! Labels: osinfo-db (crobinso/osinfo-db on GitHub), tests/isodata, which holds
//! `isoinfo` of real media; RHEL 9 after its pattern in data/os/redhat.com. Rocky's,
//! SLES 12's and one Online label of SLES 15 are synthetic.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::catalog::Catalog;
use xtask::media::volume;

/// Label, and the one target that takes it.
const MEDIA: [(&str, Option<&str>); 13] = [
    ("RHEL-7.9 Server.x86_64", Some("rhel7-amd64")),
    ("RHEL-8-9-0-BaseOS-x86_64", Some("rhel8-amd64")),
    ("RHEL-8-9-0-BaseOS-aarch64", Some("rhel8-arm64")),
    ("RHEL-9-4-0-BaseOS-x86_64", Some("rhel9-amd64")),
    ("RHEL-10-1-BaseOS-x86_64", Some("rhel10-amd64")),
    ("RHEL-10-1-BaseOS-aarch64", Some("rhel10-arm64")),
    ("SLE-15-SP7-Full-x86_6491.11.001", Some("sles15-amd64")),
    ("SLE-15-SP4-Full-aarch64151.1.001", Some("sles15-arm64")),
    // It has no modules, so that nothing of ours could be installed from it.
    ("SLE-15-SP7-Online-aarch6491..001", None),
    ("Install-SUSE-SLE-16-x86_64", Some("sles16-amd64")),
    ("Install-SUSE-SLE-16-aarch64", Some("sles16-arm64")),
    ("SLE-12-SP5-Server-DVD-x86_640473", None),
    ("Rocky-9-8-x86_64-dvd", None),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn medium(dir: &Path, label: &str) -> PathBuf {
    let tree = dir.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    let iso = dir.join("medium.iso");
    let made = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-relaxed-filenames", "-V", label, "-o"])
        .args([&iso, &tree])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    iso
}

#[test]
fn each_medium_passes_for_its_own_target_only() {
    let catalog = Catalog::load(&root()).unwrap();
    let patterns: Vec<_> = catalog
        .targets()
        .filter_map(|target| Some((target, target.facts.media.label.clone()?)))
        .filter(|(target, _)| target.image.starts_with("rhel") || target.image.starts_with("sles"))
        .collect();
    assert!(patterns.len() >= 11, "{} targets", patterns.len());
    let dir = tempfile::tempdir().unwrap();
    for (label, owner) in MEDIA {
        let iso = medium(dir.path(), label);
        assert_eq!(volume::label(&iso).unwrap().as_deref(), Some(label));
        let takes = |(target, pattern): &(&xtask::catalog::Target, String)| {
            volume::mismatch(&iso, pattern, target.arch).unwrap().is_none()
        };
        let takers: Vec<_> =
            patterns.iter().filter(|p| takes(p)).map(|(t, _)| t.id.as_str()).collect();
        assert_eq!(takers, owner.into_iter().collect::<Vec<_>>(), "{label}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]
fn the_wrong_medium_is_refused_before_qemu_starts() {
    let dir = tempfile::tempdir().unwrap();
    for (target, label) in [
        ("rhel9-amd64", "RHEL-8-9-0-BaseOS-x86_64"),
        ("rhel10-amd64", "RHEL-10-1-BaseOS-aarch64"),
        ("sles15-amd64", "SLE-15-SP7-Online-x86_6491.11.01"),
        ("sles16-amd64", "SLE-15-SP7-Full-x86_6491.11.001"),
        // These have no pattern of their own, but it is another's medium.
        ("azurelinux-amd64", "RHEL-9-4-0-BaseOS-x86_64"),
        ("rocky8-amd64", "RHEL-8-9-0-BaseOS-x86_64"),
    ] {
        let iso = medium(dir.path(), label);
        let out = dir.path().join("o");
        let built = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["-v", "build", target, "--engine", "builtin", "--offline", "--iso"])
            .args([iso.as_os_str(), "--out".as_ref(), out.as_os_str()])
            // SLES 16 has to know where cloud-init comes from, before its medium is looked at.
            .args(if target.starts_with("sles16") {
                &["--var", "mirror=https://m.example"][..]
            } else {
                &[]
            })
            .current_dir(root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(!built.status.success(), "{target}: {said}");
        assert!(said.contains(&format!("its label is `{label}`")), "{target}: {said}");
        assert!(!said.contains("-netdev"), "QEMU was started: {said}");
        assert!(!out.join(format!(".work/{target}/output")).exists(), "{said}");
    }
}

/// A SLES 16 medium has no cloud-init: without a word where it comes from no
/// machine starts, with one the build goes on to the medium.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]
fn sles_16_without_a_source_of_cloud_init_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    // The wrong one, so that the build ends there.
    let iso = medium(dir.path(), "SLE-15-SP7-Full-x86_6491.11.001");
    let build = |knob: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["build", "sles16-amd64", "--engine", "builtin", "--offline", "--iso"])
            .args([iso.as_os_str(), "--out".as_ref(), dir.path().join("o").as_os_str()])
            .args(knob)
            .env_remove("SLES_REGISTRATION_CODE")
            .current_dir(root())
            .output()
            .unwrap();
        (out.status.code(), String::from_utf8(out.stderr).unwrap())
    };
    let (code, refusal) = build(&[]);
    assert_eq!(code, Some(3), "{refusal}");
    assert!(
        refusal.contains("sles16-amd64 cannot be built like this: the SLES 16 medium"),
        "{refusal}"
    );
    let (code, said) =
        build(&["--var", "mirror=https://m.example", "--var", "kernel=kernel-default=6.12"]);
    assert!(code == Some(3) && said.contains("take a kernel by its name"), "{said}");
    for knob in [
        "registration_code=1",
        "registration_url=https://rmt.example",
        "repositories={a=\"https://r.example\"}",
        "mirror=https://m.example",
        "package_directory=/tmp",
    ] {
        let (_, said) = build(&["--var", knob]);
        assert!(said.contains("its label is `SLE-15"), "{knob}: {said}");
        // The refusal names each.
        assert!(refusal.contains(knob.split('=').next().unwrap()), "{knob}: {refusal}");
    }
}
