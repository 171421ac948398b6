//! The phases with a running VM.

use std::time::{Duration, Instant};

use super::clock::Clock;
use super::{Build, Job, installed};
use crate::engine::argv::HOST_IN_GUEST;
use crate::engine::error::{EngineError, Kind, Trouble};
use crate::engine::events::{Event, Events, Phase};
use crate::engine::host::View;
use crate::engine::http::Server;
use crate::engine::provision::Provisioner;
use crate::engine::ssh::{Destination, Exit, Refusal, SshClient};
use crate::engine::template::Context;
use crate::engine::typing;
use crate::engine::vm::Vm;
use crate::engine::watch::Watch;

/// What the phases share.
pub(super) struct Drive<'a, 'b> {
    job: &'a Job,
    events: Marking<'a>,
    clock: &'a mut Clock<'b>,
    vm: &'a Vm,
    watch: &'a Watch,
    http: Option<&'a Server>,
    ssh: Option<SshClient>,
}

/// Passes events on and tells the watcher that a script is alive.
struct Marking<'a> {
    events: &'a dyn Events,
    watch: &'a Watch,
}

impl Events for Marking<'_> {
    fn event(&self, event: Event<'_>) {
        if let Event::Output(_) | Event::Step { .. } = event {
            self.watch.mark();
        }
        self.events.event(event);
    }
}

impl<'a, 'b> Drive<'a, 'b> {
    pub fn new(
        build: &'a mut Build<'b>,
        vm: &'a Vm,
        watch: &'a Watch,
        http: Option<&'a Server>,
    ) -> Self {
        let events = Marking { events: build.events, watch };
        let (job, clock) = (build.job, &mut build.clock);
        Self { job, events, clock, vm, watch, http, ssh: None }
    }

    /// How to get into the guest, once that is known.
    pub fn destination(self) -> Option<Destination> {
        self.ssh.map(|ssh| ssh.destination().clone())
    }

    /// Boots, types, connects, provisions and turns off.
    pub fn run(&mut self) -> Result<(), Trouble> {
        let Job { spec, host, paths, options, steps } = self.job;
        if let (Some(settings), Some(port)) = (spec.ssh(), self.vm.ssh_port()) {
            let secrets = self.secrets();
            let token = &self.watch.token;
            self.ssh = Some(SshClient::new(settings, port, host, paths, &secrets, token)?);
        } else if !steps.is_empty() {
            return Err(Trouble::template(
                "provisioners need a communicator, but the source says communicator = \"none\"",
            ));
        }
        let context = self.context();
        if (options.view == View::Screen || !spec.headless)
            && let Ok(Some(address)) = self.vm.qmp().vnc_address()
        {
            self.say(&format!("the screen is at vnc://{address}"));
        }
        self.type_boot_command(&context)?;
        if self.ssh.is_none() {
            return self.install();
        }
        self.connect()?;
        match self.provision(&context) {
            Ok(()) => self.shut_down(&context),
            // Its last script turned it off, as Packer's documentation suggests.
            Err(_) if self.turned_itself_off() => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    fn say(&self, text: &str) {
        self.events.event(Event::Note(text));
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.job.options.secrets.clone();
        secrets.extend(self.job.spec.secrets.iter().cloned());
        secrets.extend(self.job.spec.ssh().and_then(|ssh| ssh.password.clone()));
        // A mask of one or two letters would hide everything else too.
        secrets.retain(|secret| secret.len() > 3);
        secrets
    }

    /// Names for `{{ }}` in boot commands and provisioners.
    fn context(&self) -> Context {
        // Packer says port 0 where nothing is served.
        let port = self.http.map_or(0, Server::port).to_string();
        let spec = &self.job.spec;
        let context = Context::new()
            .with("HTTPIP", HOST_IN_GUEST)
            .with("HTTPPort", port.as_str())
            .with("Name", spec.vm_name.as_str())
            .with("PackerHTTPIP", HOST_IN_GUEST)
            .with("PackerHTTPPort", port.as_str())
            .with("PackerHTTPAddr", format!("{HOST_IN_GUEST}:{port}"));
        let (Some(client), Some(settings)) = (&self.ssh, spec.ssh()) else {
            return context.with("ConnType", "none").with("SSHPublicKey", "");
        };
        let to = client.destination();
        context
            .with("ConnType", "ssh")
            .with("Host", "127.0.0.1")
            .with("Port", to.port.to_string())
            .with("User", settings.username.as_str())
            .with("Password", settings.password.as_deref().unwrap_or_default())
            .with("SSHPublicKey", to.auth.public_key.as_deref().unwrap_or_default())
    }

    fn type_boot_command(&mut self, context: &Context) -> Result<(), Trouble> {
        let boot = &self.job.spec.boot;
        let steps = typing::prepare(boot, context)?;
        if steps.iter().all(|(_, keys)| keys.is_empty()) {
            return Ok(());
        }
        self.clock.enter(Phase::Type);
        self.pause(boot.wait)?;
        for (description, keys) in &steps {
            if let Some(description) = description {
                self.say(&format!("typing: {description}"));
            }
            let interval = typing::interval(boot);
            typing::type_keys(self.vm, keys, interval, |time| self.pause(time))?;
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<(), Trouble> {
        self.clock.enter(Phase::Connect);
        let (Some(settings), Some(client)) = (self.job.spec.ssh(), self.ssh.as_mut()) else {
            return Ok(());
        };
        let patience = self.job.options.patience;
        let limit = settings.timeout.map(|limit| limit.saturating_mul(patience));
        let events = &self.events;
        client.connect(limit, settings.handshake_attempts, |progress| {
            if let Refusal::Denied(why) = &progress.last {
                events.event(Event::Note(&format!("login refused: {why}")));
            }
        })?;
        self.pause(settings.pause)
    }

    /// Without a communicator the guest installs and turns itself off.
    fn install(&mut self) -> Result<(), Trouble> {
        self.clock.enter(Phase::Install);
        self.watch.expect_exit();
        self.wait_for_fetch()?;
        let limit = self.limit();
        if self.ended_within(limit)? {
            return installed::finished(&self.job.spec, &self.job.paths);
        }
        Err(Trouble::guest(format!(
            "the guest did not turn itself off within {limit:?} (shutdown_timeout)"
        )))
    }

    /// Whether keys reached the installer is known in minutes, not in hours.
    fn wait_for_fetch(&self) -> Result<(), Trouble> {
        let Some(server) = self.http.filter(|_| installed::must_fetch(&self.job.spec)) else {
            return Ok(());
        };
        let limit = self.job.options.fetch.saturating_mul(self.job.options.patience);
        let start = Instant::now();
        while server.requests().is_empty() && self.vm.probe().is_running() {
            if start.elapsed() >= limit {
                return Err(installed::nothing_fetched(limit));
            }
            self.pause(Duration::from_millis(200))?;
        }
        Ok(())
    }

    fn provision(&mut self, context: &Context) -> Result<(), Trouble> {
        self.clock.enter(Phase::Provision);
        self.watch.busy_counts(true);
        if self.job.spec.shutdown.command.is_none() {
            self.watch.expect_exit();
        }
        let steps = &self.job.steps;
        self.provisioner(context).run(steps)
    }

    fn provisioner(&mut self, context: &Context) -> Provisioner<'_> {
        let secrets = self.secrets();
        Provisioner {
            spec: &self.job.spec,
            paths: &self.job.paths,
            context: context.clone(),
            http: (HOST_IN_GUEST.into(), self.http.map_or(0, Server::port)),
            ssh: self.ssh.as_mut(),
            events: &self.events,
            cancel: self.watch.token.clone(),
            secrets,
            counter: 0,
        }
    }

    fn turned_itself_off(&self) -> bool {
        let interrupted = self.watch.token.is_set();
        self.job.spec.shutdown.command.is_none() && !interrupted && !self.vm.probe().is_running()
    }

    fn shut_down(&mut self, context: &Context) -> Result<(), Trouble> {
        self.clock.enter(Phase::Shutdown);
        self.watch.expect_exit();
        self.watch.busy_counts(false);
        let Some(command) = &self.job.spec.shutdown.command else {
            self.say("no shutdown_command: the VM is ended as it is, like by Packer");
            return self.pull_the_plug();
        };
        let (exit, said) = self.provisioner(context).command_in_guest(command)?;
        let limit = self.limit();
        if self.ended_within(limit)? {
            return Ok(());
        }
        let how = match exit {
            Exit::Code(code) => format!("shutdown_command exited with {code}"),
            Exit::Disconnected => "shutdown_command cut the connection".into(),
        };
        Err(Trouble::guest(said.after(&format!(
            "the guest did not turn itself off within {limit:?} (shutdown_timeout); {how}"
        ))))
    }

    fn pull_the_plug(&mut self) -> Result<(), Trouble> {
        let quit = self.vm.qmp().quit();
        quit.map_err(|error| Trouble::host(error.to_string()))?;
        if self.ended_within(Duration::from_secs(60))? {
            return Ok(());
        }
        Err(Trouble::host("QEMU did not end within a minute"))
    }

    fn limit(&self) -> Duration {
        self.job.spec.shutdown.timeout.saturating_mul(self.job.options.patience)
    }

    /// Whether QEMU ended in time.
    fn ended_within(&self, limit: Duration) -> Result<bool, Trouble> {
        let start = Instant::now();
        while self.vm.probe().is_running() {
            if start.elapsed() >= limit {
                return Ok(false);
            }
            self.pause(Duration::from_millis(100))?;
        }
        Ok(true)
    }

    /// Sleeps, unless we are to stop.
    fn pause(&self, time: Duration) -> Result<(), Trouble> {
        let start = Instant::now();
        while start.elapsed() < time {
            if self.watch.token.is_set() {
                return Err(Trouble::interrupted());
            }
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
        Ok(())
    }

    /// A failure with what the console and the screen show. What the watcher
    /// found is the reason of what else failed.
    pub fn evidence(&self, trouble: Trouble) -> Box<EngineError> {
        let trouble = self.watch.reason().unwrap_or(trouble);
        let interrupted = trouble.kind == Kind::Interrupted;
        let (serial_tail, cause) = self.watch.console();
        let guest = trouble.kind == Kind::Guest;
        // A script that failed has said why; the console shows the last login.
        let script = self.clock.phase() == Phase::Provision && self.watch.reason().is_none();
        Box::new(EngineError {
            phase: self.clock.phase(),
            screenshot: if interrupted { None } else { self.screenshot() },
            serial_tail: if guest && !script { serial_tail } else { Vec::new() },
            cause: cause.filter(|_| guest).cloned(),
            serial_log: crate::engine::argv::serial_file(&self.job.spec, &self.job.paths),
            trouble,
            fetched: None,
            kept: false,
        })
    }

    /// `screen-MMSS.png` in the logs, named by the time since the start.
    fn screenshot(&self) -> Option<std::path::PathBuf> {
        if !self.vm.probe().is_running() {
            return None;
        }
        let name = crate::engine::shots::name(self.clock.elapsed());
        let file = self.vm.qmp().screendump(&self.job.paths.logs.join(name)).ok()?;
        // QEMU leaves an empty one on a full disk.
        let whole = std::fs::metadata(&file).is_ok_and(|meta| meta.len() > 0);
        if !whole {
            drop(std::fs::remove_file(&file));
        }
        whole.then_some(file)
    }
}
