//! Which MAAS, and with which key: from the `maas` CLI's profiles, the
//! environment, or a file that only its owner can read. Never from the command
//! line, which every user of the host can see.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::http::{Client, read_authorities};
use super::secret::ApiKey;
use super::sqlite::{self, Value};
use super::url::Base;
use crate::exit::Coded;
use crate::signal::CancelToken;

/// Databases of the `maas` CLI below a home directory: deb, then snap.
const DATABASES: [&str; 2] = [".maascli.db", "snap/maas/current/.maascli.db"];
/// Largest database that is read; descriptions of the API are about 1 MB each.
const MAX_DATABASE: u64 = 512 << 20;

/// How a command says which MAAS it means.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Which MAAS")]
pub struct ServerFlags {
    /// Profile of the `maas` CLI (`maas login`) [default: the only one]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["url", "credentials"])]
    pub profile: Option<String>,
    /// URL of MAAS; the key comes from MAAS_API_KEY [default: MAAS_URL or MAAS_API_URL]
    #[arg(long, value_name = "URL", conflicts_with = "credentials")]
    pub url: Option<String>,
    /// File with `url`, `key` and maybe `ca` (TOML, mode 0600)
    #[arg(long, value_name = "FILE", env = "XTASK_MAAS_CREDENTIALS")]
    pub credentials: Option<PathBuf>,
    /// Certificate authority of MAAS, a PEM file [default: MAAS_API_CACERT, else the host's]
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Everything to connect with.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where.
    pub base: Base,
    /// Who.
    pub key: ApiKey,
    /// PEM text of its certificate authorities.
    pub ca: Option<Vec<u8>>,
    /// For people: "profile admin".
    pub source: String,
    /// Profile to name in commands of the `maas` CLI.
    pub profile: Option<String>,
}

impl Server {
    /// A client for it.
    ///
    /// # Errors
    /// Its certificate authority is no PEM text.
    pub fn client(&self, cancel: CancelToken) -> anyhow::Result<Client> {
        Client::new(self.base.clone(), self.key.clone(), self.ca.as_deref(), cancel)
            .map_err(|why| Coded::usage(format!("certificate authority of {}: {why}", self.source)))
    }
}

/// What the search looks at besides the flags; tests bring their own.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `MAAS_URL`, else `MAAS_API_URL`.
    pub url: Option<String>,
    /// `MAAS_API_KEY`.
    pub key: Option<String>,
    /// `MAAS_API_CACERT`: a path, or the PEM text.
    pub ca: Option<String>,
    /// Home directory.
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let get = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
        Self {
            url: get("MAAS_URL").or_else(|| get("MAAS_API_URL")),
            key: get("MAAS_API_KEY"),
            ca: get("MAAS_API_CACERT"),
            home: get("HOME").map(PathBuf::from),
        }
    }
}

/// Finds out which MAAS is meant: `--profile`, `--credentials`, the environment,
/// else the only profile of the CLI.
///
/// # Errors
/// Nothing, too much, or something broken; exit code 2. No text holds a key.
pub fn find(flags: &ServerFlags, around: &Surroundings) -> anyhow::Result<Server> {
    let mut server = if let Some(path) = &flags.credentials {
        from_file(path)
    } else if let (None, Some(key)) = (&flags.profile, &around.key) {
        from_environment(flags, around, key)
    } else if flags.url.is_some() {
        Err("--url needs the environment variable MAAS_API_KEY".into())
    } else {
        from_profile(flags.profile.as_deref(), around)
    }
    .map_err(Coded::usage)?;
    let ca = match (&flags.ca, &around.ca) {
        (Some(path), _) => Some(read_authorities(path).map_err(Coded::usage)?),
        (None, Some(text)) if server.ca.is_none() => Some(authority(text).map_err(Coded::usage)?),
        _ => None,
    };
    server.ca = ca.or(server.ca);
    Ok(server)
}

fn authority(text: &str) -> Result<Vec<u8>, String> {
    if text.contains("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    read_authorities(Path::new(text)).map_err(|why| format!("MAAS_API_CACERT: {why}"))
}

fn from_environment(
    flags: &ServerFlags,
    around: &Surroundings,
    key: &str,
) -> Result<Server, String> {
    let url = flags.url.as_ref().or(around.url.as_ref()).ok_or(
        "MAAS_API_KEY is set, but not where MAAS is\n  hint: set MAAS_URL, for example \
         http://maas.example:5240/MAAS",
    )?;
    Ok(Server {
        base: Base::parse(url)?,
        key: ApiKey::parse(key).map_err(|why| format!("MAAS_API_KEY: {why}"))?,
        ca: None,
        source: "the environment".into(),
        profile: None,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialsFile {
    url: String,
    key: String,
    ca: Option<PathBuf>,
}

fn from_file(path: &Path) -> Result<Server, String> {
    let shown = path.display();
    let text = private_text(path)?;
    // The parser's own message quotes the line, and with it the key.
    let file: CredentialsFile = toml::from_str(&text).map_err(|e| {
        let line = e.span().and_then(|s| text.get(..s.start)).map(|t| t.matches('\n').count() + 1);
        let place = line.map_or_else(String::new, |n| format!(" (line {n})"));
        format!("{shown}: it is not as expected{place}\n  hint: two lines: url = \"http://HOST:5240/MAAS\" and key = \"A:B:C\"; ca = \"FILE\" if needed")
    })?;
    let ca = file.ca.map(|ca| path.parent().unwrap_or(Path::new(".")).join(ca));
    Ok(Server {
        base: Base::parse(&file.url).map_err(|why| format!("{shown}: {why}"))?,
        key: ApiKey::parse(&file.key).map_err(|why| format!("{shown}: {why}"))?,
        ca: ca.map(|ca| read_authorities(&ca)).transpose()?,
        source: format!("{shown}"),
        profile: None,
    })
}

/// A file's text, if nobody else can read it.
fn private_text(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let meta = fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => format!(
            "{shown}: there is no such file\n  hint: --credentials or XTASK_MAAS_CREDENTIALS names \
             it; two lines: url = \"http://HOST:5240/MAAS\" and key = \"A:B:C\", mode 0600"
        ),
        _ => format!(
            "{shown}: {e}\n  hint: `namei -l {shown}` shows owner and mode on the way there"
        ),
    })?;
    let mode = meta.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "{shown} holds an API key, and others can read it (mode {:04o})\n  hint: chmod 600 \
             {shown}; and if others did read it, make a new key",
            mode & 0o7777
        ));
    }
    fs::read_to_string(path)
        .map_err(|e| format!("{shown}: {e}\n  hint: see owner and mode with `ls -l {shown}`"))
}

/// One `maas login`.
struct Profile {
    name: String,
    data: ProfileData,
}

#[derive(Deserialize)]
struct ProfileData {
    url: String,
    credentials: Option<(String, String, String)>,
    cacerts: Option<String>,
}

fn from_profile(name: Option<&str>, around: &Surroundings) -> Result<Server, String> {
    let mut profiles = vec![];
    for database in DATABASES {
        let Some(path) = around.home.as_ref().map(|home| home.join(database)) else { continue };
        for profile in profiles_of(&path)? {
            // The same login in both databases is one.
            if !profiles.iter().any(|p: &Profile| p.name == profile.name) {
                profiles.push(profile);
            }
        }
    }
    let names = profiles.iter().map(|p| p.name.clone()).collect::<Vec<_>>().join(", ");
    let found = match (name, profiles.as_slice()) {
        (Some(name), all) => all.iter().find(|p| p.name == name).ok_or_else(|| {
            let known =
                if names.is_empty() { "there is none".into() } else { format!("known: {names}") };
            format!("the maas CLI has no profile `{name}`; {known}\n  hint: maas login {name} URL")
        })?,
        (None, [only]) => only,
        (None, []) => return Err(NOTHING.into()),
        (None, _) => return Err(format!("which MAAS? --profile takes one of: {names}")),
    };
    server_of(found)
}

const NOTHING: &str = "no MAAS is set up\n  hint: `maas login NAME URL` (the profile is found), or \
    set MAAS_URL and MAAS_API_KEY, or --credentials FILE";

fn server_of(profile: &Profile) -> Result<Server, String> {
    let name = &profile.name;
    let wrong = |why: String| format!("profile `{name}` of the maas CLI: {why}");
    let Some((consumer, token, secret)) = &profile.data.credentials else {
        return Err(wrong("it has no API key (an anonymous login)".into()));
    };
    Ok(Server {
        base: Base::parse(&profile.data.url).map_err(wrong)?,
        key: ApiKey::new(consumer, token, secret).map_err(wrong)?,
        ca: profile.data.cacerts.clone().filter(|c| !c.is_empty()).map(String::into_bytes),
        source: format!("profile {name}"),
        profile: Some(name.clone()),
    })
}

/// The profiles of one database; none if it is not there.
fn profiles_of(path: &Path) -> Result<Vec<Profile>, String> {
    let Ok(meta) = fs::metadata(path) else { return Ok(vec![]) };
    let wrong = |why: String| format!("{}: {why}", path.display());
    if meta.len() == 0 {
        return Ok(vec![]);
    }
    if meta.len() > MAX_DATABASE {
        return Err(wrong("it is too large for profiles of the maas CLI".into()));
    }
    for suffix in ["-wal", "-journal"] {
        let mut side = path.as_os_str().to_owned();
        side.push(suffix);
        if fs::metadata(&side).is_ok_and(|m| m.len() > 0) {
            return Err(wrong(
                "the maas CLI is writing to it\n  hint: run `maas list`, then try again".into(),
            ));
        }
    }
    let hint = "see owner and mode with `ls -l`; --credentials FILE does without the maas CLI";
    let bytes = fs::read(path).map_err(|e| wrong(format!("{e}\n  hint: {hint}")))?;
    let rows = sqlite::rows(&bytes, "profiles").map_err(wrong)?;
    Ok(rows.into_iter().filter_map(profile).collect())
}

/// `(id, name, data)`; a row in another form is no profile.
fn profile(row: Vec<Value>) -> Option<Profile> {
    let [_, Value::Bytes(name), Value::Bytes(data)] = row.as_slice() else { return None };
    Some(Profile {
        name: String::from_utf8(name.clone()).ok()?,
        data: serde_json::from_slice(data).ok()?,
    })
}

#[cfg(test)]
mod tests;
