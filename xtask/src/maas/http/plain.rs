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

    /// From the file into the socket by the kernel, which saves one copy of every
    /// byte; in turns of reading and sending where it cannot.
    fn send_piece(&mut self, mut piece: Piece, buffer: &mut Vec<u8>) -> io::Result<()> {
        while !piece.is_empty() {
            match piece.send_to(self.stream, CHUNK) {
                Ok(_) => {}
                Err(error) if is_wait(&error) => self.again()?,
                Err(error) if cannot(&error) => return self.copy_piece(piece, buffer),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn copy_piece(&mut self, mut piece: Piece, buffer: &mut Vec<u8>) -> io::Result<()> {
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

/// The file system, or a kernel for containers, has no such call.
fn cannot(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, Unsupported};
    matches!(error.kind(), InvalidInput | Unsupported)
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

#[cfg(test)]
mod tests {
    use std::io::BufRead as _;
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::maas::source::Source;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

    /// A server that gives each connection to `serve`; its host, and a counter of
    /// connections.
    fn server(serve: fn(usize, TcpStream)) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let count = Arc::new(AtomicUsize::new(0));
        let counter = count.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(counter.fetch_add(1, Ordering::SeqCst), stream);
            }
        });
        (host, count)
    }

    /// Reads the head of a request; false at the end.
    fn head(stream: &TcpStream) -> bool {
        let lines = BufReader::with_capacity(1, stream).lines().map_while(Result::ok);
        lines.take_while(|line| !line.is_empty()).count() > 0
    }

    fn ask(plain: &Plain, body: &Body, patience: Duration) -> Result<u16, String> {
        let request = Sent { target: "/x/", authorization: "OAuth x", body, patience };
        plain.perform(&request).map(|reply| reply.status).map_err(|silence| match silence.kind {
            super::super::Quiet::Interrupted => "interrupted".into(),
            _ => silence.why,
        })
    }

    #[test]
    fn a_connection_is_used_again_until_the_other_side_closes_it() {
        let (host, count) = server(|_, mut stream| {
            for _ in 0..3 {
                if head(&stream) {
                    stream.write_all(OK).unwrap();
                }
            }
        });
        let plain = Plain::new(&host, CancelToken::new());
        for expected in [1, 1, 1, 2, 2] {
            assert_eq!(ask(&plain, &Body::Get, ANSWER), Ok(200));
            assert_eq!(count.load(Ordering::SeqCst), expected);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn silence_ends_by_patience_or_ctrl_c() {
        let (host, _) = server(|_, stream| std::mem::forget(stream));
        let plain = Plain::new(&host, CancelToken::new());
        let slow = ask(&plain, &Body::Get, Duration::from_millis(120));
        assert_eq!(slow, Err("no answer in time".into()));
        let cancel = CancelToken::new();
        let plain = Plain::new(&host, cancel.clone());
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            cancel.set();
        });
        let started = Instant::now();
        assert_eq!(ask(&plain, &Body::Get, ANSWER), Err("interrupted".into()));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    /// nginx refuses a body that is too large before it has read it.
    #[test]
    fn an_answer_before_the_end_of_a_piece_counts() {
        let (host, _) = server(|number, mut stream| {
            head(&stream);
            if number == 0 {
                stream.write_all(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n").unwrap();
                // Its buffers are full, and nobody reads any more.
                std::thread::sleep(Duration::from_millis(50));
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let mut rest = vec![0; 1 << 20];
                while stream.read(&mut rest).is_ok_and(|n| n > 0) {}
            }
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, vec![1; 8 << 20]).unwrap();
        let source = Source::open(&path, 8 << 20, None).unwrap();
        let plain = Plain::new(&host, CancelToken::new());
        let piece = || Body::Piece(source.piece(0, 8 << 20));
        assert_eq!(ask(&plain, &piece(), ANSWER), Ok(413));
        let cut = ask(&plain, &piece(), ANSWER).unwrap_err();
        assert!(cut.contains("os error"), "{cut}");
    }

    #[test]
    fn nobody_there() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        for (host, expected) in
            [(free.as_str(), "nothing listens"), ("no.such.host.invalid", "does not resolve")]
        {
            let error = ask(&Plain::new(host, CancelToken::new()), &Body::Get, ANSWER).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
