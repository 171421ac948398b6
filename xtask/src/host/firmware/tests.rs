use std::fs::{self, File};

use tempfile::TempDir;

use super::*;

/// A fixture's descriptors and firmware files laid out under a temporary root.
fn lay_out(fixture: &str) -> (TempDir, Scan) {
    let root = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/firmware").join(fixture);
    let to = root.path().join("usr/share/qemu/firmware");
    fs::create_dir_all(&to).unwrap();
    for line in fs::read_to_string(from.join("files.txt")).unwrap().lines() {
        if let Some((size, path)) = line.split_once(" /").filter(|_| !line.starts_with('#')) {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path).unwrap().set_len(size.parse().unwrap()).unwrap();
        }
    }
    for entry in fs::read_dir(&from).unwrap().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let prefix = format!("\"{}/usr/", root.path().display());
            fs::write(to.join(entry.file_name()), text.replace("\"/usr/", &prefix)).unwrap();
        }
    }
    let scan = scan(&[to]);
    (root, scan)
}

fn wanted(arch: Arch, machine: &str, secure_boot: bool, raw_only: bool) -> Wanted<'_> {
    Wanted { arch, machine, secure_boot, raw_only }
}

#[test]
fn every_distribution_yields_the_right_pair() {
    use Arch::{Amd64, Arm64};
    let table = [
        ("debian-12", wanted(Amd64, "pc", false, true), "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        ("debian-12", wanted(Amd64, "q35", false, true), "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        ("debian-12", wanted(Amd64, "q35", true, true), "OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"),
        ("debian-12", wanted(Arm64, "virt", false, true), "AAVMF_CODE.fd", "AAVMF_VARS.fd"),
        ("debian-12", wanted(Arm64, "virt", true, true), "AAVMF_CODE.ms.fd", "AAVMF_VARS.ms.fd"),
        ("debian-13", wanted(Amd64, "pc", false, true), "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        (
            "debian-13",
            wanted(Arm64, "virt", false, true),
            "AAVMF_CODE.no-secboot.fd",
            "AAVMF_VARS.fd",
        ),
        (
            "fedora-layout",
            wanted(Amd64, "q35", false, false),
            "OVMF_CODE_4M.qcow2",
            "OVMF_VARS_4M.qcow2",
        ),
        ("fedora-layout", wanted(Amd64, "q35", false, true), "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
        (
            "fedora-layout",
            wanted(Arm64, "virt", false, true),
            "QEMU_EFI-silent-pflash.raw",
            "vars-template-pflash.raw",
        ),
    ];
    for (fixture, wanted, code, vars) in table {
        let (_root, scan) = lay_out(fixture);
        let (firmware, _) = choose(&scan, wanted).unwrap();
        assert!(firmware.code.path.ends_with(code), "{fixture} {wanted:?}: {firmware:?}");
        assert!(firmware.vars.path.ends_with(vars), "{fixture} {wanted:?}: {firmware:?}");
        assert!(firmware.code.size > 0 && firmware.vars.size > 0);
    }
}

#[test]
fn every_rejection_says_why() {
    let (_root, scan) = lay_out("debian-12");
    let (_, passed_over) = choose(&scan, wanted(Arch::Amd64, "pc", false, true)).unwrap();
    let reasons: Vec<&str> = passed_over.iter().map(|r| r.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["not for amd64", "not for machine `pc`", "not for machine `pc`", "not for amd64"]
    );
    // Debian 12 ships a descriptor for a CODE file that is not in the package.
    assert_eq!(scan.rejected.len(), 1, "{:?}", scan.rejected);
    assert!(scan.rejected[0].reason.contains("AAVMF_CODE.secboot.fd cannot be read"));

    let (_root, scan) = lay_out("fedora-layout");
    let reasons: Vec<&str> = scan.rejected.iter().map(|r| r.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "is for loongarch64",
            "flash mode is stateless, not split",
            "interface is bios, not uefi",
            "mapped as memory, which keeps no variables"
        ]
    );
    let error = choose(&scan, wanted(Arch::Amd64, "pc", false, false)).unwrap_err().to_string();
    assert!(error.starts_with("no UEFI firmware for amd64 machine `pc`\n"), "{error}");
    assert!(error.contains("31-edk2-ovmf-4m-qcow2-x64-nosb.json: not for machine `pc`"), "{error}");
    assert!(error.contains("60-seabios.json: interface is bios"), "{error}");
}

#[test]
fn an_empty_host_says_so() {
    let error = choose(&Scan::default(), wanted(Arch::Arm64, "virt", true, false)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no UEFI firmware with Secure Boot keys for arm64 machine `virt`: \
         QEMU's firmware directories hold no descriptor"
    );
}

#[test]
fn specific_directories_override_and_mask() {
    let (root, _) = lay_out("debian-12");
    let distro = root.path().join("usr/share/qemu/firmware");
    let etc = root.path().join("etc/qemu/firmware");
    let user = root.path().join("home/.config/qemu/firmware");
    fs::create_dir_all(&etc).unwrap();
    fs::create_dir_all(&user).unwrap();
    let dirs = [user.clone(), etc.clone(), distro.clone()];
    let pick = || {
        let scan = scan(&dirs);
        choose(&scan, wanted(Arch::Amd64, "q35", false, true)).map(|(f, _)| f.source.clone()).ok()
    };
    let name = "60-edk2-x86_64.json";
    assert_eq!(pick(), Some(distro.join(name)));
    fs::copy(distro.join(name), etc.join(name)).unwrap();
    assert_eq!(pick(), Some(etc.join(name)), "the same name in /etc replaces");
    std::os::unix::fs::symlink("/dev/null", user.join(name)).unwrap();
    assert_eq!(pick(), None, "an empty file in the user's directory masks both");
    fs::copy(distro.join(name), user.join("99-mine.json")).unwrap();
    assert_eq!(pick(), Some(user.join("99-mine.json")));
    fs::copy(distro.join(name), etc.join("10-first.json")).unwrap();
    assert_eq!(pick(), Some(etc.join("10-first.json")), "order is by name, not by directory");
}

#[test]
fn directories_follow_xdg() {
    let show = |xdg: Option<&str>, home: Option<&str>| {
        let dirs = directories(xdg.map(Path::new), home.map(Path::new));
        dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" ")
    };
    let system = "/etc/qemu/firmware /usr/share/qemu/firmware";
    assert_eq!(show(Some("/x"), Some("/h")), format!("/x/qemu/firmware {system}"));
    assert_eq!(show(None, Some("/h")), format!("/h/.config/qemu/firmware {system}"));
    assert_eq!(
        show(Some("relative"), Some("/h")),
        format!("/h/.config/qemu/firmware {system}"),
        "the XDG specification says to ignore relative paths"
    );
    assert_eq!(show(None, None), system);
}

#[test]
fn damaged_descriptors_are_rejections_not_failures() {
    let good = r#"{"interface-types":["uefi"],"mapping":{"device":"flash","executable":{"filename":"/c","format":"raw"},
        "nvram-template":{"filename":"/v","format":"raw"}},"targets":[{"architecture":"x86_64","machines":["*"]}]}"#;
    assert!(parse(Path::new("x"), good).is_ok());
    for (from, to, reason) in [
        ("{\"interface", "{interface", "not valid"),
        ("[\"uefi\"]", "[]", "not uefi"),
        ("\"/c\"", "\"c\"", "not absolute"),
        ("\"format\":\"raw\"}}", "\"format\":\"vmdk\"}}", "vmdk is unknown"),
        ("\"nvram-template\"", "\"other\"", "no nvram-template"),
        ("\"executable\"", "\"other\"", "no executable"),
        ("x86_64", "riscv64", "is for riscv64"),
        ("\"flash\"", "\"flash\",\"mode\":\"combined\"", "combined, not split"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        let error = parse(Path::new("x"), &bad).unwrap_err();
        assert!(error.contains(reason), "{to}: {error}");
    }
}

#[test]
fn overrides_are_checked_like_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, size: u64| {
        let path = dir.path().join(name);
        File::create(&path).unwrap().set_len(size).unwrap();
        path.display().to_string()
    };
    let (code4, vars4) = (file("c4", 3_653_632), file("v4", 540_672));
    let (vars2, odd) = (file("v2", 131_072), file("odd", 1000));
    let flash64 = file("f64", 64 << 20);
    let pick = |value: String, arch| from_override(&value, arch).map(|f| f.code.size);

    assert_eq!(pick(format!("{code4},{vars4}"), Arch::Amd64), Ok(3_653_632));
    assert_eq!(pick(format!("{flash64}:{flash64}"), Arch::Arm64), Ok(64 << 20));
    for (value, arch, reason) in [
        (format!("{code4}:{vars2}"), Arch::Amd64, "not of one build"),
        (format!("{code4}:{odd}"), Arch::Amd64, "not multiples of 4096"),
        (format!("{flash64}:{vars4}"), Arch::Amd64, "at most"),
        (format!("{code4}:{vars4}"), Arch::Arm64, "67108864 bytes only"),
        (format!("{code4}:/nonexistent"), Arch::Amd64, "VARS file /nonexistent cannot be read"),
        (code4.clone(), Arch::Amd64, "CODE,VARS"),
        (format!("{code4}:"), Arch::Amd64, "CODE,VARS"),
        ("/nonexistent.json".into(), Arch::Amd64, "cannot be read"),
    ] {
        let error = pick(value, arch).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}
