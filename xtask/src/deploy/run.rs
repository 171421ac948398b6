//! Runs a deploy test: two machines, one service, in order.

mod describe;
mod guest;
mod prepare;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use disk_image::start::Start;
use serde_json::{Value, json};

pub use self::describe::installer;
use self::describe::notes;
use self::prepare::{WorkDir, clock_at_power_on, make_disks, needs, url_name};
use super::checks::{self, Known};
use super::config::{self, CURTIN, Inputs, Network};
use super::curtin::Curtin;
use super::http::Server;
use super::layout::Layout;
use super::maas::Maas;
use super::machine::{
    Adversity, Disk, DiskBus, Firmware, Flash, Machine, Relay, machine_type, target_disk,
};
use super::oauth::{self, Credentials};
use super::report::{Failure, Phase, Report, VERSION};
use super::ssh::Key;
use super::start::DirectStart;
use super::system::System;
use crate::arch::Arch;
use crate::date;
use crate::engine::host::WorkPaths;
use crate::exit::Coded;
use crate::host::firmware::{self as uefi, Wanted};

/// What to test and with what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub artifact: PathBuf,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
    /// What curtin calls its type: `tgz`, `dd-gz`.
    pub source: String,
    /// The user that operators are told to log in as.
    pub login_user: Option<String>,
    /// What MAAS takes the image for.
    pub system: System,
    /// Its architecture.
    pub arch: Arch,
    /// What starts the machine.
    pub firmware: Firmware,
    /// How the disk is divided.
    pub layout: Layout,
    /// What the disk is attached to.
    pub disk: DiskBus,
    /// Bytes of the disk.
    pub disk_bytes: u64,
    /// Form of the network configuration.
    pub network: Network,
    /// What is worse than usual.
    pub adversity: Adversity,
    /// Base disk (qcow2) of the ephemeral system; never changed.
    pub ephemeral: PathBuf,
    /// Its kernel and initrd.
    pub start: Start,
    /// Directory for disks, keys and sockets of this run alone; it is removed
    /// before and afterwards.
    pub work: PathBuf,
    /// Directory for serial logs and the report.
    pub logs: PathBuf,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// The emulator.
    pub qemu: PathBuf,
    /// `qemu-img`.
    pub qemu_img: PathBuf,
    /// Virtual CPUs.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Longest time from power-on to power-off, and from power-on to login.
    pub limit: Duration,
    /// Longest silence on console and network.
    pub silence: Duration,
    /// Stop before the deployed system starts.
    pub no_boot: bool,
    /// A real curtin to use instead of our own steps.
    pub curtin: Option<Curtin>,
    /// QEMU's firmware.
    pub firmware_scan: uefi::Scan,
}

/// What happens, for the terminal.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// Runs the test. A deployment that fails is a report; an error means that the
/// test itself could not run.
///
/// # Errors
/// A missing tool, no room, an interrupt.
pub fn deploy_test(settings: &Settings, progress: Progress<'_>) -> Result<Report> {
    fs::create_dir_all(&settings.logs)
        .with_context(|| format!("cannot make {}", settings.logs.display()))?;
    let work = WorkDir::create(&settings.work)?;
    let mut run = Run::prepare(settings, &work.paths)?;
    let failure = run.all(progress)?;
    let report = run.report(failure);
    let text = serde_json::to_string_pretty(&report)?;
    crate::build::output::write_atomic(&settings.logs.join("report.json"), text.as_bytes())?;
    Ok(report)
}

/// A run under way.
struct Run<'a> {
    settings: &'a Settings,
    work: &'a WorkPaths,
    key: Key,
    credentials: Credentials,
    maas: Arc<Maas>,
    server: Server,
    phases: Vec<Phase>,
    phase: Option<(String, Instant)>,
    facts: BTreeMap<String, Value>,
    checks: Vec<checks::Outcome>,
    /// What parts the checks of the deployed disk, and what they printed.
    mark: String,
    look: Vec<String>,
    not_run: Option<String>,
    pictures: Vec<PathBuf>,
}

impl<'a> Run<'a> {
    fn prepare(settings: &'a Settings, work: &'a WorkPaths) -> Result<Self> {
        let key = Key::generate(&work.secrets)?;
        let credentials = Credentials::random()?;
        let maas = Maas::new(credentials.clone(), settings.artifact.clone(), key.public.clone());
        let curtin = settings.curtin.as_ref().map(|curtin| curtin.archive(&work.output));
        let maas = Arc::new(maas.with_curtin(curtin.transpose()?.flatten()));
        let server = Server::start(Arc::clone(&maas) as Arc<dyn super::http::Handler>)
            .context("cannot start the metadata service on 127.0.0.1")?;
        let run = Self {
            settings,
            work,
            key,
            credentials,
            maas,
            server,
            phases: Vec::new(),
            phase: None,
            facts: BTreeMap::new(),
            checks: Vec::new(),
            mark: mark()?,
            look: Vec::new(),
            not_run: None,
            pictures: Vec::new(),
        };
        make_disks(settings, &work.output)?;
        Ok(run)
    }

    fn plan(&self) -> Value {
        let name = self.settings.artifact.file_name().map(|name| name.to_string_lossy());
        let inputs = Inputs {
            host: self.settings.adversity.host(),
            port: self.server.port(),
            source: &self.settings.source,
            system: &self.settings.system,
            network: self.settings.network,
            credentials: &self.credentials,
            artifact: &url_name(&name.unwrap_or_default()),
            layout: self.settings.layout,
            firmware: self.settings.firmware,
            disk: self.settings.curtin.as_ref().map(|_| self.settings.disk_bytes),
        };
        let mut plan = json!({ "config": config::curtin(&inputs), "needs": needs(self.settings) });
        let look = checks::script(&self.disk_checks(), &self.mark, "\"$TARGET_MOUNT_POINT\"");
        plan["look"] = json!(look);
        if let Some(curtin) = &self.settings.curtin {
            plan["curtin"] = curtin.plan(&format!("http://{}{CURTIN}", self.host()));
        }
        plan
    }

    /// Of the deployed disk, before it starts.
    fn disk_checks(&self) -> Vec<checks::Check> {
        let settings = self.settings;
        let whole = settings.source.starts_with("dd-");
        checks::disk(settings.firmware, settings.arch.efi_boot_file(), whole)
    }

    fn all(&mut self, progress: Progress<'_>) -> Result<Option<Failure>> {
        if let Some(failure) = self.deploy(progress)? {
            return Ok(Some(failure));
        }
        if self.facts.get("image_is_linux") == Some(&Value::Bool(false)) {
            self.not_run = Some(NO_LINUX.into());
            return Ok(None);
        }
        self.checks = checks::judge(&self.disk_checks(), &self.mark, &self.look.join("\n"));
        if self.settings.no_boot {
            self.not_run = Some(NOT_ASKED.into());
            return Ok(None);
        }
        self.boot_and_check(progress)
    }

    fn deploy(&mut self, progress: Progress<'_>) -> Result<Option<Failure>> {
        self.begin("ephemeral boot", progress);
        let mut machine = self.machine("deploy")?;
        let (start, arch) = (&self.settings.start, self.settings.arch);
        machine.start = Some(DirectStart::write(start, arch, &self.plan(), &self.work.secrets)?);
        machine.disks.insert(
            0,
            Disk {
                path: self.work.output.join("ephemeral.qcow2"),
                serial: "ephemeral",
                bus: DiskBus::Virtio,
            },
        );
        let result = watch::deployment(self, &machine, progress)?;
        self.end_phase();
        Ok(result)
    }

    fn boot_and_check(&mut self, progress: Progress<'_>) -> Result<Option<Failure>> {
        self.begin("boot", progress);
        let mut machine = self.machine("boot")?;
        machine.ssh = true;
        machine.screen = true;
        let result = guest::boot_and_check(self, &machine, progress)?;
        self.end_phase();
        Ok(result)
    }

    /// A machine with only the deployed disk and factory-fresh firmware.
    fn machine(&self, name: &str) -> Result<Machine> {
        let settings = self.settings;
        Ok(Machine {
            arch: settings.arch,
            accelerator: settings.accelerator.clone(),
            cpus: settings.cpus,
            memory_mib: settings.memory_mib,
            flash: self.flash(name)?,
            disks: vec![target_disk(&self.work.output.join("disk.qcow2"), settings.disk)],
            serial: settings.logs.join(format!("{name}.log")),
            qmp: self.work.sockets.join(format!("{name}.qmp")),
            ssh: false,
            start: None,
            screen: false,
            relay: self.relay()?,
            clock: (settings.adversity.clock != 0).then(|| clock_at_power_on(settings)),
            slow_disk: settings.adversity.slow_disk,
        })
    }

    fn relay(&self) -> Result<Option<Relay>> {
        if !self.settings.adversity.air_gap {
            return Ok(None);
        }
        let program = std::env::current_exe().context("cannot find out which program this is")?;
        Ok(Some(Relay { program, port: self.server.port() }))
    }

    /// The host as the guest asks for it, with port.
    fn host(&self) -> String {
        format!("{}:{}", self.settings.adversity.host(), self.server.port())
    }

    fn flash(&self, name: &str) -> Result<Option<Flash>> {
        if self.settings.firmware == Firmware::Bios {
            return Ok(None);
        }
        let arch = self.settings.arch;
        let wanted =
            Wanted { arch, machine: machine_type(arch), secure_boot: false, raw_only: false };
        let (firmware, _) = uefi::choose(&self.settings.firmware_scan, wanted)
            .map_err(|none| Coded::host(none.to_string()))?;
        let vars = self.work.output.join(format!("{name}-vars.fd"));
        fs::copy(&firmware.vars.path, &vars)
            .with_context(|| format!("cannot copy {}", firmware.vars.path.display()))?;
        Ok(Some(Flash {
            code: firmware.code.path.clone(),
            code_format: firmware.code.format,
            vars,
            vars_format: firmware.vars.format,
        }))
    }

    fn begin(&mut self, name: &str, progress: Progress<'_>) {
        self.end_phase();
        progress(name);
        self.phase = Some((name.to_owned(), Instant::now()));
    }

    fn end_phase(&mut self) {
        if let Some((name, start)) = self.phase.take() {
            self.phases.push(Phase { name, seconds: start.elapsed().as_secs_f64() });
        }
    }

    /// The stage that is being done, for a failure.
    fn stage(&self) -> String {
        self.phase.as_ref().map_or_else(|| "start".to_owned(), |(name, _)| name.clone())
    }

    fn add_facts(&mut self, text: &str) {
        if let Ok(Value::Object(map)) = serde_json::from_str(text) {
            self.facts.extend(map);
        }
    }

    fn fact(&self, key: &str) -> &str {
        self.facts.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn known(&self) -> Known {
        let list = |key: &str| match self.facts.get(key) {
            Some(Value::Array(items)) => {
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(Value::Object(map)) => {
                map.values().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        Known {
            firmware: self.settings.firmware,
            efi_boot_file: self.settings.arch.efi_boot_file(),
            image_machine_id: self.fact("image_machine_id").to_owned(),
            image_host_keys: list("image_host_keys"),
            kernels: list("kernels"),
            user: self.fact("default_user").to_owned(),
            ssh_key: self.key.public.clone(),
            disk_bytes: self.settings.disk_bytes,
            login_user: self.settings.login_user.clone(),
        }
    }

    fn report(self, failure: Option<Failure>) -> Report {
        let settings = self.settings;
        Report {
            version: VERSION,
            passed: false,
            date: date::stamp(SystemTime::now()),
            notes: notes(&self.maas.seen(), &self.facts),
            artifact: settings.artifact.clone(),
            sha256: settings.sha256.clone(),
            arch: settings.arch.name().into(),
            machine: settings.machine(),
            facts: self.facts,
            phases: self.phases,
            failure,
            not_run: self.not_run,
            checks: self.checks,
            pictures: self.pictures,
            logs: settings.logs.clone(),
        }
        .judged()
    }
}

/// Why a deployed disk is not started.
const NO_LINUX: &str = "the deployed disk holds no Linux, so its first start is not tried: written, \
    its root found and its hook run; whether the system itself starts and reaches MAAS is not shown";

/// The same where it could be.
pub const NOT_ASKED: &str = "the first start was left out (--no-boot): deployed and looked at from \
    outside; whether the system starts and reaches MAAS is not shown";

/// A word that no output of a check contains.
fn mark() -> Result<String> {
    Ok(format!("@@{}", oauth::random_word()?))
}

#[cfg(test)]
mod tests;
