//! A small HTTP/1.1 server on loopback: one thread per connection, one request
//! per connection. What guests ask for is decided by a [`Handler`].

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::date;

/// Longest request line or header line.
const MAX_LINE: u64 = 16 << 10;
/// Most header lines.
const MAX_HEADERS: usize = 100;
/// Largest body; cloud-init's reports have a few hundred bytes, with attached
/// logs some hundred kilobytes.
const MAX_BODY: usize = 16 << 20;
/// A guest under emulation may be slow, but not this slow.
const IO_TIMEOUT: Duration = Duration::from_secs(300);

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Request {
    /// Value of a header, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What is sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file, streamed.
    File(PathBuf),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Content.
    pub body: Body,
}

impl Response {
    /// 200 with text.
    pub fn ok(text: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: Body::Bytes(text.into()) }
    }

    /// An error with its reason.
    pub fn error(status: u16, reason: impl Into<String>) -> Self {
        Self { status, body: Body::Bytes(reason.into().into_bytes()) }
    }
}

/// Answers requests; called from several threads.
pub trait Handler: Send + Sync + 'static {
    /// The answer to one request.
    fn answer(&self, request: &Request) -> Response;
}

/// A running server. Dropping it stops it; transfers that are under way end
/// with their connection.
#[derive(Debug)]
pub struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1, where only this machine and its
    /// guests under user networking can reach it.
    ///
    /// # Errors
    /// No port or thread to be had.
    pub fn start(handler: Arc<dyn Handler>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serve = move || accept(&listener, &stopped, &handler);
        let thread = thread::Builder::new().name("http".into()).spawn(serve)?;
        Ok(Self { port, stop, thread: Some(thread) })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes `accept`; a failure means that it is gone already.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn accept(listener: &TcpListener, stop: &AtomicBool, handler: &Arc<dyn Handler>) {
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(stream), handler) = (stream, Arc::clone(handler)) else { continue };
        // A guest that breaks off is no error of ours; it asks again or fails
        // with its own words.
        let work = move || drop(serve(&stream, handler.as_ref()));
        drop(thread::Builder::new().name("http-request".into()).spawn(work));
    }
}

fn serve(stream: &TcpStream, handler: &dyn Handler) -> io::Result<()> {
    stream.set_read_timeout(Some(IO_TIMEOUT))?;
    stream.set_write_timeout(Some(IO_TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    let response = match read_request(&mut reader) {
        Ok(request) => handler.answer(&request),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Response::error(400, error.to_string())
        }
        Err(error) => return Err(error),
    };
    write_response(stream, &response)
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(invalid("a line without an end"));
    }
    let text = String::from_utf8(line).map_err(|_| invalid("not UTF-8"))?;
    Ok(text.trim_end_matches('\r').to_owned())
}

/// Reads one request.
///
/// # Errors
/// `InvalidData` for what is not HTTP, or too long.
pub fn read_request(reader: &mut impl BufRead) -> io::Result<Request> {
    let first = read_line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(invalid("no request line"));
    };
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid("no header"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        if headers.len() > MAX_HEADERS {
            return Err(invalid("too many headers"));
        }
    }
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let mut request = Request { method: method.to_owned(), path, headers, body: Vec::new() };
    let length = request.header("content-length").map_or(Ok(0), str::parse::<usize>);
    let length = length.map_err(|_| invalid("Content-Length is not a number"))?;
    if length > MAX_BODY {
        return Err(invalid("the body is too large"));
    }
    reader.take(length as u64).read_to_end(&mut request.body)?;
    Ok(request)
}

fn write_response(mut stream: &TcpStream, response: &Response) -> io::Result<()> {
    let (mut content, length): (Box<dyn Read>, u64) = match &response.body {
        Body::Bytes(bytes) => (Box::new(bytes.as_slice()), bytes.len() as u64),
        Body::File(path) => {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            (Box::new(file), length)
        }
    };
    let status = response.status;
    let date = http_date(SystemTime::now());
    let head = format!(
        "HTTP/1.1 {status} {}\r\nDate: {date}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n",
        if status == 200 { "OK" } else { "Error" },
    );
    stream.write_all(head.as_bytes())?;
    io::copy(&mut content, &mut stream)?;
    stream.flush()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7). cloud-init takes the
/// server's time from it when MAAS refuses its own.
#[must_use]
pub fn http_date(time: SystemTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let stamp = date::stamp(time); // 1994-11-06T08:49:37Z
    let part = |range: std::ops::Range<usize>| stamp.get(range).unwrap_or_default();
    let days = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() / 86_400);
    let weekday = usize::try_from(days % 7).ok().and_then(|at| DAYS.get(at)).unwrap_or(&"");
    let month = part(5..7).parse::<usize>().ok().and_then(|m| MONTHS.get(m.checked_sub(1)?));
    let (day, year, clock) = (part(8..10), part(0..4), part(11..19));
    format!("{weekday}, {day} {} {year} {clock} GMT", month.unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Handler for Echo {
        fn answer(&self, request: &Request) -> Response {
            match request.path.as_str() {
                "/file" => Response {
                    status: 200,
                    body: Body::File(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()),
                },
                "/none" => Response::error(404, "nothing here"),
                _ => Response::ok(request.body.clone()),
            }
        }
    }

    fn talk(port: u16, text: &[u8]) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(text).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn serves_bytes_files_and_errors_and_stops() {
        let server = Server::start(Arc::new(Echo)).unwrap();
        let port = server.port();
        let post = talk(port, b"POST /x?q=1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
        assert!(
            post.starts_with("HTTP/1.1 200 OK\r\n") && post.ends_with("\r\n\r\nhello"),
            "{post}"
        );
        assert!(talk(port, b"GET /file HTTP/1.1\r\n\r\n").contains("name = \"xtask\""));
        assert!(talk(port, b"GET /none HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(talk(port, b"nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
        drop(server);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn hostile_requests_are_refused() {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
        let huge = "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n";
        let odd = "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n";
        for text in [long.as_str(), many.as_str(), huge, odd, "\r\n", "GET /\r\nx\r\n\r\n"] {
            let error = read_request(&mut text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:.40}");
        }
    }

    #[test]
    fn dates_as_the_rfc_writes_them() {
        // The first from the RFC, the second from
        // `date -u -d @1709210096 '+%a, %d %b %Y %T GMT'`.
        for (unix, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_709_210_096, "Thu, 29 Feb 2024 12:34:56 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            assert_eq!(http_date(UNIX_EPOCH + Duration::from_secs(unix)), text);
        }
    }
}
