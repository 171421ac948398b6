//! The built-in engine: runs a resolved `qemu` source without Packer.

pub mod argv;
pub mod duration;
pub mod host;
pub mod keys;
pub mod spec;
pub mod step;
pub mod template;
