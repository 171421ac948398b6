//! What this machine can do: probes, and the pure parsing behind them.

pub mod firmware;
pub mod kvm;
mod kvm_guest;
pub mod resources;
pub mod tools;
pub mod version;
