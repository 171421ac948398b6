//! What a build starts from: files that are downloaded, given by the user, or
//! bootstrapped from a package mirror.
//!
//! [`Store::fetch`] turns a URL or path and a checksum in Packer's forms into a
//! verified local file. [`bootstrap`] makes base disks. Both keep their results
//! under one media directory, may be called from several processes at once, and
//! leave nothing half-written under a final name.

pub mod bootstrap;
pub mod check;
mod checksum;
mod download;
mod error;
mod hash;
mod http;
pub mod hypervisor;
pub mod iso;
mod lock;
pub mod pin;
mod signature;
mod source;
mod store;
mod sums;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;
pub mod volume;
pub mod wim;

pub use checksum::{Algorithm, Checksum, Digest};
pub use error::MediaError;
pub use hash::{Digests, hash_file};
pub use signature::SignedBy;
pub use store::{Media, Origin, Request, Store};
pub use sums::find as find_in_sums;

use crate::signal::CancelToken;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are there, resumed ones included.
    pub done: u64,
    /// Size of the whole file, if the server said.
    pub total: Option<u64>,
}

/// What every operation on media needs to know.
pub struct Context<'a> {
    /// Never touch the network; what is not in the cache is an error.
    pub offline: bool,
    /// Polled at least every second.
    pub cancel: CancelToken,
    /// Called for each chunk; rate limiting is the callee's.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Called with a sentence when something takes another turn: waiting for a
    /// lock, retrying.
    pub notice: &'a (dyn Fn(&str) + Sync),
}

impl Context<'static> {
    /// Online, silent, cancelled by signals.
    #[must_use]
    pub fn silent() -> Self {
        Self { offline: false, cancel: CancelToken::global(), progress: &|_| {}, notice: &|_| {} }
    }
}
