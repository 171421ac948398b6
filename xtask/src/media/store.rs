//! The media directory: verified files by content, base disks by name.
//!
//! ```text
//! media/cache/sha512-<32 digits>/<file name>   downloaded, verified
//! media/cache/url-<32 digits>/<file name>      downloaded, nothing to verify against
//! media/cache/lists/<digits>                   checksum lists as last seen
//! media/cache/verified/<digits>.json           digests of files by size and time
//! media/debian-12-amd64.qcow2, SHA256SUMS      base disks (see bootstrap)
//! ```

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::download::{self, Download};
use super::hash::{hash_file, sha256_hex};
use super::http::masked;
use super::lock::Lock;
use super::source::{Source, file_name};
use super::{Algorithm, Checksum, Context, Digest, Digests, MediaError, SignedBy, signature, sums};
use crate::build::output::write_atomic;

/// What a template asks for: `iso_url` and `iso_checksum`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `https://`, `http://`, `file://` or a path.
    pub url: String,
    /// What the content is checked against.
    pub checksum: Checksum,
    /// Who signed the list of [`Checksum::File`], if that is to be checked.
    pub signed: Option<SignedBy>,
}

/// Where the file came from in this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file on this host, used in place.
    Local,
    /// Downloaded before.
    Cached,
    /// Downloaded now.
    Downloaded,
}

/// A local file whose content is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Absolute path.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256, for records and manifests.
    pub sha256: String,
    /// What it was checked against; `None` for checksum `none`.
    pub verified: Option<Digest>,
    /// Fingerprint of the key that signed the checksum list, if that was checked.
    pub signed_by: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// The media directory.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// A store at this absolute path; it is created when something is put in.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The media directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the verified file, downloading it if need be.
    ///
    /// # Errors
    /// See [`MediaError`]; a file with wrong content is not kept.
    pub fn fetch(&self, request: &Request, ctx: &Context<'_>) -> Result<Media, MediaError> {
        let source = Source::parse(&request.url)?;
        let name = file_name(&request.url);
        let list = List::read(self, request, ctx)?;
        let (expected, origin) = self.expected(&request.checksum, list.as_ref(), &name)?;
        let media = match source {
            Source::Path(path) => self.local(path, expected, &origin, ctx),
            Source::Url(url) => self.remote(&url, &name, expected, &origin, ctx),
        };
        Ok(Media { signed_by: list.and_then(|l| l.signed_by), ..media? })
    }

    /// The digest to check against, and where it stands.
    fn expected(
        &self,
        checksum: &Checksum,
        list: Option<&List>,
        name: &str,
    ) -> Result<(Option<Digest>, String), MediaError> {
        match (checksum, list) {
            (Checksum::Known(digest), _) => Ok((Some(digest.clone()), "the template".into())),
            (Checksum::File(address), Some(list)) => {
                let origin = masked(address);
                sums::find(&list.text, name, &origin).map(|digest| (Some(digest), origin))
            }
            _ => Ok((None, String::new())),
        }
    }

    /// A checksum list or signature. The copy of an earlier run serves offline
    /// runs, and those whose network fails: the file is still checked against it.
    fn list(&self, list: &str, ctx: &Context<'_>) -> Result<Vec<u8>, MediaError> {
        let url = match Source::parse(list)? {
            Source::Path(path) => return read(&path),
            Source::Url(url) => url,
        };
        let copy = self.dir.join("cache/lists").join(short(&url));
        if ctx.offline {
            return read(&copy).map_err(|_| MediaError::Offline { url: masked(&url) });
        }
        match download::bytes(&url, ctx) {
            Ok(text) => {
                create_dir(copy.parent())?;
                write(&copy, &text)?;
                Ok(text)
            }
            Err(error @ MediaError::Network { .. }) if copy.exists() => {
                (ctx.notice)(&format!("{error}\nusing the copy of an earlier run"));
                read(&copy)
            }
            Err(error) => Err(error),
        }
    }

    fn local(
        &self,
        path: PathBuf,
        expected: Option<Digest>,
        origin: &str,
        ctx: &Context<'_>,
    ) -> Result<Media, MediaError> {
        let path = fs::canonicalize(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => MediaError::Missing(path.clone()),
            _ => MediaError::io("cannot read", &path, e),
        })?;
        let digests = self.digests(&path, expected.as_ref().map(|d| d.algorithm), ctx)?;
        compare(&path.display().to_string(), expected.as_ref(), &digests, origin)?;
        media(path, digests, expected, Origin::Local)
    }

    fn remote(
        &self,
        url: &str,
        name: &str,
        expected: Option<Digest>,
        origin: &str,
        ctx: &Context<'_>,
    ) -> Result<Media, MediaError> {
        let dir = self.dir.join("cache").join(entry_name(url, expected.as_ref()));
        let path = dir.join(name);
        let _lock = Lock::wait(&dir.join(".lock"), name, ctx)?;
        let also = expected.as_ref().map(|d| d.algorithm);
        if path.exists() {
            let digests = self.digests(&path, also, ctx)?;
            match compare(&path.display().to_string(), expected.as_ref(), &digests, origin) {
                Ok(()) => return media(path, digests, expected, Origin::Cached),
                Err(error) => (ctx.notice)(&format!("{error}\ndownloading it again")),
            }
            fs::remove_file(&path).map_err(|e| MediaError::io("cannot remove", &path, e))?;
        }
        if ctx.offline {
            return Err(MediaError::Offline { url: masked(url) });
        }
        let digests = download_checked(url, &dir, name, expected.as_ref(), origin, ctx)?;
        self.remember(&path, &digests)?;
        media(path, digests, expected, Origin::Downloaded)
    }

    /// Digests of a file, from the last time if size, time and inode are the same.
    pub(super) fn digests(
        &self,
        path: &Path,
        also: Option<Algorithm>,
        ctx: &Context<'_>,
    ) -> Result<Digests, MediaError> {
        let now = Stamp::of(path)?;
        let note = self.note_path(path);
        if let Some(known) =
            fs::read(&note).ok().and_then(|t| serde_json::from_slice::<Note>(&t).ok())
        {
            let digests = Digests { sha256: known.sha256, sha512: known.sha512 };
            if known.stamp == now && also.is_none_or(|a| digests.get(a).is_some()) {
                return Ok(digests);
            }
        }
        let digests = hash_file(path, also, ctx)?;
        self.remember(path, &digests)?;
        Ok(digests)
    }

    /// Records digests that were just computed, so that the next run need not.
    pub(super) fn remember(&self, path: &Path, digests: &Digests) -> Result<(), MediaError> {
        let note = Note {
            path: path.display().to_string(),
            stamp: Stamp::of(path)?,
            sha256: digests.sha256.clone(),
            sha512: digests.sha512.clone(),
        };
        let to = self.note_path(path);
        create_dir(to.parent())?;
        let text = serde_json::to_vec_pretty(&note).map_err(|e| MediaError::Tool(e.to_string()))?;
        write(&to, &text)
    }

    fn note_path(&self, path: &Path) -> PathBuf {
        let name = format!("{}.json", short(&path.display().to_string()));
        self.dir.join("cache/verified").join(name)
    }
}

/// A checksum list, its signature checked if the request says who signs it.
struct List {
    text: String,
    signed_by: Option<String>,
}

impl List {
    fn read(
        store: &Store,
        request: &Request,
        ctx: &Context<'_>,
    ) -> Result<Option<Self>, MediaError> {
        let Checksum::File(address) = &request.checksum else { return Ok(None) };
        let list = store.list(address, ctx)?;
        let Some(signed) = &request.signed else {
            let text = String::from_utf8_lossy(&list).into_owned();
            return Ok(Some(Self { text, signed_by: None }));
        };
        let beside = signed.suffix.as_ref().map(|suffix| format!("{address}{suffix}"));
        let beside = beside.map(|address| store.list(&address, ctx)).transpose()?;
        let origin = masked(address);
        let good = signature::verify(&list, beside.as_deref(), &signed.keys, &origin, &ctx.cancel)?;
        if good.expired {
            (ctx.notice)(&format!("{origin}: the key {} has expired since", good.fingerprint));
        }
        Ok(Some(Self { text: good.text, signed_by: Some(good.fingerprint) }))
    }
}

/// What proves that a file is the one that was hashed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    mtime: i64,
    mtime_nsec: i64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Result<Self, MediaError> {
        let m = fs::metadata(path).map_err(|e| MediaError::io("cannot read", path, e))?;
        Ok(Self { size: m.size(), mtime: m.mtime(), mtime_nsec: m.mtime_nsec(), inode: m.ino() })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    path: String,
    stamp: Stamp,
    sha256: String,
    sha512: Option<String>,
}

/// 32 hexadecimal digits that name a text.
fn short(text: &str) -> String {
    sha256_hex(text.as_bytes()).chars().take(32).collect()
}

fn entry_name(url: &str, expected: Option<&Digest>) -> String {
    match expected {
        Some(digest) => {
            let start: String = digest.hex.chars().take(32).collect();
            format!("{}-{start}", digest.algorithm.name())
        }
        None => format!("url-{}", short(url)),
    }
}

fn download_checked(
    url: &str,
    dir: &Path,
    name: &str,
    expected: Option<&Digest>,
    origin: &str,
    ctx: &Context<'_>,
) -> Result<Digests, MediaError> {
    let job = Download {
        url,
        partial: dir.join(format!("{name}.partial")),
        also: expected.map(|d| d.algorithm),
        verifiable: expected.is_some(),
    };
    let resumed = fs::metadata(&job.partial).is_ok_and(|m| m.len() > 0);
    let mut digests = job.run(ctx)?;
    let mut outcome = compare(&masked(url), expected, &digests, origin);
    if outcome.is_err() {
        job.discard();
    }
    if outcome.is_err() && resumed {
        // The part of the earlier run may have been the wrong half.
        (ctx.notice)(&format!(
            "{}: the resumed file does not match; downloading all of it",
            masked(url)
        ));
        digests = job.run(ctx)?;
        outcome = compare(&masked(url), expected, &digests, origin);
        if outcome.is_err() {
            job.discard();
        }
    }
    outcome?;
    let path = dir.join(name);
    fs::rename(&job.partial, &path).map_err(|e| MediaError::io("cannot rename to", &path, e))?;
    sync_dir(dir)?;
    job.discard();
    Ok(digests)
}

fn compare(
    what: &str,
    expected: Option<&Digest>,
    digests: &Digests,
    origin: &str,
) -> Result<(), MediaError> {
    let Some(expected) = expected else { return Ok(()) };
    let actual = digests.get(expected.algorithm).unwrap_or_default();
    if actual == expected.hex {
        return Ok(());
    }
    Err(MediaError::Mismatch {
        what: what.to_owned(),
        expected: expected.clone(),
        actual: actual.to_owned(),
        origin: origin.to_owned(),
    })
}

fn media(
    path: PathBuf,
    digests: Digests,
    verified: Option<Digest>,
    origin: Origin,
) -> Result<Media, MediaError> {
    let size = Stamp::of(&path)?.size;
    Ok(Media { path, size, sha256: digests.sha256, verified, signed_by: None, origin })
}

fn read(path: &Path) -> Result<Vec<u8>, MediaError> {
    fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => MediaError::Missing(path.to_path_buf()),
        _ => MediaError::io("cannot read", path, e),
    })
}

fn write(path: &Path, content: &[u8]) -> Result<(), MediaError> {
    write_atomic(path, content).map_err(|e| MediaError::Tool(format!("{e:#}")))
}

pub(super) fn create_dir(dir: Option<&Path>) -> Result<(), MediaError> {
    let Some(dir) = dir else { return Ok(()) };
    fs::create_dir_all(dir).map_err(|e| MediaError::io("cannot create", dir, e))
}

/// Makes renames in `dir` survive a power failure.
pub(super) fn sync_dir(dir: &Path) -> Result<(), MediaError> {
    let synced = fs::File::open(dir).and_then(|d| d.sync_all());
    synced.map_err(|e| MediaError::io("cannot sync", dir, e))
}

/// Bytes that an unprivileged user may still write below `dir`.
pub(super) fn free_bytes(dir: &Path) -> Option<u64> {
    let fs = rustix::fs::statvfs(dir).ok()?;
    Some(fs.f_bavail.saturating_mul(fs.f_frsize))
}
