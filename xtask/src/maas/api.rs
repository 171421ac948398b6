//! The calls of API 2.0 that uploads and `remote` need, typed.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{Kind, MaasError};
use super::http::{ANSWER, Body, Call, Client, LONG_ANSWER, percent};
use super::resource::Resource;
use super::version::Version;

/// How often and how long failures that pass are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// What counts as a second; tests shorten it.
    pub second: Duration,
    /// Attempts in a row without progress.
    pub attempts: u32,
}

impl Default for Pace {
    fn default() -> Self {
        // 1, 2, 4, 8, 16, 30, 30 … seconds: a restart of MAAS passes.
        Self { second: Duration::from_secs(1), attempts: 10 }
    }
}

impl Pace {
    /// Time before attempt `number` (from 1) is repeated; the server's wish
    /// counts if it is longer, up to two minutes.
    #[must_use]
    pub fn delay(&self, number: u32, wish: Option<Duration>) -> Duration {
        let doubled = 1_u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX).min(30);
        let wish = wish.map_or(0, |w| u32::try_from(w.as_secs()).unwrap_or(u32::MAX).min(120));
        self.second.saturating_mul(doubled.max(wish))
    }
}

/// Answers that cannot be parsed.
const NOT_MAAS: &str = "the answer is not what MAAS gives";

/// What MAAS says about itself.
#[derive(Deserialize)]
struct VersionAnswer {
    version: Option<String>,
}

/// Who the key belongs to.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// Login name.
    pub username: String,
    /// May change images.
    #[serde(default)]
    pub is_superuser: bool,
}

/// A machine, as far as deployments go.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// `abc123`.
    pub system_id: String,
    /// Name.
    pub hostname: String,
    /// `amd64/generic`.
    pub architecture: String,
    /// `Ready`, `Deploying`, `Deployed`, `Failed deployment` …
    pub status_name: String,
    /// Why, in words.
    pub status_message: Option<String>,
    /// Addresses.
    pub ip_addresses: Vec<String>,
    /// Tags.
    pub tag_names: Vec<String>,
}

/// The API of one server.
#[derive(Debug)]
pub struct Api {
    client: Client,
    pace: Pace,
}

impl Api {
    /// Over this client.
    #[must_use]
    pub fn new(client: Client, pace: Pace) -> Self {
        Self { client, pace }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How failures are waited for.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// The version; also tells whether this is a MAAS at all.
    ///
    /// # Errors
    /// No answer, or not that of a MAAS.
    pub fn version(&self) -> Result<Version, MaasError> {
        let doing = "ask for the version";
        // Sent once: at the start, a host that does not answer is a wrong URL
        // rather than a MAAS that restarts.
        let body = self.once(doing, "version/", Body::Get, ANSWER);
        match body.and_then(|body| parse::<VersionAnswer>(doing, &body)) {
            Ok(answer) => Ok(Version::parse(answer.version.as_deref().unwrap_or_default())),
            Err(MaasError { kind: Kind::Refused { status: 404, .. }, .. }) => {
                Err(self.no_maas(doing))
            }
            Err(e) if e.why().contains(NOT_MAAS) => Err(self.no_maas(doing)),
            Err(other) => Err(other),
        }
    }

    fn no_maas(&self, doing: &str) -> MaasError {
        let why = format!(
            "{} is no MAAS\n  hint: its URL ends in /MAAS, the port is 5240 or, with TLS, 5443",
            self.client.base()
        );
        MaasError { doing: doing.into(), kind: Kind::Unexpected(why) }
    }

    /// Whose key this is.
    ///
    /// # Errors
    /// No answer, or the key is not accepted.
    pub fn whoami(&self) -> Result<User, MaasError> {
        self.get("check the API key", "users/?op=whoami")
    }

    /// Uploaded or synced resources, without their sets.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn resources(&self, kind: &str) -> Result<Vec<Resource>, MaasError> {
        self.get("list the images", &format!("boot-resources/?type={kind}"))
    }

    /// One resource with its sets; `None` if it is gone.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn resource(&self, id: u64) -> Result<Option<Resource>, MaasError> {
        match self.get("read the image", &format!("boot-resources/{id}/")) {
            Ok(resource) => Ok(Some(resource)),
            Err(e) if e.status() == Some(404) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Region controllers that keep the files.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn regions(&self) -> Result<u32, MaasError> {
        let all: Vec<serde_json::Value> =
            self.get("list the region controllers", "regioncontrollers/")?;
        Ok(u32::try_from(all.len()).unwrap_or(1).max(1))
    }

    /// Announces a file. Sent once: without an answer nobody knows whether the
    /// image exists now.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn create(&self, fields: Vec<(String, String)>) -> Result<Resource, MaasError> {
        let doing = "create the image";
        parse(doing, &self.once(doing, "boot-resources/", Body::Form(fields), ANSWER)?)
    }

    /// Appends `bytes` to a file. Sent once: MAAS appends, so that a repetition
    /// of a piece that arrived would spoil the file.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn put(&self, uri: &str, bytes: Vec<u8>, is_last: bool) -> Result<(), MaasError> {
        let patience = if is_last { LONG_ANSWER } else { ANSWER };
        self.once("send a piece", uri, Body::Bytes(Arc::new(bytes)), patience).map(drop)
    }

    /// Deletes a resource with everything in it; one that is gone is fine. MAAS
    /// answers 500 to a missing id, so it is read before and after.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn delete(&self, id: u64) -> Result<(), MaasError> {
        let uri = format!("boot-resources/{id}/");
        let mut number = 0;
        loop {
            if self.resource(id)?.is_none() {
                return Ok(());
            }
            match self.once("delete the image", &uri, Body::Delete, ANSWER) {
                Ok(_) => return Ok(()),
                Err(error) => self.wait_or_fail(&mut number, error)?,
            }
        }
    }

    /// Machines, all or those of a status (`ready`).
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn machines(&self, status: Option<&str>) -> Result<Vec<Machine>, MaasError> {
        let query = status.map_or_else(String::new, |s| format!("?status={}", percent(s)));
        self.get("list the machines", &format!("machines/{query}"))
    }

    /// One machine.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn machine(&self, id: &str) -> Result<Machine, MaasError> {
        self.get("read the machine", &format!("machines/{}/", percent(id)))
    }

    /// An operation on one machine (`deploy`, `release`) or on all (`allocate`).
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub fn machine_op(
        &self,
        doing: &'static str,
        id: Option<&str>,
        op: &str,
        fields: Vec<(String, String)>,
    ) -> Result<Machine, MaasError> {
        let place = id.map_or_else(String::new, |id| format!("{}/", percent(id)));
        let uri = format!("machines/{place}?op={op}");
        parse(doing, &self.once(doing, &uri, Body::Form(fields), ANSWER)?)
    }

    /// Waits before the next attempt, or gives the error back: it does not pass,
    /// or this was one attempt too many.
    ///
    /// # Errors
    /// `error`, or the interrupt.
    pub fn wait_or_fail(&self, number: &mut u32, error: MaasError) -> Result<(), MaasError> {
        *number += 1;
        if !error.is_passing() || *number >= self.pace.attempts {
            return Err(error);
        }
        self.rest(self.pace.delay(*number, error.retry_after()), &error.doing)
    }

    /// Sleeps, unless Ctrl-C is pressed.
    ///
    /// # Errors
    /// The interrupt.
    pub fn rest(&self, time: Duration, doing: &str) -> Result<(), MaasError> {
        const STEP: Duration = Duration::from_millis(50);
        let mut left = time;
        loop {
            if self.client.cancel().is_set() {
                return Err(MaasError { doing: doing.into(), kind: Kind::Interrupted });
            }
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(STEP));
            left = left.saturating_sub(STEP);
        }
    }

    fn get<T: DeserializeOwned>(&self, doing: &'static str, uri: &str) -> Result<T, MaasError> {
        let mut number = 0;
        loop {
            match self.once(doing, uri, Body::Get, ANSWER) {
                Ok(body) => return parse(doing, &body),
                Err(error) => self.wait_or_fail(&mut number, error)?,
            }
        }
    }

    fn once(
        &self,
        doing: &'static str,
        uri: &str,
        body: Body,
        patience: Duration,
    ) -> Result<Vec<u8>, MaasError> {
        self.client.send(Call { doing, uri: uri.into(), body, patience })
    }
}

fn parse<T: DeserializeOwned>(doing: &str, body: &[u8]) -> Result<T, MaasError> {
    serde_json::from_slice(body).map_err(|e| {
        // The parser's own words may quote the answer.
        let place = format!("line {}, column {}", e.line(), e.column());
        let why = format!("{NOT_MAAS} ({:?}, {place})", e.classify());
        MaasError { doing: doing.into(), kind: Kind::Unexpected(why) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_honour_the_server() {
        let pace = Pace::default();
        let seconds =
            |number, wish: Option<u64>| pace.delay(number, wish.map(Duration::from_secs)).as_secs();
        assert_eq!((1..8).map(|n| seconds(n, None)).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(seconds(1, Some(5)), 5);
        assert_eq!(seconds(5, Some(5)), 16);
        assert_eq!(seconds(1, Some(100_000)), 120);
        assert_eq!(seconds(60, None), 30);
    }
}
