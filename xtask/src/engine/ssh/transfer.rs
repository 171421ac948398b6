//! Files to and from the guest.
//!
//! `cat` is enough on the other side: neither scp nor sftp-server is needed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use walkdir::WalkDir;

use super::super::error::Trouble;
use super::{Exit, SshClient};

/// Quotes a path for the guest's shell; a leading `~/` keeps its meaning, as it
/// has under Packer.
///
/// ```ignore
/// assert_eq!(remote_quote("~/a b"), "~/'a b'");
/// ```
pub fn remote_quote(path: &str) -> String {
    let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    match path.strip_prefix("~/") {
        Some("") => "~/".into(),
        Some(rest) => format!("~/{}", quote(rest)),
        None => quote(path),
    }
}

impl SshClient {
    /// Copies a local file to `remote` with these permission bits. The exit is
    /// not `Code(0)` only if the connection was lost.
    ///
    /// # Errors
    /// The guest cannot write the file, in its words.
    pub fn upload(&mut self, local: &Path, remote: &str, mode: u32) -> Result<Exit, Trouble> {
        let path = remote_quote(remote);
        let command = format!("cat > {path} && chmod {:04o} {path}", mode & 0o7777);
        let purpose = format!("copy {} to {remote} in the guest", local.display());
        let (exit, said) = self.run_with_input(&purpose, &command, local)?;
        match exit {
            Exit::Code(0) | Exit::Disconnected => Ok(exit),
            Exit::Code(_) => Err(Trouble::guest(format!("failed to {purpose}: {said}"))),
        }
    }

    /// Copies a directory into the existing directory `remote`: under its own
    /// name, or only what is in it if `source` ends with a slash. Symbolic links
    /// are followed.
    ///
    /// # Errors
    /// `remote` is no directory, or the guest cannot write.
    pub fn upload_dir(
        &mut self,
        source: &str,
        local: &Path,
        remote: &str,
    ) -> Result<Exit, Trouble> {
        let target = match local.file_name().filter(|_| !source.ends_with('/')) {
            Some(name) => format!("{}/{}", remote.trim_end_matches('/'), name.to_string_lossy()),
            None => remote.trim_end_matches('/').to_owned(),
        };
        let check = format!("test -d {}", remote_quote(remote));
        match self.run("look at the destination", &check, |_| {})? {
            Exit::Code(0) => {}
            Exit::Disconnected => return Ok(Exit::Disconnected),
            Exit::Code(_) => {
                let what = format!(
                    "{remote} is no directory in the guest; a directory can only be copied into one"
                );
                return Err(Trouble::guest(what));
            }
        }
        for entry in WalkDir::new(local).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| Trouble::host(format!("file: {error}")))?;
            let below = entry.path().strip_prefix(local).unwrap_or(entry.path());
            let path = join(&target, &below.to_string_lossy());
            let mode = permissions(entry.path())?;
            let exit = if entry.file_type().is_dir() {
                self.make_dir(&path, mode)?
            } else {
                self.upload(entry.path(), &path, mode)?
            };
            if exit != Exit::Code(0) {
                return Ok(exit);
            }
        }
        Ok(Exit::Code(0))
    }

    fn make_dir(&mut self, path: &str, mode: u32) -> Result<Exit, Trouble> {
        let quoted = remote_quote(path);
        let command = format!("mkdir -p {quoted} && chmod {:04o} {quoted}", mode & 0o7777);
        let mut said = String::new();
        let exit = self.run("make a directory", &command, |line| said.push_str(&line.text()))?;
        match exit {
            Exit::Code(0) | Exit::Disconnected => Ok(exit),
            Exit::Code(_) => {
                Err(Trouble::guest(format!("failed to make {path} in the guest: {said}")))
            }
        }
    }

    /// Copies a file or, with `recursive`, a directory or pattern from the guest
    /// by `scp` into `local`.
    ///
    /// # Errors
    /// The guest does not have it, or it cannot be written here.
    pub fn download(&mut self, remote: &str, local: &Path, recursive: bool) -> Result<(), Trouble> {
        let purpose = format!("copy {remote} from the guest to {}", local.display());
        let mut cmd = crate::cmd::Cmd::new("scp", purpose).cwd(&self.root);
        // scp has `-P` where ssh has `-p`.
        cmd = cmd.args(self.options().into_iter().map(|o| if o == "-p" { "-P".into() } else { o }));
        cmd = cmd.args(["-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-q"]);
        if recursive {
            cmd = cmd.arg("-r");
        }
        let source = format!("{}:{remote}", self.destination.user_at_host());
        let cmd = self.masked(cmd.arg(source).arg(local).log(&self.build_log));
        cmd.run().map(drop).map_err(|error| {
            if error.is_interrupted() {
                Trouble::interrupted()
            } else {
                Trouble::guest(error.to_string())
            }
        })
    }
}

fn join(dir: &str, below: &str) -> String {
    if below.is_empty() { dir.to_owned() } else { format!("{dir}/{below}") }
}

/// Permission bits of a local file.
pub(crate) fn permissions(path: &Path) -> Result<u32, Trouble> {
    let data = fs::metadata(path).map_err(|source| Trouble::io("read", path, &source))?;
    Ok(data.permissions().mode())
}
