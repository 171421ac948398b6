//! A file that appears under its name only when it is complete.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Error, Result};

/// A file under construction: `NAME.partial`. Removed on drop unless
/// [`Partial::publish`]ed.
pub(crate) struct Partial {
    path: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Partial {
    /// Creates `target.partial`, replacing what a killed run left.
    pub(crate) fn create(target: &Path) -> Result<(Self, File)> {
        let mut name = OsString::from(target.as_os_str());
        name.push(".partial");
        let path = PathBuf::from(name);
        let opened = OpenOptions::new().write(true).create(true).truncate(true).open(&path);
        let file = opened.map_err(|error| failed(&path, error))?;
        Ok((Self { path, target: target.to_path_buf(), published: false }, file))
    }

    /// Makes the content durable, then gives it its name.
    pub(crate) fn publish(mut self, file: &File) -> Result<()> {
        file.sync_all().map_err(|error| failed(&self.path, error))?;
        fs::rename(&self.path, &self.target).map_err(|error| failed(&self.target, error))?;
        self.published = true;
        let parent = self.target.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = parent.unwrap_or(Path::new("."));
        // The rename itself must survive a power cut, too.
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| failed(dir, error))
    }

    /// Says which file an error is about.
    pub(crate) fn explain(&self, error: Error) -> Error {
        error.within(self.target.display())
    }
}

/// Has what was written so far put on disk while more is compressed, so that
/// little is left to wait for at the end.
pub(crate) struct Flusher {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Flusher {
    const EVERY: Duration = Duration::from_millis(250);

    /// Starts; without a thread for it everything is put on disk at the end.
    pub(crate) fn start(file: &File) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = file.try_clone().and_then(|file| {
            std::thread::Builder::new().name("flush".into()).spawn(move || {
                while stopped.recv_timeout(Self::EVERY) == Err(RecvTimeoutError::Timeout) {
                    file.sync_data()?;
                }
                Ok(())
            })
        });
        Self { stop: Some(stop), thread: thread.ok() }
    }

    /// Stops; the error is one that the end would not be told again.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        self.stop = None;
        let result = self.thread.take().map(JoinHandle::join);
        result.map_or(Ok(()), |it| it.unwrap_or_else(|_| Err(io::Error::other("it panicked"))))
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        // Dropped because of an error that matters more.
        let _: io::Result<()> = self.join();
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            // It may be gone already, and there is nobody to tell.
            let _: io::Result<()> = fs::remove_file(&self.path);
        }
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::from_io(path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_a_published_file_gets_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x.tar.gz");
        fs::write(&target, "old").unwrap();
        let (partial, mut file) = Partial::create(&target).unwrap();
        file.write_all(b"half").unwrap();
        drop(partial);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

        let (partial, mut file) = Partial::create(&target).unwrap();
        file.write_all(b"new").unwrap();
        partial.publish(&file).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = Partial::create(Path::new("/no/such/dir/x")).map(drop).unwrap_err();
        assert!(error.to_string().contains("/no/such/dir/x.partial"), "{error}");
    }
}
