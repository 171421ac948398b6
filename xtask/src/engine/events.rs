//! What the engine tells while it works.

use std::fmt;

use super::error::EngineError;

/// A part of a build, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Disks, CD, firmware, HTTP server.
    Prepare,
    /// QEMU starts.
    Boot,
    /// Keys are typed.
    Type,
    /// Waiting for the first login.
    Connect,
    /// Waiting for a guest without communicator to install and turn itself off.
    Install,
    /// Provisioners run.
    Provision,
    /// Waiting for the guest to turn itself off.
    Shutdown,
    /// The disk is finished.
    Finish,
}

impl Phase {
    /// The word for progress lines, summaries and timings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Boot => "boot",
            Self::Type => "type",
            Self::Connect => "connect",
            Self::Install => "install",
            Self::Provision => "provision",
            Self::Shutdown => "shutdown",
            Self::Finish => "finish",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A phase began.
    Phase(Phase),
    /// Something worth a line: a command, a choice, a port.
    Note(&'a str),
    /// A provisioner began: number from 1, how many, name.
    Step {
        /// From 1.
        number: usize,
        /// Of how many.
        total: usize,
        /// Its label.
        name: &'a str,
    },
    /// A line of a provisioner's output, secrets masked.
    Output(&'a str),
    /// A line of the serial console without control sequences.
    Serial(&'a str),
}

/// Receives events, from more than one thread.
pub trait Events: Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);

    /// `--on-error ask`: whether to keep the VM of a failed build.
    fn keep_after(&self, _error: &EngineError) -> bool {
        false
    }
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Events for Quiet {
    fn event(&self, _event: Event<'_>) {}
}
