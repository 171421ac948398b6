//! Builds, checks, packs and uploads MAAS images.
//!
//! A pure plan, a dumb execution: [`catalog`] and the HCL evaluator say what a
//! target is, the plan holds every argument and path as data, the engine runs
//! it. `main.rs` only parses and dispatches.

// First: its macros stand in for those of the standard library in all that follows.
#[macro_use]
pub mod stderr;

pub mod arch;
pub mod at;
pub mod build;
pub mod catalog;
pub mod changed;
pub mod cli;
pub mod cmd;
pub mod contents;
pub mod contract;
pub mod date;
pub mod deploy;
pub mod engine;
pub mod exit;
pub mod finding;
pub mod fuzz;
pub mod given;
pub mod host;
pub mod maas;
pub mod media;
pub mod pipeline;
pub mod plan;
pub mod records;
pub mod repo;
pub mod rules;
pub mod signal;
pub mod table;
pub mod validate;
pub mod verbs;
