//! Disks of Windows, ESXi and XenServer as their installers lay them out, made
//! here, through `pack` and the contract: with `/curtin`, and without it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
const MSR: &str = "e3c9e316-0b5c-4db8-817d-f92df00215ae";
const WINRE: &str = "de94bba4-06d1-4d40-a16a-bfd50179d6ac";
const BASIC: &str = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7";
const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const VMFS: &str = "aa31e02a-400f-11db-9590-000c2911d1b8";

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

/// A disk with a GPT: number, type and content of each partition, in this
/// order on the disk.
fn disk(path: &Path, parts: &[(u32, &str, Vec<u8>)]) {
    const MIB: u64 = 1 << 20;
    let file = fs::File::create(path).unwrap();
    let (mut at, mut script) = (MIB, String::from("label: gpt\n"));
    for (number, guid, content) in parts {
        for (index, piece) in (0_u64..).zip(content.chunks(4096)) {
            if piece.iter().any(|byte| *byte != 0) {
                file.write_all_at(piece, at + index * 4096).unwrap();
            }
        }
        let size = u64::try_from(content.len()).unwrap();
        script += &format!("{number}: start={}, size={}, type={guid}\n", at / 512, size / 512);
        at += size;
    }
    file.set_len(at + MIB).unwrap();
    let mut sfdisk = Command::new("/sbin/sfdisk")
        .args(["--quiet", "--wipe=never"])
        .arg(path)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    sfdisk.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(sfdisk.wait().unwrap().success());
}

/// A FAT volume with a boot loader at the place that firmware looks at.
fn fat(dir: &Path) -> Vec<u8> {
    fat_of(dir, "EFI/BOOT", "BOOTX64.EFI")
}

fn fat_of(dir: &Path, place: &str, name: &str) -> Vec<u8> {
    let path = dir.join("fat.img");
    fs::File::create(&path).unwrap().set_len(6 << 20).unwrap();
    let image = path.to_str().unwrap();
    run("/sbin/mkfs.vfat", &[image]);
    fs::write(dir.join("bootx64.efi"), "MZ").unwrap();
    run("mmd", &["-i", image, "::EFI", &format!("::{place}")]);
    let loader = dir.join("bootx64.efi");
    run("mcopy", &["-i", image, loader.to_str().unwrap(), &format!("::{place}/{name}")]);
    fs::read(path).unwrap()
}

/// The volume of `xtask/disk/tests/fixtures/make-ntfs`, with `/curtin` or not.
fn ntfs(curtin: bool) -> Vec<u8> {
    let packed: &[u8] = include_bytes!("../disk/tests/fixtures/ntfs.img.gz");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    let name: Vec<u8> = "curtin".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let all: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&name)).collect();
    // The hook's own name starts the same.
    for at in all {
        if !curtin && bytes[at + 12] != b'-' {
            bytes[at] = b'x';
        }
    }
    bytes
}

/// ESP, MSR, recovery, Windows: the order of http/unattend.pkrtpl.hcl.
fn windows(dir: &Path, curtin: bool) -> PathBuf {
    let path = dir.join("windows.raw");
    let empty = vec![0; 1 << 20];
    let parts =
        [(1, ESP, fat(dir)), (2, MSR, empty.clone()), (3, WINRE, empty), (4, BASIC, ntfs(curtin))];
    disk(&path, &parts);
    path
}

/// Partitions 1, 5, 6, 7 of ESXi 7 and later, smaller; `/curtin` goes in as in
/// a build, by scripts/inject.
fn esxi(dir: &Path, curtin: bool) -> PathBuf {
    let path = dir.join("esxi.raw");
    let vmfs = vec![0x5a; 1 << 20];
    disk(&path, &[(1, ESP, fat(dir)), (5, BASIC, fat(dir)), (6, BASIC, fat(dir)), (7, VMFS, vmfs)]);
    if curtin {
        let image = tree().join("vmware-esxi");
        let output = Command::new("python3")
            .arg(image.join("scripts/inject"))
            .env("DISK", &path)
            .env("CURTIN", image.join("curtin"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    path
}

/// Root, backup, SR, ESP, logs, swap in the numbers and order of the installer.
fn xen(dir: &Path, curtin: bool) -> PathBuf {
    let root = dir.join("root");
    for path in ["etc", "usr", "boot", "var/lib"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    fs::write(root.join("etc/os-release"), "ID=xenenterprise\nVERSION_ID=8.4.0\n").unwrap();
    if curtin {
        run(
            "cp",
            // What links of the tree name, as the installed system has it.
            &["-rL", tree().join("xenserver8/curtin").to_str().unwrap(), root.to_str().unwrap()],
        );
    }
    let ext = dir.join("root.img");
    run(
        "/sbin/mke2fs",
        &["-q", "-t", "ext3", "-d", root.to_str().unwrap(), ext.to_str().unwrap(), "24M"],
    );
    let path = dir.join("xen.raw");
    let empty = vec![0; 1 << 20];
    let parts = [
        (5, LINUX, empty.clone()),
        (2, LINUX, empty.clone()),
        (1, LINUX, fs::read(ext).unwrap()),
        // The installer's own; the hook copies it to where MAAS looks.
        (4, ESP, fat_of(dir, "EFI/xenserver", "grubx64.efi")),
        (6, LINUX, empty.clone()),
        (3, LINUX, empty),
    ];
    disk(&path, &parts);
    path
}

fn pack(dir: &Path, disk: &Path, target: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .current_dir(dir)
        .env("XTASK_ROOT", tree())
        .args(["pack", "--force", "--output", "x.dd.gz", "--target", target])
        .arg(disk)
        .output()
        .unwrap()
}

#[test]
fn disks_of_every_system_pass_with_curtin_and_are_refused_without() {
    type Make = fn(&Path, bool) -> PathBuf;
    for (target, make) in [
        ("windows-2022-iso-amd64", windows as Make),
        ("windows-11-iso-amd64", windows),
        ("vmware-esxi-8-amd64", esxi),
        ("xenserver8-xenserver-8-amd64", xen),
        ("xenserver8-xcp-ng-8.3-amd64", xen),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = pack(dir.path(), &make(dir.path(), true), target);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{target}: {said}");
        assert!(dir.path().join("x.dd.gz").exists(), "{target}: {said}");
        let dir = tempfile::tempdir().unwrap();
        let output = pack(dir.path(), &make(dir.path(), false), target);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{target}: {said}");
        assert!(said.contains("no directory /curtin"), "{target}: {said}");
        assert!(!dir.path().join("x.dd.gz").exists());
    }
}

/// A hook that cannot run is found behind each of the file systems.
#[test]
fn a_hook_without_an_interpreter_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = windows(dir.path(), true);
    let mut bytes = fs::read(&path).unwrap();
    let line = b"#!/usr/bin/env python3\n";
    let at = bytes.windows(line.len()).position(|piece| piece == line).unwrap();
    bytes[at..at + 2].copy_from_slice(b"; ");
    fs::write(&path, bytes).unwrap();
    let output = pack(dir.path(), &path, "windows-2022-iso-amd64");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error[C040]: /curtin/finalize: it has no interpreter line"), "{said}");
    assert!(dir.path().join("x.dd.gz.rejected").exists());
}

/// The NTFS volume of a Windows that was built: the target's own hooks and the
/// files of Cloudbase-Init that they change (synthetic). Needs root and ntfs-3g.
fn installed_windows(dir: &Path) -> Vec<u8> {
    let image = dir.join("ntfs.img");
    fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let (image, point) = (image.to_str().unwrap(), dir.join("point"));
    run("/sbin/mkntfs", &["--force", "--fast", "--quiet", image]);
    fs::create_dir(&point).unwrap();
    let place = point.to_str().unwrap();
    run("mount", &["-t", "ntfs-3g", "-o", "loop", image, place]);
    let conf = point.join("Program Files/Cloudbase Solutions/Cloudbase-Init/conf");
    for path in [&conf, &point.join("Windows/System32")] {
        fs::create_dir_all(path).unwrap();
    }
    for name in ["cloudbase-init.conf", "cloudbase-init-unattend.conf"] {
        fs::write(conf.join(name), "[DEFAULT]\r\nusername=Admin\r\n").unwrap();
    }
    run("cp", &["-r", tree().join("windows/curtin").to_str().unwrap(), place]);
    run("umount", &[place]);
    fs::read(image).unwrap()
}

/// ESP, MSR, recovery and an installed Windows.
fn new_windows(dir: &Path) -> PathBuf {
    let path = dir.join("windows.raw");
    let (msr, winre) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let ntfs = installed_windows(dir);
    disk(&path, &[(1, ESP, fat(dir)), (2, MSR, msr), (3, WINRE, winre), (4, BASIC, ntfs)]);
    path
}

/// A XenServer as its installer and our script leave it: the files that the
/// hook changes (synthetic), and a shell for the commands that MAAS runs inside.
fn new_xen(dir: &Path) -> PathBuf {
    let root = dir.join("root");
    for path in ["dev", "proc", "run", "sys", "tmp", "bin", "usr/bin", "usr/libexec"] {
        fs::create_dir_all(root.join(path)).unwrap();
    }
    run("cp", &["/bin/busybox", root.join("bin/sh").to_str().unwrap()]);
    for (name, text) in [
        ("bin/bash", "#!/bin/sh\nexec /bin/sh \"$@\"\n"),
        (
            "etc/firstboot.d/data/default-storage.conf",
            "XSPARTITIONS='/dev/sda3'\nXSTYPE='ext'\nPARTITIONS='/dev/sda3'\n",
        ),
        (
            "etc/xensource-inventory",
            "INSTALLATION_UUID='build'\nCONTROL_DOMAIN_UUID='build'\nPRIMARY_DISK='/dev/sda'\nBACKUP_PARTITION='/dev/sda2'\n",
        ),
        ("etc/sysconfig/xencommons", "XEN_DOM0_UUID=build\n"),
        ("etc/machine-id", "build\n"),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if name == "bin/bash" {
            run("chmod", &["755", path.to_str().unwrap()]);
        }
    }
    xen(dir, true)
}

/// A real ephemeral system writes the disk, finds the root and runs the target's
/// own hooks. Nothing here runs what was deployed, and the report says that.
/// `FOREIGN=xen` runs those whose target begins so.
#[test]
#[ignore = "runs three VMs and needs root"]
fn disks_of_every_system_deploy_up_to_their_first_start() {
    type Make = fn(&Path) -> PathBuf;
    let base = std::env::var_os("XTASK_TEST_BASE").expect("XTASK_TEST_BASE names a base disk");
    let only = std::env::var("FOREIGN").unwrap_or_default();
    let mut deployed = 0;
    for (target, root, make) in [
        ("windows-2022-iso-amd64", "/dev/vdb4", new_windows as Make),
        ("vmware-esxi-8-amd64", "/dev/vdb1", |dir| esxi(dir, true)),
        ("xenserver8-xenserver-8-amd64", "/dev/vdb1", new_xen),
    ]
    .into_iter()
    .filter(|(target, ..)| target.starts_with(&only))
    {
        deployed += 1;
        let dir = tempfile::tempdir().unwrap();
        assert!(pack(dir.path(), &make(dir.path()), target).status.success(), "{target}");
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .current_dir(dir.path())
            .env("XTASK_ROOT", tree())
            .env("XTASK_EPHEMERAL", &base)
            .args([
                "--out",
                "out",
                "deploy-test",
                "x.dd.gz",
                "--target",
                target,
                "--format",
                "json",
            ])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        println!("{target}: {said}");
        let report: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert!(output.status.success(), "{target}: {said}");
        assert!(report["not_run"].as_str().unwrap().contains("no Linux"), "{said}");
        assert_eq!(report["facts"]["root_device"], root);
        assert_eq!(report["checks"], serde_json::json!([]));
        let phases = report["phases"].to_string();
        for phase in ["write disk", "find root", "curthooks", "late-commands", "power off"] {
            assert!(phases.contains(&format!("\"{phase}\"")), "{phase}: {phases}");
        }
        assert!(!phases.contains("\"boot\""), "{phases}");
    }
    assert!(deployed > 0, "nothing begins with {only:?}");
}
