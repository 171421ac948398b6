//! Builds, checks, packs and uploads MAAS images. `main.rs` only parses and dispatches.

pub mod arch;
pub mod cmd;
pub mod host;
pub mod signal;
