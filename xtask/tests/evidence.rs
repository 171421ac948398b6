//! Fail on evidence, not on the clock, under both engines: the real xtask, QEMU
//! and Packer with a MODEL of a guest, which is a boot sector that writes some
//! text to the serial port and the screen and then does nothing.
//!
//! ```text
//! cargo test -p xtask --test evidence -- --ignored
//! ```
//!
//! Needs QEMU; the half with Packer needs it on `PATH` (1.11 or newer), with the
//! qemu plugin in `PACKER_PLUGIN_PATH`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What the guest shows, further arguments, and what the failure has to say.
struct Case {
    name: &'static str,
    console: &'static str,
    args: &'static [&'static str],
    says: &'static [&'static str],
}

const PATIENT: [&str; 4] = ["--stall", "20m", "--fetch", "20m"];

/// Lines from the fixtures of the patterns, where their origin stands.
const CASES: [Case; 6] = [
    Case {
        name: "panic",
        console: "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        args: &PATIENT,
        says: &["the kernel found no root file system", "  try "],
    },
    Case {
        name: "emergency shell",
        console: "(initramfs) ",
        args: &PATIENT,
        says: &["  cause ", "  console   | (initramfs)"],
    },
    Case {
        name: "dracut",
        console: "Entering emergency mode. Exit the shell to continue.",
        args: &PATIENT,
        says: &["  cause "],
    },
    Case {
        name: "installer question",
        console: "User interaction required on STORAGE",
        args: &PATIENT,
        says: &["the installer asks a question that the answer file leaves open"],
    },
    Case {
        name: "stall",
        console: "",
        args: &["--stall", "12s", "--fetch", "20m"],
        says: &["nothing has happened for 12s"],
    },
    Case {
        name: "answer file not fetched",
        console: "a menu that takes no keys",
        args: &["--stall", "20m", "--fetch", "2s"],
        says: &["asked for no answer file within 12s", "  fetched   nothing"],
    },
];

/// Machine code of a BIOS boot sector that shows `text` and then halts.
fn boot_sector(text: &str) -> Vec<u8> {
    const CODE: [u8; 46] = [
        0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, // cli; ds = ss = 0
        0xbc, 0x00, 0x7c, 0xbe, 0x2e, 0x7c, 0xfc, // sp = 7c00; si = 7c2e, behind the code
        0xac, 0x08, 0xc0, 0x74, 0x17, // next: lodsb; if al = 0 goto halt
        0x50, 0xba, 0xfd, 0x03, // push ax; dx = line status of COM1
        0xec, 0xa8, 0x20, 0x74, 0xfb, // until it can send
        0x58, 0xba, 0xf8, 0x03, 0xee, // pop ax; send
        0xb4, 0x0e, 0xbb, 0x07, 0x00, 0xcd, 0x10, // and to the screen, by the BIOS
        0xeb, 0xe4, // goto next
        0xf4, 0xeb, 0xfd, // halt: hlt, again
        0x90, // padding
    ];
    let mut sector = [&CODE[..], text.as_bytes()].concat();
    assert!(sector.len() < 510, "{text}");
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn out(&self) -> PathBuf {
        self.dir.path().join("o")
    }

    /// Builds; it must fail. Returns what was said and how long it took.
    #[expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]
    fn build(&self, engine: &str, console: &str, args: &[&str]) -> (String, Duration) {
        let medium = self.dir.path().join("medium.img");
        let mut disk = boot_sector(console);
        disk.resize(1 << 20, 0);
        fs::write(&medium, disk).unwrap();
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence/tree");
        // A copy, for long runs beside compilers.
        let program = std::env::var_os("XTASK_TEST_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_xtask").into());
        let start = Instant::now();
        let output = Command::new(program)
            .args(["build", "model", "--engine", engine, "--iso"])
            .args([medium.as_os_str(), "--out".as_ref(), self.out().as_os_str()])
            .args(["--media-dir".as_ref(), self.dir.path().join("m").as_os_str()])
            .args(args)
            .env("XTASK_ROOT", tree)
            .env("XDG_RUNTIME_DIR", self.dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("{engine} {args:?}: {:.1} s\n{said}", start.elapsed().as_secs_f64());
        assert_eq!(output.status.code(), Some(1), "{said}");
        (said, start.elapsed())
    }

    /// Pictures that the failure left, whole ones.
    fn pictures(&self) -> Vec<PathBuf> {
        let failed = self.out().join("model-1-amd64/failed");
        let all = fs::read_dir(failed).unwrap().map(|entry| entry.unwrap().path());
        let pictures = all.filter(|path| path.extension().is_some_and(|e| e == "png"));
        let whole = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap();
            bytes.starts_with(b"\x89PNG") && bytes.windows(4).any(|part| part == b"IEND")
        };
        pictures.filter(whole).collect()
    }
}

fn each_failure_is_seen_at_once(engine: &str) {
    let world = World { dir: tempfile::tempdir().unwrap() };
    for case in &CASES {
        let console = format!("{}\r\n", case.console);
        let console = if case.console.ends_with(' ') { case.console } else { &console };
        let (said, time) = world.build(engine, console, case.args);
        for part in case.says {
            assert!(said.contains(part), "{engine}, {}: no `{part}` in\n{said}", case.name);
        }
        // Firmware, a few ticks, the end of the VM; minutes only if they were waited for.
        assert!(time < Duration::from_secs(90), "{engine}, {}: {time:?}", case.name);
        assert!(said.contains("  screen    "), "{engine}, {}: {said}", case.name);
        assert!(!world.pictures().is_empty(), "{engine}, {}", case.name);
        let page = fs::read_to_string(world.out().join("report.html")).unwrap();
        assert!(page.contains("data:image/png;base64,"), "{engine}, {}", case.name);
    }
}

#[test]
#[ignore = "runs virtual machines"]
fn built_in_engine() {
    each_failure_is_seen_at_once("builtin");
}

#[test]
#[ignore = "needs Packer 1.11 or newer with the qemu plugin"]
fn packer_engine() {
    each_failure_is_seen_at_once("packer");
    // Packer ends its VM before anybody can look: the last picture is there.
    let world = World { dir: tempfile::tempdir().unwrap() };
    let args = [&PATIENT[..], &["--var", "timeout=20s", "--screenshots=3"]].concat();
    let (said, _) = world.build("packer", "half way there\r\n", &args);
    assert!(said.contains("packer    | ") && said.contains("-last.png"), "{said}");
    assert!(said.contains("half way there"), "{said}");
    assert!(world.pictures().len() >= 2, "{:?}", world.pictures());
}
