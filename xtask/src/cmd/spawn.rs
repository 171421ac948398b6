//! Starting children so that none outlives us, whatever happens to us.
//!
//! Two nets, because each has a hole:
//!
//! * `PR_SET_PDEATHSIG`: the kernel kills the child when the *thread* that
//!   started it dies. Hence one thread that lives as long as the process starts
//!   all of them. It reaches the child only, not what the child started, and it
//!   cannot be taken back (a VM that the user wants to keep).
//! * The reaper: a shell that reads our pipe. It learns which groups exist; when
//!   the pipe closes, because we exited or were killed, it kills those left.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::process::{Pid, Signal};

use super::{Cmd, EnvChange, Lifetime};

/// Standard streams of a child.
pub(super) struct Streams {
    pub stdin: Stdio,
    pub stdout: Stdio,
    pub stderr: Stdio,
}

/// Starts `cmd` as the leader of its own process group.
pub(super) fn group(cmd: &Cmd, streams: Streams) -> io::Result<process::Child> {
    let mut command = command(cmd);
    command.stdin(streams.stdin).stdout(streams.stdout).stderr(streams.stderr).process_group(0);
    if cmd.lifetime == Lifetime::Ours {
        die_with_us(&mut command);
    }
    let child = on_spawner(command)?;
    if let Some(group) = pid_of(&child) {
        registry().insert(group.as_raw_nonzero().get());
        tell_reaper('+', group);
    }
    Ok(child)
}

/// Starts `cmd` in our own process group with our terminal.
pub(super) fn interactive(cmd: &Cmd) -> io::Result<process::Child> {
    let mut command = command(cmd);
    die_with_us(&mut command);
    on_spawner(command)
}

#[expect(clippy::disallowed_methods, reason = "this module is what everything else must use")]
fn command(cmd: &Cmd) -> Command {
    let mut command = Command::new(&cmd.tool);
    command.args(&cmd.args).current_dir(&cmd.cwd);
    for (key, _) in std::env::vars_os().filter(|(key, _)| set_by_cargo(&key.to_string_lossy())) {
        command.env_remove(key);
    }
    // No program that we start talks to MAAS.
    command.env_remove("MAAS_API_KEY");
    for (key, change) in &cmd.env {
        match change {
            EnvChange::Set(value) | EnvChange::Secret(value) => command.env(key, value),
            EnvChange::Remove => command.env_remove(key),
        };
    }
    command
}

/// Whether `cargo run` set this variable. A `cargo` that we start would take it
/// for its own and rebuild, and a tool would see the wrong package. What users
/// configure (`CARGO_HOME`, `CARGO_TARGET_DIR`, `CARGO_NET_*`) stays.
pub(super) fn set_by_cargo(key: &str) -> bool {
    const EXACT: [&str; 5] = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "RUSTUP_TOOLCHAIN",
        "RUST_RECURSION_COUNT",
    ];
    const PREFIXES: [&str; 5] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CFG_", "CARGO_BIN_", "RUSTUP_TOOLCHAIN_"];
    EXACT.contains(&key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

#[expect(unsafe_code, reason = "pre_exec is the only place where PR_SET_PDEATHSIG can be set")]
fn die_with_us(command: &mut Command) {
    let parent = rustix::process::getpid();
    let set = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have died before the line above; then nobody sends the signal.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()))
        }
    };
    // SAFETY: the closure runs between fork and exec. It makes two raw system
    // calls, allocates nothing and takes no lock, as async-signal-safety asks.
    unsafe { command.pre_exec(set) };
}

struct Job {
    command: Command,
    reply: SyncSender<io::Result<process::Child>>,
}

fn on_spawner(command: Command) -> io::Result<process::Child> {
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    let spawner = match SPAWNER.get() {
        Some(spawner) => spawner,
        None => {
            let (sender, jobs) = channel();
            std::thread::Builder::new().name("spawner".into()).spawn(move || serve(&jobs))?;
            // If another thread was faster, ours sees a closed channel and ends;
            // it has started nothing yet.
            SPAWNER.get_or_init(|| sender)
        }
    };
    let (reply, answer) = sync_channel(1);
    let gone = || io::Error::other("the thread that starts programs is gone");
    spawner.send(Job { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

fn serve(jobs: &Receiver<Job>) {
    for mut job in jobs {
        // The asker waits for the answer, so nobody is lost if this fails.
        drop(job.reply.send(job.command.spawn()));
    }
}

/// Reads `+ GROUP` and `- GROUP`; at the end kills the groups that are left.
/// Signals are ignored: it must see the end of the pipe, nothing else ends it.
const REAPER: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r change group; do
    case $change in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;; esac ;;
    esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
exit 0
"#;

fn reaper() -> &'static Mutex<Option<ChildStdin>> {
    static REAPER_PIPE: OnceLock<Mutex<Option<ChildStdin>>> = OnceLock::new();
    REAPER_PIPE.get_or_init(|| Mutex::new(start_reaper().ok()))
}

/// Starts the reaper outside our group: a Ctrl-C must not reach it. Its own end
/// is left to init, which adopts it when we are gone.
#[expect(clippy::disallowed_methods, reason = "the reaper must not be watched by itself")]
fn start_reaper() -> io::Result<ChildStdin> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", REAPER, "xtask-reaper"]).current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = on_spawner(command)?;
    child.stdin.take().ok_or_else(|| io::Error::other("the reaper has no pipe"))
}

fn tell_reaper(change: char, group: Pid) {
    let mut pipe = lock(reaper());
    if let Some(stdin) = pipe.as_mut() {
        let line = format!("{change} {}\n", group.as_raw_nonzero());
        // A reaper that somebody killed is no reason to stop: the kernel's net
        // is still there.
        if stdin.write_all(line.as_bytes()).is_err() {
            *pipe = None;
        }
    }
}

fn registry() -> MutexGuard<'static, BTreeSet<i32>> {
    static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
    lock(&GROUPS)
}

/// Data behind our locks is plain, so a panic elsewhere cannot have broken it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets a group that ended or that the user keeps.
pub(super) fn forget(group: Pid) {
    registry().remove(&group.as_raw_nonzero().get());
    tell_reaper('-', group);
}

/// Kills every group that is still alive; for the second Ctrl-C.
pub(crate) fn kill_all_groups() {
    for group in registry().iter().filter_map(|raw| Pid::from_raw(*raw)) {
        signal_group(group, Signal::KILL);
    }
}

/// Sends a signal to a whole group. That it is gone already is what we want.
pub(super) fn signal_group(group: Pid, signal: Signal) {
    let _: rustix::io::Result<()> = rustix::process::kill_process_group(group, signal);
}

/// The process id, which is also the id of the group it leads.
pub(super) fn pid_of(child: &process::Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}
