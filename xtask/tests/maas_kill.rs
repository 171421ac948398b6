//! `upload` ended by SIGKILL: at every step of it, and at random moments. MAAS
//! always has a whole image of that name, and the next upload goes on where the
//! dead one was: a piece is sent again at most.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Pid, Signal, kill_process};
use xtask::maas::model::dialect::{self, Dialect};
use xtask::maas::model::fault::{Calm, Dice, Fault, Plan};
use xtask::maas::model::front::Server;

/// Bytes of a file: three pieces.
const SIZE: usize = (9 << 20) + 12_345;
/// Bytes of a piece.
const PIECE: u64 = 4 << 20;
/// Name in MAAS.
const NAME: &str = "kept";

struct Bench {
    dir: tempfile::TempDir,
    server: Server,
    built: u8,
}

/// What became of an upload that was killed, and of the one after it.
#[derive(Debug, Default)]
struct Figures {
    killed: u32,
    ended_before: u32,
    most_again: u64,
}

impl Bench {
    /// With an image on the server.
    fn new(dialect: &'static Dialect) -> Self {
        let server = Server::start(dialect, Box::new(Calm)).unwrap();
        let mut bench = Self { dir: tempfile::tempdir().unwrap(), server, built: 0 };
        bench.build();
        assert!(bench.upload().wait().unwrap().success());
        bench
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("image.tar.gz")
    }

    /// Another artifact: a gzip of a tar header and bytes that do not compress.
    fn build(&mut self) -> u64 {
        self.built += 1;
        let mut bytes = vec![self.built; SIZE];
        bytes[257..262].copy_from_slice(b"ustar");
        let mut encoder = GzEncoder::new(vec![], Compression::none());
        encoder.write_all(&bytes).unwrap();
        let bytes = encoder.finish().unwrap();
        std::fs::write(self.file(), &bytes).unwrap();
        bytes.len() as u64
    }

    #[expect(clippy::disallowed_methods, reason = "the test kills our process from outside")]
    fn upload(&self) -> Child {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/catalog");
        let file = self.file();
        Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["upload", &file.to_string_lossy(), "--name", &format!("custom/{NAME}")])
            .args(["--architecture", "amd64/generic"])
            .env("XTASK_ROOT", root)
            .env("XTASK_OUT", self.dir.path().join("out"))
            .env("XTASK_TEST_SECOND_MS", "1")
            .env("MAAS_URL", &self.server.url)
            .env("MAAS_API_KEY", Server::key())
            .env("NO_PROXY", "127.0.0.1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// What a deployment gets is whole.
    fn is_deployable(&self) -> bool {
        let app = self.server.app();
        let resource = app.store.resources.values().find(|r| r.name == NAME);
        let mut files = resource.iter().flat_map(|r| &r.sets).filter_map(|s| s.file.as_ref());
        let newest = files.rfind(|f| app.store.is_complete(f));
        newest.is_some_and(|f| app.store.is_true(f))
    }

    /// Kills an upload of a new file by `kill`, looks at the server, and uploads
    /// the same file to its end.
    fn round(&mut self, figures: &mut Figures, what: &str, kill: impl FnOnce(&Self) -> bool) {
        let size = self.build();
        let before = self.server.piece_bytes();
        let was_killed = kill(self);
        self.server.set_plan(Box::new(Calm));
        assert!(self.is_deployable(), "{what}: nothing to deploy");
        let status = self.upload().wait().unwrap();
        assert!(status.success(), "{what}: {status}");
        assert!(self.is_deployable(), "{what}: nothing to deploy at the end");
        let again = self.server.piece_bytes() - before - size;
        assert!(again <= PIECE, "{what}: {again} bytes were sent again");
        figures.most_again = figures.most_again.max(again);
        if was_killed {
            figures.killed += 1;
        } else {
            figures.ended_before += 1;
        }
    }
}

/// Kills a process when a certain request comes.
struct Killer {
    number: usize,
    victim: Arc<AtomicU32>,
    /// MAAS does not see the request, or obeys it.
    fault: Option<Fault>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Plan for Killer {
    fn fate(&mut self, method: &str, path: &str, _length: usize) -> Option<Fault> {
        let number = self.number;
        self.number = self.number.wrapping_sub(1);
        if number != 0 {
            return None;
        }
        self.seen.lock().unwrap().push(format!("{method} {path}"));
        kill(self.victim.load(Ordering::SeqCst));
        self.fault.clone()
    }
}

fn kill(id: u32) {
    let id = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    // It may have ended; nobody else gets its number before it is waited for.
    let _unused = kill_process(id, Signal::KILL);
}

/// Kills at the request of that number; false if there are fewer.
fn at_request(bench: &Bench, number: usize, fault: Option<Fault>) -> bool {
    let victim = Arc::new(AtomicU32::new(0));
    let seen = Arc::default();
    let plan = Killer { number, victim: victim.clone(), fault, seen: Arc::clone(&seen) };
    bench.server.set_plan(Box::new(plan));
    let child = bench.upload();
    // Long before its first request.
    victim.store(child.id(), Ordering::SeqCst);
    wait(child);
    // The connection of the dead is read to its end.
    std::thread::sleep(Duration::from_millis(20));
    let seen = seen.lock().unwrap();
    !seen.is_empty()
}

fn wait(mut child: Child) {
    let limit = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < limit, "the upload hangs");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// At every request: before MAAS sees it, in the middle of it, after it obeyed.
fn at_every_step(dialect: &'static Dialect, faults: &[Option<Fault>]) -> Figures {
    let mut bench = Bench::new(dialect);
    let mut figures = Figures::default();
    for number in 0.. {
        let before = figures.ended_before;
        let fault = &faults[number % faults.len()];
        let what = format!("{}, request {number}, {fault:?}", dialect.version);
        bench.round(&mut figures, &what, |bench| at_request(bench, number, fault.clone()));
        if figures.ended_before > before {
            return figures;
        }
    }
    figures
}

#[test]
fn killed_at_every_step() {
    for (dialect, fault) in [
        (&dialect::V3_4, Some(Fault::CutRequest(2 << 20))),
        (&dialect::V3_7, None),
        (&dialect::V3_8, Some(Fault::CutRequest(0))),
    ] {
        let figures = at_every_step(dialect, &[fault]);
        println!("MAAS {}: {figures:?}", dialect.version);
        assert!(figures.killed >= 9, "{figures:?}");
    }
}

/// `cargo test -p xtask --test maas_kill -- --ignored --nocapture`
#[test]
#[ignore = "minutes: every step and 60 random moments on each release"]
fn killed_at_random_moments() {
    for dialect in dialect::ALL {
        let mut all = vec![];
        for fault in [None, Some(Fault::CutRequest(0)), Some(Fault::CutRequest(3 << 20))] {
            all.push(at_every_step(dialect, &[fault]));
        }
        let mut bench = Bench::new(dialect);
        let mut dice = Dice::new(7);
        let mut figures = Figures::default();
        let started = Instant::now();
        bench.build();
        wait(bench.upload());
        let whole = u64::try_from(started.elapsed().as_micros()).unwrap();
        for number in 0..60 {
            let moment = Duration::from_micros(dice.below(whole));
            let what = format!("{}, kill {number} after {moment:?}", dialect.version);
            bench.round(&mut figures, &what, |bench| {
                let mut child = bench.upload();
                std::thread::sleep(moment);
                let ended = child.try_wait().unwrap().is_some();
                kill(child.id());
                child.wait().unwrap();
                std::thread::sleep(Duration::from_millis(20));
                !ended
            });
        }
        println!("MAAS {}: at every step {all:?}; at random {figures:?}", dialect.version);
    }
}
