//! Starts QEMU and holds it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::argv::{self, Prepared};
use super::error::Trouble;
use super::host::{QemuHost, WorkPaths};
use super::qmp::{Qmp, QmpError};
use super::spec::VmSpec;
use crate::cmd::{Child, Cmd, Probe};
use crate::signal::CancelToken;

/// How long QEMU may take to open its control socket. Firmware images are read
/// before; a cold disk takes seconds.
const START: Duration = Duration::from_secs(30);

/// How often a port that somebody else took in between is chosen anew.
const PORT_TRIES: u32 = 5;

/// A running QEMU. Ends it when dropped.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    qmp: Arc<Mutex<Qmp>>,
    ssh_port: Option<u16>,
    command: String,
}

/// What a VM is started from.
pub struct Start<'a> {
    /// The source.
    pub spec: &'a VmSpec,
    /// The host.
    pub host: &'a QemuHost,
    /// The build's files.
    pub paths: &'a WorkPaths,
    /// Whether the VM may be kept after a failure.
    pub keepable: bool,
    /// Stops the start.
    pub cancel: &'a CancelToken,
}

impl Start<'_> {
    /// Starts QEMU and finds the port of the guest's SSH.
    ///
    /// # Errors
    /// QEMU refuses its arguments or its devices; its own words are passed on.
    pub fn run(&self, mut prepared: Prepared) -> Result<Vm, Trouble> {
        let wants_port = argv::wants_ssh_port(self.spec) && self.spec.ssh().is_some();
        let mut tries = if wants_port { PORT_TRIES } else { 1 };
        loop {
            tries = tries.saturating_sub(1);
            if wants_port {
                prepared.ssh_port = free_port()?;
            }
            match self.once(&prepared) {
                Err(trouble) if tries > 0 && trouble.message.contains("host forwarding") => {}
                result => return result,
            }
        }
    }

    fn once(&self, prepared: &Prepared) -> Result<Vm, Trouble> {
        let arguments = argv::argv(self.spec, self.host, self.paths, prepared)?;
        let log = self.paths.qemu_log();
        // Of an earlier attempt: its words must not explain this one.
        drop(fs::remove_file(&log));
        let mut cmd = Cmd::new(&self.host.qemu_system, "start the VM")
            .cwd(&self.paths.template)
            .args(arguments)
            .log(&log)
            .cancel(self.cancel)
            .grace(Duration::from_secs(10));
        if self.keepable {
            cmd = cmd.keepable();
        }
        let command = cmd.to_string();
        let child = cmd.spawn()?;
        let probe = child.probe();
        let alive = || probe.is_running() && !self.cancel.is_set();
        let qmp = Qmp::connect(&self.paths.qmp(), START, alive);
        let mut qmp = qmp.map_err(|error| self.did_not_start(&error))?;
        let ssh_port = match self.spec.ssh() {
            Some(ssh) => Some(port(&mut qmp, ssh.port)?),
            None => None,
        };
        Ok(Vm { child, qmp: Arc::new(Mutex::new(qmp)), ssh_port, command })
    }

    fn did_not_start(&self, error: &QmpError) -> Trouble {
        if self.cancel.is_set() {
            return Trouble::interrupted();
        }
        let said = qemu_said(self.paths);
        if said.is_empty() {
            return Trouble::host(format!("QEMU did not start: {error}"));
        }
        let hint = hint(&said).map(|hint| format!("\n  hint      {hint}")).unwrap_or_default();
        Trouble::host(format!("QEMU did not start: {said}{hint}"))
    }
}

fn port(qmp: &mut Qmp, guest_port: u16) -> Result<u16, Trouble> {
    let found = qmp.forwarded_port(guest_port).map_err(|error| Trouble::host(error.to_string()))?;
    found.ok_or_else(|| {
        Trouble::template(format!(
            "no forward from 127.0.0.1 to port {guest_port} of the guest: `-netdev` in qemuargs \
             must have hostfwd=tcp:127.0.0.1:{{{{ .SSHHostPort }}}}-:{guest_port}"
        ))
    })
}

fn free_port() -> Result<u16, Trouble> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    port.map(|address| address.port())
        .map_err(|source| Trouble::host(format!("no free port on 127.0.0.1: {source}")))
}

/// The last lines that QEMU itself wrote.
pub fn qemu_said(paths: &WorkPaths) -> String {
    let text = fs::read(paths.qemu_log()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    // `$ command` and warnings about CPU features that TCG lacks tell nothing.
    let tells = |line: &&str| !line.trim().is_empty() && !line.contains("warning: TCG doesn't");
    let lines: Vec<&str> = text.lines().filter(tells).collect();
    let skip = lines.len().saturating_sub(5);
    lines.into_iter().skip(skip).collect::<Vec<_>>().join("\n")
}

/// What to do about a failure that QEMU reports in its own terms.
fn hint(said: &str) -> Option<&'static str> {
    let hints = [
        (
            "Could not access KVM",
            "load the module (sudo modprobe kvm_intel or kvm_amd), or build with accelerator = \"tcg\"",
        ),
        (
            "failed to initialize kvm: Permission denied",
            "sudo usermod -aG kvm \"$USER\", then log in again",
        ),
        ("Failed to get \"write\" lock", "another QEMU uses this disk"),
        ("Failed to get shared \"write\" lock", "another QEMU writes to this medium"),
        ("gtk initialization failed", "there is no display; build without --view"),
        ("No space left on device", "free space, or choose another --out"),
        ("not find firmware", "sudo apt-get install ovmf qemu-efi-aarch64"),
        ("is not a valid device model name", "this QEMU is too old or built without that device"),
        ("unsupported machine type", "machine_type does not belong to this architecture"),
        ("Cannot allocate memory", "lower `memory`, or build fewer targets at once (--jobs)"),
    ];
    hints.iter().find(|(sign, _)| said.contains(sign)).map(|(_, hint)| *hint)
}

impl Vm {
    /// QEMU's control connection.
    pub fn qmp(&self) -> MutexGuard<'_, Qmp> {
        self.qmp.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The control connection for another thread.
    pub fn qmp_handle(&self) -> Arc<Mutex<Qmp>> {
        Arc::clone(&self.qmp)
    }

    /// Port on 127.0.0.1 that leads to the guest's SSH.
    pub fn ssh_port(&self) -> Option<u16> {
        self.ssh_port
    }

    /// The command that started it.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Tells whether it runs.
    pub fn probe(&self) -> Probe {
        self.child.probe()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Takes the QEMU that has ended and checks how.
    ///
    /// # Errors
    /// A signal killed it or its exit code is not 0.
    pub fn finish(self) -> Result<(), Trouble> {
        self.child.wait_within(Some(Duration::from_secs(10)))?;
        Ok(())
    }

    /// Lets it run on after us; only if it was started keepable.
    pub fn detach(self) -> u32 {
        self.child.detach()
    }
}
