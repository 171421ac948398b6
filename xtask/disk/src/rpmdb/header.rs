//! The header of one package, as rpm stores it: an index of tags, then their
//! data, all big-endian (`lib/header.c`, `rpmtag.h`).

use crate::bytes::{be32, slice};
use crate::{Error, Result};

/// One installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RpmPackage {
    /// Name.
    pub name: String,
    /// `EPOCH:VERSION-RELEASE`, the epoch only if there is one.
    pub evr: String,
    /// `x86_64`, `noarch`, ...; empty if it has none.
    pub arch: String,
    /// Licence as the packager wrote it, empty if unknown.
    pub license: String,
    /// Who built it.
    pub vendor: String,
}

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const VENDOR: u32 = 1011;
const LICENSE: u32 = 1014;
const ARCH: u32 = 1022;

/// Types of data.
const INT32: u32 = 4;
const STRING: u32 = 6;

/// Length of the two counts and of an entry of the index.
const COUNTS: usize = 8;
const ENTRY: usize = 16;

pub(super) fn parse(blob: &[u8]) -> Result<RpmPackage> {
    let bad = |reason: &str| Error::damaged("rpm database: package header", reason);
    if blob.len() < COUNTS {
        return Err(bad("it is too short"));
    }
    let size = |at| usize::try_from(be32(blob, at)).unwrap_or(usize::MAX);
    let (entries, data_len) = (size(0), size(4));
    let data_at = entries.checked_mul(ENTRY).and_then(|len| len.checked_add(COUNTS));
    let end = data_at.and_then(|at| at.checked_add(data_len));
    let (Some(data_at), Some(end)) = (data_at, end) else { return Err(bad("impossible sizes")) };
    let Some(data) = blob.get(data_at..end) else { return Err(bad("it is cut off")) };
    let find = |tag: u32, kind: u32| {
        let index = blob.get(COUNTS..data_at)?;
        let entry = index.chunks_exact(ENTRY).find(|e| be32(e, 0) == tag && be32(e, 4) == kind)?;
        data.get(usize::try_from(be32(entry, 8)).ok()?..)
    };
    let text = |tag| {
        let bytes = find(tag, STRING)?;
        let len = bytes.iter().position(|&byte| byte == 0)?;
        Some(String::from_utf8_lossy(slice(bytes, 0, len)).into_owned())
    };
    let must = |tag, what| text(tag).filter(|text| !text.is_empty()).ok_or_else(|| bad(what));
    let epoch = find(EPOCH, INT32).filter(|bytes| bytes.len() >= 4).map(|bytes| be32(bytes, 0));
    let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    let (version, release) = (must(VERSION, "no version")?, must(RELEASE, "no release")?);
    Ok(RpmPackage {
        name: must(NAME, "no name")?,
        evr: format!("{epoch}{version}-{release}"),
        arch: text(ARCH).unwrap_or_default(),
        license: text(LICENSE).unwrap_or_default(),
        vendor: text(VENDOR).unwrap_or_default(),
    })
}
