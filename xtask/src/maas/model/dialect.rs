//! What each release of MAAS does differently, one row each.

/// What happens when the last piece is there and the hash is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadHash {
    /// 400, and yet the file counts as complete from then on.
    Complete,
    /// 400; the last piece does not count, earlier ones do.
    LastPieceAgain,
    /// 400; the next piece is too much and wipes the file.
    Wiped,
}

/// What a create does with bytes of the same SHA-256 that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameBytes {
    /// They are shared: complete or not, the new file goes on where they end.
    Shared,
    /// The new file starts from nothing and its pieces go to their place.
    Rewritten,
    /// The new file starts from nothing, but its pieces go behind what is there.
    Behind,
}

/// One release.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// What `version/` says.
    pub version: &'static str,
    /// `progress` is total / received instead of a percentage.
    pub inverted_progress: bool,
    /// Wrong hash at the end.
    pub bad_hash: BadHash,
    /// Create with known bytes.
    pub same_bytes: SameBytes,
    /// Too long a piece removes what is stored but not what is recorded.
    pub oversize_unlinks: bool,
    /// `custom/` is cut off the name at create.
    pub strips_custom: bool,
    /// `base_image` and `filename_on_disk` are in the JSON.
    pub says_more: bool,
    /// Systems that can stand before the slash of a name.
    pub systems: &'static [&'static str],
    /// Systems that can be a base image.
    pub bases: &'static [&'static str],
    /// Text for a key without the rights of an administrator.
    pub forbidden: &'static str,
}

const SYSTEMS_3_4: &[&str] = &[
    "ubuntu",
    "ubuntu-core",
    "bootloader",
    "centos",
    "rhel",
    "custom",
    "windows",
    "suse",
    "esxi",
    "caringo",
];
const SYSTEMS_3_5: &[&str] = &[
    "ubuntu",
    "ubuntu-core",
    "bootloader",
    "centos",
    "rhel",
    "custom",
    "windows",
    "suse",
    "esxi",
    "ol",
];
const SYSTEMS_3_8: &[&str] = &[
    "ubuntu",
    "ubuntu-core",
    "bootloader",
    "centos",
    "rhel",
    "custom",
    "windows",
    "suse",
    "esxi",
    "ol",
    "onie",
];
const BASES_3_4: &[&str] = &["ubuntu", "centos", "rhel"];
const BASES_3_5: &[&str] = &["ubuntu", "centos", "rhel", "ol"];
const ADMINS_ONLY: &str = "This method is reserved for admin users.";

/// Observed by sending requests to the server code of MAAS 3.4.10: pieces go to a
/// large object of the database that is keyed by the claimed SHA-256, so that it
/// is shared and complete when it is long enough.
pub const V3_4: Dialect = Dialect {
    version: "3.4.10",
    inverted_progress: true,
    bad_hash: BadHash::Complete,
    same_bytes: SameBytes::Shared,
    oversize_unlinks: false,
    strips_custom: true,
    says_more: false,
    systems: SYSTEMS_3_4,
    bases: BASES_3_4,
    forbidden: ADMINS_ONLY,
};

/// Observed on the server code of MAAS 3.5.13: files on the disks of the regions,
/// progress as a percentage over all of them, Oracle Linux known.
pub const V3_5: Dialect = Dialect {
    version: "3.5.13",
    inverted_progress: false,
    bad_hash: BadHash::LastPieceAgain,
    same_bytes: SameBytes::Rewritten,
    says_more: true,
    systems: SYSTEMS_3_5,
    bases: BASES_3_5,
    ..V3_4
};

/// Observed on the server code of MAAS 3.6.5: as 3.5.
pub const V3_6: Dialect = Dialect { version: "3.6.5", ..V3_5 };

/// Observed on the server code of MAAS 3.7.3: as 3.5.
pub const V3_7: Dialect = Dialect { version: "3.7.3", ..V3_5 };

/// Observed on the server code of MAAS 3.8.0 beta 6: `custom/` stays in the name
/// (its commit e7eb692ff), a new upload of the same bytes lands behind the old
/// ones, and too long a piece unlinks the file but not its record.
pub const V3_8: Dialect = Dialect {
    version: "3.8.0~b6",
    bad_hash: BadHash::Wiped,
    same_bytes: SameBytes::Behind,
    oversize_unlinks: true,
    strips_custom: false,
    systems: SYSTEMS_3_8,
    forbidden: "User does not have permission 'can_edit_boot_entities'",
    ..V3_7
};

/// Every release that was measured, oldest first.
pub const ALL: [&Dialect; 5] = [&V3_4, &V3_5, &V3_6, &V3_7, &V3_8];

/// `filetype` of a create, then file name and type of the stored file; the same
/// eleven from 3.0 on.
pub const FILETYPES: [(&str, &str, &str); 11] = [
    ("tgz", "root.tgz", "root-tgz"),
    ("tbz", "root.tbz", "root-tbz"),
    ("txz", "root.txz", "root-txz"),
    ("ddtgz", "root-dd", "root-dd"),
    ("ddtbz", "root-dd.tar.bz2", "root-dd.tar.bz2"),
    ("ddtxz", "root-dd.tar.xz", "root-dd.tar.xz"),
    ("ddtar", "root-dd.tar", "root-dd.tar"),
    ("ddbz2", "root-dd.bz2", "root-dd.bz2"),
    ("ddgz", "root-dd.gz", "root-dd.gz"),
    ("ddxz", "root-dd.xz", "root-dd.xz"),
    ("ddraw", "root-dd.raw", "root-dd.raw"),
];
