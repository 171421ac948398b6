//! Writes POSIX (pax) archives that are as faithful as GNU tar's and the same
//! bytes every time.
//!
//! Differences from `tar --acls --xattrs --selinux --sparse --numeric-owner
//! --format=pax`, all on purpose: no user and group names, no access and change
//! times, no process id and no time of ours in any header, numeric ids in the
//! text form of ACLs, and SELinux labels only as `SCHILY.xattr.security.selinux`
//! (which GNU tar restores with and without `--selinux`).

mod acl;
mod header;
mod pax;
mod sparse;
mod writer;

pub use writer::{Body, Entry, TarWriter};
