//! A small HTTP server for tests: a function answers each request.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a test wants to be sent.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub code: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Close the connection after this many bytes of the body.
    pub cut: Option<usize>,
}

impl Reply {
    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { code: 200, headers: Vec::new(), body: body.into(), cut: None }
    }

    pub(super) fn code(code: u16) -> Self {
        Self { code, ..Self::ok("") }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn cut(mut self, after: usize) -> Self {
        self.cut = Some(after);
        self
    }
}

/// One request as the server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub path: String,
    pub range: Option<u64>,
    pub if_range: Option<String>,
}

pub(super) struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `answer` gets the number of the request, from 0, and the request.
    pub(super) fn start(answer: impl Fn(usize, &Seen) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let Some(request) = read_request(&stream) else { continue };
                let number = log.lock().unwrap().len();
                log.lock().unwrap().push(request.clone());
                send(stream, &answer(number, &request));
            }
        });
        Self { url, seen }
    }

    /// A server of one file that knows ranges.
    pub(super) fn file(path: &'static str, body: &'static [u8], etag: &'static str) -> Self {
        Self::start(
            move |_, seen| {
                if seen.path == path { ranged(body, etag, seen) } else { Reply::code(404) }
            },
        )
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Answers a range request as servers do.
pub(super) fn ranged(body: &[u8], etag: &str, seen: &Seen) -> Reply {
    let same = seen.if_range.as_deref().is_none_or(|tag| tag == etag);
    match seen.range {
        Some(from) if same && from < body.len() as u64 => {
            let part = body[from as usize..].to_vec();
            let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
            Reply { code: 206, ..Reply::ok(part) }
                .header("Content-Range", range)
                .header("ETag", etag)
        }
        Some(_) if same => Reply::code(416),
        _ => Reply::ok(body).header("ETag", etag),
    }
}

fn read_request(stream: &TcpStream) -> Option<Seen> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut seen = Seen { path, range: None, if_range: None };
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            return Some(seen);
        }
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                seen.range = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok()
            }
            "if-range" => seen.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    None
}

fn send(mut stream: TcpStream, reply: &Reply) {
    let mut head = format!(
        "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {}\r\n",
        reply.code,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let end = reply.cut.unwrap_or(reply.body.len());
    // A client that gave up is what some tests are about.
    let _sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(b"\r\n"));
    let _sent = stream.write_all(&reply.body[..end]).and_then(|()| stream.flush());
}
