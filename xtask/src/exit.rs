//! Exit codes, the one place that documents them.

use std::fmt;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Ok = 0,
    /// Findings, or at least one build, test or upload failed.
    Failed = 1,
    /// The command line, `image.toml` or a template is wrong.
    Usage = 2,
    /// This host lacks something; `cargo xtask doctor` says what.
    HostNotReady = 3,
    /// The selection matched no target.
    NothingSelected = 4,
    /// SIGINT or SIGTERM (128 + SIGINT, as shells do).
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that knows its exit code; put it anywhere in an `anyhow` chain.
#[derive(Debug)]
pub struct Coded {
    /// The code `main` returns.
    pub exit: Exit,
    /// What, where, why and what to do.
    pub message: String,
}

impl Coded {
    /// A wrong command line or file of ours: exit code 2.
    pub fn usage(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::Usage, message: message.into() }.into()
    }

    /// The host lacks something: exit code 3.
    pub fn host(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::HostNotReady, message: message.into() }.into()
    }

    /// Nothing matched: exit code 4.
    pub fn nothing(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::NothingSelected, message: message.into() }.into()
    }
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// The exit code an error asks for, 1 if it does not say.
#[must_use]
pub fn of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(|e| e.downcast_ref::<Coded>()).map_or(Exit::Failed, |c| c.exit)
}

/// An error as the end of a program that was asked to stop: what a child that was
/// ended for it left undone is no fault of the host or of the template.
#[must_use]
pub fn after_interrupt(error: anyhow::Error, interrupted: bool) -> anyhow::Error {
    if !interrupted || of(&error) == Exit::Interrupted {
        return error;
    }
    Coded { exit: Exit::Interrupted, message: "interrupted".into() }.into()
}

/// The whole chain in one paragraph, outermost first. A failed system call gets
/// what to do about it, unless a text says that already.
#[must_use]
pub fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for part in error.chain().map(ToString::to_string) {
        // Some errors already end with what they came from.
        if text.is_empty() {
            text = part;
        } else if !text.ends_with(&part) {
            text = format!("{text}: {part}");
        }
    }
    // Errors about disks carry it in brackets.
    let text = match text.strip_suffix(')').and_then(|text| text.rsplit_once(" (hint: ")) {
        Some((what, hint)) => format!("{what}\n  hint: {hint}"),
        None => text,
    };
    match remedy(error).filter(|_| !text.contains("hint:")) {
        Some(hint) => format!("{text}\n  hint: {hint}"),
        None => text,
    }
}

/// What helps against the failures of the system that a user can meet anywhere.
fn remedy(error: &anyhow::Error) -> Option<&'static str> {
    let mut kinds = error.chain().filter_map(|e| e.downcast_ref::<io::Error>());
    Some(match kinds.next()?.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space there (cargo xtask clean), or write elsewhere: --out DIR, TMPDIR"
        }
        ErrorKind::PermissionDenied => {
            "see owner and mode with `ls -ld`, also of the directories above; what an earlier run \
             as root left behind needs chown"
        }
        ErrorKind::ReadOnlyFilesystem => "write elsewhere: --out DIR, --media-dir DIR",
        ErrorKind::NotADirectory => "a file is where a directory should be: move it away",
        ErrorKind::AlreadyExists => {
            "something of that name is in the way: move it away, or name another"
        }
        ErrorKind::IsADirectory => "a directory is where a file should be: move it away",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn whatever_fails_after_an_interrupt_was_interrupted() {
        let host = || Coded::host("--engine packer: did not answer");
        assert_eq!(of(&after_interrupt(host(), false)), Exit::HostNotReady);
        let error = after_interrupt(host(), true);
        assert_eq!((of(&error), text(&error).as_str()), (Exit::Interrupted, "interrupted"));
    }

    #[test]
    fn failures_of_the_system_say_what_helps() {
        for (kind, hint) in [
            (ErrorKind::StorageFull, Some("clean")),
            (ErrorKind::PermissionDenied, Some("ls -ld")),
            (ErrorKind::ReadOnlyFilesystem, Some("--out")),
            (ErrorKind::NotADirectory, Some("move")),
            (ErrorKind::AlreadyExists, Some("name another")),
            (ErrorKind::NotFound, None),
        ] {
            let failed: io::Result<()> = Err(io::Error::from(kind));
            let error = failed.context("cannot write out/x").unwrap_err();
            let text = text(&error);
            assert!(text.starts_with("cannot write out/x: "), "{text}");
            assert_eq!(text.contains("hint: "), hint.is_some(), "{text}");
            assert!(hint.is_none_or(|h| text.contains(h)), "{text}");
        }
        let own = Coded::host("no room\n  hint: do this");
        let error = anyhow::Error::from(io::Error::from(ErrorKind::StorageFull)).context(own);
        assert_eq!(text(&error).matches("hint:").count(), 1);
        let disk = anyhow::anyhow!("x.qcow2: header: encrypted (hint: decrypt it (or not) first)");
        let shown = "x.qcow2: header: encrypted\n  hint: decrypt it (or not) first";
        assert_eq!(text(&disk), shown);
        let told = anyhow::anyhow!("no room").context("cannot write x: no room");
        assert_eq!(text(&told), "cannot write x: no room");
    }
}
