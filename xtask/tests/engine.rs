//! The built-in engine with a real QEMU and a real guest.
//!
//! Needs a bootstrapped Debian base disk (GPT, UEFI and BIOS loaders, cloud-init
//! with NoCloud, sshd, sudo), so these tests run on demand:
//!
//! ```text
//! XTASK_TEST_BASE=debian-12-amd64.qcow2 cargo test -p xtask --test engine -- --ignored
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    reason = "a test panics to fail, and one long build is cheaper than many"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use xtask::cmd::which;
use xtask::engine::spec::{Accelerator, Communicator, Firmware, Ssh};
use xtask::engine::step::{Action, FileCopy, Script, Shell};
use xtask::engine::{
    Event, Events, Job, OnError, Options, Phase, QemuHost, Step, VmSpec, WorkPaths, random, run,
};
use xtask::signal::CancelToken;

/// Prints and remembers.
#[derive(Default)]
struct Log {
    start: Option<Instant>,
    output: Mutex<Vec<String>>,
    notes: Mutex<Vec<String>>,
}

impl Events for Log {
    fn event(&self, event: Event<'_>) {
        let at = self.start.map_or(0.0, |start| start.elapsed().as_secs_f64());
        match event {
            Event::Phase(phase) => println!("{at:6.1} == {phase}"),
            Event::Note(text) => {
                println!("{at:6.1} -- {text}");
                self.notes.lock().unwrap().push(text.to_owned());
            }
            Event::Step { number, total, name } => println!("{at:6.1} {number}/{total} {name}"),
            Event::Output(line) => {
                println!("{at:6.1}    {line}");
                self.output.lock().unwrap().push(line.to_owned());
            }
            Event::Serial(_) => {}
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    password: String,
    spec: VmSpec,
}

impl Bench {
    fn new() -> Self {
        let base = std::env::var_os("XTASK_TEST_BASE").expect("XTASK_TEST_BASE names a base disk");
        let password = random::hex(16).unwrap();
        let mut spec = VmSpec::new("debian", fs::canonicalize(base).unwrap());
        spec.headless = true;
        spec.disk_image = true;
        spec.disk.use_backing_file = true;
        spec.disk.size = "8G".into();
        spec.hardware.machine = "q35".into();
        spec.hardware.cpu_model = Some("host".into());
        spec.hardware.memory_mib = 2048;
        spec.hardware.smp.cpus = 2;
        spec.cd.label = Some("cidata".into());
        spec.cd.content = [
            ("meta-data".to_owned(), "instance-id: xtask-test\n".to_owned()),
            ("user-data".to_owned(), user_data(&password)),
        ]
        .into();
        let mut ssh = Ssh::new("builder");
        ssh.password = Some(password.clone());
        ssh.timeout = Some(Duration::from_secs(1200));
        spec.communicator = Communicator::Ssh(Box::new(ssh));
        spec.shutdown.command = Some("sudo shutdown -P now".into());
        let mut dir = tempfile::tempdir().unwrap();
        // For a look at the logs of a failed test.
        dir.disable_cleanup(std::env::var_os("XTASK_TEST_KEEP").is_some());
        Self { dir, password, spec }
    }

    fn template(&self) -> PathBuf {
        let template = self.dir.path().join("template");
        fs::create_dir_all(&template).unwrap();
        template
    }

    fn job(&self, steps: Vec<Step>) -> Job {
        let paths = WorkPaths::create(&self.dir.path().join("work"), &self.template()).unwrap();
        Job { spec: self.spec.clone(), steps, host: host(), paths, options: Options::default() }
    }
}

fn host() -> QemuHost {
    QemuHost {
        qemu_system: which("qemu-system-x86_64").unwrap(),
        qemu_img: which("qemu-img").unwrap(),
        version: (7, 2, 0),
        accelerator: Accelerator::Tcg,
        xorriso: which("xorriso"),
        firmware: None,
        window: false,
        askpass: env!("CARGO_BIN_EXE_xtask").into(),
    }
}

fn user_data(password: &str) -> String {
    format!(
        "#cloud-config\nlocale: C.UTF-8\nssh_pwauth: true\nusers:\n  - name: builder\n    \
         plain_text_passwd: {password}\n    lock_passwd: false\n    shell: /bin/bash\n    \
         sudo: ALL=(ALL) NOPASSWD:ALL\n"
    )
}

fn efi() -> Firmware {
    Firmware::Efi {
        code: Some("/usr/share/OVMF/OVMF_CODE_4M.fd".into()),
        vars: Some("/usr/share/OVMF/OVMF_VARS_4M.fd".into()),
    }
}

fn shell(lines: &[&str]) -> Shell {
    Shell::new(Script::Inline(lines.iter().map(|line| (*line).to_owned()).collect()))
}

fn contains(file: &Path, text: &str) -> bool {
    let bytes = fs::read(file).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// No process has the work directory in its command line.
fn nothing_left(dir: &Path) -> bool {
    let needle = dir.to_string_lossy().into_owned();
    let ours = std::process::id().to_string();
    fs::read_dir("/proc").unwrap().flatten().all(|entry| {
        let argv = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        entry.file_name().to_string_lossy() == ours
            || !String::from_utf8_lossy(&argv).contains(&needle)
    })
}

#[test]
#[ignore = "boots a VM; needs XTASK_TEST_BASE"]
fn a_disk_image_is_booted_by_uefi_provisioned_and_turned_off() {
    let mut bench = Bench::new();
    bench.spec.firmware = efi();
    let template = bench.template();
    fs::create_dir_all(template.join("files/sub")).unwrap();
    fs::write(template.join("files/sub/a b.txt"), "from a directory").unwrap();
    fs::write(template.join("dos.sh"), "#!/bin/sh\r\necho dos $GREETING\r\n").unwrap();
    let marker = random::hex(20).unwrap();

    let mut first =
        shell(&["id -un", "cat /proc/cmdline", "echo secret is $PW", "ls -d /sys/firmware/efi"]);
    first.env.insert("PW".into(), "{{ build `Password` }}".into());
    let content = FileCopy {
        content: Some(format!("{marker}\n")),
        destination: "/tmp/marker".into(),
        ..FileCopy::default()
    };
    let directory = FileCopy {
        sources: vec!["files".into()],
        destination: "/home/builder".into(),
        ..FileCopy::default()
    };
    let mut dos = Shell::new(Script::Files(vec!["dos.sh".into()]));
    dos.env.insert("GREETING".into(), "it's me".into());
    let mut root = shell(&[
        "install -m 644 /tmp/marker /root/marker",
        "stat -c %a /tmp/marker",
        "cat '/home/builder/files/sub/a b.txt'; echo",
        "id -un",
        "exit 7",
    ]);
    root.execute_command =
        Some("chmod +x {{ .Path }}; sudo env {{ .Vars }} sh -e {{ .Path }}".into());
    root.valid_exit_codes = vec![7];
    let after = shell(&["ls /tmp/command_* 2>/dev/null | wc -l"]);
    let download = FileCopy {
        sources: vec!["/etc/os-release".into()],
        destination: bench.dir.path().join("got/").to_string_lossy().into_owned() + "/",
        download: true,
        ..FileCopy::default()
    };
    let steps = vec![
        Step::new(Action::Shell(first)),
        Step::new(Action::File(content)),
        Step::new(Action::File(directory)),
        Step::new(Action::Shell(dos)),
        Step::new(Action::Shell(root)),
        Step::new(Action::Shell(after)),
        Step::new(Action::File(download)),
    ];
    let log = Log { start: Some(Instant::now()), ..Log::default() };
    let job = bench.job(steps);
    let result = run(&job, &log, &CancelToken::new()).unwrap_or_else(|error| panic!("{error}"));

    let output = log.output.lock().unwrap().clone();
    let has = |line: &str| output.iter().any(|known| known == line);
    assert!(has("builder") && has("secret is ********") && has("/sys/firmware/efi"), "{output:?}");
    assert!(
        has("dos it's me") && has("from a directory") && has("root") && has("600"),
        "{output:?}"
    );
    assert_eq!(output.last().unwrap(), "0");
    let got = fs::read_to_string(bench.dir.path().join("got/os-release")).unwrap();
    assert!(got.contains("ID=debian"));
    assert!(contains(&result.disks[0], &marker), "the marker is not on the disk");
    assert_eq!(result.backing.as_deref(), Some(job.spec.medium.as_path()));
    assert!(nothing_left(bench.dir.path()), "a process was left");
    assert!(!job.paths.secrets.exists() && !job.paths.sockets.exists());
    for entry in fs::read_dir(&job.paths.logs).unwrap().flatten() {
        assert!(!contains(&entry.path(), &bench.password), "{:?}", entry.path());
    }
    for (phase, time) in &result.timings {
        println!("{phase:10?} {:6.1} s", time.as_secs_f64());
    }
}

#[test]
#[ignore = "boots a VM twice; needs XTASK_TEST_BASE"]
fn a_script_may_restart_the_guest() {
    let bench = Bench::new();
    let boot_id = "cat /proc/sys/kernel/random/boot_id";
    let mut restart = shell(&[boot_id, "sudo systemctl reboot", "sleep 60"]);
    restart.expect_disconnect = true;
    restart.use_env_var_file = true;
    // An emulated guest on a busy host takes its time.
    restart.start_retry_timeout = Duration::from_secs(1200);
    let steps =
        vec![Step::new(Action::Shell(restart)), Step::new(Action::Shell(shell(&[boot_id])))];
    let log = Log { start: Some(Instant::now()), ..Log::default() };
    run(&bench.job(steps), &log, &CancelToken::new()).unwrap_or_else(|error| panic!("{error}"));
    let output = log.output.lock().unwrap().clone();
    let boots: Vec<&String> = output.iter().filter(|line| line.len() == 36).collect();
    assert!(boots.len() == 2 && boots[0] != boots[1], "{boots:?}");
    assert!(nothing_left(bench.dir.path()), "a process was left");
}

#[test]
#[ignore = "boots a VM; needs XTASK_TEST_BASE"]
fn a_failing_script_is_told_with_its_output_and_the_screen_and_the_vm_may_be_kept() {
    let bench = Bench::new();
    let mut step =
        Step::new(Action::Shell(shell(&["echo before", "ls /no/such/file", "echo after"])));
    step.origin = "debian.pkr.hcl:41".into();
    let mut job = bench.job(vec![step]);
    job.options.on_error = OnError::Keep;
    let log = Log { start: Some(Instant::now()), ..Log::default() };
    let error = run(&job, &log, &CancelToken::new()).unwrap_err();
    println!("{error}");
    assert_eq!(error.phase, Phase::Provision);
    let text = error.to_string();
    assert!(text.contains("shell provisioner `shell` (debian.pkr.hcl:41)"), "{text}");
    assert!(text.contains("exited with 2") && text.contains("| before"), "{text}");
    assert!(text.contains("No such file or directory") && !text.contains("after"), "{text}");
    let screenshot = fs::read(error.screenshot.as_ref().unwrap()).unwrap();
    assert_eq!(&screenshot[1..4], b"PNG");

    assert!(error.kept);
    let kept = xtask::engine::keep::KeptVm::load(&job.paths.kept()).unwrap().unwrap();
    assert!(kept.is_running());
    let command = ["id -un".to_owned()];
    let ssh = kept.ssh_command(&host().askpass, bench.dir.path(), &command).unwrap();
    assert_eq!(ssh.output().unwrap().stdout_text(), "builder");
    kept.end();
    assert!(nothing_left(bench.dir.path()), "a process was left");
    assert!(!job.paths.secrets.exists());
}

#[test]
#[ignore = "boots a VM; needs XTASK_TEST_BASE"]
fn cancelling_ends_everything_within_seconds() {
    let bench = Bench::new();
    let job = bench.job(Vec::new());
    let cancel = CancelToken::new();
    let stop = cancel.clone();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(6));
        stop.set();
        Instant::now()
    });
    let log = Log { start: Some(Instant::now()), ..Log::default() };
    let error = run(&job, &log, &cancel).unwrap_err();
    let took = stopper.join().unwrap().elapsed();
    assert!(error.is_interrupted(), "{error}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(nothing_left(bench.dir.path()), "a process was left");
}

#[test]
#[ignore = "boots a VM; needs qemu-system-x86_64 and OVMF"]
fn a_guest_with_nothing_to_boot_is_noticed_by_its_console() {
    let dir = tempfile::tempdir().unwrap();
    let medium = dir.path().join("empty.img");
    fs::write(&medium, vec![0; 1 << 20]).unwrap();
    let template = dir.path().join("template");
    fs::create_dir(&template).unwrap();
    let mut spec = VmSpec::new("empty", &medium);
    spec.headless = true;
    spec.disk_image = true;
    spec.disk.size = "16M".into();
    spec.firmware = efi();
    spec.shutdown.timeout = Duration::from_secs(600);
    let paths = WorkPaths::create(&dir.path().join("work"), &template).unwrap();
    let job = Job { spec, steps: Vec::new(), host: host(), paths, options: Options::default() };
    let start = Instant::now();
    let error = run(&job, &Log::default(), &CancelToken::new()).unwrap_err();
    println!("{error}\nafter {:?}", start.elapsed());
    assert_eq!(error.cause.as_ref().unwrap().id, "uefi-network-boot");
    assert_eq!(error.phase, Phase::Install);
    assert!(start.elapsed() < Duration::from_secs(120));
    assert!(error.screenshot.is_some() && nothing_left(dir.path()));
}
