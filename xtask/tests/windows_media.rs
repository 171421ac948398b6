//! Media of Windows that the tests make: recognised, and refused before QEMU
//! starts if they have not what the answer file asks for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use xtask::media::wim;

/// The committed medium with UDF, of `fixtures/windows/make-udf`.
fn udf(dir: &Path) -> PathBuf {
    let path = dir.join("udf.iso");
    let packed: &[u8] = include_bytes!("fixtures/windows/udf.iso.gz");
    let mut gzip = flate2::read::GzDecoder::new(packed);
    std::io::copy(&mut gzip, &mut fs::File::create(&path).unwrap()).unwrap();
    path
}

/// Synthetic: the header of a WIM and the XML that the header points to.
fn wim_file(names: &[&str], language: &str) -> Vec<u8> {
    let images: String = (1..)
        .zip(names)
        .map(|(index, name)| {
            format!(
                "<IMAGE INDEX=\"{index}\"><NAME>{name}</NAME><WINDOWS><ARCH>9</ARCH><LANGUAGES>\
                 <LANGUAGE>{language}</LANGUAGE></LANGUAGES></WINDOWS></IMAGE>"
            )
        })
        .collect();
    let xml: Vec<u8> =
        format!("\u{feff}<WIM>{images}</WIM>").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut bytes = vec![0; 5000];
    bytes[..8].copy_from_slice(b"MSWIM\0\0\0");
    let size = u64::try_from(xml.len()).unwrap();
    bytes[72..80].copy_from_slice(&(size | 2 << 56).to_le_bytes());
    bytes[80..88].copy_from_slice(&5000_u64.to_le_bytes());
    [bytes, xml].concat()
}

/// A medium with ISO 9660 only, as people make them.
fn plain(dir: &Path, file: &str, wim: &[u8]) -> PathBuf {
    let (tree, path) = (dir.join("tree"), dir.join("plain.iso"));
    fs::create_dir_all(tree.join("sources")).unwrap();
    // More names than one sector of a directory has.
    (0..60)
        .for_each(|index| fs::write(tree.join(format!("sources/file{index}.dll")), "x").unwrap());
    fs::write(tree.join("sources").join(file), wim).unwrap();
    let output = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-iso-level", "3", "-o"])
        .args([&path, &tree])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    path
}

fn names(path: &Path) -> Vec<String> {
    let editions = wim::editions(path).unwrap().unwrap();
    editions.into_iter().map(|edition| format!("{} {}", edition.index, edition.name)).collect()
}

#[test]
fn editions_are_read_from_udf_and_from_iso_9660() {
    let dir = tempfile::tempdir().unwrap();
    let udf = udf(dir.path());
    let found = names(&udf);
    assert_eq!(found[1], "2 Windows Server 2022 SERVERSTANDARD");
    assert_eq!(found.len(), 4);
    let first = &wim::editions(&udf).unwrap().unwrap()[0];
    assert_eq!((first.arch.as_str(), &first.languages[..]), ("9", &["en-US".to_owned()][..]));
    assert_eq!(first.description, "Windows Server 2022 Standard Evaluation");
    for file in ["install.wim", "install.esd"] {
        let dir = tempfile::tempdir().unwrap();
        let plain =
            plain(dir.path(), file, &wim_file(&["Windows 11 Home", "Windows 11 Pro"], "de-DE"));
        assert_eq!(names(&plain), ["1 Windows 11 Home", "2 Windows 11 Pro"], "{file}");
    }
}

/// wimlib says the same, where it is installed.
#[test]
fn wimlib_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.wim");
    fs::create_dir(dir.path().join("one")).unwrap();
    let capture = |verb: &str, name: &str| {
        let output = Command::new("wimlib-imagex")
            .arg(verb)
            .args([&dir.path().join("one"), &path])
            .arg(name)
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    if !capture("capture", "Windows 10 Pro") {
        // Past the capture of tests that pass.
        std::io::stderr()
            .write_all(b"skipped: wimlib-imagex is not installed (apt install wimtools)\n")
            .unwrap();
        return;
    }
    assert!(capture("append", "Windows 10 Pro N"));
    let medium = plain(dir.path(), "install.wim", &fs::read(&path).unwrap());
    assert_eq!(names(&medium), ["1 Windows 10 Pro", "2 Windows 10 Pro N"]);
    let info = Command::new("wimlib-imagex").arg("info").arg(&path).output().unwrap();
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    let said = info.lines().filter_map(|line| line.strip_prefix("Name:")).map(str::trim);
    assert_eq!(said.collect::<Vec<_>>(), ["Windows 10 Pro", "Windows 10 Pro N"]);
}

fn build(dir: &Path, target: &str, medium: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["--root", concat!(env!("CARGO_MANIFEST_DIR"), "/..")])
        .arg("--out")
        .arg(dir.join("out"))
        .arg("--media-dir")
        .arg(dir.join("media"))
        .args(["build", target, "--offline", "--iso"])
        .arg(medium)
        .args(more)
        // No VM starts: what comes this far fails at the checksum.
        .args(["--engine", "builtin", "--var"])
        .arg(format!("iso_checksum=sha256:{}", "0".repeat(64)))
        .output()
        .unwrap()
}

#[test]
fn a_wrong_edition_is_refused_before_the_vm_starts() {
    let dir = tempfile::tempdir().unwrap();
    let udf = udf(dir.path());
    let eleven =
        plain(dir.path(), "install.wim", &wim_file(&["Windows 11 Enterprise Evaluation"], "en-US"));
    let other = dir.path().join("other.iso");
    fs::write(&other, vec![0; 1 << 20]).unwrap();
    for (target, medium, more, says) in [
        (
            "windows-2025-iso-amd64",
            &udf,
            &[][..],
            "NAME = \"Windows Server 2025 SERVERSTANDARD\"; it has",
        ),
        ("windows-2022-iso-amd64", &udf, &["--var", "image_index=5"], "INDEX = \"5\"; it has"),
        (
            "windows-2022-iso-amd64",
            &udf,
            &["--var", "language=de-DE"],
            "no language \"de-DE\", only en-US",
        ),
        (
            "windows-11-iso-amd64",
            &eleven,
            &["--var", "tpm=false"],
            "1  Windows 11 Enterprise Evaluation",
        ),
        ("windows-2022-iso-amd64", &other, &[], "no sources/install.wim or install.esd"),
        ("windows-2022-vhdx-amd64", &udf, &[], "it is no VHDX"),
    ] {
        let output = build(dir.path(), target, medium, more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says), "{target}: {said}");
        let another = says.contains("no sources/") || says.contains("no VHDX");
        let hint = match another {
            true => "hint: give the file as --iso FILE or in WINDOWS_",
            false => "hint: choose with --var edition=",
        };
        assert!(said.contains(hint), "{target}: {said}");
        assert_eq!(output.status.code(), Some(3), "{target}: {said}");
        assert!(!said.contains("checksum"), "{target}: {said}");
    }
}

/// The same medium with the right answers comes further: to its checksum.
#[test]
fn the_right_edition_is_not_refused() {
    let dir = tempfile::tempdir().unwrap();
    let udf = udf(dir.path());
    let eleven =
        plain(dir.path(), "install.wim", &wim_file(&["Windows 11 Enterprise Evaluation"], "en-US"));
    for (target, medium, more) in [
        ("windows-2022-iso-amd64", &udf, &[][..]),
        ("windows-2022-iso-amd64", &udf, &["--var", "edition=SERVERDATACENTERCORE"]),
        ("windows-hci-iso-amd64", &udf, &[]),
        (
            "windows-11-iso-amd64",
            &eleven,
            &["--var", "edition=Enterprise Evaluation", "--var", "tpm=false"],
        ),
    ] {
        let output = build(dir.path(), target, medium, more);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&"0".repeat(64)) && !said.contains("is not the"), "{target}: {said}");
    }
}

/// What goes into the VM beside the medium is looked at before it is hashed.
#[test]
fn drivers_and_installers_are_looked_at_before_the_vm_starts() {
    let dir = tempfile::tempdir().unwrap();
    let udf = udf(dir.path());
    let page = dir.path().join("cloudbase.msi");
    fs::write(&page, "<html>not found</html>").unwrap();
    let msi = dir.path().join("good.msi");
    fs::write(&msi, [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, 0]).unwrap();
    let drivers = dir.path().join("virtio-win.iso");
    fs::create_dir_all(dir.path().join("tree/viostor/2k22/amd64")).unwrap();
    fs::write(dir.path().join("tree/viostor/2k22/amd64/viostor.inf"), "x").unwrap();
    let made = plain(dir.path(), "install.wim", b"x");
    fs::rename(&made, &drivers).unwrap();
    for (variable, path, says) in [
        ("cloudbase_init_msi", page.as_path(), "no installer (.msi)"),
        ("cloudbase_init_msi", Path::new("/nowhere/x.msi"), "there is no such file"),
        ("virtio_win_iso", udf.as_path(), "no virtio-win CD"),
        ("virtio_win_iso", Path::new("/nowhere.iso"), "it comes from https://fedorapeople.org/"),
        ("virtio_win_iso", drivers.as_path(), "0000000000"),
        ("cloudbase_init_msi", msi.as_path(), "0000000000"),
    ] {
        let value = format!("{variable}={}", path.display());
        let output = build(dir.path(), "windows-2022-iso-amd64", &udf, &["--var", &value]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says), "{value}: {said}");
    }
}

/// A medium with these files, synthetic.
fn medium_with(dir: &Path, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let (tree, path) = (dir.join(format!("{name}-tree")), dir.join(format!("{name}.iso")));
    for (file, text) in files {
        let file = tree.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let output = Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-o"])
        .args([&path, &tree])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    path
}

/// A medium that is none, or another release's, is refused before a VM waits in
/// front of it; the right one comes to its checksum.
#[test]
fn media_of_esxi_and_xenserver_are_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let loader = "bootstate=0\nkernel=/b.b00\nmodules=/jumpstrt.gz --- /k.b00\n";
    let esxi = |version: &str| format!("{loader}build={version}-0.0.1\nupdated=0\n");
    let (eight, six) = (esxi("8.0.2"), esxi("6.7.0"));
    let seven = medium_with(dir.path(), "vendor", &[("BOOT.CFG", loader)]);
    let eight = medium_with(dir.path(), "eight", &[("BOOT.CFG", &eight)]);
    let six = medium_with(dir.path(), "six", &[("boot.cfg", &six)]);
    let xen = [("install.img", "x"), ("boot/xen.gz", "x"), ("boot/vmlinuz", "x")];
    let xcp = medium_with(dir.path(), "xcp", &xen);
    let zeros = "0".repeat(64);
    for (target, medium, says) in [
        ("vmware-esxi-8-amd64", &eight, zeros.as_str()),
        ("vmware-esxi-6.7-amd64", &six, &zeros),
        ("vmware-esxi-7-amd64", &seven, &zeros),
        ("vmware-esxi-7-amd64", &eight, "it installs ESXi 8.0.2, not 7"),
        ("vmware-esxi-6.7-amd64", &eight, "it installs ESXi 8.0.2, not 6.7"),
        ("vmware-esxi-8-amd64", &xcp, "it has no BOOT.CFG of an ESXi installer"),
        ("xenserver8-xcp-ng-8.3-amd64", &xcp, &zeros),
        ("xenserver8-xenserver-8-amd64", &six, "it has no install.img of a XenServer or XCP-ng"),
    ] {
        let output = build(dir.path(), target, medium, &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says), "{target} {}: {said}", medium.display());
        let refused = said.contains("hint: give the file as --iso FILE or in ");
        assert_eq!(refused, says != zeros, "{target}: {said}");
    }
    let output = build(dir.path(), "vmware-esxi-8-amd64", dir.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("this is a directory") && !said.contains("os error"), "{said}");
}
