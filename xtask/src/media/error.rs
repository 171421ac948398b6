//! What can go wrong with media, each with its cause and what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Digest;
use crate::exit::Exit;

/// An error of fetching, verifying or making media.
#[derive(Debug)]
pub enum MediaError {
    /// A URL or checksum that is not one.
    Form(String),
    /// The server answered, but not with the file.
    Status {
        /// What was asked for, credentials masked.
        url: String,
        /// HTTP status code.
        code: u16,
    },
    /// No usable answer after all attempts.
    Network {
        /// What was asked for, credentials masked.
        url: String,
        /// The last attempt's reason.
        reason: String,
    },
    /// It is not in the cache and the network is not allowed.
    Offline {
        /// What was asked for, credentials masked.
        url: String,
    },
    /// The content is not the expected one.
    Mismatch {
        /// File or URL.
        what: String,
        /// Expected digest.
        expected: Digest,
        /// Digest of the content, same algorithm.
        actual: String,
        /// Where the expected digest came from.
        origin: String,
    },
    /// The checksum list is not signed as it should be; the text is complete.
    Signature(String),
    /// The checksum list does not name the file.
    NoEntry {
        /// File name looked for.
        name: String,
        /// Where the list came from.
        origin: String,
        /// Entries with similar names.
        near: Vec<String>,
    },
    /// A local file that is not there.
    Missing(PathBuf),
    /// Too little room.
    DiskFull {
        /// Directory that is full.
        dir: PathBuf,
        /// Bytes needed, if known.
        need: Option<u64>,
        /// Bytes free.
        free: u64,
    },
    /// Any other failure of the file system.
    Io {
        /// "cannot read", "cannot write", ...
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A tool failed; the text is complete.
    Tool(String),
    /// The host lacks something; the text is complete.
    Host(String),
    /// Ctrl-C or TERM.
    Interrupted,
}

impl MediaError {
    /// The process's exit code for it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Form(_) | Self::Missing(_) => Exit::Usage,
            Self::DiskFull { .. } | Self::Host(_) => Exit::HostNotReady,
            Self::Interrupted => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }

    /// Wraps a failure of the file system; a full disk becomes [`Self::DiskFull`].
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            let dir = path.parent().unwrap_or(path).to_path_buf();
            let free = super::store::free_bytes(&dir).unwrap_or(0);
            return Self::DiskFull { dir, need: None, free };
        }
        Self::Io { action, path: path.to_path_buf(), source }
    }
}

impl fmt::Display for MediaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(text) | Self::Tool(text) | Self::Host(text) | Self::Signature(text) => {
                f.write_str(text)
            }
            Self::Status { url, code } => write!(f, "{url}: {}", status_text(*code)),
            Self::Network { url, reason } => write!(
                f,
                "cannot download {url}: {reason}\n  hint: check the network and the variables http_proxy, https_proxy, no_proxy; on a site without it: --iso FILE, or --var media_base=URL of your copy"
            ),
            Self::Offline { url } => write!(
                f,
                "{url} is not in the cache and this run is offline\n  hint: run `cargo xtask media fetch` once with a network"
            ),
            Self::Mismatch { what, expected, actual, origin } => write!(
                f,
                "{what} has the wrong content\n  expected {} {} (from {origin})\n  found    {} {actual}\n  hint: the file or the list changed, or something altered it on the way; a download is not kept",
                expected.algorithm.name(),
                expected.hex,
                expected.algorithm.name(),
            ),
            Self::NoEntry { name, origin, near } => no_entry(f, name, origin, near),
            Self::Missing(path) => write!(f, "{} does not exist", path.display()),
            Self::DiskFull { dir, need, free } => disk_full(f, dir, *need, *free),
            Self::Io { action, path, source } => write!(f, "{action} {}: {source}", path.display()),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

fn no_entry(f: &mut fmt::Formatter<'_>, name: &str, origin: &str, near: &[String]) -> fmt::Result {
    write!(f, "{origin} has no SHA-256 or SHA-512 entry for {name}")?;
    if !near.is_empty() {
        write!(f, "\n  hint: it has {}", near.join(", "))?;
    }
    Ok(())
}

fn disk_full(f: &mut fmt::Formatter<'_>, dir: &Path, need: Option<u64>, free: u64) -> fmt::Result {
    const MIB: u64 = 1 << 20;
    write!(f, "not enough room in {}: {} MiB free", dir.display(), free / MIB)?;
    if let Some(need) = need {
        write!(f, ", {} MiB needed", need.div_ceil(MIB))?;
    }
    f.write_str("\n  hint: make room, or choose another directory with --media-dir")
}

fn status_text(code: u16) -> String {
    let (meaning, hint) = match code {
        401 | 403 => ("access refused", "check the credentials or ask who runs the server"),
        404 => (
            "not found",
            "the pinned file may have moved; `cargo xtask media check` looks for a newer one",
        ),
        407 => ("the proxy wants credentials", "put them into http_proxy and https_proxy"),
        410 => ("gone", "`cargo xtask media check` looks for a newer one"),
        _ => ("unexpected answer", "try again later or use a mirror"),
    };
    format!("{meaning} (HTTP {code})\n  hint: {hint}")
}

impl std::error::Error for MediaError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
