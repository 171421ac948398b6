//! `file`: copies files to and from the guest.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Provisioner, RECONNECT};
use crate::engine::error::Trouble;
use crate::engine::ssh::Exit;
use crate::engine::step::FileCopy;

impl Provisioner<'_> {
    pub(super) fn file(&mut self, file: &FileCopy) -> Result<(), Trouble> {
        let destination = self.render(&file.destination)?;
        if let Some(content) = &file.content {
            return self.upload_content(content, &destination);
        }
        for source in &file.sources {
            let source = self.render(source)?;
            self.say(&format!("{source} => {destination}"));
            if file.download {
                self.download(&source, &destination)?;
            } else {
                self.upload(&source, &destination)?;
            }
        }
        Ok(())
    }

    /// Packer's temporary file is private, and its mode is copied; so here.
    fn upload_content(&mut self, content: &str, destination: &str) -> Result<(), Trouble> {
        if destination.ends_with('/') {
            let what = format!("`content` needs a file as destination, not `{destination}`");
            return Err(Trouble::template(what));
        }
        let content = self.render(content)?;
        let local = self.temporary_with("content", content.as_bytes())?;
        self.retried(RECONNECT, |guest| guest.upload(&local, destination, 0o600)).map(drop)
    }

    fn upload(&mut self, source: &str, destination: &str) -> Result<(), Trouble> {
        let local = self.paths.template.join(source);
        let data = fs::metadata(&local).map_err(|error| Trouble::io("read", &local, &error))?;
        let exit = if data.is_dir() {
            self.connected()?;
            self.guest()?.upload_dir(source, &local, destination)?
        } else {
            let target = if destination.ends_with('/') {
                format!("{destination}{}", base_name(&local))
            } else {
                destination.to_owned()
            };
            let mode = crate::engine::ssh::permissions(&local)?;
            self.connected()?;
            self.guest()?.upload(&local, &target, mode)?
        };
        match exit {
            Exit::Code(0) => Ok(()),
            _ => Err(Trouble::guest(format!("the connection was lost while copying {source}"))),
        }
    }

    /// A destination with a trailing slash is a directory; it is made if absent.
    fn download(&mut self, source: &str, destination: &str) -> Result<(), Trouble> {
        let recursive = source.ends_with('/') || source.contains(['*', '?', '[']);
        let mut local = self.paths.template.join(destination);
        let dir = if destination.ends_with('/') {
            let dir = local.clone();
            if !recursive {
                local.push(base_name(Path::new(source)));
            }
            dir
        } else {
            local.parent().map_or_else(PathBuf::new, Path::to_path_buf)
        };
        fs::create_dir_all(&dir).map_err(|error| Trouble::io("create", &dir, &error))?;
        self.connected()?;
        self.guest()?.download(source, &local, recursive)
    }

    /// Waits for the connection if the step before it restarted the guest.
    fn connected(&mut self) -> Result<(), Trouble> {
        self.retried(RECONNECT, |_| Ok(Exit::Code(0))).map(drop)
    }
}

fn base_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
