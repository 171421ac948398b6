//! `--sign` with the real GnuPG and minisign, around builds of the SIMULATED
//! engine (`tests/simulated/README.md`).
//!
//! `cargo test -p xtask --test sign -- --ignored`: needs gpg and minisign.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Appears in no output and no file but those it is written to here.
const PASSPHRASE: &str = "correct-horse-battery";

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["run", "gnupg"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(dir.path().join("gnupg"), private).unwrap();
        fs::write(dir.path().join("medium.iso"), [7; 4096]).unwrap();
        fs::write(dir.path().join("passphrase"), format!("{PASSPHRASE}\n")).unwrap();
        let world = Self { dir };
        let make = "head -c 20000000 /dev/urandom >disk && \
            printf 'label: gpt\\nstart=2048, size=4096\\n' | PATH=$PATH:/sbin:/usr/sbin sfdisk -q disk";
        assert!(world.run("sh", &["-c", make]).status.success());
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let simulated = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulated");
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.dir.path())
            .env("PATH", format!("{}:{path}", simulated.display()))
            .env("XTASK_ROOT", simulated.join("tree"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("GNUPGHOME", self.path("gnupg"))
            .env("SIMULATED_DISK", self.path("disk"))
            .stdin(std::process::Stdio::null());
        command
    }

    fn run(&self, program: &str, args: &[&str]) -> Output {
        self.command(program.as_ref(), args).output().unwrap()
    }

    fn build(&self, args: &[&str], passphrase: Option<&str>) -> Output {
        let fixed = ["build", "simulated-1", "--engine", "packer", "--iso", "medium.iso", "-vv"];
        let places = ["--out", "o", "--media-dir", "m"];
        let all = [&fixed[..], &places, args].concat();
        let mut command = self.command(env!("CARGO_BIN_EXE_xtask").as_ref(), &all);
        if let Some(file) = passphrase {
            command.env("XTASK_SIGN_PASSWORD_FILE", self.path(file));
        }
        command.output().unwrap()
    }

    fn ok(&self, args: &[&str], passphrase: Option<&str>) {
        let output = self.build(args, passphrase);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{args:?}: {said}");
        assert!(!said.contains(PASSPHRASE), "{said}");
    }

    fn out(&self, name: &str) -> PathBuf {
        self.path("o/simulated-1-amd64").join(name)
    }
}

#[test]
#[ignore = "needs gpg"]
fn gpg_signs_and_a_new_build_takes_the_old_signature_away() {
    let world = World::new();
    let batch = "Key-Type: eddsa\nKey-Curve: ed25519\nName-Real: Test\nName-Email: t@example.org\n\
                 %no-protection\n%commit\n";
    fs::write(world.path("batch"), batch).unwrap();
    let made = world.run("gpg", &["--batch", "--quiet", "--gen-key", "batch"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let verify = || {
        let (sums, signature) = (world.out("SHA256SUMS"), world.out("SHA256SUMS.asc"));
        let args = ["--verify", signature.to_str().unwrap(), sums.to_str().unwrap()];
        world.run("gpg", &args).status.success()
    };
    // A key that is not there stops before the build.
    let missing = world.build(&["--sign", "gpg:nobody@example.org"], None);
    assert_eq!(missing.status.code(), Some(3));
    assert!(!world.out("manifest.json").exists());
    world.ok(&["--sign", "gpg:t@example.org"], None);
    assert!(verify());
    // The signature is of this list and no other.
    let good = fs::read(world.out("SHA256SUMS")).unwrap();
    fs::write(world.out("SHA256SUMS"), "0  x\n").unwrap();
    assert!(!verify());
    fs::write(world.out("SHA256SUMS"), good).unwrap();
    world.ok(&["--refresh"], None);
    assert!(!world.out("SHA256SUMS.asc").exists(), "a new list without its signature");
    assert!(world.out("previous/SHA256SUMS.asc").exists(), "the old list keeps its own");
    // Up to date, but not signed yet.
    world.ok(&["--sign", "gpg:t@example.org"], None);
    assert!(verify());
    world.run("gpgconf", &["--kill", "gpg-agent"]);
}

#[test]
#[ignore = "needs minisign"]
fn minisign_takes_its_passphrase_from_a_file_and_nobody_sees_it() {
    let world = World::new();
    let generate = "printf '%s\\n%s\\n' \"$(cat passphrase)\" \"$(cat passphrase)\" | \
                    minisign -G -p key.pub -s key.sec";
    let made = world.run("sh", &["-c", generate]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let sign = format!("minisign:{}", world.path("key.sec").display());
    for wrong in [None, Some("medium.iso")] {
        let output = world.build(&["--sign", &sign], wrong);
        assert_eq!(output.status.code(), Some(3), "{wrong:?}");
    }
    world.ok(&["--sign", &sign], Some("passphrase"));
    let (sums, signature) = (world.out("SHA256SUMS"), world.out("SHA256SUMS.minisig"));
    let args =
        ["-V", "-p", "key.pub", "-m", sums.to_str().unwrap(), "-x", signature.to_str().unwrap()];
    let verified = world.run("minisign", &args);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let found = world.run("grep", &["-rlF", PASSPHRASE, "o"]);
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the passphrase is in a file");
}
