//! SHA-256 and SHA-512 in one pass over a file.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256, Sha512};

use super::{Algorithm, Context, MediaError, Progress};

/// Read size; large enough that system calls do not show.
const CHUNK: usize = 1 << 20;

/// Both digests of one content, lower-case hexadecimal. SHA-256 is what MAAS and
/// records use, SHA-512 is what Debian publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256.
    pub sha256: String,
    /// SHA-512, only if it was asked for.
    pub sha512: Option<String>,
}

impl Digests {
    /// The value of this algorithm, if it was computed.
    #[must_use]
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        match algorithm {
            Algorithm::Sha256 => Some(&self.sha256),
            Algorithm::Sha512 => self.sha512.as_deref(),
        }
    }
}

/// Feeds both functions.
pub(super) struct Hasher {
    sha256: Sha256,
    sha512: Option<Sha512>,
}

impl Hasher {
    pub(super) fn new(also: Option<Algorithm>) -> Self {
        let sha512 = (also == Some(Algorithm::Sha512)).then(Sha512::new);
        Self { sha256: Sha256::new(), sha512 }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }

    pub(super) fn finish(self) -> Digests {
        Digests {
            sha256: hex(&self.sha256.finalize()),
            sha512: self.sha512.map(|h| hex(&h.finalize())),
        }
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of a short text.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Hashes a whole file; `also` asks for SHA-512 beside SHA-256.
///
/// # Errors
/// The file cannot be read, or the run is cancelled.
pub fn hash_file(
    path: &Path,
    also: Option<Algorithm>,
    ctx: &Context<'_>,
) -> Result<Digests, MediaError> {
    let mut hasher = Hasher::new(also);
    feed_file(path, &mut hasher, ctx)?;
    Ok(hasher.finish())
}

/// Feeds a file and returns its size.
pub(super) fn feed_file(
    path: &Path,
    hasher: &mut Hasher,
    ctx: &Context<'_>,
) -> Result<u64, MediaError> {
    let failed = |e| MediaError::io("cannot read", path, e);
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let mut buffer = vec![0; CHUNK];
    let mut done: u64 = 0;
    loop {
        if ctx.cancel.is_set() {
            return Err(MediaError::Interrupted);
        }
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            return Ok(done);
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        done += count as u64;
        (ctx.progress)(Progress { done, total: Some(total) });
    }
}
