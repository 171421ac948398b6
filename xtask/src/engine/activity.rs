//! Whether anything happens in a VM: the judgement behind stall detection, the
//! same for both engines.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::error::Trouble;
use super::qmp::{Qmp, QmpEvent};

/// How often QEMU is asked.
pub const ASK: Duration = Duration::from_secs(5);

/// How long nothing may happen unless the user says otherwise: longer than
/// package scripts are silent on a slow host.
pub const STALL: Duration = Duration::from_secs(20 * 60);

/// CPU use of QEMU, in percent of one CPU, above which a silent script is at work.
const BUSY: u64 = 20;

/// Numbers that change while something happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Bytes on the serial console.
    pub console: u64,
    /// Bytes and flushes of all drives.
    pub disks: u64,
    /// QEMU's table of connections.
    pub network: String,
    /// Bytes that our HTTP server sent.
    pub http: u64,
    /// Lines of scripts and tools.
    pub marks: u64,
    /// QEMU's CPU time in clock ticks.
    pub cpu_ticks: u64,
}

impl Signs {
    /// What QEMU and the kernel tell; the rest is the caller's.
    pub fn ask(qmp: &mut Qmp, pid: u64) -> Self {
        Self {
            disks: qmp.disk_activity().unwrap_or_default(),
            network: qmp.usernet().unwrap_or_default(),
            cpu_ticks: cpu_ticks(pid),
            ..Self::default()
        }
    }
}

/// When something happened last.
#[derive(Debug)]
pub struct Activity {
    seen: Signs,
    since: Instant,
}

impl Default for Activity {
    fn default() -> Self {
        Self { seen: Signs::default(), since: Instant::now() }
    }
}

impl Activity {
    /// Takes what is seen now, [`ASK`] after the last time, and says for how long
    /// nothing has happened. `busy_counts`: CPU use is activity.
    pub fn idle(&mut self, signs: Signs, busy_counts: bool) -> Duration {
        let ticks = signs.cpu_ticks.saturating_sub(self.seen.cpu_ticks);
        // A tick is 10 ms on every Linux architecture, so one CPU makes 500 in 5 s.
        let busy = ticks.saturating_mul(100) / (ASK.as_secs().saturating_mul(100)).max(1) > BUSY;
        let still = |signs: &Signs| Signs { cpu_ticks: 0, ..signs.clone() };
        if still(&signs) != still(&self.seen) || (busy && busy_counts) {
            self.since = Instant::now();
        }
        self.seen = signs;
        self.since.elapsed()
    }
}

/// What it means that nothing happened for so long.
pub fn stalled(limit: Duration) -> Trouble {
    Trouble::guest(format!(
        "nothing has happened for {limit:?}: no disk, network or console activity"
    ))
}

/// An event after which the guest cannot go on.
pub fn fatal_event(event: &QmpEvent) -> Option<Trouble> {
    match event.name.as_str() {
        "GUEST_PANICKED" => Some(Trouble::guest("the guest reported a panic")),
        "BLOCK_IO_ERROR" if event.data["nospace"] == true => Some(Trouble::host(
            "this host's disk is full, so QEMU stopped the guest (hint: free space, or choose \
             another --out)",
        )),
        "BLOCK_IO_ERROR" if event.data["action"] == "stop" => {
            let why = event.data["reason"].as_str().unwrap_or("no reason given");
            Some(Trouble::host(format!("QEMU cannot write the build's disk: {why}")))
        }
        _ => None,
    }
}

/// The first thread of QEMU's that runs a virtual CPU, as `query-cpus-fast`
/// lists it; its `/proc` entry counts the whole process.
pub fn cpu_thread(cpus: &Value) -> u64 {
    cpus[0]["thread-id"].as_u64().unwrap_or(0)
}

/// User and system time of a process in clock ticks; 0 if it is gone.
fn cpu_ticks(pid: u64) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold spaces; the fields after it do not.
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field =
        |index: usize| fields.get(index).and_then(|text| text.parse().ok()).unwrap_or(0_u64);
    field(11).saturating_add(field(12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_events_without_return_stop_a_build() {
        for (name, data, part) in [
            ("BLOCK_IO_ERROR", json!({ "nospace": true, "action": "stop" }), Some("disk is full")),
            (
                "BLOCK_IO_ERROR",
                json!({ "nospace": false, "action": "stop", "reason": "Input/output error" }),
                Some("Input/output error"),
            ),
            ("BLOCK_IO_ERROR", json!({ "action": "report" }), None),
            ("GUEST_PANICKED", json!({}), Some("panic")),
            ("RESET", json!({ "guest": true }), None),
            ("SHUTDOWN", json!({}), None),
        ] {
            let found = fatal_event(&QmpEvent { name: name.into(), data });
            match part {
                Some(part) => assert!(found.unwrap().message.contains(part), "{name}"),
                None => assert_eq!(found, None, "{name}"),
            }
        }
    }

    #[test]
    fn cpu_time_of_a_process_grows_and_of_none_is_zero() {
        let before = cpu_ticks(std::process::id().into());
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(200) {
            std::hint::black_box(0);
        }
        assert!(cpu_ticks(std::process::id().into()) > before);
        assert_eq!(cpu_ticks(u64::from(u32::MAX)), 0);
    }

    #[test]
    fn any_sign_is_activity_but_cpu_time_only_while_scripts_run() {
        let mut activity = Activity::default();
        let pause = || std::thread::sleep(Duration::from_millis(20));
        let first = Signs { console: 1, cpu_ticks: 500, ..Signs::default() };
        assert!(activity.idle(first.clone(), false) < Duration::from_millis(20));
        pause();
        let busy = Signs { cpu_ticks: 1000, ..first.clone() };
        assert!(activity.idle(busy.clone(), false) >= Duration::from_millis(20));
        let busier = Signs { cpu_ticks: 1500, ..first };
        assert!(activity.idle(busier.clone(), true) < Duration::from_millis(20));
        pause();
        let idle = Signs { cpu_ticks: 1510, ..busier };
        assert!(activity.idle(idle.clone(), true) >= Duration::from_millis(20));
        let told = Signs { network: "TCP".into(), ..idle };
        assert!(activity.idle(told, true) < Duration::from_millis(20));
    }
}
