//! The built-in engine: runs a resolved `qemu` source without Packer.

pub mod argv;
pub mod askpass;
pub mod causes;
pub mod console;
pub mod disk;
pub mod duration;
pub mod error;
pub mod events;
pub mod host;
pub mod http;
pub mod keys;
pub mod provision;
pub mod qmp;
pub mod random;
pub mod spec;
pub mod ssh;
pub mod step;
pub mod template;
