//! `--sign`: a signature beside `SHA256SUMS`, by GnuPG or minisign.
//!
//! Neither a key nor a passphrase passes through us in arguments or logs: GnuPG
//! asks its agent; minisign reads the passphrase from its standard input, which
//! we fill from a file that the user names in the environment.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::at::At as _;
use crate::cmd::Cmd;
use crate::exit::Coded;

/// File with minisign's passphrase.
const PASSWORD_FILE: &str = "XTASK_SIGN_PASSWORD_FILE";

/// minisign stretches a passphrase for seconds; GnuPG's agent may ask a person.
const LIMIT: Duration = Duration::from_secs(120);

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// GnuPG with the key of this id, fingerprint or address.
    Gpg(String),
    /// minisign with this secret key file.
    Minisign(PathBuf),
}

impl FromStr for Signer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            // A leading dash would be an option of gpg.
            Some(("gpg", key)) if !key.is_empty() && !key.starts_with('-') => {
                Ok(Self::Gpg(key.to_owned()))
            }
            Some(("minisign", file)) if !file.is_empty() => Ok(Self::Minisign(file.into())),
            _ => Err("gpg:KEYID or minisign:FILE is needed".into()),
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpg(key) => write!(f, "gpg:{key}"),
            Self::Minisign(file) => write!(f, "minisign:{}", file.display()),
        }
    }
}

impl Signer {
    /// Signs something of no value: a key that cannot sign is better known before
    /// the first build than after it.
    ///
    /// # Errors
    /// As [`Self::sign`], with exit code 3.
    pub fn check(&self) -> Result<()> {
        let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
        let file = dir.path().join("SHA256SUMS");
        fs::write(&file, "").at("write", &file)?;
        self.sign(&file).map(drop).map_err(|why| Coded::host(format!("--sign {self}: {why:#}")))
    }

    /// Signs `sums`; the signature lies beside it under the name that is
    /// returned, whole or not at all.
    ///
    /// # Errors
    /// The program is missing or refuses, in its words.
    pub fn sign(&self, sums: &Path) -> Result<PathBuf> {
        let dir = sums.parent().unwrap_or(Path::new("."));
        let extension = match self {
            Self::Gpg(_) => "asc",
            Self::Minisign(_) => "minisig",
        };
        let signature = sums.with_extension(extension);
        let new = sums.with_extension(format!("{extension}.new"));
        let cmd = match self {
            Self::Gpg(key) => Cmd::new("gpg", "sign SHA256SUMS")
                .cwd(dir)
                .args([
                    "--batch",
                    "--yes",
                    "--armor",
                    "--detach-sign",
                    "--local-user",
                    key.as_str(),
                ])
                .arg("--output")
                .arg(&new)
                .arg("--")
                .arg(sums),
            Self::Minisign(file) => Cmd::new("minisign", "sign SHA256SUMS")
                .cwd(std::env::current_dir()?)
                .args(["-S", "-s"])
                .arg(file)
                .arg("-m")
                .arg(sums)
                .arg("-x")
                .arg(&new)
                .stdin(passphrase()?),
        };
        let result = cmd.timeout(LIMIT).output();
        if result.is_err() {
            // Nothing half-written under any name.
            drop(fs::remove_file(&new));
        }
        result?;
        fs::rename(&new, &signature)
            .with_context(|| format!("cannot write {}", signature.display()))?;
        Ok(signature)
    }
}

/// Empty if none is needed: then minisign asks for nothing.
fn passphrase() -> Result<Vec<u8>> {
    let Some(path) = std::env::var_os(PASSWORD_FILE) else { return Ok(vec![]) };
    let path = Path::new(&path);
    let mut bytes =
        fs::read(path).with_context(|| format!("{PASSWORD_FILE}: {}", path.display()))?;
    if bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_signers_are_taken() {
        assert_eq!("gpg:A1B2".parse(), Ok(Signer::Gpg("A1B2".into())));
        assert_eq!("minisign:/k/a:b".parse(), Ok(Signer::Minisign("/k/a:b".into())));
        for wrong in ["", "gpg", "gpg:", "gpg:--homedir", "minisign:", "ssh:x"] {
            assert!(wrong.parse::<Signer>().is_err(), "{wrong}");
        }
    }
}
