//! Signatures of checksum lists, checked by `gpgv`.
//!
//! A distribution signs its list in one of three ways: the list itself is a
//! clear-signed message (Fedora, Oracle, Alma), a file beside it is (CentOS),
//! or a file beside it holds a detached signature (Ubuntu, Rocky). The keys
//! are files of the tree, so that a site without Internet can check as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;

use super::MediaError;
use crate::cmd::Cmd;
use crate::signal::CancelToken;

/// First line of a clear-signed message (RFC 9580, 7).
const CLEAR: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
/// First line of a detached signature in armor (RFC 9580, 6.2).
const DETACHED: &[u8] = b"-----BEGIN PGP SIGNATURE-----";

/// Who signs a checksum list, and where the signature is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// Armored public keys; any of them may have signed.
    pub keys: PathBuf,
    /// What follows the list's address in the signature's; `None`: the list
    /// is a clear-signed message.
    pub suffix: Option<String>,
}

/// A list whose signature is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verified {
    /// The text that was signed, and nothing around it.
    pub text: String,
    /// Fingerprint of the primary key, 40 hexadecimal digits (64 of version 6).
    pub fingerprint: String,
    /// The key has expired since; normal for a release whose life has ended.
    pub expired: bool,
}

/// What `gpgv` is given.
struct Message<'a> {
    /// Clear-signed message or detached signature.
    signature: &'a [u8],
    /// The signed text of a detached signature.
    list: Option<&'a [u8]>,
}

/// Checks `list`, with what stands beside it, against `keys`. `origin` is the
/// list's address, for messages.
///
/// # Errors
/// No signature, a bad one, one by another key; keys that are no armored keys;
/// no `gpgv` on this host.
pub(super) fn verify(
    list: &[u8],
    beside: Option<&[u8]>,
    keys: &Path,
    origin: &str,
    cancel: &CancelToken,
) -> Result<Verified, MediaError> {
    let message = message(list, beside, origin)?;
    let keyring = dearmored(keys)?;
    let dir = tempfile::tempdir().map_err(|e| MediaError::Tool(e.to_string()))?;
    let (status, text) = gpgv(&message, &keyring, dir.path(), cancel)?;
    let seen = Status::read(&status);
    let Some(fingerprint) = seen.valid.filter(|_| seen.refused.is_none()) else {
        return Err(refused(origin, keys, seen.refused.as_deref()));
    };
    let text = String::from_utf8_lossy(message.list.unwrap_or(&text)).into_owned();
    Ok(Verified { text, fingerprint, expired: seen.expired })
}

fn message<'a>(
    list: &'a [u8],
    beside: Option<&'a [u8]>,
    origin: &str,
) -> Result<Message<'a>, MediaError> {
    let signature = beside.unwrap_or(list);
    let start = signature.trim_ascii_start();
    if start.starts_with(CLEAR) {
        return Ok(Message { signature, list: None });
    }
    if beside.is_some() && (start.starts_with(DETACHED) || is_packet(signature)) {
        return Ok(Message { signature, list: Some(list) });
    }
    Err(MediaError::Signature(format!(
        "{origin} is not signed, and this image says that it is\n  hint: a mirror may have changed it; --unsigned-media trusts it as it is"
    )))
}

/// True for a signature without armor: its packet's tag is 2 in either format
/// of packet headers (RFC 9580, 4.2).
fn is_packet(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|tag| tag & 0xfc == 0x88 || *tag == 0xc2)
}

/// Runs `gpgv` and returns its status lines and the signed text.
fn gpgv(
    message: &Message<'_>,
    keyring: &[u8],
    dir: &Path,
    cancel: &CancelToken,
) -> Result<(String, Vec<u8>), MediaError> {
    /// It checks a few kilobytes.
    const TIMEOUT: Duration = Duration::from_secs(60);
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, bytes)
            .map(|()| path.clone())
            .map_err(|e| MediaError::io("cannot write", &path, e))
    };
    let mut command = Cmd::new("gpgv", "checking the signature of the checksum list")
        .cwd(dir)
        .arg("--homedir")
        .arg(dir)
        .arg("--keyring")
        .arg(put("keys.gpg", keyring)?)
        .args(["--status-fd", "1"]);
    let text = dir.join("text");
    let signature = put("signature", message.signature)?;
    command = match message.list {
        Some(list) => command.arg(signature).arg(put("list", list)?),
        None => command.arg("--output").arg(&text).arg(signature),
    };
    // 1: a bad signature; 2: one by an unknown key. The status lines say which.
    let output = command.timeout(TIMEOUT).cancel(cancel).success(&[0, 1, 2]).output();
    let output = output.map_err(|e| {
        if e.is_interrupted() { MediaError::Interrupted } else { MediaError::Host(e.to_string()) }
    })?;
    Ok((output.stdout_text(), fs::read(&text).unwrap_or_default()))
}

/// What the status lines of `gpgv` say (GnuPG's doc/DETAILS).
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    /// Fingerprint of the primary key of a signature that is right.
    valid: Option<String>,
    /// A signature that is wrong or by a revoked key.
    refused: Option<String>,
    expired: bool,
}

impl Status {
    fn read(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines().filter_map(|l| l.strip_prefix("[GNUPG:] ")) {
            let mut words = line.split(' ');
            match words.next().unwrap_or_default() {
                // The last of its fields is the primary key's fingerprint.
                "VALIDSIG" => status.valid = words.next_back().map(str::to_owned),
                "BADSIG" => status.refused = Some("the signature is wrong".into()),
                "REVKEYSIG" => status.refused = Some("the key has been revoked".into()),
                "EXPKEYSIG" => status.expired = true,
                _ => {}
            }
        }
        status
    }
}

fn refused(origin: &str, keys: &Path, reason: Option<&str>) -> MediaError {
    let reason = reason.unwrap_or("none of its signatures is by a key that we know");
    let keys = keys.display();
    MediaError::Signature(format!(
        "{origin}: {reason}\n  keys  {keys}\n  hint: somebody altered the list, or the distribution has a new key: compare its web site with common/keys/README.md; --unsigned-media trusts the list as it is"
    ))
}

/// The packets of an armored file; several blocks in a row are joined.
fn dearmored(path: &Path) -> Result<Vec<u8>, MediaError> {
    let text = fs::read_to_string(path).map_err(|e| MediaError::io("cannot read", path, e))?;
    let bytes = packets(&text);
    bytes
        .filter(|b| !b.is_empty())
        .ok_or_else(|| MediaError::Form(format!("{} holds no armored public key", path.display())))
}

fn packets(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for block in text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1) {
        let block = block.split("-----END").next()?.replace('\r', "");
        // Headers end with an empty line; a line that starts with `=` is the checksum.
        let (_, body) = block.split_once("\n\n")?;
        let body: String = body.lines().take_while(|l| !l.starts_with('=')).collect();
        bytes.extend(base64::engine::general_purpose::STANDARD.decode(body.trim()).ok()?);
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
