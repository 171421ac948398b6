//! A real curtin for the ephemeral system: a checkout, packages, or apt.
//!
//! Debian has no package of curtin, Ubuntu up to 22.04 has: `--curtin apt` on a
//! Debian base disk needs `--curtin-source`. Only curtin's two packages are taken
//! from there, what they depend on comes from the ephemeral system's own archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cmd::Cmd;
use crate::exit::Coded;

/// Largest keyring that is read; Ubuntu's has 4 KiB, Debian's 60.
const KEYRING_LIMIT: u64 = 1 << 20;
/// Where the ephemeral system gets the keyring, less its extension.
const GUEST_KEYRING: &str = "/etc/apt/keyrings/deploy-test-curtin";

/// Where curtin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Curtin {
    /// A checkout of its sources.
    Checkout(PathBuf),
    /// A directory with `python3-curtin_*.deb` and what it needs beside it.
    Packages(PathBuf),
    /// apt, with one more archive or without.
    Apt(Option<Source>),
}

/// A line of `sources.list` and the key that its archive is signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The line as the ephemeral system gets it.
    line: String,
    /// Host name of the archive, for apt's preferences.
    host: String,
    /// Path in the ephemeral system and content; none with `trusted=yes`.
    keyring: Option<(String, Vec<u8>)>,
}

impl Curtin {
    /// What `--curtin` and `--curtin-source` mean; `None` is our own installer.
    ///
    /// # Errors
    /// No such directory, neither a checkout nor packages, or a source that names no key.
    pub fn parse(word: &str, source: Option<&str>) -> Result<Option<Self>> {
        if word == "apt" {
            return Ok(Some(Self::Apt(source.map(Source::parse).transpose()?)));
        }
        if source.is_some() {
            return Err(Coded::usage("--curtin-source is for --curtin apt"));
        }
        if word == "builtin" {
            return Ok(None);
        }
        let dir = PathBuf::from(word);
        if is_checkout(&dir) {
            return Ok(Some(Self::Checkout(dir)));
        }
        if !packages(&dir)?.is_empty() {
            return Ok(Some(Self::Packages(dir)));
        }
        let message = format!(
            "--curtin {word}: neither a checkout of curtin (bin/curtin, curtin/, helpers/smtar) nor a \
             directory with python3-curtin_*.deb and curtin-common_*.deb"
        );
        Err(Coded::usage(message))
    }

    /// Who deploys, for people and records.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Checkout(_) => "curtin",
            Self::Packages(_) => "curtin's packages",
            Self::Apt(_) => "curtin by apt",
        }
    }

    /// Packs what the ephemeral system fetches, if anything.
    ///
    /// # Errors
    /// `tar` fails.
    pub fn archive(&self, work: &Path) -> Result<Option<PathBuf>> {
        let (dir, parts) = match self {
            Self::Checkout(dir) => (dir, ["bin", "curtin", "helpers"].map(Into::into).to_vec()),
            Self::Packages(dir) => (dir, packages(dir)?),
            Self::Apt(_) => return Ok(None),
        };
        let file = work.join("curtin.tar");
        Cmd::new("tar", "pack curtin")
            .cwd(dir)
            .arg("-cf")
            .arg(&file)
            .args(["--exclude=__pycache__", "--"])
            .args(parts)
            .timeout(Duration::from_secs(60))
            .output()?;
        Ok(Some(file))
    }

    /// What the installer is told; `url` is where the archive is.
    #[must_use]
    pub fn plan(&self, url: &str) -> Value {
        match self {
            Self::Checkout(_) => json!({ "checkout": url }),
            Self::Packages(_) => json!({ "packages": url }),
            Self::Apt(source) => json!({ "apt": source.as_ref().map(Source::plan) }),
        }
    }
}

impl Source {
    /// One line in `sources.list`'s one-line form; `signed-by` names a file of this host.
    fn parse(line: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Coded::usage(format!(
                "--curtin-source: {why}; such as \
                 \"deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] \
                 http://archive.ubuntu.com/ubuntu jammy main\""
            ))
        };
        let rest = line.trim().strip_prefix("deb ").ok_or_else(|| wrong("no line `deb …`"))?;
        let (options, archive) = match rest.trim().strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(|| wrong("no `]`"))?,
            None => ("", rest),
        };
        let mut words = archive.split_whitespace();
        let (url, suite) = (words.next().unwrap_or_default(), words.next());
        let web = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let host = web.and_then(|rest| rest.split(['/', ':']).next()).filter(|h| !h.is_empty());
        let host = host.ok_or_else(|| wrong("an http or https URL is needed"))?.to_owned();
        suite.ok_or_else(|| wrong("the suite is missing"))?;
        if line.contains(|c: char| c.is_control()) {
            return Err(wrong("one line, without control characters"));
        }
        let of_key = |option: &&str| option.starts_with("signed-by=");
        let keyring = options.split_whitespace().find(of_key).map(keyring).transpose()?;
        if keyring.is_none() && !options.split_whitespace().any(|o| o == "trusted=yes") {
            return Err(wrong("no [signed-by=FILE], so nothing would vouch for the packages"));
        }
        let mut options: Vec<String> =
            options.split_whitespace().filter(|o| !of_key(o)).map(str::to_owned).collect();
        options.extend(keyring.iter().map(|(path, _)| format!("signed-by={path}")));
        let line = format!("deb [{}] {}", options.join(" "), archive.trim());
        Ok(Self { line, host, keyring })
    }

    fn plan(&self) -> Value {
        let keyring = self.keyring.as_ref();
        json!({
            "line": self.line,
            "host": self.host,
            "keyring": keyring.map(|(path, bytes)| json!({ "path": path, "base64": STANDARD.encode(bytes) })),
        })
    }
}

/// apt tells armoured keys from others by the extension.
fn keyring(option: &str) -> Result<(String, Vec<u8>)> {
    let path = Path::new(option.strip_prefix("signed-by=").unwrap_or_default());
    let cannot = || format!("--curtin-source: cannot read the keyring {}", path.display());
    let extension = match path.extension().and_then(|extension| extension.to_str()) {
        Some("asc") => "asc",
        Some("gpg" | "pgp") => "gpg",
        _ => {
            let message = "--curtin-source: signed-by must name a file .gpg or .asc of this host";
            return Err(Coded::usage(message));
        }
    };
    let size = fs::metadata(path).with_context(cannot)?.len();
    if size > KEYRING_LIMIT {
        let message = format!("--curtin-source: {} has {size} bytes, no keyring", path.display());
        return Err(Coded::usage(message));
    }
    Ok((format!("{GUEST_KEYRING}.{extension}"), fs::read(path).with_context(cannot)?))
}

fn is_checkout(dir: &Path) -> bool {
    ["curtin/__init__.py", "bin/curtin", "helpers/smtar"]
        .iter()
        .all(|part| dir.join(part).is_file())
}

/// The packages in a directory, sorted; empty if curtin's is not among them.
fn packages(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|error| {
        Coded::usage(format!(
            "--curtin {}: {error}; it is builtin, apt or a directory",
            dir.display()
        ))
    })?;
    let mut names: Vec<PathBuf> = entries
        .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
        .filter(|name| name.extension().is_some_and(|extension| extension == "deb"))
        .collect();
    names.sort();
    let has = names.iter().any(|name| name.to_string_lossy().starts_with("python3-curtin_"));
    Ok(if has { names } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_words_mean() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        assert_eq!(Curtin::parse("builtin", None).unwrap(), None);
        assert_eq!(Curtin::parse("apt", None).unwrap(), Some(Curtin::Apt(None)));
        let error = Curtin::parse(path, None).unwrap_err().to_string();
        assert!(error.contains("neither a checkout of curtin"), "{error}");
        let error = Curtin::parse("/no/such", None).unwrap_err().to_string();
        assert!(error.contains("builtin, apt or a directory"), "{error}");
        for name in ["python3-curtin_1_all.deb", "curtin-common_1_all.deb", "README"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let curtin = Curtin::parse(path, None).unwrap().unwrap();
        assert_eq!(curtin, Curtin::Packages(dir.path().into()));
        let work = tempfile::tempdir().unwrap();
        let tar = curtin.archive(work.path()).unwrap().unwrap();
        let listing =
            Cmd::new("tar", "list").cwd(work.path()).arg("-tf").arg(tar).output().unwrap();
        assert_eq!(listing.stdout, b"curtin-common_1_all.deb\npython3-curtin_1_all.deb\n");
        for part in ["curtin/__init__.py", "bin/curtin", "helpers/smtar"] {
            let file = dir.path().join(part);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        assert_eq!(Curtin::parse(path, None).unwrap(), Some(Curtin::Checkout(dir.path().into())));
    }

    #[test]
    fn a_source_carries_the_key_of_this_host() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("archive.gpg");
        fs::write(&key, "key").unwrap();
        let line = format!(
            "deb [arch=amd64 signed-by={}] http://a.example/ubuntu jammy main",
            key.display()
        );
        let plan = Curtin::parse("apt", Some(&line)).unwrap().unwrap().plan("");
        assert_eq!(
            plan["apt"],
            json!({
                "line": format!(
                    "deb [arch=amd64 signed-by={GUEST_KEYRING}.gpg] http://a.example/ubuntu jammy main"
                ),
                "host": "a.example",
                "keyring": { "path": format!("{GUEST_KEYRING}.gpg"), "base64": "a2V5" },
            })
        );
    }

    #[test]
    fn bad_sources_say_what_is_wrong() {
        for (line, word) in [
            ("http://a.example jammy main", "no line `deb"),
            ("deb [trusted=yes http://a.example jammy main", "no `]`"),
            ("deb [trusted=yes] file:/srv jammy main", "http or https"),
            ("deb [trusted=yes] http://a.example", "suite is missing"),
            ("deb http://a.example jammy main", "vouch"),
            ("deb [trusted=yes] http://a.example jammy main\ndeb x", "one line"),
            ("deb [signed-by=/no/such.gpg] http://a.example jammy main", "cannot read the keyring"),
            ("deb [signed-by=/etc/hostname] http://a.example jammy main", ".gpg or .asc"),
        ] {
            let error = format!("{:#}", Curtin::parse("apt", Some(line)).unwrap_err());
            assert!(error.contains(word), "{line}: {error}");
        }
        let error = Curtin::parse("builtin", Some("deb x")).unwrap_err().to_string();
        assert!(error.contains("--curtin apt"), "{error}");
    }
}
