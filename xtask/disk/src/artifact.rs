//! Reads artifacts back: what is in them, as an [`Index`].

mod archive;
mod disk;
mod facts;
mod fingerprint;
mod index;
mod initrd;
mod interest;
mod tarread;

pub use archive::{Artifact, Options, read, read_stream};
pub use facts::{Kernel, OsRelease, Package, Packages, dpkg_packages, initrd_names, kernels};
pub use fingerprint::Fingerprint;
pub use index::{Index, Node, NodeKind};
pub use initrd::Initrd;

pub(crate) use archive::scan_tar;
pub(crate) use fingerprint::Fingerprinter;
