//! Progress and cancellation of a long run.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, ErrorKind, Result};

/// How far a run is, see [`Watch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far.
    pub done: u64,
    /// Bytes that there are at most, 0 if unknown. Clean-up makes it less.
    pub total: u64,
}

/// What a long run reports to and listens to. Shared by reference.
#[derive(Default)]
pub struct Watch<'a> {
    cancel: Option<&'a (dyn Fn() -> bool + Sync)>,
    progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    done: AtomicU64,
    total: AtomicU64,
}

impl<'a> Watch<'a> {
    /// Stops with [`ErrorKind::Cancelled`] soon after `asked` says so. It is
    /// asked for every entry and piece, so it should be quick.
    #[must_use]
    pub fn cancelled_by(mut self, asked: &'a (dyn Fn() -> bool + Sync)) -> Self {
        self.cancel = Some(asked);
        self
    }

    /// Calls `report` after every few hundred kilobytes; it should be quick.
    #[must_use]
    pub fn reporting_to(mut self, report: &'a (dyn Fn(Progress) + Sync)) -> Self {
        self.progress = Some(report);
        self
    }

    /// Fails if the run was cancelled.
    pub(crate) fn check(&self) -> Result<()> {
        if self.cancel.is_some_and(|asked| asked()) {
            return Err(Error::new(ErrorKind::Cancelled, "packing", "interrupted"));
        }
        Ok(())
    }

    pub(crate) fn expect(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, bytes: usize) {
        self.advance_by(u64::try_from(bytes).unwrap_or(0));
    }

    pub(crate) fn advance_by(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if let Some(report) = self.progress {
            report(Progress { done, total: self.total.load(Ordering::Relaxed) });
        }
    }
}
