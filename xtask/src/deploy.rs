//! Deploys an artifact in emulation as MAAS and curtin do, boots it alone, and
//! looks at it from inside.
//!
//! An ephemeral system (a bootstrapped base disk, never changed) boots with a
//! blank second disk; a third carries our installer and a stand-in for curtin's
//! Python package (`xtask/deploy`). The installer makes the storage, unpacks the
//! image, which comes over http, runs its hook and the late commands, and powers
//! off. Then the second disk boots alone. A metadata service on the host answers as MAAS
//! does, so the deployed cloud-init has to find and use the MAAS datasource.
//!
//! [`layout`], [`config`], [`machine`] and [`checks`] are pure data; [`run`]
//! does the work.

pub mod advice;
pub mod bundle;
pub mod checks;
pub mod config;
pub mod console;
pub mod curtin;
pub mod http;
pub mod layout;
pub mod maas;
pub mod machine;
pub mod oauth;
pub mod outputs;
pub mod page;
pub mod relay;
pub mod report;
pub mod run;
pub mod ssh;
pub mod start;
pub mod system;

pub use config::Network;
pub use curtin::Curtin;
pub use layout::Layout;
pub use machine::{Adversity, DiskBus, Firmware};
pub use report::{Phase, Report};
pub use run::{Settings, deploy_test};
pub use system::System;
