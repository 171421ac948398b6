//! Builds, checks, packs and uploads MAAS images.
//!
//! A pure plan, a dumb execution: [`catalog`] and the HCL evaluator say what a
//! target is, the plan holds every argument and path as data, the engine runs
//! it. `main.rs` only parses and dispatches.

pub mod arch;
pub mod catalog;
pub mod cmd;
pub mod exit;
pub mod finding;
pub mod host;
pub mod signal;
