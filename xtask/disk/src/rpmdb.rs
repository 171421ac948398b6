//! The package list of an rpm database, in the two formats of today: SQLite
//! (Fedora 33, RHEL 9 and later) and ndb (SUSE). BerkeleyDB, which rpm gave up
//! in 2020, is not read.
//!
//! Readers of our own: SQLite's library would be the largest C dependency here,
//! for one table of one file that is never written.

mod header;
mod ndb;
mod sqlite;

pub use header::RpmPackage;

use crate::{Error, ErrorKind, Result};

/// Where the databases are, below the root: new place first.
pub const SQLITE: [&str; 2] = ["/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite"];
/// The same for ndb.
pub const NDB: [&str; 2] = ["/usr/lib/sysimage/rpm/Packages.db", "/var/lib/rpm/Packages.db"];
/// The same for BerkeleyDB.
pub const BERKELEY: [&str; 2] = ["/usr/lib/sysimage/rpm/Packages", "/var/lib/rpm/Packages"];

/// Reads a database. `wal` is what SQLite has not yet moved into it
/// (`rpmdb.sqlite-wal`), empty if there is nothing.
///
/// # Errors
/// [`ErrorKind::NotThisFormat`] if it is neither, [`ErrorKind::Damaged`].
pub fn read(database: &[u8], wal: &[u8]) -> Result<Vec<RpmPackage>> {
    let blobs = if database.starts_with(sqlite::MAGIC) {
        sqlite::blobs(database, wal)?
    } else if database.starts_with(ndb::MAGIC) {
        ndb::blobs(database)?.into_iter().map(<[u8]>::to_vec).collect()
    } else {
        let reason = "neither SQLite nor ndb";
        return Err(Error::new(ErrorKind::NotThisFormat, "rpm database", reason));
    };
    let packages: Result<Vec<RpmPackage>> = blobs.iter().map(|blob| header::parse(blob)).collect();
    let mut packages = packages?;
    // Keys that rpm trusts are kept as if they were packages.
    packages.retain(|package| package.name != "gpg-pubkey");
    packages.sort();
    Ok(packages)
}
