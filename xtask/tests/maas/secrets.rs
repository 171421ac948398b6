//! The API key is in no output, file, argument list or environment of others.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use xtask::maas::model::app::KEY;
use xtask::maas::model::fault::{Fault, Once};
use xtask::maas::model::front::Server;
use xtask::maas::model::machines::Machine;

use crate::bench::{Bench, TARGET, walk};

/// A program that writes down its arguments and environment.
fn spy(dir: &Path, name: &str, then: &str) {
    let seen = dir.join("seen");
    let path = dir.join(name);
    let text =
        format!("#!/bin/sh\n{{ echo \"ARGV $0 $*\"; env; }} >> {}\n{then}\n", seen.display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn no_key_in_any_refusal() {
    let bench = Bench::new();
    bench.build(1, "");
    let [consumer, token, secret] = KEY;
    for (key, expected) in [
        (format!("{consumer}:{token}:wrong"), "third part of the API key is wrong"),
        (format!("{consumer}:wrong:{secret}"), "second part"),
        (format!("{consumer}:{token}"), "3 parts"),
        (format!("{consumer}:{token}:{secret}:"), "3 parts"),
        (format!("{consumer}:{token}:{secret}!"), "not letters and digits"),
    ] {
        let env = [("MAAS_URL", bench.server.url.as_str()), ("MAAS_API_KEY", key.as_str())];
        let (code, _, stderr) = bench.run_with(&["upload", TARGET, "-vv"], &env);
        assert!(code != Some(0) && stderr.contains(expected), "{stderr}");
    }
    for status in [400, 403, 404, 418, 500] {
        bench.server.set_plan(Box::new(Once { number: 4, fault: Fault::Instead(status, None) }));
        bench.run(&["upload", TARGET, "-vv"]);
    }
    let file = bench.dir.path().join("key.toml");
    std::fs::write(&file, format!("url = \"{}\"\nkey = {}\n", bench.server.url, Server::key()))
        .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (code, _, stderr) =
        bench.run_with(&["remote", "list", "--credentials", &file.to_string_lossy()], &[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("(line 2)"), "{stderr}");
}

/// A build that fails leaves logs, a page and JUnit; the programs it starts see
/// nothing of MAAS either.
#[test]
fn no_key_in_a_build() {
    let bench = Bench::new();
    let spied = ["qemu-system-x86_64", "qemu-system-aarch64", "qemu-img", "packer", "git", "ssh"];
    spied.iter().for_each(|name| spy(bench.dir.path(), name, "exit 1"));
    let junit = bench.out().join("junit.xml");
    let tree = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let media = bench.dir.path().join("media").display().to_string();
    let key = Server::key();
    let env = [
        ("MAAS_URL", bench.server.url.as_str()),
        ("MAAS_API_KEY", key.as_str()),
        ("XTASK_ROOT", tree),
        ("XTASK_MEDIA", media.as_str()),
    ];
    let args = ["build", "debian-12-mirror-amd64", "--upload", "--offline", "-vv", "--junit"];
    let (code, _, stderr) =
        bench.run_with(&[&args[..], &[&junit.to_string_lossy()]].concat(), &env);
    assert!(code != Some(0), "{stderr}");
    let log = bench.server.app().log.clone();
    assert!(log.len() >= 2, "MAAS is asked before the build: {log:?}");
    assert!(log.iter().all(|l| l.starts_with("GET")), "nothing was built: {log:?}");
    let files = walk(bench.dir.path());
    let has = |name: &str| files.iter().any(|f| f.file_name().is_some_and(|n| n == name));
    assert!(has("junit.xml") && has("report.html") && has("seen"), "{files:?}\n{stderr}");
    files.iter().for_each(|file| Bench::no_secret(&std::fs::read(file).unwrap()));
}

/// The same for SSH, which `remote try` starts.
#[test]
fn no_key_for_ssh() {
    let bench = Bench::new();
    bench.build(1, "");
    bench.ok(&["upload", TARGET]);
    spy(bench.dir.path(), "ssh", "echo 'Debian GNU/Linux 12, 6.1.0'");
    bench.server.app().machines = vec![Machine::ready("abc", "test")];
    bench.ok(&["remote", "try", TARGET, "--tag", "test", "-vv"]);
    let seen = std::fs::read(bench.dir.path().join("seen")).unwrap();
    assert!(String::from_utf8_lossy(&seen).contains("ARGV"));
    Bench::no_secret(&seen);
}

/// There is no flag that takes a key.
#[test]
fn the_command_line_takes_no_key() {
    let bench = Bench::new();
    for flag in ["--key", "--api-key", "--token"] {
        assert_eq!(bench.run(&["upload", TARGET, flag, "x"]).0, Some(2), "{flag}");
    }
}
