use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::engine::host::WorkPaths;
use crate::engine::spec::VmSpec;
use crate::engine::step::{Action, Filter, Step};
use crate::engine::template::Context;
use crate::signal::CancelToken;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl crate::engine::events::Events for Heard {
    fn event(&self, event: Event<'_>) {
        if let Event::Output(line) | Event::Note(line) = event {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }
}

struct Bench {
    _dir: tempfile::TempDir,
    paths: WorkPaths,
    spec: VmSpec,
    heard: Heard,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let template = dir.path().join("template");
        std::fs::create_dir(&template).unwrap();
        let paths = WorkPaths::create(&dir.path().join("w"), &template).unwrap();
        Self { _dir: dir, paths, spec: VmSpec::new("deb", "/m"), heard: Heard::default() }
    }

    /// Runs the steps without a guest, as if there were a communicator.
    fn run(&self, step: &Step) -> Result<Vec<String>, Trouble> {
        self.heard.0.lock().unwrap().clear();
        let mut provisioner = Provisioner {
            spec: &self.spec,
            paths: &self.paths,
            context: Context::new().with("Password", "s3cret"),
            http: ("10.0.2.2".into(), 0),
            ssh: None,
            events: &self.heard,
            cancel: CancelToken::new(),
            secrets: vec!["s3cret".into()],
            counter: 0,
        };
        provisioner.step(step)?;
        Ok(self.heard.0.lock().unwrap().clone())
    }
}

fn inline(lines: &[&str]) -> ShellLocal {
    ShellLocal::new(Script::Inline(lines.iter().map(|line| (*line).to_owned()).collect()))
}

fn step(local: ShellLocal) -> Step {
    Step::new(Action::ShellLocal(local))
}

#[test]
fn inline_and_files_run_in_the_template_directory_with_packers_variables() {
    let bench = Bench::new();
    let mut local =
        inline(&["pwd", "echo $PACKER_BUILD_NAME $PACKER_BUILDER_TYPE $PACKER_HTTP_ADDR $A"]);
    local.env.insert("A".into(), "it's".into());
    let template = bench.paths.template.display().to_string();
    assert_eq!(bench.run(&step(local)).unwrap(), [template, "deb qemu 10.0.2.2:0 it's".into()]);

    let script = bench.paths.template.join("s.sh");
    std::fs::write(&script, "#!/bin/sh\necho from file\nexit 3\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut local = ShellLocal::new(Script::Files(vec!["s.sh".into()]));
    let error = bench.run(&step(local.clone())).unwrap_err();
    assert_eq!(error.message, "s.sh exited with 3, allowed: [0]\n         | from file");
    local.valid_exit_codes = vec![3];
    assert_eq!(bench.run(&step(local)).unwrap(), ["from file"]);
}

#[test]
fn the_first_failing_line_ends_an_inline_script() {
    let error = Bench::new().run(&step(inline(&["false", "echo not reached"]))).unwrap_err();
    assert!(error.message.contains("exited with 1") && !error.message.contains("not reached"));
}

#[test]
fn secrets_reach_the_script_but_neither_argv_nor_output() {
    let bench = Bench::new();
    let show_argv = "tr '\\0' ' ' < /proc/$PPID/cmdline; tr '\\0' ' ' < /proc/$$/cmdline; echo";
    for execute_command in [vec![], vec!["/bin/sh", "-c", "{{.Vars}} {{.Script}}"]] {
        let mut local = inline(&[show_argv, "echo length ${#PW} text $PW"]);
        local.env.insert("PW".into(), "{{ build `Password` }}".into());
        local.execute_command = execute_command.iter().map(|word| (*word).to_owned()).collect();
        let heard = bench.run(&step(local)).unwrap();
        assert_eq!(heard.last().unwrap(), "length 6 text ********", "{execute_command:?}");
        assert!(!heard.join("\n").contains("PW="), "{heard:?}");
    }
    let mut local = inline(&["true"]);
    local.env.insert("PW".into(), "s3cret".into());
    local.execute_command = ["env", "{{.Vars}}", "{{.Script}}"].map(str::to_owned).into();
    let error = bench.run(&step(local)).unwrap_err();
    assert!(error.message.contains("process list"), "{}", error.message);
    let log = std::fs::read_to_string(bench.paths.build_log()).unwrap();
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn retries_timeout_pause_and_continue_on_error() {
    let bench = Bench::new();
    let count = bench.paths.root.join("count");
    let mut retried =
        step(inline(&[&format!("echo x >> {0}; [ $(wc -l < {0}) = 3 ]", count.display())]));
    retried.max_retries = 2;
    bench.run(&retried).unwrap();
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\nx\nx\n");

    let mut slow = step(inline(&["sleep 60"]));
    slow.timeout = Some(Duration::from_millis(300));
    let error = bench.run(&slow).unwrap_err();
    assert_eq!(error.message, "it did not end within 300ms (timeout)");
    slow.continue_on_error = true;
    assert!(bench.run(&slow).unwrap().last().unwrap().ends_with("going on (continue_on_error)"));

    let mut paused = step(inline(&["true"]));
    paused.pause_before = Duration::from_millis(300);
    let start = std::time::Instant::now();
    bench.run(&paused).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[test]
fn other_operating_systems_are_left_out_and_filters_hold() {
    let bench = Bench::new();
    let mut local = inline(&["false"]);
    local.only_on = vec!["windows".into()];
    assert!(bench.run(&step(local)).unwrap()[0].starts_with("not for this operating system"));
    for (filter, allowed) in [
        (Filter::All, true),
        (Filter::Only(vec!["qemu.deb".into()]), true),
        (Filter::Only(vec!["qemu.other".into()]), false),
        (Filter::Except(vec!["qemu.deb".into()]), false),
        (Filter::Except(vec!["qemu.other".into()]), true),
    ] {
        assert_eq!(filter.allows("qemu.deb"), allowed, "{filter:?}");
    }
}
