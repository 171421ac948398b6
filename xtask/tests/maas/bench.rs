//! The program against a model of MAAS, in a directory of its own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use xtask::build::manifest::{Artifact, Manifest, VERSION};
use xtask::maas::model::app::KEY;
use xtask::maas::model::dialect::{self, Dialect};
use xtask::maas::model::fault::Calm;
use xtask::maas::model::front::Server;

/// A target of the fixture catalog.
pub const TARGET: &str = "debian-12-mirror-amd64";

pub struct Bench {
    pub dir: tempfile::TempDir,
    pub server: Server,
}

impl Bench {
    pub fn new() -> Self {
        Self::of(&dialect::V3_7)
    }

    pub fn of(dialect: &'static Dialect) -> Self {
        let server = Server::start(dialect, Box::new(Calm)).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), server }
    }

    pub fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    /// An artifact as a build leaves it; `seed` decides its bytes.
    pub fn build(&self, seed: u8, dir: &str) -> String {
        self.build_target(TARGET, seed, dir)
    }

    pub fn build_target(&self, target: &str, seed: u8, dir: &str) -> String {
        let dir = self.out().join(target).join(dir);
        std::fs::create_dir_all(&dir).unwrap();
        let file = format!("{target}.tar.gz");
        let bytes = artifact(seed);
        std::fs::write(dir.join(&file), &bytes).unwrap();
        let sha256: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        std::fs::write(dir.join("SHA256SUMS"), format!("{sha256}  {file}\n")).unwrap();
        let manifest = Manifest {
            version: VERSION,
            target: target.into(),
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
    pub fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        self.run_with(args, &[("MAAS_URL", &self.server.url), ("MAAS_API_KEY", &Server::key())])
    }

    #[expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]
    pub fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
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
        Self::no_secret(&stdout);
        Self::no_secret(&stderr);
        for file in walk(&self.out()) {
            Self::no_secret(&std::fs::read(file).unwrap());
        }
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        (status.code(), text(&stdout), text(&stderr))
    }

    pub fn no_secret(bytes: &[u8]) {
        for part in KEY {
            let hit = bytes.windows(part.len()).any(|w| w == part.as_bytes());
            assert!(!hit, "a part of the key shows in\n{}", String::from_utf8_lossy(bytes));
        }
    }

    /// Runs and expects exit 0.
    pub fn ok(&self, args: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(args);
        assert_eq!(code, Some(0), "{args:?}\n{stdout}\n{stderr}");
        stdout
    }

    /// Names of complete uploads and the hash of the newest, by name.
    pub fn there(&self) -> BTreeMap<String, (usize, String)> {
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

pub fn walk(dir: &Path) -> Vec<PathBuf> {
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
