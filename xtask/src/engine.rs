//! The built-in engine: runs a resolved `qemu` source without Packer.
//!
//! [`spec`] and [`step`] say what is to be built, [`run::run`] builds it. Pure
//! parts: [`argv`], [`keys`], [`template`], [`causes`]. What happens meanwhile is
//! told by [`events`]; what went wrong, with the evidence, by [`error`].

pub mod activity;
pub mod argv;
pub mod askpass;
pub mod causes;
pub mod console;
pub mod decode;
pub mod disk;
pub mod error;
pub mod events;
pub mod host;
pub mod http;
pub mod keep;
pub mod keys;
pub mod provision;
pub mod qmp;
pub mod random;
pub mod run;
pub mod shots;
pub mod spec;
pub mod ssh;
pub mod step;
pub mod template;
pub mod tpm;
pub mod typing;
pub mod vm;
pub mod watch;

pub use error::{EngineError, Kind, Trouble};
pub use events::{Event, Events, Phase};
pub use host::{Efi, Flash, QemuHost, View, WorkPaths};
pub use run::{DiskResult, Job, OnError, Options, run};
pub use spec::VmSpec;
pub use step::Step;
