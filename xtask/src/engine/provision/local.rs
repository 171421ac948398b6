//! `shell-local`: scripts on this host.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::env::flatten;
use super::{Provisioner, Tail};
use crate::cmd::Cmd;
use crate::engine::error::Trouble;
use crate::engine::events::Event;
use crate::engine::step::{Script, ShellLocal};
use crate::engine::template;

impl Provisioner<'_> {
    pub(super) fn shell_local(&mut self, local: &ShellLocal) -> Result<(), Trouble> {
        if !local.only_on.is_empty() && !local.only_on.iter().any(|os| os == "linux") {
            self.say(&format!("not for this operating system (only_on = {:?})", local.only_on));
            return Ok(());
        }
        let scripts = match &local.script {
            Script::Files(files) => {
                files.iter().map(|file| self.paths.template.join(file)).collect()
            }
            Script::Inline(lines) => vec![self.local_inline(lines, local)?],
        };
        let env = self.environment(&local.env)?;
        for script in scripts {
            self.run_local(local, &script, &env)?;
        }
        Ok(())
    }

    fn local_inline(&mut self, lines: &[String], local: &ShellLocal) -> Result<PathBuf, Trouble> {
        let mut text = format!("#!{}\n", local.inline_shebang);
        for line in lines {
            text.push_str(&self.render(line)?);
            text.push('\n');
        }
        let mut name = self.temporary("local");
        if let Some(extension) = &local.tempfile_extension {
            name.set_extension(extension);
        }
        let write = std::fs::write(&name, text)
            .and_then(|()| std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o700)));
        write.map_err(|source| Trouble::io("write", &name, &source))?;
        Ok(name)
    }

    fn run_local(
        &mut self,
        local: &ShellLocal,
        script: &Path,
        env: &BTreeMap<String, String>,
    ) -> Result<(), Trouble> {
        let cmd = if local.execute_command.is_empty() {
            self.direct(script, env)
        } else {
            self.custom(local, script, env)?
        };
        let cmd = self.secrets.iter().fold(cmd, |cmd, secret| cmd.mask(secret));
        let cmd = cmd.success(&[]).log(self.paths.build_log()).cancel(&self.cancel);
        let events = self.events;
        let mut tail = Tail::default();
        let code = cmd.stream(|line| {
            let text = line.text();
            tail.push(&text);
            events.event(Event::Output(&text));
        })?;
        if local.valid_exit_codes.contains(&code) {
            return Ok(());
        }
        let name = script.strip_prefix(&self.paths.template).unwrap_or(script).display();
        let why = format!("{name} exited with {code}, allowed: {:?}", local.valid_exit_codes);
        Err(Trouble::guest(tail.after(&why)))
    }

    /// Packer's default, `/bin/sh -c '{{.Vars}} {{.Script}}'`, with the variables
    /// in the environment instead of in argv.
    fn direct(&self, script: &Path, env: &BTreeMap<String, String>) -> Cmd {
        let cmd = Cmd::new("/bin/sh", "run a script on this host").cwd(&self.paths.template);
        // The script by position, so that no quoting is needed.
        let cmd = cmd.args(["-c", "exec \"$0\""]).arg(script);
        env.iter().fold(cmd, |cmd, (key, value)| {
            let secret = self.secrets.iter().any(|secret| value.contains(secret));
            if secret { cmd.secret_env(key, value) } else { cmd.env(key, value) }
        })
    }

    /// The template's own command. Variables in it go through a file if the
    /// command is a shell's `-c`; anything else may not carry a secret.
    fn custom(
        &mut self,
        local: &ShellLocal,
        script: &Path,
        env: &BTreeMap<String, String>,
    ) -> Result<Cmd, Trouble> {
        let vars = flatten(env, local.env_var_format.as_deref().unwrap_or("%s='%s' "));
        let path = script.to_string_lossy();
        let context = (self.context.clone())
            .with("Vars", vars.as_str())
            .with("Script", path.clone())
            .with("Command", path);
        let mut words = Vec::new();
        for word in &local.execute_command {
            words.push(template::render(word, &context)?);
        }
        if let [shell, flag, command] = words.as_slice()
            && flag == "-c"
        {
            let file = self.temporary_with("command", command.as_bytes())?;
            words = vec![shell.clone(), file.to_string_lossy().into_owned()];
        }
        let leaks = |word: &String| self.secrets.iter().any(|secret| word.contains(secret));
        if words.iter().any(leaks) {
            return Err(Trouble::template(
                "execute_command would show a secret in the process list (hint: leave it out, \
                 the variables are then passed in the environment)",
            ));
        }
        let mut words = words.into_iter();
        let program = words.next().unwrap_or_default();
        let cmd = Cmd::new(program, "run a script on this host").cwd(&self.paths.template);
        Ok(cmd.args(words))
    }
}

#[cfg(test)]
mod tests;
