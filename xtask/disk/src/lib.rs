//! Reads disks and file systems without mounting, writes MAAS artifacts.
//!
//! The layers, from the bottom: a [`block::BlockRead`] is a virtual disk or a
//! window into one, [`partition`] and [`lvm`] find the windows, [`ext4`], [`xfs`],
//! [`ntfs`] and [`fat`] read the file system inside one and offer it as a [`fs::FileSystem`].
//!
//! Everything here reads untrusted bytes: damaged or hostile input is an
//! [`Error`], never a panic, a hang or an allocation sized by the input.

pub mod artifact;
pub mod block;
mod bytes;
mod cache;
mod crc;
mod error;
pub mod ext4;
pub mod fat;
pub mod fs;
pub mod gzip;
pub mod lvm;
mod metadata;
pub mod ntfs;
pub mod pack;
pub mod partition;
pub mod policy;
pub mod rpmdb;
mod runs;
pub mod start;
pub mod tar;
pub mod xfs;

pub use error::{Error, ErrorKind, Result};
