//! Roots on logical volumes, made by LVM's own tools.
//!
//! They need a loop device and so root, but no device mapper: nothing is
//! activated, the content is copied to where `lvs` says that it belongs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "LVM's tools are the reference")]

mod packing;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use disk_image::pack::{PackRequest, RootSelector};
use disk_image::policy::Kind;
use disk_image::{ErrorKind, Result};
use packing::bench::{Bench, bench};

const LVM: &str = "e6d6d379-f507-44c2-a23c-238f2a3df928";
const LINUX: &str = "0fc63daf-8483-4772-8e79-3d69d8477de4";
const MIB: u64 = 1 << 20;

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be run: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// An image as a block device, until it is dropped.
struct Loop(String);

impl Loop {
    fn new(image: &Path) -> Self {
        Self(run("losetup", &["-f", "--show", image.to_str().unwrap()]).trim().to_owned())
    }

    /// Runs one of LVM's tools on this device alone, without device mapper.
    fn lvm(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let tool = words.next().unwrap();
        let mut args: Vec<&str> =
            words.map(|it| if it == "DEVICE" { &self.0 } else { it }).collect();
        args.extend(["--driverloaded", "n", "--devices", &self.0]);
        run(tool, &args)
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        drop(Command::new("losetup").args(["-d", &self.0]).output());
    }
}

/// Physical extents of a volume in order, by `lvs`: `/dev/loop0:0-4`.
fn extents(device: &Loop, volume: &str) -> Vec<u64> {
    let command = format!("lvs --noheadings --segments -o seg_pe_ranges {volume}");
    let text = device.lvm(&command);
    let ranges = text.split_whitespace().map(|range| range.rsplit(':').next().unwrap());
    let ranges = ranges.map(|range| range.split_once('-').unwrap());
    ranges.flat_map(|(a, b)| a.parse().unwrap()..=b.parse().unwrap()).collect()
}

/// Copies `content` to a volume of extents of 4 MiB.
fn fill(image: &Path, device: &Loop, volume: &str, content: &Path) {
    let start: u64 =
        device.lvm("pvs --noheadings --units b --nosuffix -o pe_start").trim().parse().unwrap();
    let target = fs::File::options().write(true).open(image).unwrap();
    let content = fs::read(content).unwrap();
    let extent = usize::try_from(4 * MIB).unwrap();
    let places = extents(device, volume);
    assert!(places.len() * extent >= content.len(), "{volume} is too small");
    for (place, piece) in places.into_iter().zip(content.chunks(extent)) {
        target.write_all_at(piece, start + place * 4 * MIB).unwrap();
    }
}

/// A physical volume with a root in two segments, and a /boot.
fn group(dir: &Path, root: &Path, boot: &Path, name: &str) -> PathBuf {
    let image = dir.join("pv.img");
    fs::File::create(&image).unwrap().set_len(260 * MIB).unwrap();
    let device = Loop::new(&image);
    device.lvm("pvcreate -q DEVICE");
    device.lvm(&format!("vgcreate -q {name} DEVICE"));
    let quiet = "-q -an -Zn -Wn";
    device.lvm(&format!("lvcreate {quiet} -L 40m -n ro-ot {name}"));
    device.lvm(&format!("lvcreate {quiet} -L 96m -n boot {name}"));
    device.lvm(&format!("lvextend -q -L 96m {name}/ro-ot"));
    device.lvm(&format!("lvcreate {quiet} -L 8m -n swap {name}"));
    fill(&image, &device, &format!("{name}/ro-ot"), root);
    fill(&image, &device, &format!("{name}/boot"), boot);
    image
}

/// A bench whose disk is that group, and the group's name.
fn lvm_bench(fstab: impl FnOnce(&str) -> String) -> (Bench, PathBuf, String) {
    let name = format!("vg-{}", std::process::id());
    let bench = bench(|root| {
        packing::make_root(root);
        fs::create_dir(root.join("boot")).unwrap();
        fs::create_dir(root.join("curtin")).unwrap();
        fs::write(root.join("etc/fstab"), fstab(&name)).unwrap();
    });
    let dir = bench.dir.path();
    let boot = dir.join("boot");
    fs::create_dir(&boot).unwrap();
    fs::write(boot.join("vmlinuz-6.1.0"), "kernel").unwrap();
    let boot_image = dir.join("boot.img");
    packing::make_ext4(&boot, &boot_image);
    let image = group(dir, &bench.disk, &boot_image, &name);
    (bench, image, name)
}

fn kernel_in(bench: &Bench, request: &PackRequest) -> Result<bool> {
    bench.pack(request)?;
    let out = packing::extract(&request.output, &[]);
    let release = fs::read_to_string(out.path().join("usr/lib/os-release")).unwrap();
    assert!(release.starts_with("ID=debian"));
    assert_eq!(fs::metadata(out.path().join("usr/sparse")).unwrap().len(), 64 << 20);
    Ok(out.path().join("boot/vmlinuz-6.1.0").exists())
}

#[test]
fn a_root_on_a_logical_volume_is_packed() {
    let fstab = |name: &str| {
        let mapped = name.replace('-', "--");
        format!("/dev/mapper/{mapped}-ro--ot / ext4\n/dev/{name}/boot /boot ext4\n")
    };
    let (bench, pv, name) = lvm_bench(fstab);
    packing::make_disk(&bench.disk, &[(1, LINUX, Path::new("")), (3, LVM, &pv)]);
    let request = bench.request("x.tar.gz");
    assert!(kernel_in(&bench, &request).unwrap());
    let by_name = |name: String| PackRequest {
        root: RootSelector::Logical(name),
        ..bench.request("x.tar.gz")
    };
    assert!(kernel_in(&bench, &by_name(format!("{name}/ro-ot"))).unwrap());
    let error = kernel_in(&bench, &by_name("no/such".into())).unwrap_err();
    assert!(error.to_string().contains(&format!("{name}/ro-ot")), "{error}");
    let ddgz = PackRequest { kind: Kind::Ddgz, ..bench.request("x.dd.gz") };
    let manifest = bench.pack(&ddgz).unwrap().manifest.unwrap();
    assert_eq!(manifest.kernels[0].version, "6.1.0");

    // The same without a partition table.
    fs::copy(&pv, &bench.disk).unwrap();
    assert!(kernel_in(&bench, &request).unwrap());

    damaged_metadata(&bench, &pv, &request);
}

fn damaged_metadata(bench: &Bench, pv: &Path, request: &PackRequest) {
    let good = fs::read(pv).unwrap();
    // Label, header of the area, its text.
    for at in [512 + 40, 4096 + 8, 4096 + 512 + 100] {
        let mut bytes = good.clone();
        // The current text may be elsewhere in its ring.
        let range = if at > 4096 + 511 { at..4096 + (1 << 20) - 8192 } else { at..at + 4 };
        bytes[range].iter_mut().for_each(|byte| *byte ^= 1);
        fs::write(pv, &bytes).unwrap();
        packing::make_disk(&bench.disk, &[(1, LINUX, Path::new("")), (3, LVM, pv)]);
        let error = bench.pack(request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{at}");
        assert!(error.to_string().contains("LVM"), "{at}: {error}");
    }
}
