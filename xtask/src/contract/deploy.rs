//! What curtin needs: hooks, a distribution it knows, a sane package database.

use disk_image::artifact::{NodeKind, dpkg_packages};

use super::{Breach, Input, breach};
use crate::catalog::Family;

const HOOK: &str = "/curtin/curtin-hooks";
/// What the hooks of this tree share; each imports it from its own directory.
const LIBRARY: &str = "/curtin/hooklib.py";

/// Windows' hook is `finalize`; the other one keeps curtin from NTFS.
pub(super) fn hook(input: &Input<'_>) -> Vec<Breach> {
    let mut found = script(input, HOOK);
    if input.family == Family::Windows {
        found.extend(script(input, "/curtin/finalize"));
    }
    found
}

fn script(input: &Input<'_>, path: &str) -> Vec<Breach> {
    let Some((_, node)) = input.index.find(path) else {
        let needed = input.expect.needs_hook;
        return if needed { vec![breach(path, "there is no deploy hook")] } else { Vec::new() };
    };
    if node.kind != NodeKind::File {
        return vec![breach(path, "it is not a regular file")];
    }
    let mut found = Vec::new();
    if node.mode & 0o100 == 0 {
        found.push(breach(path, format!("it has no run bit (mode {:04o})", node.mode)));
    }
    let text = input.index.content(path).unwrap_or_default();
    if !text.starts_with(b"#!") && !text.starts_with(b"\x7fELF") {
        found.push(breach(path, "it has no interpreter line"));
    } else if text.split(|&byte| byte == b'\n').next().is_some_and(|l| l.ends_with(b"\r")) {
        found.push(breach(path, "its interpreter line ends in a carriage return"));
    }
    let imports = |line: &[u8]| line.starts_with(b"import hooklib");
    if text.split(|&byte| byte == b'\n').any(imports) && !input.index.exists(LIBRARY) {
        found.push(breach(path, format!("it imports hooklib, and there is no {LIBRARY}")));
    }
    found
}

/// The kernel package that the deploy hook names to curtin.
const KERNEL: &str = "/curtin/kernel-package";

pub(super) fn kernel_package(input: &Input<'_>) -> Vec<Breach> {
    if input.os.get("ID") != "debian" {
        // Ubuntu has linux-generic; the others have no such step.
        return Vec::new();
    }
    let generic = "curtin would install linux-generic, which Debian does not have";
    let Some(hook) = input.index.text(HOOK) else {
        // Said by the rule of the hook where one is demanded.
        let said = input.expect.needs_hook || input.index.exists(HOOK);
        return if said {
            Vec::new()
        } else {
            vec![breach(HOOK, format!("without a hook {generic}"))]
        };
    };
    if !hook.contains("kernel-package") {
        // A hook of somebody else: it may name the kernel in any way.
        return Vec::new();
    }
    let name = input.index.text(KERNEL).unwrap_or_default();
    let name = name.lines().next().unwrap_or_default().trim();
    if name.is_empty() {
        return vec![breach(KERNEL, format!("it names no package, so {generic}"))];
    }
    let Some(status) = input.index.text("/var/lib/dpkg/status") else {
        // Said by the rule of the database.
        return Vec::new();
    };
    if is_installed(name, &status) {
        Vec::new()
    } else {
        vec![breach(KERNEL, format!("{name} is not installed"))]
    }
}

/// Whether apt would have nothing to install for `NAME` or `NAME=VERSION`.
fn is_installed(wanted: &str, status: &str) -> bool {
    let (name, version) = match wanted.split_once('=') {
        Some((name, version)) => (name, Some(version)),
        None => (wanted, None),
    };
    dpkg_packages(status).iter().any(|package| {
        let fits = version.is_none_or(|version| package.version == version);
        package.name == name && fits && package.is_installed()
    })
}

pub(super) fn marker(input: &Input<'_>) -> Vec<Breach> {
    // `/system-data/var/lib/snapd` and `/snaps` mark Ubuntu Core.
    let dirs = ["/curtin", "/system-data/var/lib/snapd", "/snaps"];
    let found = dirs
        .iter()
        .any(|dir| input.index.get(dir).is_some_and(|node| node.kind == NodeKind::Directory));
    if found { Vec::new() } else { vec![breach("/curtin", "there is no such directory")] }
}

/// The `ID` values that curtin maps to a family (`curtin/distro.py`), and
/// those it falls back to in `ID_LIKE`.
const KNOWN: &[&str] = &[
    "debian",
    "ubuntu",
    "centos",
    "fedora",
    "ol",
    "redhat",
    "rhel",
    "rocky",
    "almalinux",
    "mariner",
    "gentoo",
    "freebsd",
    "opensuse",
    "sles",
    "suse",
    "arch",
];

pub(super) fn os_release(input: &Input<'_>) -> Vec<Breach> {
    const PATH: &str = "/etc/os-release";
    let (id, like) = (input.os.get("ID"), input.os.get("ID_LIKE"));
    if id.is_empty() {
        return vec![breach(PATH, "there is no ID in it")];
    }
    let mut found = Vec::new();
    let known = std::iter::once(id).chain(like.split_whitespace()).any(|id| KNOWN.contains(&id));
    if !known && !input.index.exists(HOOK) {
        let all = format!("neither ID={id} nor ID_LIKE={like:?} is a distribution curtin knows");
        found.push(breach(PATH, all));
    }
    let version = input.os.get("VERSION_ID");
    let numeric = !version.is_empty() && version.split('.').all(|part| part.parse::<u32>().is_ok());
    if !numeric && input.family == Family::Debian {
        found.push(breach(PATH, format!("VERSION_ID={version:?} is no number")));
    }
    found
}

pub(super) fn lsb_release(input: &Input<'_>) -> Vec<Breach> {
    if input.family != Family::Debian || input.index.exists("/usr/bin/lsb_release") {
        return Vec::new();
    }
    vec![breach("/usr/bin/lsb_release", "not installed")]
}

pub(super) fn dpkg(input: &Input<'_>) -> Vec<Breach> {
    const PATH: &str = "/var/lib/dpkg/status";
    if input.family != Family::Debian {
        return Vec::new();
    }
    let Some(status) = input.index.text(PATH) else {
        return vec![breach(PATH, "there is no package database")];
    };
    let packages = dpkg_packages(&status);
    if packages.is_empty() {
        return vec![breach(PATH, "no package is installed")];
    }
    let broken = packages.iter().filter(|package| !package.is_installed() && !package.is_gone());
    broken.map(|p| breach(PATH, format!("{} is `{}`", p.name, p.status))).collect()
}

pub(super) fn apt_sources(input: &Input<'_>) -> Vec<Breach> {
    if input.family != Family::Debian {
        return Vec::new();
    }
    let mut files = vec!["/etc/apt/sources.list".to_string()];
    files.extend(input.paths("/etc/apt/sources.list.d/*"));
    let local = ["file:", "copy:", "://10.0.2.", "://127.", "://localhost", "cdrom:"];
    let mut found = Vec::new();
    let mut any = false;
    for file in files {
        let lines = input.lines(&file);
        any |= lines.iter().any(|line| {
            line.starts_with("deb ") || line.starts_with("URIs:") || line.starts_with("deb\t")
        });
        for line in lines.iter().filter(|line| local.iter().any(|local| line.contains(local))) {
            found.push(breach(&file, format!("it names the build host: {line}")));
        }
    }
    if !any {
        found.push(breach("/etc/apt", "no package source is configured"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::is_installed;

    #[test]
    fn a_pinned_kernel_is_installed_in_that_version() {
        let status = "Package: linux-image-amd64\nVersion: 6.1.192-3\n\
            Status: install ok installed\n\nPackage: gone\nVersion: 1\n\
            Status: deinstall ok config-files\n";
        for (wanted, expected) in [
            ("linux-image-amd64", true),
            ("linux-image-amd64=6.1.192-3", true),
            ("linux-image-amd64=6.1.192-2", false),
            ("linux-image-amd64=", false),
            ("gone=1", false),
            ("linux-generic", false),
        ] {
            assert_eq!(is_installed(wanted, status), expected, "{wanted}");
        }
    }
}
