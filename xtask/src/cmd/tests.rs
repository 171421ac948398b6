//! Real processes: small shell scripts that exit, hang, fork and die.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::*;

fn sh(script: &str) -> Cmd {
    Cmd::new("sh", "run a test script").cwd("/").args(["-c", script]).cancel(&CancelToken::new())
}

fn alive(pid: i32) -> bool {
    // A zombie that nobody has reaped yet is dead.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

fn gone_within(pid: i32, limit: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if !alive(pid) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn read_pid(path: &Path) -> i32 {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if let Some(pid) = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()) {
            return pid;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} was not written", path.display());
}

#[test]
fn display_can_be_pasted_and_hides_secrets() {
    let cmd = Cmd::new("packer", "build")
        .cwd("/")
        .env("PACKER_LOG", "1")
        .secret_env("PW", "hunter2")
        .env_remove("HOME")
        .args(["build", "-var", "name=it's a $test", "", "a b", "--x=y"]);
    let expected = r"env -u HOME PACKER_LOG=1 PW=******** packer build -var 'name=it'\''s a $test' '' 'a b' --x=y";
    assert_eq!(cmd.to_string(), expected);
    assert!(!format!("{}", CmdError::new(&cmd, Failure::Exited(1))).contains("hunter2"));
}

#[test]
fn quoting_survives_a_real_shell() {
    for text in
        ["", "a", "a b", "it's", "$HOME `id` \\ \"", "*?[x]", "tab\tnew\nline", "-n", "é~!#"]
    {
        let script = format!("printf %s {}", shell_quote(text));
        assert_eq!(sh(&script).output().unwrap().stdout, text.as_bytes(), "{text:?}");
    }
}

#[test]
fn each_failure_has_its_sentence() {
    let quiet = CancelToken::new();
    let cancelled = CancelToken::new();
    cancelled.set();
    let nowhere = Cmd::new("sh", "test").cwd("/no/such/dir").cancel(&quiet);
    let absent = Cmd::new("qemu-system-x86_64-absent", "test").cwd("/").cancel(&quiet);
    let cases: [(Cmd, Failure, &str); 8] = [
        (absent, Failure::NotInstalled, "`qemu-system-x86_64-absent` is not installed"),
        (
            nowhere,
            Failure::CouldNotStart("its directory /no/such/dir does not exist".into()),
            "`sh` could not start: its directory /no/such/dir does not exist",
        ),
        (sh("exit 3"), Failure::Exited(3), "`sh` exited with 3"),
        (sh("kill -KILL $$"), Failure::Signal(9), "`sh` was killed by SIGKILL"),
        (
            sh("sleep 60").timeout(Duration::from_millis(100)),
            Failure::TimedOut(Duration::from_millis(100)),
            "`sh` did not end within 100ms",
        ),
        (sh("yes").limit(5000), Failure::TooMuchOutput(5000), "`sh` wrote more than 5000 bytes"),
        (sh("true").cancel(&cancelled), Failure::Interrupted, "interrupted, `sh` was stopped"),
        (sh("echo why >&2; exit 1"), Failure::Exited(1), "\n         | why"),
    ];
    for (cmd, failure, sentence) in cases {
        let error = cmd.output().unwrap_err();
        assert_eq!(error.failure, failure, "{cmd}");
        assert!(error.to_string().contains(sentence), "{error}");
    }
}

#[test]
fn missing_tool_names_its_package() {
    let cmd = Cmd::new("/nowhere/qemu-img", "test").cwd("/");
    let error = CmdError::new(&cmd, Failure::NotInstalled).to_string();
    assert!(error.ends_with("is not installed (hint: sudo apt-get install qemu-utils)"), "{error}");
}

#[test]
fn missing_interpreter_is_not_a_missing_tool() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let error = Cmd::new(&script, "test").cwd("/").output().unwrap_err();
    assert!(error.to_string().contains("interpreter in its first line"), "{error}");
}

#[test]
fn success_is_said_at_the_call() {
    assert_eq!(sh("exit 3").success(&[0, 3]).output().unwrap().code, 3);
    assert_eq!(sh("exit 77").success(&[]).output().unwrap().code, 77);
    assert!(sh("exit 0").success(&[3]).output().is_err());
}

#[test]
fn stdin_is_empty_or_what_we_give() {
    assert_eq!(sh("cat").output().unwrap().stdout, b"");
    assert_eq!(sh("cat").stdin("a\nb").output().unwrap().stdout, b"a\nb");
    // Larger than a pipe, to a child that does not read it.
    assert_eq!(sh("exit 0").stdin(vec![b'x'; 1 << 20]).output().unwrap().code, 0);
}

#[test]
fn lines_are_bytes_and_secrets_are_masked_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let cmd = sh(r"printf 'a\377b\r\nkey=%s\n' $KEY; echo last >&2; exit 4")
        .secret_env("KEY", "s3cret")
        .log(&log);
    let mut lines = Vec::new();
    let error = cmd.stream(|line| lines.push((line.source, line.bytes.to_vec()))).unwrap_err();
    assert!(lines.contains(&(Source::Stdout, b"a\xffb".to_vec())));
    assert!(lines.contains(&(Source::Stdout, b"key=********".to_vec())));
    assert!(lines.contains(&(Source::Stderr, b"last".to_vec())));
    let logged = fs::read(&log).unwrap();
    for place in [logged.as_slice(), error.to_string().as_bytes()] {
        let text = String::from_utf8_lossy(place);
        assert!(text.contains("key=********") && !text.contains("s3cret"), "{text}");
    }
    assert!(error.to_string().contains(&format!("log      {}", log.display())));
}

#[test]
fn the_tail_is_the_last_twenty_lines() {
    let error = sh("seq 1 100; exit 1").stream(|_| {}).unwrap_err();
    assert_eq!(error.tail.len(), 20);
    assert_eq!(error.tail.first().unwrap(), "81");
    assert_eq!(error.tail.last().unwrap(), "100");
}

#[test]
fn a_line_without_end_is_cut_not_collected() {
    let mut longest = 0;
    let script = "head -c 1000000 /dev/zero | tr '\\0' x";
    sh(script).stream(|line| longest = longest.max(line.bytes.len())).unwrap();
    assert_eq!(longest, 64 << 10);
}

#[test]
fn cargo_environment_is_stripped_and_user_configuration_kept() {
    for (key, stripped) in [
        ("CARGO", true),
        ("CARGO_PKG_NAME", true),
        ("CARGO_MANIFEST_DIR", true),
        ("RUSTUP_TOOLCHAIN", true),
        ("CARGO_HOME", false),
        ("CARGO_TARGET_DIR", false),
        ("RUSTUP_HOME", false),
        ("PATH", false),
    ] {
        assert_eq!(spawn::set_by_cargo(key), stripped, "{key}");
    }
    // Under `cargo test` the variable is set for us.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert_eq!(sh("echo ${CARGO_MANIFEST_DIR-none}").output().unwrap().stdout_text(), "none");
}

#[test]
fn a_timeout_ends_the_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    // The grandchild ignores TERM, so only KILL after the grace time ends it.
    let script = format!("(trap '' TERM; exec sleep 300) & echo $! > {}; wait", pid.display());
    let cmd = sh(&script).timeout(Duration::from_millis(300)).grace(Duration::from_millis(200));
    let error = cmd.run().unwrap_err();
    assert!(matches!(error.failure, Failure::TimedOut(_)));
    assert!(gone_within(read_pid(&pid), Duration::from_secs(2)));
}

#[test]
fn term_comes_first_and_gives_time_to_clean_up() {
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("cleaned");
    let script =
        format!("trap 'touch {}; exit 0' TERM; while :; do sleep 0.05; done", marker.display());
    sh(&script).timeout(Duration::from_millis(300)).run().unwrap_err();
    assert!(marker.exists());
}

#[test]
fn what_a_child_leaves_behind_is_killed_when_it_exits() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let start = Instant::now();
    sh(&format!("sleep 300 & echo $! > {}", pid.display())).output().unwrap();
    assert!(gone_within(read_pid(&pid), Duration::from_secs(2)));
    assert!(start.elapsed() < Duration::from_secs(10), "waited for the grandchild's pipe");
}

#[test]
fn dropping_the_guard_ends_the_group() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let child = sh(&format!("sleep 300 & echo $! > {}; wait", pid.display())).spawn().unwrap();
    let (leader, grandchild) = (i32::try_from(child.id()).unwrap(), read_pid(&pid));
    assert!(child.is_running() && alive(leader) && alive(grandchild));
    drop(child);
    assert!(!alive(leader));
    assert!(gone_within(grandchild, Duration::from_secs(2)));
}

#[test]
fn cancelling_one_of_two_ends_only_that_one() {
    let (all, one) = (CancelToken::new(), CancelToken::new());
    let (first, second) = (all.child(), one.child());
    all.set();
    assert!(first.is_set() && !second.is_set());
    let cmd = sh("sleep 300").cancel(&second);
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        one.set();
    });
    assert!(cmd.run().unwrap_err().is_interrupted());
    stopper.join().unwrap();
}

#[test]
fn which_finds_executables_only() {
    assert!(which("sh").is_some_and(|path| path.is_absolute()));
    assert_eq!(which("/bin/sh").as_deref(), Some(Path::new("/bin/sh")));
    assert_eq!(which("/etc/passwd"), None);
    assert_eq!(which("no-such-tool-anywhere"), None);
}

/// Runs this test binary again in a role (see `role`) and returns it.
#[expect(clippy::disallowed_methods, reason = "the test plays the operator who kills xtask")]
fn start_role(role: &str, dir: &Path) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cmd::tests::role", "--ignored", "--nocapture"])
        .env("XTASK_TEST_ROLE", role)
        .env("XTASK_TEST_DIR", dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: the process that the tests below kill.
#[test]
#[ignore = "a role that other tests start"]
fn role() {
    let (Ok(role), Ok(dir)) = (std::env::var("XTASK_TEST_ROLE"), std::env::var("XTASK_TEST_DIR"))
    else {
        return;
    };
    let script = format!("echo $$ > {dir}/child; sleep 300 & echo $! > {dir}/grandchild; wait");
    let cmd = Cmd::new("sh", "play a VM").cwd("/").args(["-c", &script]);
    match role.as_str() {
        "run" => {
            crate::signal::install().unwrap();
            let code = cmd.run().map_or_else(|error| i32::from(error.is_interrupted()), |_| 0);
            std::process::exit(if code == 1 { 130 } else { 99 });
        }
        "keep" => {
            let child = cmd.keepable().spawn().unwrap();
            read_pid(&Path::new(&dir).join("grandchild"));
            child.detach();
            std::process::exit(0);
        }
        "forget" => {
            let child = cmd.keepable().spawn().unwrap();
            read_pid(&Path::new(&dir).join("grandchild"));
            std::mem::forget(child);
            std::process::exit(0);
        }
        other => panic!("unknown role {other}"),
    }
}

fn pids(dir: &Path) -> [i32; 2] {
    [read_pid(&dir.join("child")), read_pid(&dir.join("grandchild"))]
}

fn send(process: &std::process::Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn after_kill_9_neither_child_nor_grandchild_lives() {
    let dir = tempfile::tempdir().unwrap();
    let mut xtask = start_role("run", dir.path());
    let pids = pids(dir.path());
    assert!(pids.iter().all(|pid| alive(*pid)));
    send(&xtask, rustix::process::Signal::KILL);
    xtask.wait().unwrap();
    assert!(pids.iter().all(|pid| gone_within(*pid, Duration::from_secs(10))));
}

#[test]
fn int_term_and_hup_end_everything_and_exit_130() {
    use rustix::process::Signal;
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let dir = tempfile::tempdir().unwrap();
        let mut xtask = start_role("run", dir.path());
        let pids = pids(dir.path());
        send(&xtask, signal);
        assert_eq!(xtask.wait().unwrap().code(), Some(130));
        assert!(pids.iter().all(|pid| gone_within(*pid, Duration::from_secs(1))));
    }
}

#[test]
fn only_what_is_detached_outlives_us() {
    for (role, survives) in [("keep", true), ("forget", false)] {
        let dir = tempfile::tempdir().unwrap();
        assert!(start_role(role, dir.path()).wait().unwrap().success());
        let pids = pids(dir.path());
        if survives {
            std::thread::sleep(Duration::from_secs(1));
            assert!(pids.iter().all(|pid| alive(*pid)));
            let group = rustix::process::Pid::from_raw(pids[0]).unwrap();
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        }
        assert!(pids.iter().all(|pid| gone_within(*pid, Duration::from_secs(10))), "{role}");
    }
}

#[test]
fn progress_shows_scripts_by_their_first_line() {
    let script = "set -e\nrm -rf x\nmkdir x\n";
    let cmd =
        Cmd::new("sh", "test").cwd("/").args(["-c", script]).env_remove("CARGO").env("A", "b c");
    assert_eq!(format!("{cmd:#}"), "A='b c' sh -c 'set -e ...' (+2 lines)");
    assert_eq!(cmd.to_string(), format!("env -u CARGO A='b c' sh -c '{script}'"));
}
