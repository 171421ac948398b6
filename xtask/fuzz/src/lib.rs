//! Fuzz targets: functions that read foreign bytes and may do anything but
//! panic, hang or take memory without end.
//!
//! `cargo xtask fuzz TARGET` runs one under libFuzzer, `cargo test` runs all of
//! them on the seeds, on every input that ever was a finding, and on a few
//! hundred mutations.

pub mod limits;
pub mod mutate;
pub mod sparse;
mod targets;

pub use targets::run_of;

/// What a target does with one input.
pub type Run = fn(&[u8]);
