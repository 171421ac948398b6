use super::super::spec::Accelerator;
use super::*;
use crate::cmd::which;

struct Bench {
    dir: tempfile::TempDir,
    spec: VmSpec,
    host: QemuHost,
    paths: WorkPaths,
    cancel: CancelToken,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let template = dir.path().join("template");
        fs::create_dir(&template).unwrap();
        let paths = WorkPaths::create(&dir.path().join("w"), &template).unwrap();
        let tool = |name: &str| which(name).unwrap_or_else(|| panic!("{name} is not installed"));
        let host = QemuHost {
            qemu_system: "/bin/false".into(),
            qemu_img: tool("qemu-img"),
            version: (7, 2, 0),
            accelerator: Accelerator::Tcg,
            xorriso: Some(tool("xorriso")),
            firmware: None,
            window: false,
            askpass: "/bin/false".into(),
        };
        let medium = dir.path().join("base, with comma.qcow2");
        let spec = VmSpec::new("t", medium);
        Self { dir, spec, host, paths, cancel: CancelToken::new() }
    }

    fn shop(&self) -> Workshop<'_> {
        Workshop { spec: &self.spec, host: &self.host, paths: &self.paths, cancel: &self.cancel }
    }

    fn img(&self, args: &[&str]) -> String {
        let cmd = Cmd::new("qemu-img", "test").cwd(self.dir.path()).cancel(&self.cancel);
        cmd.args(args).output().unwrap().stdout_text()
    }

    fn info(&self, disk: &Path) -> serde_json::Value {
        serde_json::from_str(&self.img(&["info", "--output=json", disk.to_str().unwrap()])).unwrap()
    }
}

#[test]
fn a_backing_file_is_named_with_its_format_and_left_alone() {
    let mut bench = Bench::new();
    bench.img(&["create", "-q", "-f", "qcow2", bench.spec.medium.to_str().unwrap(), "1M"]);
    let before = fs::read(&bench.spec.medium).unwrap();
    bench.spec.disk_image = true;
    bench.spec.disk.use_backing_file = true;
    bench.spec.disk.size = "3M".into();
    bench.spec.disk.additional = vec!["2M".into()];
    let disks = bench.shop().disks().unwrap();
    let info = bench.info(&disks[0]);
    assert_eq!(info["virtual-size"], 3 << 20);
    assert_eq!(info["backing-filename-format"], "qcow2");
    assert_eq!(bench.info(&disks[1])["virtual-size"], 2 << 20);
    assert_eq!(disks[1].file_name().unwrap(), "packer-t-1");
    assert_eq!(fs::read(&bench.spec.medium).unwrap(), before);
}

#[test]
fn a_copy_is_converted_resized_and_compressed() {
    let mut bench = Bench::new();
    fs::write(&bench.spec.medium, vec![7; 1 << 20]).unwrap();
    bench.spec.disk_image = true;
    bench.spec.disk.size = "4M".into();
    bench.spec.disk.compress = true;
    let disks = bench.shop().disks().unwrap();
    let size = fs::metadata(&disks[0]).unwrap().len();
    bench.shop().compress(&disks[0]).unwrap();
    let info = bench.info(&disks[0]);
    assert_eq!(
        (info["virtual-size"].clone(), info["format"].clone()),
        ((4 << 20).into(), "qcow2".into())
    );
    assert!(fs::metadata(&disks[0]).unwrap().len() < size);
}

#[test]
fn a_missing_medium_and_a_shrinking_disk_are_errors() {
    let mut bench = Bench::new();
    let error = bench.shop().disks().unwrap_err();
    assert!(error.message.contains("base, with comma.qcow2 is not there"), "{}", error.message);
    fs::write(&bench.spec.medium, vec![7; 1 << 20]).unwrap();
    bench.spec.disk_image = true;
    bench.spec.disk.size = "64K".into();
    let error = bench.shop().disks().unwrap_err();
    assert!(error.message.starts_with("failed to resize the disk"), "{}", error.message);
}

#[test]
fn the_cd_holds_files_directories_and_content_under_its_label() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.paths.template.join("seed/sub")).unwrap();
    fs::write(bench.paths.template.join("seed/sub/a"), "A").unwrap();
    fs::write(bench.paths.template.join("b"), "B").unwrap();
    bench.spec.cd.files = vec!["seed".into(), "b".into()];
    bench.spec.cd.content = [("/user-data".into(), "#cloud-config\n".into())].into();
    bench.spec.cd.label = Some("cidata".into());
    let iso = bench.shop().cd().unwrap().unwrap();
    let list = Cmd::new("xorriso", "list")
        .cwd(bench.dir.path())
        .args(["-indev", iso.to_str().unwrap(), "-pvd_info", "-find", "/", "-type", "f"])
        .cancel(&bench.cancel)
        .output()
        .unwrap()
        .stdout_text();
    for part in ["Volume Id    : cidata", "'/seed/sub/a'", "'/b'", "'/user-data'"] {
        assert!(list.contains(part), "{part}: {list}");
    }
}

#[test]
fn content_cannot_leave_the_cd() {
    let mut bench = Bench::new();
    for name in ["../x", "/", "a/../../x", ""] {
        bench.spec.cd.content = [(name.to_owned(), String::new())].into();
        let error = bench.shop().cd().unwrap_err();
        assert!(error.message.contains("is no path on a CD"), "{name}: {}", error.message);
    }
}

#[test]
fn the_variables_are_a_writable_copy() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    let file = |name: &str, bytes: &[u8]| {
        let path = bench.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        path
    };
    let (code, vars) = (file("CODE", b"code"), file("VARS", b"QFI\xfbvars"));
    bench.spec.firmware = Firmware::Efi { code: Some(code.clone()), vars: Some(vars.clone()) };
    let efi = bench.shop().efi().unwrap().unwrap();
    assert_eq!((efi.code.path, efi.code.format, efi.vars.format), (code, "raw", "qcow2"));
    assert_ne!(efi.vars.path, vars);
    fs::write(&efi.vars.path, "written by the guest").unwrap();
    bench.spec.firmware = Firmware::Efi { code: None, vars: None };
    let error = bench.shop().efi().unwrap_err();
    assert!(error.message.contains("no UEFI firmware is known"), "{}", error.message);
}
