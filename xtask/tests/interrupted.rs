//! Ctrl-C and `kill -9` in the middle of builds: no process, socket, lock or
//! half file is left, and the next run is clean.
//!
//! With a SIMULATED engine (`tests/simulated/README.md`) at moments spread over
//! a build, 4 in the ordinary suite and 50 on demand; and with real builds of
//! Debian 12 at six moments:
//!
//! ```text
//! cargo test -p xtask --test interrupted -- --ignored simulated
//! XTASK_TEST_DIR=/var/tmp/interrupted XTASK_TEST_MIRROR=http://deb.debian.org/debian \
//!     cargo test -p xtask --test interrupted -- --ignored real
//! ```

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A tree, its outputs, and a mark in the environment by which every process
/// that descends from our xtask is found.
struct World {
    dir: PathBuf,
    mark: String,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    target: String,
}

impl World {
    fn xtask(&self, verb: &[&str]) -> Command {
        // A copy, for long runs beside compilers.
        let program = std::env::var_os("XTASK_TEST_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_xtask").into());
        #[expect(clippy::disallowed_methods, reason = "the test kills the program from outside")]
        let mut command = Command::new(program);
        command
            .args(["--out".as_ref(), self.out().as_os_str()])
            .args(["--media-dir".as_ref(), self.dir.join("m").as_os_str()])
            .args(verb)
            .env("XTASK_TEST_MARK", &self.mark)
            .env("XDG_RUNTIME_DIR", self.dir.join("run"))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn build(&self) -> Command {
        let mut command = self.xtask(&["build", &self.target, "--format", "json"]);
        command.args(&self.args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn out(&self) -> PathBuf {
        self.dir.join("o")
    }

    /// Command lines of living processes that carry our mark.
    fn descendants(&self) -> Vec<String> {
        let mark = format!("XTASK_TEST_MARK={}", self.mark);
        let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let marked = all.filter(|path| {
            let environ = fs::read(path.join("environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        });
        let shown = marked.map(|path| fs::read(path.join("cmdline")).unwrap_or_default());
        shown.map(|c| String::from_utf8_lossy(&c).replace('\0', " ")).collect()
    }

    /// Nothing lives a few seconds after the end, however it came.
    fn nobody_is_left(&self, when: &str) {
        let start = Instant::now();
        while !self.descendants().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(10), "{when}: {:?}", self.descendants());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        let all = walk(&self.dir);
        all.into_iter().filter(|path| !path.starts_with(self.dir.join("m"))).collect()
    }

    /// What has its final name is whole, at any moment.
    fn nothing_is_half(&self, when: &str) {
        let dir = self.out().join(&self.target);
        for name in fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.path()) {
            if name.extension().is_some_and(|extension| extension == "gz") {
                #[expect(clippy::disallowed_methods, reason = "a second opinion")]
                let whole = Command::new("gzip").arg("-t").arg(&name).status().unwrap();
                assert!(whole.success(), "{when}: {} is cut off", name.display());
            }
        }
        if let Ok(text) = fs::read_to_string(dir.join("manifest.json")) {
            let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
            let artifact = dir.join(manifest["artifact"]["file"].as_str().unwrap());
            let size = fs::metadata(&artifact).unwrap().len();
            assert_eq!(manifest["artifact"]["size"].as_u64(), Some(size), "{when}");
        }
    }

    /// Sockets, disks, staged files: what no ended run leaves.
    fn no_remains(&self, when: &str) {
        for path in self.files() {
            let shown = format!("/{}", path.strip_prefix(&self.dir).unwrap().display());
            let socket = fs::symlink_metadata(&path).is_ok_and(|m| m.file_type().is_socket());
            let remains = ["/.work/", ".new", ".seat", "/.tmp"].iter().any(|r| shown.contains(r));
            assert!(!socket && !remains, "{when}: {shown} is left");
        }
    }

    /// The next run builds it, and leaves nothing but its results.
    fn next_run_is_clean(&self, when: &str) {
        let output = self.build().arg("--refresh").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{when}: the next run: {said}");
        self.nobody_is_left(when);
        self.no_remains(when);
        self.nothing_is_half(when);
        let dir = self.out().join(&self.target);
        assert!(dir.join("manifest.json").is_file(), "{when}");
    }

    /// Ends a run by a signal and looks at what it leaves.
    fn end(&self, mut child: Child, signal: Signal, when: &str) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        // It may have ended by itself.
        let _gone = kill_process(pid, signal);
        let output = child.stdout.take().map(drop);
        let status = child.wait().unwrap();
        drop((output, child));
        self.nobody_is_left(when);
        self.nothing_is_half(when);
        if status.signal().is_none() {
            self.no_remains(when);
        }
        status
    }
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = |path: PathBuf| {
        let mut all = if path.is_dir() && !path.is_symlink() { walk(&path) } else { vec![] };
        all.push(path);
        all
    };
    entries.flat_map(below).collect()
}

fn simulated(dir: &Path) -> World {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulated");
    let (disk, medium) = (dir.join("disk"), dir.join("medium.iso"));
    fs::create_dir(dir.join("run")).unwrap();
    fs::write(&medium, [7; 1 << 20]).unwrap();
    let noise: Vec<u8> =
        (0..6_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(&disk, [vec![0; 2 << 20], noise, vec![0; 2 << 20]].concat()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "makes a partition table")]
    let table = Command::new("sh")
        .args(["-c", "printf 'label: gpt\\nstart=2048, size=8192\\n' | PATH=$PATH:/sbin:/usr/sbin sfdisk -q \"$0\""])
        .arg(&disk)
        .status();
    assert!(table.unwrap().success());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths(std::iter::once(here.clone()).chain(std::env::split_paths(&path)));
    World {
        dir: dir.to_path_buf(),
        mark: dir.display().to_string(),
        args: ["--engine", "packer", "--iso"]
            .map(OsString::from)
            .into_iter()
            .chain([medium.into()])
            .collect(),
        env: vec![
            ("PATH".into(), path.unwrap()),
            ("SIMULATED_DISK".into(), disk.into()),
            ("XTASK_ROOT".into(), here.join("tree").into()),
        ],
        target: "simulated-1-amd64".into(),
    }
}

/// Ends builds at `moments` moments, by turns with each signal.
fn at_simulated_moments(moments: u32) {
    let dir = tempfile::tempdir().unwrap();
    let world = simulated(dir.path());
    let start = Instant::now();
    world.next_run_is_clean("before all");
    let whole = start.elapsed();
    let mut ends = BTreeSet::new();
    for moment in 0..moments {
        let signal = if moment % 2 == 0 { Signal::INT } else { Signal::KILL };
        let after = whole.mul_f64(f64::from(moment) / f64::from(moments));
        let when = format!("{signal:?} after {after:?} of {whole:?}");
        let mut build = world.build();
        let child = build.arg("--refresh").stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        let status = world.end(child, signal, &when);
        ends.insert((status.code(), status.signal()));
        world.next_run_is_clean(&when);
    }
    println!("{moments} moments over {whole:?}: ended with {ends:?}");
    // Interrupted builds say so; some moments come before the handler is there.
    assert!(
        ends.iter().all(|end| matches!(end, (Some(0 | 130), None) | (None, Some(2 | 9)))),
        "{ends:?}"
    );
}

#[test]
fn builds_of_a_simulated_engine_end_without_a_trace() {
    at_simulated_moments(4);
}

#[test]
#[ignore = "two minutes"]
fn simulated_50_moments() {
    at_simulated_moments(50);
}

/// Phase, seconds into it, signal.
const REAL: [(&str, u64, Signal); 6] = [
    ("media", 8, Signal::INT),
    ("media", 16, Signal::KILL),
    ("boot", 1, Signal::KILL),
    ("boot", 2, Signal::INT),
    ("provision", 5, Signal::KILL),
    ("pack", 1, Signal::INT),
];

/// Waits until a build says that it is in a phase.
fn wait_for(child: &mut Child, phase: &str) -> bool {
    let wanted = format!("\"phase\":\"{phase}\"");
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    lines.map_while(Result::ok).any(|line| line.contains(&wanted))
}

/// `XTASK_TEST_MIRROR` is where Debian comes from. Without
/// `XTASK_TEST_SECURITY_MIRROR` each build installs its updates and makes an
/// initramfs, five minutes in emulation.
/// `XTASK_TEST_DIR` keeps media between runs, `XTASK_TEST_MOMENTS` (such as
/// `2,3`) chooses from [`REAL`]; after the last one a build runs to its end,
/// and with `6` nothing but that build.
#[test]
#[ignore = "bootstraps Debian and runs virtual machines"]
fn real_moments() {
    let needed = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let dir = PathBuf::from(needed("XTASK_TEST_DIR"));
    let mirror = needed("XTASK_TEST_MIRROR");
    let chosen = std::env::var("XTASK_TEST_MOMENTS").unwrap_or_else(|_| "0,1,2,3,4,5".into());
    fs::create_dir_all(dir.join("run")).unwrap();
    let world = World {
        mark: dir.display().to_string(),
        args: ["--engine", "builtin"].map(OsString::from).into(),
        env: vec![],
        target: "debian-12-mirror-amd64".into(),
        dir,
    };
    let moments: Vec<usize> = chosen.split(',').map(|n| n.parse().unwrap()).collect();
    for &(phase, seconds, signal) in moments.iter().filter_map(|&n| REAL.get(n)) {
        let when = format!("{signal:?} {seconds} s into {phase}");
        let start = Instant::now();
        let status = if phase == "media" {
            let mut command = bootstrap(&world, &mirror);
            let child = command.stdout(Stdio::piped()).spawn().unwrap();
            std::thread::sleep(Duration::from_secs(seconds));
            world.end(child, signal, &when)
        } else {
            assert!(bootstrap(&world, &mirror).status().unwrap().success(), "{when}: media");
            let mut build = world.build();
            let mut child = build.arg("--refresh").stderr(Stdio::null()).spawn().unwrap();
            assert!(wait_for(&mut child, phase), "{when}: the build ended before");
            std::thread::sleep(Duration::from_secs(seconds));
            world.end(child, signal, &when)
        };
        println!("{when}: {status}, clean, {:.0} s in all", start.elapsed().as_secs_f64());
        let expected = if signal == Signal::INT { (Some(130), None) } else { (None, Some(9)) };
        assert_eq!((status.code(), status.signal()), expected, "{when}: it ended otherwise");
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        assert!(!mounts.contains(world.dir.to_str().unwrap()), "{when}: {mounts}");
    }
    if moments.last().is_some_and(|&n| n + 1 >= REAL.len()) {
        world.next_run_is_clean("after all real moments");
    }
}

fn bootstrap(world: &World, mirror: &str) -> Command {
    let mut command = world.xtask(&["media", "bootstrap", &world.target]);
    let security = std::env::var("XTASK_TEST_SECURITY_MIRROR");
    let security = security.as_deref().unwrap_or("none");
    command.args(["--mirror", mirror, "--security-mirror", security]);
    command
}
