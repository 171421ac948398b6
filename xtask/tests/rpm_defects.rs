//! Defects of older templates for RPM-based images that no rule of `validate`
//! names: one row each, held against every answer file of every target. The
//! row's own change of one file has to break it.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};

use packer_hcl::value::Value;
use xtask::catalog::{Catalog, Image, Target};
use xtask::plan::{Options, Resolver};

/// An answer file and the keys that ask for it.
struct Answer {
    target: String,
    family: Family,
    arm: bool,
    /// Memory of the VM, in MiB.
    memory: u64,
    text: String,
    keys: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    El,
    Suse,
    Other,
}

type Row = (&'static str, fn(&Answer) -> bool, fn(&Answer) -> bool, [&'static str; 2]);

fn el(answer: &Answer) -> bool {
    answer.family == Family::El
}

fn el_amd64(answer: &Answer) -> bool {
    el(answer) && !answer.arm
}

fn el_arm64(answer: &Answer) -> bool {
    el(answer) && answer.arm
}

fn suse(answer: &Answer) -> bool {
    answer.family == Family::Suse
}

fn centos6(answer: &Answer) -> bool {
    answer.target.starts_with("centos6")
}

fn any(_: &Answer) -> bool {
    true
}

impl Answer {
    fn has(&self, what: &str) -> bool {
        self.text.contains(what)
    }

    fn lines(&self, start: &str) -> usize {
        self.text.lines().filter(|line| line.starts_with(start)).count()
    }

    fn packages(&self) -> Vec<&str> {
        let inside = self.text.split("\n%packages\n").nth(1).unwrap_or_default();
        inside.split("\n%end").next().unwrap_or_default().lines().collect()
    }

    fn package(&self, name: &str) -> bool {
        self.packages().contains(&name)
    }
}

/// Name, whom it concerns, what has to hold, and a change that breaks it.
const ROWS: [Row; 25] = [
    (
        "one firewall line",
        el,
        |a| a.lines("firewall ") == 1,
        ["\nfirewall ", "\nfirewall --enabled\nfirewall "],
    ),
    ("the clock's option is one of every release", el, |a| !a.has("--isUtc"), ["--utc", "--isUtc"]),
    (
        "no package may be missing",
        el,
        |a| !a.has("--ignoremissing"),
        ["\n%packages", "\n%packages --ignoremissing"],
    ),
    (
        "loaders have names, not patterns",
        el,
        |a| !a.packages().iter().any(|p| !p.starts_with('-') && p.contains('*')),
        ["\ngrub2-efi-", "\ngrub2-efi-*"],
    ),
    (
        "no package twice",
        el,
        |a| {
            let mut p = a.packages();
            p.sort_unstable();
            p.windows(2).all(|w| w[0] != w[1])
        },
        ["\nlvm2\n", "\nlvm2\nlvm2\n"],
    ),
    (
        "MAAS's datasource has oauthlib",
        el,
        |a| a.packages().iter().any(|p| p.ends_with("-oauthlib")),
        ["-oauthlib", "-oauth"],
    ),
    (
        "amd64 has both loaders, no modules that end Secure Boot, none of arm64",
        el_amd64,
        |a| {
            a.package("grub2-pc")
                && a.packages().iter().any(|p| p.starts_with("shim"))
                && !a.packages().iter().any(|p| p.contains("aa64") || p.ends_with("x64-modules"))
        },
        ["\ngrub2-pc\n", "\n"],
    ),
    (
        "arm64 has its loaders with modules and none of amd64",
        el_arm64,
        |a| {
            a.package("grub2-efi-aa64-modules")
                && a.packages().iter().any(|p| p.starts_with("shim"))
                && !a.packages().iter().any(|p| p.contains("x64") || *p == "grub2-pc")
        },
        ["grub2-efi-aa64-modules", "grub2-pc"],
    ),
    (
        "nobody has a password or may do everything",
        el,
        |a| a.lines("rootpw --lock") == 1 && a.lines("user ") == 0 && !a.has("NOPASSWD"),
        ["\nrootpw --lock", "\nuser --name=a\nrootpw --lock"],
    ),
    (
        "one partition, without swap",
        el,
        |a| a.lines("part ") == 1 && a.lines("part / --fstype=ext4") == 1,
        ["\npart /", "\npart swap --size=2048\npart /"],
    ),
    (
        "%post stops at the first failure",
        el,
        |a| a.lines("%post --erroronfail") == 1 && a.lines("set -Eeuo pipefail") == 1,
        ["set -Eeuo pipefail", "set -u"],
    ),
    (
        "GRUB does not use the build's entries",
        el,
        |a| a.lines("GRUB_ENABLE_BLSCFG=false") == 1,
        ["GRUB_ENABLE_BLSCFG=false", "GRUB_TIMEOUT=2"],
    ),
    (
        "grub2-mkconfig finds no file to refuse",
        el,
        |a| a.lines("rm -f \"/boot/efi/EFI/$EFI_DIRECTORY/grub.cfg\"") == 1,
        ["rm -f \"/boot/efi/EFI/$EFI", "ls \"/boot/efi/EFI/$EFI"],
    ),
    (
        "the installer's last words go where the console is",
        any,
        |a| !(a.arm && (a.keys.contains("ttyS0") || a.has("/dev/ttyS0"))),
        ["/dev/ttyAMA0", "/dev/ttyS0"],
    ),
    (
        "packages come by https where the installer can",
        el,
        |a| !a.has("=\"http://"),
        ["=\"https://", "=\"http://"],
    ),
    (
        "no metalink is taken for a list of mirrors",
        el,
        |a| !a.has("--mirrorlist"),
        ["--baseurl", "--mirrorlist"],
    ),
    (
        "EL 6 gets arguments that it knows",
        centos6,
        |a| !a.keys.contains("inst.") && a.keys.contains(" ks=http"),
        [" ks=http", " inst.ks=http"],
    ),
    (
        "EL 6 asks for no EULA, which it does not know",
        centos6,
        |a| !a.has("eula") && !a.has("%packages --"),
        ["\nskipx", "\neula --agreed\nskipx"],
    ),
    (
        "no source that is gone",
        any,
        |a| {
            !["mirrorlist.centos.org", "//mirror.centos.org", "mirrors.edge.kernel.org"]
                .iter()
                .any(|host| a.has(host))
        },
        ["#version", "# http://mirror.centos.org\n#version"],
    ),
    (
        "no name server and no packages from outside",
        any,
        |a| !a.has("8.8.8.8") && !a.has("pip install"),
        ["poweroff", "echo nameserver 8.8.8.8 >/etc/resolv.conf\npoweroff"],
    ),
    (
        "the system says who it is",
        any,
        |a| !a.has("ID_LIKE=") && !a.has(">/etc/os-release") && !a.has(">> /etc/os-release"),
        ["poweroff", "echo ID_LIKE=rhel >>/etc/os-release\npoweroff"],
    ),
    (
        "AutoYaST runs nothing on a deployed machine",
        suse,
        |a| !a.has("<init-scripts") && !a.has("<post-scripts"),
        ["<chroot-scripts", "<init-scripts"],
    ),
    (
        "AutoYaST leaves firmware in",
        suse,
        |a| !a.has("<remove-packages"),
        ["<packages ", "<remove-packages "],
    ),
    (
        "Agama itself turns the machine off",
        suse,
        |a| !a.keys.contains("inst.auto") || a.keys.contains("inst.finish=poweroff"),
        ["inst.finish=poweroff", "inst.finish=stop"],
    ),
    (
        "SUSE: no fixed partition, no foreign repository",
        suse,
        |a| !a.has("vda2") && !a.has("download.opensuse.org"),
        ["/dev/vda", "/dev/vda2"],
    ),
];

fn strings(value: &Value) -> String {
    value.as_sequence().unwrap_or_default().iter().filter_map(Value::as_str).collect()
}

fn answers(root: &Path, image: &Image, target: &Target) -> Vec<Answer> {
    let mut resolver = Resolver::new(root, &root.join("out"));
    resolver.load(target).unwrap();
    let resolved = resolver
        .resolve(target, &Options::default(), None)
        .unwrap_or_else(|f| panic!("{}: {f:?}", target.id));
    let body = &resolved.source.body;
    let family =
        match (image.dir.join("el.pkr.hcl").exists(), image.dir.join("suse.pkr.hcl").exists()) {
            (true, _) => Family::El,
            (_, true) => Family::Suse,
            _ => Family::Other,
        };
    let keys = body.attribute("boot_command").map(|a| strings(&a.value)).unwrap_or_default();
    let maps = ["http_content", "cd_content"].map(|name| body.attribute(name));
    let files = maps.into_iter().flatten().filter_map(|a| a.value.as_mapping()).flatten();
    files
        .map(|(_, text)| Answer {
            target: target.id.clone(),
            family,
            arm: target.id.ends_with("-arm64"),
            memory: resolved.plan.machine.memory_mib,
            text: text.as_str().unwrap_or_default().to_owned(),
            keys: keys.clone(),
        })
        .collect()
}

fn every_answer() -> Vec<Answer> {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let catalog = Catalog::load(&root).unwrap();
    let installed = catalog.images.iter().filter(|i| i.dir.join("installer.pkr.hcl").exists());
    installed.flat_map(|i| i.targets.iter().flat_map(|t| answers(&root, i, t))).collect()
}

#[test]
fn no_answer_file_has_a_defect_of_older_templates() {
    let all = every_answer();
    assert!(all.len() >= 40, "{} answer files", all.len());
    for (name, concerns, holds, [old, new]) in ROWS {
        let concerned: Vec<&Answer> = all.iter().filter(|a| concerns(a)).collect();
        assert!(!concerned.is_empty(), "{name}: concerns none");
        for answer in &concerned {
            assert!(holds(answer), "{}: {name}", answer.target);
        }
        let changed =
            concerned.iter().filter(|a| a.has(old) || a.keys.contains(old)).map(|a| Answer {
                target: a.target.clone(),
                text: a.text.replacen(old, new, 1),
                keys: a.keys.replacen(old, new, 1),
                ..**a
            });
        let broken = changed.filter(|a| !holds(a)).count();
        assert!(broken > 0, "{name}: its change breaks nothing");
    }
}

/// Network installations of EL 8 and later keep the installer in memory.
#[test]
fn installers_have_more_than_2_gib() {
    let all = every_answer();
    let large: Vec<_> = all.iter().filter(|a| a.family != Family::Other).collect();
    assert!(large.len() > 30, "{}", large.len());
    for answer in large {
        assert!(answer.memory > 2048, "{}: {} MiB", answer.target, answer.memory);
    }
}

/// Older templates sent a mirror to some of their sources only, or built the
/// paths of another release from it.
#[test]
fn media_and_packages_come_from_a_copy_of_the_vendors_tree() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let catalog = Catalog::load(&root).unwrap();
    let el = |image: &&Image| image.dir.join("el.pkr.hcl").exists();
    let mut seen = 0;
    for image in catalog.images.iter().filter(el) {
        for target in &image.targets {
            // A medium that only the user has is in no copy.
            let own = target.facts.media.env.is_some();
            let knob = if own { "mirror" } else { "media_base" };
            let options = with(knob, "https://copy.example/t");
            let mut resolver = Resolver::new(&root, &root.join("out"));
            resolver.load(target).unwrap();
            let resolved = resolver.resolve(target, &options, None).unwrap();
            let kickstart = answer_text(&resolved);
            let sources: Vec<&str> = kickstart
                .lines()
                .filter(|l| l.starts_with("url ") || l.starts_with("repo "))
                .chain([&*resolved.plan.media.url, &*resolved.plan.media.checksum])
                .filter(|l| l.contains("://"))
                .collect();
            assert!(!sources.is_empty(), "{}", target.id);
            for source in sources {
                assert!(source.contains("https://copy.example/t/"), "{}: {source}", target.id);
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_pinned_kernel_is_a_package_that_dnf_knows() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let catalog = Catalog::load(&root).unwrap();
    let target = catalog.targets().find(|t| t.id == "rocky9-amd64").unwrap();
    let options = with("kernel", "kernel=5.14.0-427.13.1.el9_4");
    let mut resolver = Resolver::new(&root, &root.join("out"));
    resolver.load(target).unwrap();
    let text = answer_text(&resolver.resolve(target, &options, None).unwrap());
    assert!(text.lines().any(|l| l == "kernel-5.14.0-427.13.1.el9_4"), "{text}");
}

fn with(name: &str, value: &str) -> Options {
    Options { vars: vec![(name.into(), value.into())], ..Options::default() }
}

fn answer_text(resolved: &xtask::plan::Resolved) -> String {
    let content = &resolved.source.body.attribute("http_content").unwrap().value;
    content.as_mapping().unwrap().values().map(|text| text.as_str().unwrap()).collect()
}
