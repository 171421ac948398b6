//! The state of a package mirror: one hash over its signed indexes, fetched by
//! apt's own downloader, so that apt's proxies and transports apply.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::suites::Suite;
use crate::cmd::Cmd;
use crate::date;
use crate::media::hash::sha256_hex;
use crate::media::store::create_dir;
use crate::media::{Context, MediaError};

/// Part of package apt; not on PATH.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";
/// An index is at most a few hundred kilobytes.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What a mirror offered when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorState {
    /// Hash over the indexes of all suites, in order.
    pub hash: String,
    /// When they were fetched, ISO 8601.
    pub checked: String,
}

/// Fetches the state, or returns the remembered one when offline. `memory` is
/// the directory where states are kept.
///
/// # Errors
/// The mirror does not answer or lacks a suite; offline, it was never checked.
pub fn state(
    suites: &[Suite],
    memory: &Path,
    ctx: &Context<'_>,
) -> Result<MirrorState, MediaError> {
    let urls: Vec<_> = suites.iter().map(Suite::in_release).collect();
    let file = memory.join(format!("{}.json", sha256_hex(urls.join("\n").as_bytes())));
    if ctx.offline {
        let known = fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
        return known.ok_or_else(|| MediaError::Offline { url: urls.join(", ") });
    }
    create_dir(Some(memory))?;
    let scratch = tempfile::tempdir()
        .map_err(|e| MediaError::io("cannot create", &std::env::temp_dir(), e))?;
    let mut all = String::new();
    for (number, url) in urls.iter().enumerate() {
        let to = scratch.path().join(number.to_string());
        fetch(url, &to, ctx)?;
        let index = fs::read(&to).map_err(|e| MediaError::io("cannot read", &to, e))?;
        all += &sha256_hex(&index);
    }
    let state =
        MirrorState { hash: sha256_hex(all.as_bytes()), checked: date::stamp(SystemTime::now()) };
    let text = serde_json::to_vec_pretty(&state).map_err(|e| MediaError::Tool(e.to_string()))?;
    crate::build::output::write_atomic(&file, &text)
        .map_err(|e| MediaError::Tool(format!("{e:#}")))?;
    Ok(state)
}

fn fetch(url: &str, to: &Path, ctx: &Context<'_>) -> Result<(), MediaError> {
    if !Path::new(APT_HELPER).exists() {
        let index = crate::media::download::text(url, ctx)?;
        return fs::write(to, index).map_err(|e| MediaError::io("cannot write", to, e));
    }
    let dir = to.parent().unwrap_or(Path::new("/"));
    Cmd::new(APT_HELPER, format!("read the index of the mirror, {url}"))
        .cwd(dir)
        .args(["-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=30", "download-file", url])
        .arg(to)
        .env("LC_ALL", "C")
        .timeout(TIMEOUT)
        .cancel(&ctx.cancel)
        .output()
        .map(drop)
        .map_err(|error| {
            super::run::tool_error(&error, "check the mirror's address and that it has this suite")
        })
}
