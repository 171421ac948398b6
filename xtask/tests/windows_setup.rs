//! `setup-watch.cmd` and `setup-error.cmd` in Wine's cmd.exe, started by the
//! answer file's own command, with a pseudo terminal for the second serial port.
//!
//! Wine's cmd is not Windows', and there is no Windows Setup: what runs here is
//! the scripts' syntax and flow. `wpeutil` and `shutdown` are stand-ins.
//! `cargo xtask test --all --only windows-setup`; without Wine a printed skip.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]
#![expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Debian's `wine64` keeps the loader outside of `PATH`.
const LOADERS: [&str; 3] = ["/usr/lib/wine/wine64", "/usr/bin/wine64", "/usr/bin/wine"];

/// A terminal whose other end goes into a file: prints the terminal's name.
const PORT: &str = "import os, pty, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
with open(sys.argv[1], 'ab', 0) as out:
    while True:
        out.write(os.read(master, 4096))
";

struct Wine {
    loader: &'static str,
    dir: tempfile::TempDir,
    port: Child,
}

impl Wine {
    /// A prefix with a serial port, or `None` without Wine.
    fn new() -> Option<Self> {
        let loader = LOADERS.into_iter().find(|path| Path::new(path).exists())?;
        // The watch looks at the free space of C:, which must be nobody else's.
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let mut port = Command::new("python3")
            .args(["-c", PORT])
            .arg(dir.path().join("com2.log"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut name = String::new();
        let out = port.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut name).unwrap();
        let wine = Self { loader, dir, port };
        assert!(wine.run(&["wineboot", "-i"]).success());
        let key = ["reg", "add", "HKLM\\Software\\Wine\\Ports", "/v", "COM2", "/d", name.trim()];
        assert!(wine.run(&[&key[..], &["/f"]].concat()).success());
        // Wine reads its ports when its server starts.
        wine.server("-k");
        wine.server("-w");
        Some(wine)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("WINEPREFIX", self.path("prefix"))
            .env("WINEDEBUG", "-all")
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env_remove("DISPLAY")
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> std::process::ExitStatus {
        self.command(self.loader).args(args).status().unwrap()
    }

    fn server(&self, option: &str) {
        let places = ["/usr/lib/wine/wineserver64", "/usr/lib/wine/wineserver"];
        let place = places.into_iter().find(|path| Path::new(path).exists());
        self.command(place.unwrap_or("wineserver")).arg(option).status().unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A directory as a drive.
    fn drive(&self, letter: char) -> PathBuf {
        let path = self.path(&format!("drive-{letter}"));
        fs::create_dir_all(&path).unwrap();
        symlink(&path, self.path(&format!("prefix/dosdevices/{letter}:"))).unwrap();
        path
    }

    /// What the serial port has seen.
    fn report(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("com2.log")).unwrap_or_default()).into_owned()
    }

    /// Seconds until the port has seen `text`.
    fn wait(&self, text: &str, limit: u64) -> u64 {
        let start = Instant::now();
        while !self.report().contains(text) {
            let waited = start.elapsed().as_secs();
            assert!(waited < limit, "no `{text}` in {limit} s:\n{}", self.report());
            std::thread::sleep(Duration::from_millis(200));
        }
        start.elapsed().as_secs()
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        self.server("-k");
        drop(self.port.kill());
        drop(self.port.wait());
    }
}

fn image() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../windows").canonicalize().unwrap()
}

/// The words of the answer file's command that starts the watch.
fn command_of_answers() -> Vec<String> {
    let text = fs::read_to_string(image().join("http/unattend.pkrtpl.hcl")).unwrap();
    let line = text.lines().find(|line| line.contains("setup-watch.cmd")).unwrap();
    let command = line.trim().strip_prefix("<Path>").unwrap().strip_suffix("</Path>").unwrap();
    command.split(' ').map(|word| word.trim_matches('"').to_owned()).collect()
}

/// 70 lines of a log, with everything that cmd.exe could take for its own.
fn log(what: &str) -> String {
    (1..=70).map(|n| format!("{what} {n} a!b %PATH% & echo x > y | \"q\" ^\r\n")).collect()
}

/// The last 60 of them, and no other, word by word.
fn assert_sent(report: &str, what: &str) {
    let wanted: Vec<String> =
        log(what).lines().skip(10).map(|line| line.trim_end().to_owned()).collect();
    let start = format!("{what} ");
    let sent: Vec<&str> =
        report.lines().map(str::trim_end).filter(|l| l.starts_with(&start)).collect();
    assert_eq!(sent, wanted, "{report}");
}

/// The scripts with a stand-in for what only Windows has, which notes its
/// arguments and ends the script as the real one ends the machine.
fn stand_in(dir: &Path, name: &str) -> PathBuf {
    let note = dir.join(format!("{name}.txt"));
    fs::write(dir.join(format!("{name}.cmd")), format!("@echo %*>C:\\{name}.txt\r\n")).unwrap();
    note
}

#[test]
#[ignore = "two minutes in Wine"]
fn what_stops_setup_is_told_on_the_second_port() {
    let Some(wine) = Wine::new() else {
        // Past the capture of tests that pass.
        std::io::stderr()
            .write_all(b"skipped: Wine is not installed (apt install wine64)\n")
            .unwrap();
        return;
    };
    let disk = wine.path("prefix/drive_c");
    let (cd, ram) = (wine.drive('e'), wine.drive('x'));
    for name in ["setup-watch.cmd", "setup-error.cmd"] {
        fs::copy(image().join("scripts").join(name), cd.join(name)).unwrap();
    }
    let panther = ram.join("Windows/Panther");
    fs::create_dir_all(&panther).unwrap();
    // Three bytes are a mark of UTF-8 and no error.
    fs::write(panther.join("setuperr.log"), [0xef, 0xbb, 0xbf]).unwrap();
    let wpeutil = stand_in(&disk, "wpeutil");
    fs::rename(disk.join("wpeutil.cmd"), disk.join("windows/wpeutil.cmd")).unwrap();
    let words = command_of_answers();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert!(wine.run(&words).success(), "{words:?}");
    wine.wait("image-build: Setup runs", 30);

    // Setup works and has errors: nothing is stopped while anything moves.
    fs::write(panther.join("setuperr.log"), log("error")).unwrap();
    let act = panther.join("setupact.log");
    for n in 1..=12 {
        fs::write(&act, "x".repeat(n)).unwrap();
        std::thread::sleep(Duration::from_secs(4));
    }
    assert!(!wine.report().contains("has stopped"), "{}", wine.report());
    assert!(disk.join("windows/Setup/Scripts/ErrorHandler.cmd").exists());

    // Nothing moves any more.
    fs::write(&act, log("action")).unwrap();
    let waited = wine.wait("image-build: FAILED", 60);
    let report = wine.report();
    assert!((30..60).contains(&waited), "{waited} s");
    assert!(report.contains("image-build: Setup has stopped"), "{report}");
    assert_sent(&report, "error");
    assert_sent(&report, "action");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(fs::read_to_string(&wpeutil).unwrap().trim(), "shutdown");
    eprintln!("setup-watch.cmd: told {waited} s after the last change");
    after_the_restart(&wine, &disk);
}

/// What Setup runs itself, put in place by the watch.
fn after_the_restart(wine: &Wine, disk: &Path) {
    fs::create_dir_all(disk.join("windows/Panther/UnattendGC")).unwrap();
    fs::write(disk.join("windows/Panther/setuperr.log"), log("specialize")).unwrap();
    fs::write(disk.join("windows/Panther/UnattendGC/setupact.log"), log("oobe")).unwrap();
    // cmd.exe looks into the directory that it is in first.
    let off = stand_in(disk, "shutdown");
    let script = "cd /d C:\\ && C:\\windows\\Setup\\Scripts\\ErrorHandler.cmd";
    fs::write(disk.join("start.cmd"), format!("{script}\r\n")).unwrap();
    let before = wine.report().len();
    wine.run(&["cmd", "/c", "C:\\start.cmd"]);
    std::thread::sleep(Duration::from_secs(1));
    let report = wine.report().split_off(before);
    assert!(report.contains("image-build: Setup has stopped after the restart"), "{report}");
    assert_sent(&report, "specialize");
    assert_sent(&report, "oobe");
    assert!(report.trim_end().ends_with("image-build: FAILED"), "{report}");
    assert_eq!(fs::read_to_string(off).unwrap().trim(), "/s /f /t 0");
}
