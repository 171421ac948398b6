//! MAAS's side of a deployment, on the host: the image, the metadata API 2012-03-01
//! and the status webhook with OAuth.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::config::{CURTIN, DOMAIN, HOSTNAME, SYSTEM_ID};
use super::http::{Body, Handler, Request, Response};
use super::oauth::{Credentials, Refusal};

/// A file that the machine's user-data writes, and its content.
pub const PROOF: (&str, &str) = ("/var/lib/misc/deploy-test", "user-data of MAAS was applied");
/// Version of the API that cloud-init's MAAS datasource asks for.
const API: &str = "/MAAS/metadata/2012-03-01/";
/// The same by another name; ESXi's hook asks there.
const LATEST: &str = "/MAAS/metadata/latest/";

/// What happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests, method and path; repeated ones once.
    pub requests: Vec<String>,
    /// All requests so far: a number that grows while a guest asks.
    pub count: usize,
    /// Bytes of the image were asked for.
    pub image_fetched: bool,
    /// MAAS would stop network booting the machine.
    pub netboot_off: bool,
    /// The machine fetched its user-data, properly signed.
    pub user_data_fetched: bool,
    /// cloud-init's reports: name, type, result.
    pub events: Vec<(String, String, String)>,
    /// The latest refused request and why.
    pub refused: Option<String>,
    /// Seconds that the machine's clock was off when MAAS refused it for that.
    pub skew: Option<u64>,
}

impl Seen {
    /// The result of cloud-init's last stage, once it is over.
    #[must_use]
    pub fn finished(&self) -> Option<&str> {
        let is_end = |name: &str, kind: &str| name == "modules-final" && kind == "finish";
        self.events.iter().find(|(name, kind, _)| is_end(name, kind)).map(|(_, _, r)| r.as_str())
    }
}

/// The service.
#[derive(Debug)]
pub struct Maas {
    credentials: Credentials,
    image: PathBuf,
    curtin: Option<PathBuf>,
    ssh_key: String,
    seen: Mutex<Seen>,
}

impl Maas {
    /// A service for one machine that gets `image` and this public key.
    #[must_use]
    pub fn new(credentials: Credentials, image: PathBuf, ssh_key: String) -> Self {
        Self { credentials, image, curtin: None, ssh_key, seen: Mutex::default() }
    }

    /// Serves a tar archive of a real curtin too.
    #[must_use]
    pub fn with_curtin(self, archive: Option<PathBuf>) -> Self {
        Self { curtin: archive, ..self }
    }

    /// What happened so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    fn metadata(&self, name: &str) -> Response {
        match name {
            "meta-data/instance-id" => Response::ok(SYSTEM_ID),
            "meta-data/local-hostname" => Response::ok(format!("{HOSTNAME}.{DOMAIN}")),
            "meta-data/public-keys" => Response::ok(format!("{}\n", self.ssh_key.trim())),
            "meta-data/vendor-data" => Response::ok("{}\n"),
            "user-data" => {
                lock(&self.seen).user_data_fetched = true;
                Response::ok(user_data())
            }
            _ => Response::error(404, "no such metadata"),
        }
    }

    fn status(&self, body: &[u8]) -> Response {
        let Ok(event) = serde_json::from_slice::<Value>(body) else {
            return Response::error(400, "not JSON");
        };
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        lock(&self.seen).events.push((text("name"), text("event_type"), text("result")));
        Response::ok("OK")
    }

    /// Serves what only the machine may have.
    fn signed(&self, request: &Request, answer: impl FnOnce() -> Response) -> Response {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        match self.credentials.check(request.header("authorization"), now) {
            Ok(()) => answer(),
            Err(refusal) => {
                let text = format!("{} {}: {refusal}", request.method, request.path);
                let mut seen = lock(&self.seen);
                if let Refusal::Skew(by) = refusal {
                    seen.skew = Some(by);
                }
                seen.refused = Some(text);
                drop(seen);
                Response::error(401, format!("Authorization Error: {refusal}"))
            }
        }
    }

    fn route(&self, request: &Request) -> Response {
        let path = request.path.as_str();
        match (request.method.as_str(), path) {
            ("GET", _) if path.starts_with("/images/") => {
                lock(&self.seen).image_fetched = true;
                Response { status: 200, body: Body::File(self.image.clone()) }
            }
            ("GET", CURTIN) => match &self.curtin {
                Some(file) => Response { status: 200, body: Body::File(file.clone()) },
                None => Response::error(404, "no curtin in this run"),
            },
            ("GET", _) if path.starts_with(API) || path.starts_with(LATEST) => {
                let name = path.strip_prefix(API).or_else(|| path.strip_prefix(LATEST));
                self.signed(request, || self.metadata(name.unwrap_or_default()))
            }
            ("POST", _) if path.ends_with(&format!("/status/{SYSTEM_ID}")) => {
                self.signed(request, || self.status(&request.body))
            }
            // The late command that ends network booting is not signed in MAAS either.
            ("POST", _) if path.ends_with(&format!("/by-id/{SYSTEM_ID}/")) => {
                let off = request.body == b"op=netboot_off";
                lock(&self.seen).netboot_off |= off;
                Response::ok("OK")
            }
            _ => Response::error(404, "not served"),
        }
    }
}

impl Handler for Maas {
    fn answer(&self, request: &Request) -> Response {
        let line = format!("{} {}", request.method, request.path);
        let response = self.route(request);
        let mut seen = lock(&self.seen);
        seen.count += 1;
        if !seen.requests.contains(&line) {
            seen.requests.push(line);
        }
        response
    }
}

/// Applied by the deployed machine, seen by a check.
fn user_data() -> String {
    let (path, content) = PROOF;
    format!("#cloud-config\nwrite_files:\n- path: {path}\n  content: {content}\n")
}

/// Data behind our locks is plain, so a panic elsewhere cannot have broken it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maas() -> Maas {
        let credentials = Credentials {
            consumer_key: "ck".into(),
            token_key: "tk".into(),
            token_secret: "ts".into(),
        };
        Maas::new(credentials, "/image.tar.gz".into(), "ssh-ed25519 AAAA\n".into())
    }

    fn request(method: &str, path: &str, signed: bool, body: &str) -> Request {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = format!(
            "OAuth oauth_timestamp=\"{now}\", oauth_signature_method=\"PLAINTEXT\", \
             oauth_consumer_key=\"ck\", oauth_token=\"tk\", oauth_signature=\"%26ts\""
        );
        Request {
            method: method.into(),
            path: path.into(),
            headers: if signed { vec![("authorization".into(), header)] } else { vec![] },
            body: body.into(),
        }
    }

    #[test]
    fn metadata_needs_a_signature() {
        let maas = maas();
        let path = "/MAAS/metadata/2012-03-01/meta-data/local-hostname";
        assert_eq!(maas.answer(&request("GET", path, false, "")).status, 401);
        assert!(maas.seen().refused.unwrap().contains("no OAuth header"));
        assert_eq!(maas.answer(&request("GET", path, true, "")), Response::ok("calm-heron.maas"));
    }

    #[test]
    fn the_webhook_tells_when_cloud_init_is_done() {
        let maas = maas();
        let path = "/MAAS/metadata/status/dpl0y1";
        let event = |name: &str, kind: &str| {
            format!("{{\"name\":\"{name}\",\"event_type\":\"{kind}\",\"result\":\"SUCCESS\"}}")
        };
        for (name, kind) in [("modules-final", "start"), ("modules-final/config-x", "finish")] {
            assert_eq!(maas.answer(&request("POST", path, true, &event(name, kind))).status, 200);
        }
        assert_eq!(maas.seen().finished(), None);
        let last = event("modules-final", "finish");
        assert_eq!(maas.answer(&request("POST", path, false, &last)).status, 401);
        assert_eq!(maas.seen().finished(), None);
        maas.answer(&request("POST", path, true, &last));
        assert_eq!(maas.seen().finished(), Some("SUCCESS"));
        assert_eq!(maas.answer(&request("POST", path, true, "{")).status, 400);
    }

    #[test]
    fn image_and_netboot() {
        let maas = maas();
        let image = maas.answer(&request("GET", "/images/x.tar.gz", false, ""));
        assert_eq!(image.body, Body::File("/image.tar.gz".into()));
        let off = "/MAAS/metadata/latest/by-id/dpl0y1/";
        maas.answer(&request("POST", off, false, "op=netboot_off"));
        assert!(maas.seen().netboot_off && maas.seen().image_fetched);
        assert_eq!(maas.answer(&request("GET", "/etc/passwd", false, "")).status, 404);
    }
}
