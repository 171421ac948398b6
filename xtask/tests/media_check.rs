//! `media check` over the whole catalog, against a local server that IMITATES the
//! layouts of the mirrors (synthetic: paths as the templates name them, listings
//! as Apache writes them). It says nothing about the real mirrors.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// What is gone at the imitated mirrors.
const DEAD: &str = "ubuntu-22.04.5-live-server-amd64.iso";

/// Listings with something newer, by the end of their path.
const LISTINGS: [(&str, &[&str]); 6] = [
    ("/pub/rocky/", &["8.10", "9.8", "9.9", "10.2"]),
    ("/OracleLinux/OL9/", &["u7", "u8", "u9"]),
    ("/cloud/bookworm/", &["20260923-2610", "20990101-9999", "latest"]),
    (
        "releases.ubuntu.com/noble/",
        &["ubuntu-24.04.5-live-server-amd64.iso", "ubuntu-24.04.6-live-server-amd64.iso"],
    ),
    ("/releases/noble/", &["release-20260705", "release-20990101", "release"]),
    ("/releases/44/Server/x86_64/iso/", &["Fedora-Server-netinst-x86_64-44-1.8.iso"]),
];

fn answer(path: &str, seen: &mut BTreeSet<String>) -> (u16, String) {
    let name = path.rsplit('/').next().unwrap().to_owned();
    if name.is_empty() {
        let listing = LISTINGS.iter().find(|(end, _)| path.ends_with(end));
        let names = listing.map_or(&[][..], |(_, names)| names);
        return (200, names.iter().map(|n| format!("<a href=\"{n}/\">{n}/</a>\n")).collect());
    }
    if name == DEAD {
        return (404, String::new());
    }
    let lower = name.to_lowercase();
    if [".iso", ".img", ".qcow2"].iter().any(|end| lower.ends_with(end)) {
        seen.insert(name);
        return (200, "medium".into());
    }
    // A checksum list, or an InRelease: with every medium that was asked for.
    let hash = if lower.contains("512") { "a".repeat(128) } else { "a".repeat(64) };
    (200, seen.iter().map(|name| format!("{hash}  {name}\n")).collect())
}

fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || one(&stream, &seen));
        }
    });
    url
}

fn one(mut stream: &TcpStream, seen: &Mutex<BTreeSet<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    lines.by_ref().find(String::is_empty);
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let (code, body) = answer(&path, &mut seen.lock().unwrap());
    let head =
        format!("HTTP/1.1 {code} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let _gone = stream.write_all((head + &body).as_bytes());
}

fn check(args: &[&str]) -> Output {
    let fixed = ["media", "check", "--format", "json"];
    Command::new(env!("CARGO_BIN_EXE_xtask")).args([&fixed[..], args].concat()).output().unwrap()
}

#[test]
fn the_whole_catalog_is_probed_and_what_is_newer_becomes_a_patch() {
    let dir = tempfile::tempdir().unwrap();
    let patch = dir.path().join("newer.patch");
    let via = serve();
    let output = check(&["--all", "--via", &via, "--patch", patch.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let media = all["media"].as_array().unwrap();
    assert!(media.len() >= 40, "{}", media.len());
    let hosts: BTreeSet<&str> =
        media.iter().filter_map(|m| m["url"].as_str()?.split('/').nth(2)).collect();
    for host in [
        "repo.almalinux.org",
        "download.rockylinux.org",
        "yum.oracle.com",
        "mirror.stream.centos.org",
        "repo.openeuler.org",
        "cloud.debian.org",
        "deb.debian.org",
        "releases.ubuntu.com",
        "download.fedoraproject.org",
    ] {
        assert!(hosts.contains(host), "{host} is not in {hosts:?}");
    }
    let dead: Vec<_> = media.iter().filter(|m| m["ok"] == false).collect();
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0]["url"].as_str().unwrap().ends_with(DEAD));
    assert_eq!(dead[0]["targets"].as_array().unwrap().len(), 2, "flat and lvm");
    let patch_text = std::fs::read_to_string(&patch).unwrap();
    for line in [
        "+++ b/rocky9/rocky9.pkr.hcl",
        "+    version       = \"9.9\"",
        "/OL9/u9/${local.rpm_arch}/OracleLinux-R9-U9-",
        "\"12\" = { codename = \"bookworm\", build = \"20990101-9999\"",
        "noble    = { version = \"24.04\", point = \"24.04.6\", build = \"release-20990101\"",
        "\"43\" = \"1.6\", \"44\" = \"1.8\"",
    ] {
        assert!(patch_text.contains(line), "{line}\n{patch_text}");
    }
    assert!(!patch_text.contains("+    jammy"), "another release of the same day\n{patch_text}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let applies = Command::new("git")
        .args(["apply", "--check", "--unidiff-zero"])
        .arg(&patch)
        .current_dir(root)
        .output()
        .unwrap();
    // Outside of a repository there is nothing to apply it to.
    if root.join(".git").exists() {
        assert!(applies.status.success(), "{}", String::from_utf8_lossy(&applies.stderr));
    }
}
