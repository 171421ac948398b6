//! The pipeline: lock, media, engine, pack, contract, publish.

pub mod lock;
pub mod manifest;
pub mod output;
