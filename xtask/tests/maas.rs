//! `upload` and `remote` as people type them, against the model of MAAS. Every run
//! is searched for parts of the API key.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use xtask::build::manifest::{Artifact, Manifest, VERSION};
use xtask::maas::model::app::KEY;
use xtask::maas::model::dialect;
use xtask::maas::model::fault::{Calm, Fault, Once};
use xtask::maas::model::front::Server;
use xtask::maas::model::machines::Machine;

/// A target of the fixture catalog.
const TARGET: &str = "debian-12-mirror-amd64";

struct Bench {
    dir: tempfile::TempDir,
    server: Server,
}

impl Bench {
    fn new() -> Self {
        let server = Server::start(&dialect::V3_7, Box::new(Calm)).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), server }
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// An artifact as a build leaves it; `seed` decides its bytes.
    fn build(&self, seed: u8, dir: &str) -> String {
        let dir = self.out().join(TARGET).join(dir);
        std::fs::create_dir_all(&dir).unwrap();
        let file = format!("{TARGET}.tar.gz");
        let bytes = artifact(seed);
        std::fs::write(dir.join(&file), &bytes).unwrap();
        let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(dir.join("SHA256SUMS"), format!("{sha256}  {file}\n")).unwrap();
        let manifest = Manifest {
            version: VERSION,
            target: TARGET.into(),
            title: String::new(),
            date: String::new(),
            commit: String::new(),
            engine: String::new(),
            fingerprint: String::new(),
            sources_checked: String::new(),
            media: BTreeMap::new(),
            artifact: Artifact {
                file,
                kind: "tgz".into(),
                size: bytes.len() as u64,
                sha256: sha256.clone(),
                mtime_ns: 0,
            },
            phases: vec![],
            contents: serde_json::Value::Null,
        };
        std::fs::write(dir.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
        sha256
    }

    /// Runs the program; nothing it writes may hold a part of the key.
    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        self.run_with(args, &[("MAAS_URL", &self.server.url), ("MAAS_API_KEY", &Server::key())])
    }

    #[expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]
    fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/catalog");
        let path = format!("{}:{}", self.dir.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        for name in [
            "MAAS_URL",
            "MAAS_API_URL",
            "MAAS_API_KEY",
            "MAAS_API_CACERT",
            "http_proxy",
            "HTTP_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            command.env_remove(name);
        }
        let Output { status, stdout, stderr } = command
            .args(args)
            .env("XTASK_ROOT", root)
            .env("XTASK_OUT", self.out())
            .env("XTASK_TEST_SECOND_MS", "1")
            .env("HOME", self.dir.path())
            .env("PATH", path)
            .envs(env.iter().copied())
            .output()
            .unwrap();
        self.no_secret(&stdout);
        self.no_secret(&stderr);
        for file in walk(&self.out()) {
            self.no_secret(&std::fs::read(file).unwrap());
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (status.code(), text(&stdout), text(&stderr))
    }

    fn no_secret(&self, bytes: &[u8]) {
        for part in KEY {
            let hit = bytes.windows(part.len()).any(|w| w == part.as_bytes());
            assert!(!hit, "a part of the key shows in\n{}", String::from_utf8_lossy(bytes));
        }
    }

    /// Runs and expects exit 0.
    fn ok(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}\n{stdout}\n{stderr}");
        stdout
    }

    /// Names of complete uploads and the hash of the newest, by name.
    fn there(&self) -> BTreeMap<String, (usize, String)> {
        let app = self.server.app();
        let uploaded = app.store.resources.values().filter(|r| r.kind == "Uploaded");
        uploaded
            .map(|r| {
                let files: Vec<_> = r.sets.iter().filter_map(|s| s.file.as_ref()).collect();
                let true_ones: Vec<_> = files.iter().filter(|f| app.store.is_true(f)).collect();
                let newest = true_ones.last().map(|f| f.sha256.clone()).unwrap_or_default();
                (r.name.clone(), (true_ones.len(), newest))
            })
            .collect()
    }
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

/// A gzip of a tar header and bytes that do not compress; synthetic.
fn artifact(seed: u8) -> Vec<u8> {
    let mut tar = vec![seed; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let mut encoder = GzEncoder::new(vec![], Compression::none());
    encoder.write_all(&tar).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_image_goes_up_once_and_is_looked_after() {
    let bench = Bench::new();
    let first = bench.build(1, "");
    let said = bench.ok(&["upload", TARGET]);
    for part in [
        "uploaded and verified in",
        "custom/debian-12, set 20261123",
        "machines none is Ready for amd64",
        "deploy   maas PROFILE machine deploy SYSTEM_ID osystem=custom distro_series=debian-12",
        "log in   ssh debian@ADDRESS",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    assert_eq!(bench.there()["debian-12"], (1, first));
    let said = bench.ok(&["upload", TARGET]);
    assert!(said.contains("custom/debian-12 is this file already"), "{said}");
    let second = bench.build(2, "");
    let said = bench.ok(&["upload", TARGET]);
    assert!(
        said.contains("The image of 2026-11-23 stays on the server; 1 earlier in all"),
        "{said}"
    );
    assert_eq!(bench.there()["debian-12"], (2, second.clone()));
    let list = bench.ok(&["remote", "list"]);
    assert!(list.contains("custom/debian-12  amd64/generic  2026-11-23"), "{list}");
    let json: serde_json::Value =
        serde_json::from_str(&bench.ok(&["remote", "list", "--format", "json"])).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["images"][0]["sets"][0]["sha256"], second.as_str());
    let show = bench.ok(&["remote", "show", "debian-12"]);
    assert!(show.contains("deploys") && show.contains("kept"), "{show}");
    let (code, _, stderr) = bench.run(&["remote", "show", "custom/debain-12"]);
    assert_eq!(code, Some(4));
    assert!(stderr.contains("did you mean `custom/debian-12`?"), "{stderr}");
    assert!(bench.ok(&["remote", "delete", "custom/debian-12"]).contains("2 sets"));
    assert!(bench.there().is_empty());
}

#[test]
fn promote_and_roll_back() {
    let bench = Bench::new();
    let old = bench.build(1, "previous");
    let new = bench.build(2, "");
    bench.ok(&["upload", TARGET, "--name", "custom/debian-12-candidate"]);
    let said = bench.ok(&["remote", "promote", TARGET]);
    assert!(said.contains("deleted custom/debian-12-candidate"), "{said}");
    assert_eq!(bench.there(), [("debian-12".to_owned(), (1, new))].into());
    bench.ok(&["remote", "rollback", TARGET]);
    assert_eq!(bench.there()["debian-12"], (2, old));
    bench.ok(&["upload", TARGET, "--name", "custom/debian-12-candidate"]);
    bench.build(3, "");
    let (code, _, stderr) = bench.run(&["remote", "promote", TARGET]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is not the artifact in"), "{stderr}");
    assert_eq!(bench.there().len(), 2, "nothing was deleted");
}

#[test]
fn prune_shows_before_it_deletes() {
    let bench = Bench::new();
    bench.build(1, "");
    bench.server.app().store.day = "20260101".into();
    bench.ok(&["upload", TARGET, "--name", "custom/old-candidate"]);
    let said = bench.ok(&["remote", "prune", "custom/*-candidate", "--older-than", "14"]);
    assert!(said.contains("1 would go; nothing was deleted"), "{said}");
    assert_eq!(bench.there().len(), 1);
    assert_eq!(bench.run(&["remote", "prune", "custom/x*", "--older-than", "14"]).0, Some(4));
    bench.ok(&["remote", "prune", "custom/*-candidate", "--older-than", "14", "--yes"]);
    assert!(bench.there().is_empty());
}

#[test]
fn problems_are_told_before_the_first_byte() {
    let bench = Bench::new();
    bench.build(1, "");
    for (args, code, expected) in [
        (&["upload", "debian-13-mirror-amd64"][..], 4, "is not built"),
        (&["upload", TARGET, "--name", "debian/12"], 2, "--name custom/debian-12"),
        (&["upload", TARGET, "--name", "custom/noble"], 2, "it syncs ubuntu/noble"),
        (&["upload", TARGET, "--architecture", "arm64/generic"], 2, "synced: amd64"),
        (&["upload", TARGET, "--base-image", "ubuntu/24.04"], 2, "code name"),
        (&["upload", TARGET, "--filetype", "ddgz"], 2, "by its content it is tgz"),
        (&["upload", "./nothing.tar.gz", "--name", "custom/x"], 2, "nothing.tar.gz"),
        (&["upload", TARGET, "--profile", "nobody"], 2, "no profile `nobody`"),
    ] {
        let (got, stdout, stderr) = bench.run(args);
        assert_eq!(got, Some(code), "{args:?}\n{stderr}");
        assert!(stderr.contains(expected) && stdout.is_empty(), "{args:?}\n{stdout}{stderr}");
    }
    bench.server.app().auth.is_admin = false;
    let (code, _, stderr) = bench.run(&["upload", TARGET]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("no administrator"), "{stderr}");
    let wrote = bench.server.app().log.iter().any(|l| !l.starts_with("GET"));
    assert!(!wrote, "something was sent: {:?}", bench.server.app().log);
}

#[test]
fn a_damaged_artifact_stays_here() {
    let bench = Bench::new();
    bench.build(1, "");
    let path = bench.out().join(TARGET).join(format!("{TARGET}.tar.gz"));
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (code, _, stderr) = bench.run(&["upload", TARGET]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("was changed or damaged since it was packed"), "{stderr}");
    assert!(bench.server.app().log.is_empty());
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

#[test]
fn the_command_of_the_cli_needs_no_server() {
    let bench = Bench::new();
    bench.build(1, "");
    let (code, stdout, _) = bench.run_with(&["upload", TARGET, "--print-command"], &[]);
    assert_eq!(code, Some(0));
    let start = "maas PROFILE boot-resources create name=custom/debian-12 ";
    assert!(stdout.starts_with(start) && stdout.contains(" filetype=tgz "), "{stdout}");
}

#[test]
fn a_redirect_is_told_and_not_followed() {
    let bench = Bench::new();
    bench.server.set_plan(Box::new(Once { number: 0, fault: Fault::Instead(301, None) }));
    let (code, _, stderr) = bench.run(&["remote", "list"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is not sent elsewhere"), "{stderr}");
    assert!(bench.server.app().log.is_empty());
}

/// A machine is allocated by its tag, deployed, logged in to and released; SSH is
/// a script here.
#[test]
fn an_image_is_tried_on_a_machine() {
    let bench = Bench::new();
    bench.build(1, "");
    bench.ok(&["upload", TARGET]);
    let ssh = bench.dir.path().join("ssh");
    std::fs::write(&ssh, "#!/bin/sh\necho 'Debian GNU/Linux 12, 6.1.0'\n").unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (code, _, stderr) = bench.run(&["remote", "try", TARGET, "--tag", "test"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no amd64 machine with tag `test` is Ready"), "{stderr}");
    bench.server.app().machines =
        vec![Machine::ready("abc", "other"), Machine::ready("def", "test")];
    let said = bench.ok(&["remote", "try", TARGET, "--tag", "test"]);
    assert!(
        said.contains("deployed on host-def in 0:0") && said.contains("Debian GNU/Linux 12"),
        "{said}"
    );
    let machine = bench.server.app().machines[1].clone();
    assert_eq!(machine.status, "Ready");
    assert_eq!(machine.deployed, Some(("custom".into(), "debian-12".into())));
    bench.server.app().machines[1].outcome = "Failed deployment";
    bench.server.app().machines[1].reads_left = 2;
    let (code, _, stderr) = bench.run(&["remote", "try", TARGET, "--tag", "test"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("host-def is Failed deployment"), "{stderr}");
    assert_eq!(bench.server.app().machines[1].status, "Ready", "released after a failure too");
}
