//! HTTP over plain TCP without a proxy, as most regions serve it: one connection
//! for everything, no thread for each request, pieces in large writes.

use std::fmt::Write as _;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::answer::{self, Answer};
use super::text::encode_form;
use super::{ANSWER, Body, CONNECT, POLL, Reply, SEND, Silence, USER_AGENT};
use crate::maas::source::Piece;
use crate::signal::CancelToken;

/// Bytes that are read and sent at once: fewer cost calls, more leave the cache.
const CHUNK: usize = 1 << 20;
/// Port of `http://HOST/`.
const PORT: u16 = 80;

/// A connection to one host, opened when it is needed.
#[derive(Debug)]
pub(super) struct Plain {
    /// `maas:5240`, `[::1]:5240` or `maas`.
    host: String,
    idle: Mutex<Option<TcpStream>>,
    /// Used again for every piece.
    buffer: Mutex<Vec<u8>>,
    cancel: CancelToken,
}

/// One request.
pub(super) struct Sent<'a> {
    /// Path and query.
    pub target: &'a str,
    pub authorization: &'a str,
    pub body: &'a Body,
    /// Time to the first byte of the answer.
    pub patience: Duration,
}

impl Plain {
    pub(super) fn new(host: &str, cancel: CancelToken) -> Self {
        Self { host: host.into(), idle: Mutex::default(), buffer: Mutex::default(), cancel }
    }

    /// Sends a request and reads its answer.
    pub(super) fn perform(&self, request: &Sent<'_>) -> Result<Reply, Silence> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let stream = match idle.filter(is_open) {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let answer = self.exchange(&stream, request).map_err(|e| self.reason(&e))?;
        if answer.keep {
            *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        }
        Ok(answer.reply)
    }

    fn exchange(&self, stream: &TcpStream, request: &Sent<'_>) -> io::Result<Answer> {
        let mut socket = Socket { stream, cancel: &self.cancel, until: Instant::now() + SEND };
        let sent = self.send(&mut socket, request);
        let from = Instant::now();
        // Who hangs up before the end may have said why.
        let patience = if sent.is_ok() { request.patience } else { POLL };
        socket.until = from + patience;
        let mut reader = BufReader::new(Patient { socket, begun: false });
        let answer = answer::read(&mut reader);
        match (sent, answer) {
            (Ok(()), answer) => answer,
            (Err(_), Ok(answer)) => Ok(Answer { keep: false, ..answer }),
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn send(&self, socket: &mut Socket<'_>, request: &Sent<'_>) -> io::Result<()> {
        let (method, kind) = match request.body {
            Body::Get => ("GET", None),
            Body::Delete => ("DELETE", None),
            Body::Form(_) => ("POST", Some("application/x-www-form-urlencoded")),
            Body::Piece(_) => ("PUT", Some("application/octet-stream")),
        };
        let form =
            if let Body::Form(fields) = request.body { encode_form(fields) } else { String::new() };
        let mut head = format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {USER_AGENT}\r\nAccept: \
             application/json\r\nAuthorization: {}\r\n",
            request.target, self.host, request.authorization
        );
        if let Some(kind) = kind {
            // MAAS takes no chunked transfer: the length is said.
            let length =
                if let Body::Piece(piece) = request.body { piece.len() } else { form.len() as u64 };
            write!(head, "Content-Type: {kind}\r\nContent-Length: {length}\r\n")
                .map_err(io::Error::other)?;
        }
        head += "\r\n";
        head += &form;
        socket.write_all(head.as_bytes())?;
        let Body::Piece(piece) = request.body else { return Ok(()) };
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        socket.send_piece(piece.clone(), &mut buffer)
    }

    /// Resolves and connects in a thread, which Ctrl-C leaves behind.
    fn connect(&self) -> Result<TcpStream, Silence> {
        let (sender, connected) = sync_channel(1);
        let host = self.host.clone();
        std::thread::spawn(move || drop(sender.send(connect(&host))));
        loop {
            match connected.recv_timeout(POLL) {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => return Err(self.reason(&error)),
                Err(RecvTimeoutError::Timeout) if self.cancel.is_set() => {
                    return Err(Silence::interrupted());
                }
                Err(RecvTimeoutError::Timeout) => {} // CONNECT ends it
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Silence::passing("the connection broke off".into()));
                }
            }
        }
    }

    fn reason(&self, error: &io::Error) -> Silence {
        use io::ErrorKind::{ConnectionRefused, InvalidData, NotFound, TimedOut, UnexpectedEof};
        if self.cancel.is_set() {
            return Silence::interrupted();
        }
        let hint = super::WHERE;
        Silence::passing(match error.kind() {
            NotFound => format!("the host name does not resolve{hint}"),
            ConnectionRefused => format!("nothing listens there{hint}"),
            InvalidData => format!("{error}{hint}"),
            TimedOut => "no answer in time".into(),
            UnexpectedEof => "the connection ended before the answer".into(),
            _ => error.to_string(),
        })
    }
}

fn connect(host: &str) -> io::Result<TcpStream> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let name = if has_port { host.to_owned() } else { format!("{host}:{PORT}") };
    let unknown = |e: io::Error| io::Error::new(io::ErrorKind::NotFound, e);
    let mut last = unknown(io::Error::other("no address"));
    for address in name.to_socket_addrs().map_err(unknown)? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(POLL))?;
                stream.set_write_timeout(Some(POLL))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The other side neither closed an idle connection nor said anything unasked.
fn is_open(stream: &TcpStream) -> bool {
    let quiet = stream.set_nonblocking(true).is_ok()
        && stream.peek(&mut [0]).is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
    quiet && stream.set_nonblocking(false).is_ok()
}

/// A connection whose waits end with Ctrl-C, and at a point in time.
struct Socket<'a> {
    stream: &'a TcpStream,
    cancel: &'a CancelToken,
    until: Instant,
}

impl Socket<'_> {
    /// After a wait of [`POLL`] without effect: whether there is a reason to stop.
    fn again(&self) -> io::Result<()> {
        if self.cancel.is_set() {
            return Err(io::Error::other("interrupted"));
        }
        if Instant::now() >= self.until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if is_wait(&error) => self.again()?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads and sends in turns; the buffer stays in the processor's cache, which
    /// makes this faster than `sendfile` with its thousand page references.
    fn send_piece(&mut self, mut piece: Piece, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.resize(CHUNK, 0);
        loop {
            let count = piece.read(buffer)?;
            if count == 0 {
                return Ok(());
            }
            self.write_all(buffer.get(..count).unwrap_or_default())?;
        }
    }
}

fn is_wait(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Reads with the patience for a first byte, then with that for the rest.
struct Patient<'a> {
    socket: Socket<'a>,
    begun: bool,
}

impl Read for Patient<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.stream.read(buffer) {
                Ok(count) => {
                    if !std::mem::replace(&mut self.begun, true) {
                        self.socket.until = Instant::now() + ANSWER;
                    }
                    return Ok(count);
                }
                Err(error) if is_wait(&error) => self.socket.again()?,
                Err(error) => return Err(error),
            }
        }
    }
}
