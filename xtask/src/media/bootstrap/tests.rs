//! Plans of base disks, against the recipe that ships.

use std::path::Path;

use super::*;

fn recipe() -> Recipe {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../debian");
    Recipe::read(&dir).unwrap()
}

fn subject(release: &'static str, arch: Arch) -> Subject<'static> {
    Subject { release, arch, image: "debian", is_root: false, mirror_hash: "m" }
}

fn plan_of(release: &'static str, arch: Arch, options: &Options) -> Plan {
    plan(&recipe(), options, &subject(release, arch)).unwrap()
}

#[test]
fn every_release_and_architecture_has_a_plan() {
    let recipe = recipe();
    for release in recipe.releases.keys() {
        for arch in Arch::ALL {
            let subject =
                Subject { release, arch, image: "debian", is_root: true, mirror_hash: "m" };
            let plan = plan(&recipe, &Options::default(), &subject).unwrap();
            let argv = plan.mmdebstrap(Path::new("root.tar"), &[]);
            let include = argv.iter().find(|a| a.starts_with("--include=")).unwrap();
            assert!(include.contains(&format!("linux-image-{}", arch.deb())), "{include}");
            assert!(include.contains("cloud-init"), "{include}");
            assert_eq!(argv.iter().filter(|a| a.starts_with("deb ")).count(), 3, "{argv:?}");
            assert_eq!(plan.partitions().contains("name=\"bios\""), arch == Arch::Amd64);
        }
    }
}

#[test]
fn the_key_follows_every_input_and_nothing_else() {
    let base = plan_of("12", Arch::Amd64, &Options::default()).key;
    assert_eq!(base, plan_of("12", Arch::Amd64, &Options::default()).key);
    let own = Options {
        mirror: Some("http://m/debian".into()),
        security_mirror: Some("none".into()),
        ..Options::default()
    };
    let boot = Options { boot: Boot::Partition, ..Options::default() };
    let areas = Options { components: Some(vec!["main".into()]), ..Options::default() };
    let other_hash = Subject { mirror_hash: "n", ..subject("12", Arch::Amd64) };
    let others = [
        plan_of("13", Arch::Amd64, &Options::default()).key,
        plan_of("12", Arch::Arm64, &Options::default()).key,
        plan_of("12", Arch::Amd64, &own).key,
        plan_of("12", Arch::Amd64, &areas).key,
        plan_of("12", Arch::Amd64, &boot).key,
        plan(&recipe(), &Options::default(), &other_hash).unwrap().key,
    ];
    assert!(others.iter().all(|key| *key != base));
    let root = Subject { is_root: true, ..subject("12", Arch::Amd64) };
    assert_eq!(plan(&recipe(), &Options::default(), &root).unwrap().key, base);
}

#[test]
fn bad_mirrors_are_refused_with_a_hint() {
    let mirror = |mirror: &str, security: Option<&str>| Options {
        mirror: Some(mirror.into()),
        security_mirror: security.map(Into::into),
        ..Options::default()
    };
    for (options, reason) in [
        (mirror("deb.debian.org/debian", Some("none")), "is no mirror"),
        (mirror("http://m/debian main", Some("none")), "is no mirror"),
        (mirror("http://m/debian", None), "--security-mirror"),
        (mirror("http://m/debian", Some("ftp://m")), "is no mirror"),
    ] {
        let error = plan(&recipe(), &options, &subject("12", Arch::Amd64)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let error =
        plan(&recipe(), &Options::default(), &subject("9", Arch::Amd64)).unwrap_err().to_string();
    assert!(error.contains("11, 12, 13"), "{error}");
}

#[test]
fn an_air_gapped_mirror_is_bound_in_and_not_left_in_the_guest() {
    let options = Options {
        mirror: Some("file:///srv/debian".into()),
        security_mirror: Some("none".into()),
        keyring: Some("/srv/own.gpg".into()),
        mode: Mode::Unshare,
        ..Options::default()
    };
    let argv = plan_of("12", Arch::Amd64, &options)
        .mmdebstrap(Path::new("t"), &["Acquire::http::Proxy \"http://p\"".into()]);
    assert!(argv.contains(&"--mode=unshare".to_owned()));
    assert!(argv.contains(&"--keyring=/srv/own.gpg".to_owned()));
    assert!(argv.iter().any(|a| a.contains("file-mirror-automount")));
    assert!(argv.contains(&"--aptopt=Acquire::http::Proxy \"http://p\"".to_owned()));
    let hook = argv.iter().find(|a| a.starts_with("--customize-hook=")).unwrap();
    assert!(hook.contains("SOURCES=''"), "{hook}");
    assert!(!argv.iter().any(|a| a.contains("security")), "{argv:?}");
}

#[test]
fn partitions_do_not_overlap_and_root_ends_before_the_backup_table() {
    for (boot, count) in [(Boot::Root, 3), (Boot::Partition, 4)] {
        let plan = plan_of("12", Arch::Amd64, &Options { boot, ..Options::default() });
        let field = |line: &str, name: &str| -> u64 {
            let rest = line.split(&format!("{name}=")).nth(1).unwrap();
            rest.split(',').next().unwrap().parse().unwrap()
        };
        let text = plan.partitions();
        let mut spans: Vec<(u64, u64)> = text
            .lines()
            .filter(|line| line.contains("start="))
            .map(|line| (field(line, "start"), field(line, "start") + field(line, "size")))
            .collect();
        spans.sort_unstable();
        assert_eq!(spans.len(), count);
        assert!(spans.windows(2).all(|w| w[0].1 <= w[1].0), "{spans:?}");
        let last = spans.last().unwrap();
        assert_eq!(last.0 * 512, plan.root_start(), "the root is the last");
        assert!(last.1 + 34 <= plan.disk_size() / 512, "{spans:?}");
        // Two partitions with one UUID would be told apart by nobody.
        let mut ids: Vec<_> = text.split("uuid=").skip(1).map(|t| &t[..36]).collect();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(ids.iter().all(|id| id.split('-').map(str::len).eq([8, 4, 4, 4, 12])), "{ids:?}");
    }
}

/// One place without it, and GRUB stops at its prompt or the kernel's updates
/// go to another file system than the one that is started from.
#[test]
fn a_partition_for_boot_is_what_loaders_and_fstab_name() {
    let options = Options { boot: Boot::Partition, ..Options::default() };
    let plan = plan_of("12", Arch::Amd64, &options);
    let uuid = plan.boot_uuid().unwrap();
    let text = plan.partitions();
    assert!(text.contains("type=BC13C2FF-59E6-4262-A352-B275FD6F7172"), "{text}");
    let stub = plan.esp_config();
    assert!(stub.contains(uuid) && stub.contains("($root)/grub\n"), "{stub}");
    let argv = plan.mmdebstrap(Path::new("t"), &[]);
    let hook = argv.iter().find(|a| a.starts_with("--customize-hook=")).unwrap();
    assert!(hook.contains(&format!("BOOT_UUID={uuid}")), "{hook}");
    let script = plan.file_system_script();
    assert!(script.contains(&format!("-U {uuid} -L boot")) && script.contains(">&3"), "{script}");
    // Without it nothing of this is there.
    let plain = plan_of("12", Arch::Amd64, &Options::default());
    assert!(plain.esp_config().contains("($root)/boot/grub\n") && plain.boot_uuid().is_none());
    assert!(!plain.file_system_script().contains(">&3"));
}

/// boot.sh leaves the base disk's initramfs alone only if both write the same.
#[test]
fn initramfs_settings_agree_with_the_build_script() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../debian");
    let boot = fs::read_to_string(root.join("scripts/boot.sh")).unwrap();
    let essential = recipe().essential;
    for setting in ["MODULES=most\\nCOMPRESS=zstd", "RESUME=none"] {
        assert!(boot.contains(setting), "boot.sh lacks {setting}");
        assert!(essential.contains(&format!("{setting}\\n")), "essential.sh lacks {setting}");
    }
}

/// Without it cloud-config.service fails on every first start of the disk.
#[test]
fn the_base_disk_sets_a_locale() {
    let customize = recipe().customize;
    assert!(customize.contains("'LANG=C.UTF-8\\n' >\"$root/etc/default/locale\""));
}

#[test]
fn sums_are_kept_for_disks_that_are_there() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.qcow2", "b.qcow2"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let ctx = Context::silent();
    add_sum(dir.path(), "a.qcow2", "11", &ctx).unwrap();
    add_sum(dir.path(), "b.qcow2", "22", &ctx).unwrap();
    fs::remove_file(dir.path().join("a.qcow2")).unwrap();
    add_sum(dir.path(), "b.qcow2", "33", &ctx).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("SHA256SUMS")).unwrap(), "33  b.qcow2\n");
}

#[test]
fn offline_without_a_disk_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path().join("media"));
    let ctx = Context { offline: true, ..Context::silent() };
    let wanted = Wanted { image: "debian", release: "12", arch: Arch::Amd64 };
    let error = bootstrap(&store, &recipe(), &wanted, &Options::default(), &ctx).unwrap_err();
    assert!(matches!(error, MediaError::Offline { .. }), "{error}");
}

/// An air-gapped site names its mirror once; builds must not go elsewhere.
#[test]
fn the_mirror_of_the_last_time_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path().to_path_buf());
    let wanted = Wanted { image: "debian", release: "12", arch: Arch::Amd64 };
    assert_eq!(remembered(&store, &wanted).mirror, None);
    let options = Options {
        mirror: Some("file:///srv/debian".into()),
        security_mirror: Some("none".into()),
        components: Some(vec!["main".into()]),
        keyring: Some("/srv/own.gpg".into()),
        boot: Boot::Partition,
        mode: Mode::Root,
        refresh: true,
    };
    let record = Record {
        key: "k".into(),
        sha256: "s".into(),
        made: "m".into(),
        sources: vec![],
        options: options.clone(),
    };
    fs::write(dir.path().join("debian-12-amd64.json"), serde_json::to_vec(&record).unwrap())
        .unwrap();
    let again = remembered(&store, &wanted);
    assert_eq!((again.mirror, again.security_mirror), (options.mirror, options.security_mirror));
    assert_eq!((again.components, again.keyring), (options.components, options.keyring));
    assert_eq!(again.boot, Boot::Partition);
    assert!(!again.refresh && again.mode == Mode::Auto, "these are of one run only");
}
