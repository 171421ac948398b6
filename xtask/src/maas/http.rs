//! One request to MAAS: signed, never redirected, ended by Ctrl-C.

mod answer;
mod plain;
mod text;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use ureq::http::Uri;
use ureq::tls::{PemItem, RootCerts, TlsConfig};
use ureq::{Proxy, SendBody};

use self::plain::{Plain, Sent};
pub use self::text::percent;
use self::text::{NONCE_USED, clock_of, encode_form, shorten, unauthorized};

use super::error::{Kind, MaasError};
use super::oauth;
use super::secret::ApiKey;
use super::source::Piece;
use super::url::Base;
use crate::signal::CancelToken;

/// Time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(30);
/// Time to the first byte of an ordinary answer.
pub const ANSWER: Duration = Duration::from_secs(120);
/// Time to the answer to the last piece: MAAS hashes the whole file before, and
/// from 3.5 on has it copied to the other regions. Its own proxy gives up after
/// 900 s.
pub const LONG_ANSWER: Duration = Duration::from_secs(960);
/// Time for a piece to leave; 4 MiB in it are 14 kB/s.
const SEND: Duration = Duration::from_secs(300);
/// How often a wait looks at the cancel token.
const POLL: Duration = Duration::from_millis(50);
/// Longest answer that is read; descriptions of images are kilobytes.
const MAX_ANSWER: u64 = 32 << 20;
/// Bytes ureq hands to the kernel at once.
const BUFFER: usize = 1 << 20;
/// Who asks.
const USER_AGENT: &str = concat!("maas-image-xtask/", env!("CARGO_PKG_VERSION"));
/// For failures to connect.
const WHERE: &str = "\n  hint: is the URL right, and does a proxy variable send you elsewhere?";

/// What is sent.
#[derive(Clone, Debug)]
pub enum Body {
    /// GET.
    Get,
    /// DELETE.
    Delete,
    /// POST of fields.
    Form(Vec<(String, String)>),
    /// PUT of a part of a file.
    Piece(Piece),
}

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    /// For errors: "list the images".
    pub doing: &'static str,
    /// See [`Base::join`].
    pub uri: String,
    /// Method and content.
    pub body: Body,
    /// Time to the first byte of the answer.
    pub patience: Duration,
}

/// A connection to one MAAS with one key. It is kept open, so that all pieces of
/// an upload reach the same region controller.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    /// Without TLS and proxies, this takes the place of the agent.
    plain: Option<Plain>,
    base: Base,
    key: ApiKey,
    /// Seconds that MAAS's clock is ahead of ours, once known.
    ahead: AtomicI64,
    cancel: CancelToken,
}

/// What came back.
struct Reply {
    status: u16,
    retry_after: Option<Duration>,
    location: Option<String>,
    body: Vec<u8>,
}

impl Client {
    /// A client; it connects with its first request. `ca` replaces the host's
    /// certificate authorities by those of a PEM file's content.
    ///
    /// # Errors
    /// `ca` holds no certificate.
    pub fn new(
        base: Base,
        key: ApiKey,
        ca: Option<&[u8]>,
        cancel: CancelToken,
    ) -> Result<Self, String> {
        let roots = ca.map_or(Ok(RootCerts::PlatformVerifier), authorities)?;
        let proxy = proxy_for(&base)?;
        let plain = base.plain_host().filter(|_| proxy.is_none());
        let plain = plain.map(|host| Plain::new(host, cancel.clone()));
        let config = ureq::Agent::config_builder()
            .proxy(proxy)
            .http_status_as_error(false)
            // The API redirects nothing, and a followed redirect would carry the
            // key elsewhere, or turn a POST into a GET.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_send_body(Some(SEND))
            .output_buffer_size(BUFFER)
            .user_agent(USER_AGENT)
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        let agent = config.build().into();
        Ok(Self { agent, plain, base, key, ahead: AtomicI64::new(0), cancel })
    }

    /// The server.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Set by Ctrl-C.
    #[must_use]
    pub fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    /// Sends once and returns the body of a 2xx. A refusal for a wrong clock is
    /// repeated once with MAAS's: nothing was done then, whatever the request.
    ///
    /// # Errors
    /// Anything else. The caller decides whether it can be sent again.
    pub fn send(&self, call: Call) -> Result<Vec<u8>, MaasError> {
        let copy = call.clone();
        match self.once(call) {
            Err(Failed { error, server_clock: Some(clock) }) => {
                let ahead = clock.saturating_sub(oauth::now());
                if self.ahead.swap(ahead, Ordering::Relaxed) == ahead {
                    return Err(error);
                }
                self.once(copy).map_err(|f| f.error)
            }
            other => other.map_err(|f| f.error),
        }
    }

    fn once(&self, call: Call) -> Result<Vec<u8>, Failed> {
        let doing = call.doing;
        let reply = self.exchange(call)?;
        if (200..300).contains(&reply.status) {
            return Ok(reply.body);
        }
        let text = String::from_utf8_lossy(&reply.body);
        let server_clock = (reply.status == 401).then(|| clock_of(&text)).flatten();
        let why = match reply.status {
            300..=399 => self.redirected(reply.location.as_deref()),
            401 => unauthorized(&text, server_clock),
            _ => shorten(&self.key.scrub(&text)),
        };
        let kind = if reply.status == 401 && text.contains(NONCE_USED) {
            // The first copy may have been obeyed.
            Kind::NoAnswer(why)
        } else {
            Kind::Refused { status: reply.status, why, retry_after: reply.retry_after }
        };
        Err(Failed { error: MaasError { doing: doing.into(), kind }, server_clock })
    }

    fn exchange(&self, call: Call) -> Result<Reply, Failed> {
        let failed = |kind| Failed {
            error: MaasError { doing: call.doing.into(), kind },
            server_clock: None,
        };
        if self.cancel.is_set() {
            return Err(failed(Kind::Interrupted));
        }
        let authorization = oauth::header(&self.key, self.ahead.load(Ordering::Relaxed))
            .map_err(|e| failed(Kind::Unexpected(format!("no random bytes for a nonce: {e}"))))?;
        let reply = match &self.plain {
            Some(plain) => plain.perform(&Sent {
                target: &self.base.target(&call.uri),
                authorization: &authorization,
                body: &call.body,
                patience: call.patience,
            }),
            None => self.in_thread(authorization, call.clone()),
        };
        reply.map_err(|silence| {
            failed(match silence.kind {
                Quiet::Interrupted => Kind::Interrupted,
                Quiet::Passes => Kind::NoAnswer(self.key.scrub(&silence.why)),
                Quiet::Stays => Kind::Unexpected(self.key.scrub(&silence.why)),
            })
        })
    }

    /// Runs the request in a thread, so that waiting for it can be given up.
    fn in_thread(&self, authorization: String, call: Call) -> Result<Reply, Silence> {
        let url = self.base.join(&call.uri);
        let (agent, body, patience) = (self.agent.clone(), call.body, call.patience);
        let (sender, answer) = sync_channel(1);
        std::thread::spawn(move || {
            // Nobody listens any more after Ctrl-C.
            drop(sender.send(perform(&agent, &url, &authorization, &body, patience)));
        });
        loop {
            match answer.recv_timeout(POLL) {
                Ok(reply) => return reply,
                Err(RecvTimeoutError::Timeout) if self.cancel.is_set() => {
                    return Err(Silence::interrupted());
                }
                Err(RecvTimeoutError::Timeout) => {} // the timeouts of ureq end the wait
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Silence::passing("the request broke off".into()));
                }
            }
        }
    }

    fn redirected(&self, location: Option<&str>) -> String {
        let to = location.unwrap_or("nowhere");
        let to = to.split(['?', '#']).next().unwrap_or_default();
        format!(
            "it redirects {} to {}, and a request with a key is not sent elsewhere\n  hint: if \
             that is your MAAS, give its URL (MAAS_URL or --url; TLS listens on 5443)",
            self.base,
            shorten(&self.key.scrub(to))
        )
    }
}

struct Failed {
    error: MaasError,
    /// Seconds since 1970 by MAAS's clock, if that was the reason.
    server_clock: Option<i64>,
}

fn perform(
    agent: &ureq::Agent,
    url: &str,
    authorization: &str,
    body: &Body,
    patience: Duration,
) -> Result<Reply, Silence> {
    macro_rules! ready {
        ($request:expr) => {
            $request
                .header("Authorization", authorization)
                .header("Accept", "application/json")
                .config()
                .timeout_recv_response(Some(patience))
                .timeout_recv_body(Some(ANSWER))
                .build()
        };
    }
    let response = match body {
        Body::Get => ready!(agent.get(url)).call(),
        Body::Delete => ready!(agent.delete(url)).call(),
        Body::Form(fields) => ready!(agent.post(url))
            .content_type("application/x-www-form-urlencoded")
            .send(encode_form(fields)),
        // MAAS takes no chunked transfer: the length is said.
        Body::Piece(piece) => ready!(agent.put(url))
            .header("Content-Length", piece.len().to_string())
            .content_type("application/octet-stream")
            .send(SendBody::from_owned_reader(piece.clone())),
    };
    let response = response.map_err(|e| reason(&e))?;
    let header =
        |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (retry_after, location) = (header("retry-after"), header("location"));
    let status = response.status().as_u16();
    let body = response
        .into_body()
        .into_with_config()
        .limit(MAX_ANSWER)
        .read_to_vec()
        .map_err(|e| reason(&e))?;
    let retry_after = retry_after.as_deref().and_then(seconds);
    Ok(Reply { status, retry_after, location, body })
}

/// The seconds of `Retry-After`; its form as a date is not used by MAAS.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Why no answer came.
struct Silence {
    why: String,
    kind: Quiet,
}

/// What a silence means for another attempt.
enum Quiet {
    /// Ctrl-C.
    Interrupted,
    /// It may help.
    Passes,
    /// It does not: a wrong certificate stays wrong.
    Stays,
}

impl Silence {
    fn passing(why: String) -> Self {
        Self { why, kind: Quiet::Passes }
    }

    fn interrupted() -> Self {
        Self { why: String::new(), kind: Quiet::Interrupted }
    }
}

fn reason(error: &ureq::Error) -> Silence {
    let untrusted = |e: &dyn std::fmt::Display| Silence {
        why: format!(
            "TLS: {e}\n  hint: a MAAS with a certificate of its own needs its authority: \
             MAAS_API_CACERT or --ca"
        ),
        kind: Quiet::Stays,
    };
    Silence::passing(match error {
        ureq::Error::Rustls(e) => return untrusted(e),
        ureq::Error::Io(e) if e.to_string().contains("certificate") => return untrusted(e),
        ureq::Error::HostNotFound => format!("the host name does not resolve{WHERE}"),
        ureq::Error::Timeout(what) => format!("no answer in time ({what})"),
        ureq::Error::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            format!("nothing listens there{WHERE}")
        }
        other => other.to_string(),
    })
}

/// The proxy that the environment names for this server, as curl reads it:
/// `http_proxy` or `https_proxy` by the URL, else `all_proxy`, and not for hosts
/// in `no_proxy`.
fn proxy_for(base: &Base) -> Result<Option<Proxy>, String> {
    let scheme = if base.is_plain() { "http_proxy" } else { "https_proxy" };
    let names = [scheme.to_owned(), scheme.to_uppercase(), "all_proxy".into(), "ALL_PROXY".into()];
    let get = |name: &String| std::env::var(name).ok().filter(|v| !v.is_empty());
    let Some((name, value)) = names.iter().find_map(|n| Some((n, get(n)?))) else {
        return Ok(None);
    };
    // Its value may hold a password.
    let proxy = Proxy::new(&value)
        .map_err(|_| format!("the proxy variable {name} is no URL of a proxy"))?;
    let uri: Uri = base.join("").parse().map_err(|_| format!("{base} is no URL"))?;
    // `no_proxy` is read only together with the other variables.
    let direct = Proxy::try_from_env().is_some_and(|all| all.is_no_proxy(&uri));
    Ok((!direct).then_some(proxy))
}

/// The authorities of a PEM file's content.
fn authorities(pem: &[u8]) -> Result<RootCerts, String> {
    let mut certificates = vec![];
    for item in ureq::tls::parse_pem(pem) {
        if let PemItem::Certificate(one) = item.map_err(|e| format!("it is no PEM file: {e}"))? {
            certificates.push(one);
        }
    }
    if certificates.is_empty() {
        return Err("it holds no certificate".into());
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// Reads the PEM file of `--ca`.
///
/// # Errors
/// It cannot be read, or is no such file.
pub fn read_authorities(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    authorities(&pem).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(pem)
}
