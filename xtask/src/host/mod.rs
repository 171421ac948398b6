//! What this machine can do: probes, and the pure parsing behind them.

pub mod firmware;
