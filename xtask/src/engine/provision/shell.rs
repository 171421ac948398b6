//! `shell`: scripts in the guest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::env::flatten;
use super::{Provisioner, Tail};
use crate::engine::error::Trouble;
use crate::engine::events::Event;
use crate::engine::ssh::{Exit, remote_quote};
use crate::engine::step::{DISCONNECT_CODE, Script, Shell};
use crate::engine::template;

/// Names of one script run in the guest.
struct Remote {
    script: String,
    command: String,
    env_file: Option<String>,
}

impl Provisioner<'_> {
    pub(super) fn shell(&mut self, shell: &Shell) -> Result<(), Trouble> {
        let scripts = match &shell.script {
            Script::Files(files) => {
                files.iter().map(|file| self.paths.template.join(file)).collect()
            }
            Script::Inline(lines) => vec![self.inline_script(lines, shell)?],
        };
        let remote = self.remote_names(shell)?;
        let env = self.environment(&shell.env)?;
        if let Some(file) = &remote.env_file {
            let format = shell.env_var_format.as_deref().unwrap_or("export %s='%s'\n");
            let local = self.temporary_with("env", flatten(&env, format).as_bytes())?;
            let limit = shell.start_retry_timeout;
            self.retried(limit, |guest| guest.upload(&local, file, 0o600))?;
        }
        let vars = flatten(&env, shell.env_var_format.as_deref().unwrap_or("%s='%s' "));
        let command = self.command(shell, &remote, &vars)?;
        for script in &scripts {
            self.run_script(shell, script, &remote, &command)?;
        }
        if let Some(file) = remote.env_file.as_ref().filter(|_| !shell.skip_clean) {
            self.remove(file, shell.start_retry_timeout)?;
        }
        if !shell.pause_after.is_zero() {
            self.say(&format!("waiting {:?} (pause_after)", shell.pause_after));
            self.pause(shell.pause_after)?;
        }
        Ok(())
    }

    fn inline_script(&mut self, lines: &[String], shell: &Shell) -> Result<PathBuf, Trouble> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&self.render(line)?);
            text.push('\n');
        }
        if shell.inline_shebang.is_some() || !text.starts_with("#!") {
            let shebang = shell.inline_shebang.as_deref().unwrap_or("/bin/sh -e");
            text.insert_str(0, &format!("#!{shebang}\n"));
        }
        self.temporary_with("inline", text.as_bytes())
    }

    fn remote_names(&mut self, shell: &Shell) -> Result<Remote, Trouble> {
        let token = crate::engine::random::hex(4)?;
        let folder = self.render(&shell.remote_folder)?;
        let file = match &shell.remote_file {
            Some(file) => self.render(file)?,
            None => format!("script_{token}.sh"),
        };
        let script = match &shell.remote_path {
            Some(path) => self.render(path)?,
            None => format!("{folder}/{file}"),
        };
        let env_file = shell.use_env_var_file.then(|| format!("{folder}/varfile_{token}.sh"));
        Ok(Remote { script, command: format!("{folder}/command_{token}.sh"), env_file })
    }

    /// `execute_command`, rendered. The variables may hold secrets.
    fn command(&self, shell: &Shell, remote: &Remote, vars: &str) -> Result<String, Trouble> {
        let default = if shell.use_env_var_file {
            "chmod +x {{.Path}}; . {{.EnvVarFile}} && {{.Path}}"
        } else {
            "chmod +x {{.Path}}; {{.Vars}} {{.Path}}"
        };
        let context = (self.context.clone())
            .with("Vars", vars)
            .with("Path", remote.script.as_str())
            .with("EnvVarFile", remote.env_file.as_deref().unwrap_or_default());
        Ok(template::render(shell.execute_command.as_deref().unwrap_or(default), &context)?)
    }

    fn run_script(
        &mut self,
        shell: &Shell,
        script: &Path,
        remote: &Remote,
        command: &str,
    ) -> Result<(), Trouble> {
        let limit = shell.start_retry_timeout;
        let local = self.unix_copy(script, shell.binary)?;
        self.retried(limit, |guest| guest.upload(&local, &remote.script, 0o755))?;
        self.upload_command(&remote.command, command, limit)?;
        let (exit, tail) = self.execute(&remote.command)?;
        self.judge(shell, script, exit, &tail)?;
        if exit == Exit::Disconnected {
            self.guest()?.forget_host_key();
        }
        if shell.skip_clean { Ok(()) } else { self.remove(&remote.script, limit) }
    }

    /// Runs one command, such as `shutdown_command`, which may hold a secret.
    pub(crate) fn command_in_guest(&mut self, command: &str) -> Result<(Exit, Tail), Trouble> {
        let command = self.render(command)?;
        let remote = format!("/tmp/command_{}.sh", crate::engine::random::hex(4)?);
        self.upload_command(&remote, &command, super::RECONNECT)?;
        self.execute(&remote)
    }

    /// Puts a command into a file and not into the client's argv, which every
    /// user of this host can read. It removes itself first: a restart of the
    /// guest must not leave it behind.
    fn upload_command(
        &mut self,
        remote: &str,
        command: &str,
        limit: Duration,
    ) -> Result<(), Trouble> {
        let text = format!("rm -f {}\n{command}\n", remote_quote(remote));
        let local = self.temporary_with("command", text.as_bytes())?;
        self.retried(limit, |guest| guest.upload(&local, remote, 0o600)).map(drop)
    }

    /// Runs the command file by the login shell and passes its output on.
    fn execute(&mut self, command: &str) -> Result<(Exit, Tail), Trouble> {
        let events = self.events;
        let mut tail = Tail::default();
        let source = format!(". {}", remote_quote(command));
        let exit = self.guest()?.run("run a script in the guest", &source, |line| {
            let text = line.text();
            tail.push(&text);
            events.event(Event::Output(&text));
        })?;
        Ok((exit, tail))
    }

    fn judge(&self, shell: &Shell, script: &Path, exit: Exit, tail: &Tail) -> Result<(), Trouble> {
        let name = script.strip_prefix(&self.paths.template).unwrap_or(script).display();
        let allowed = &shell.valid_exit_codes;
        match exit {
            Exit::Code(code) if allowed.contains(&code) => Ok(()),
            Exit::Code(code) => {
                let why = format!("{name} exited with {code}, allowed: {allowed:?}");
                Err(Trouble::guest(tail.after(&why)))
            }
            Exit::Disconnected if shell.expect_disconnect || allowed.contains(&DISCONNECT_CODE) => {
                Ok(())
            }
            Exit::Disconnected => {
                let why = format!(
                    "the connection was lost while {name} ran (hint: if it restarts the guest, \
                     set expect_disconnect = true)"
                );
                Err(Trouble::guest(tail.after(&why)))
            }
        }
    }

    fn remove(&mut self, path: &str, limit: Duration) -> Result<(), Trouble> {
        let command = format!("rm -f {}", remote_quote(path));
        let exit = self.retried(limit, |guest| guest.run("remove a script", &command, |_| {}))?;
        if exit == Exit::Code(0) {
            return Ok(());
        }
        Err(Trouble::guest(format!("cannot remove {path} in the guest: {exit:?}")))
    }

    /// The script with Unix line ends, unless it is `binary`.
    fn unix_copy(&mut self, script: &Path, binary: bool) -> Result<PathBuf, Trouble> {
        let bytes = std::fs::read(script).map_err(|source| Trouble::io("read", script, &source))?;
        if binary || !bytes.windows(2).any(|pair| pair == b"\r\n") {
            return Ok(script.to_path_buf());
        }
        let mut unix = Vec::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\r\n") {
                Some(text) => {
                    unix.extend_from_slice(text);
                    unix.push(b'\n');
                }
                None => unix.extend_from_slice(line),
            }
        }
        self.temporary_with("script", &unix)
    }
}
