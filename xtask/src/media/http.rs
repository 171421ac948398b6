//! Plain HTTP: one request, and a body whose reads cannot hang.

use std::io::Read;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use ureq::tls::{RootCerts, TlsConfig};

use super::{Context, MediaError};

/// Time to connect, TLS included.
const CONNECT: Duration = Duration::from_secs(30);
/// Time to the first byte of the answer.
const ANSWER: Duration = Duration::from_secs(60);
/// A body that brings nothing for this long counts as broken.
pub(super) const STALL: Duration = Duration::from_secs(60);
/// How often a wait looks at the cancel token.
const POLL: Duration = Duration::from_millis(250);
/// Bytes per message from the reading thread; with the queue 2 MiB at most.
const CHUNK: usize = 256 << 10;
const QUEUE: usize = 8;

/// An answer with its body still to come.
pub(super) struct Answer {
    pub code: u16,
    /// First byte of the body within the file; 0 without `Content-Range`.
    pub start: u64,
    /// Size of the whole file, if the server said.
    pub total: Option<u64>,
    /// Strong ETag or Last-Modified: what `If-Range` takes.
    pub validator: Option<String>,
    pub body: Body,
}

/// Why a request brought no answer.
pub(super) struct NoAnswer(pub String);

/// Asks for `url` from byte `start` on, if it still is what `validator` says.
/// The request runs in a thread, so that waiting for it can be given up.
pub(super) fn get(
    url: &str,
    start: u64,
    validator: Option<&str>,
    ctx: &Context<'_>,
) -> Result<Result<Answer, NoAnswer>, MediaError> {
    let mut request = agent().get(url);
    if start > 0 {
        request = request.header("Range", format!("bytes={start}-"));
        if let Some(validator) = validator {
            request = request.header("If-Range", validator);
        }
    }
    let (sender, answer) = sync_channel(1);
    std::thread::spawn(move || {
        let (chunk_sender, chunks) = sync_channel(QUEUE);
        match request.call() {
            Err(e) => drop(sender.send(Err(NoAnswer(reason(&e))))),
            Ok(response) => {
                let head = head(&response, Body { chunks });
                if sender.send(Ok(head)).is_ok() {
                    pump(response.into_body().into_reader(), &chunk_sender);
                }
            }
        }
    });
    loop {
        match answer.recv_timeout(POLL) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) if ctx.cancel.is_set() => {
                return Err(MediaError::Interrupted);
            }
            Err(RecvTimeoutError::Timeout) => {} // CONNECT and ANSWER end the wait
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Err(NoAnswer("the request broke off".into())));
            }
        }
    }
}

fn head(response: &ureq::http::Response<ureq::Body>, body: Body) -> Answer {
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
    let code = response.status().as_u16();
    let length = header("content-length").and_then(|v| v.parse::<u64>().ok());
    let (start, total) = match header("content-range").and_then(parse_range) {
        Some((start, total)) if code == 206 => (start, total),
        _ => (0, length),
    };
    let etag = header("etag").filter(|tag| !tag.starts_with("W/"));
    let validator = etag.or_else(|| header("last-modified")).map(str::to_owned);
    Answer { code, start, total, validator, body }
}

/// `bytes 5-9/10` as (5, Some(10)); the size may be `*`.
fn parse_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.parse().ok()?;
    Some((start, total.parse().ok()))
}

/// One client for the process: it keeps connections and honours the proxy
/// variables.
fn agent() -> &'static ureq::Agent {
    static AGENT: OnceLock<ureq::Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .user_agent(concat!("maas-image-xtask/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .into()
    })
}

fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host name does not resolve".into(),
        ureq::Error::Timeout(what) => format!("no answer in time ({what})"),
        other => other.to_string(),
    }
}

/// A body that a thread reads, so that waiting for it can be given up: a socket
/// read knows neither cancellation nor a stall.
pub(super) struct Body {
    chunks: Receiver<std::io::Result<Vec<u8>>>,
}

impl Body {
    /// The next bytes; `None` at the end. The inner error is the connection's.
    pub(super) fn next(&self, ctx: &Context<'_>) -> Result<Option<Vec<u8>>, BodyError> {
        let since = Instant::now();
        loop {
            match self.chunks.recv_timeout(POLL) {
                Ok(Ok(bytes)) => return Ok(Some(bytes)),
                Ok(Err(e)) => return Err(BodyError::Broken(e.to_string())),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if ctx.cancel.is_set() {
                return Err(BodyError::Fatal(MediaError::Interrupted));
            }
            if since.elapsed() > STALL {
                return Err(BodyError::Broken(format!("nothing came for {} s", STALL.as_secs())));
            }
        }
    }
}

/// Why a body ended early.
pub(super) enum BodyError {
    /// Worth another attempt.
    Broken(String),
    /// Not.
    Fatal(MediaError),
}

/// Ends with the body, or at its next chunk once nobody listens.
fn pump(mut reader: impl Read, sender: &SyncSender<std::io::Result<Vec<u8>>>) {
    loop {
        let mut bytes = vec![0; CHUNK];
        let message = match reader.read(&mut bytes) {
            Ok(0) => return,
            Ok(count) => {
                bytes.truncate(count);
                Ok(bytes)
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => Err(e),
        };
        let last = message.is_err();
        if sender.send(message).is_err() || last {
            return;
        }
    }
}

/// The URL without user name and password, for messages and logs.
pub(super) fn masked(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://***@{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(parse_range("bytes 5-9/*"), Some((5, None)));
        for bad in ["", "bytes */10", "items 1-2/3", "bytes x-2/3", "bytes 5"] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }

    #[test]
    fn credentials_are_masked() {
        for (url, shown) in [
            ("https://user:p@ss@host/x", "https://***@host/x"),
            ("https://host/x@y", "https://host/x@y"),
            ("/srv/a@b.iso", "/srv/a@b.iso"),
            ("https://u@host", "https://***@host"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
