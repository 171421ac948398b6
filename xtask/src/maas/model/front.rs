//! The HTTP server of the model, where nginx stands before a real MAAS: it takes
//! whole requests only, and is where things go wrong.

use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::app::{App, KEY};
use super::dialect::Dialect;
use super::fault::{Fault, Plan};
use super::message::{Request, Response};

/// Largest body: `client_max_body_size` of the nginx.conf that MAAS ships.
const MAX_BODY: usize = 10 << 20;

/// A running model; it ends when dropped.
pub struct Server {
    /// `http://127.0.0.1:PORT/MAAS`.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    app: Mutex<App>,
    plan: Mutex<Box<dyn Plan>>,
    /// Requests that are obeyed later, with the number of requests until then.
    late: Mutex<Vec<(u32, Request)>>,
    stop: AtomicBool,
    traffic: Traffic,
}

/// What went over the wire, whatever became of it.
#[derive(Debug, Default)]
struct Traffic {
    connections: AtomicU64,
    pieces: AtomicU64,
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// No port, or no thread.
    pub fn start(dialect: &'static Dialect, plan: Box<dyn Plan>) -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), dialect, plan)
    }

    /// Starts at an address.
    ///
    /// # Errors
    /// It is taken, or no thread.
    pub fn start_at(
        address: SocketAddr,
        dialect: &'static Dialect,
        plan: Box<dyn Plan>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            address,
            app: Mutex::new(App::new(dialect)),
            plan: Mutex::new(plan),
            late: Mutex::default(),
            stop: AtomicBool::new(false),
            traffic: Traffic::default(),
        });
        let listening = shared.clone();
        std::thread::Builder::new().name("model".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                if listening.stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = listening.clone();
                shared.traffic.connections.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || serve(&stream, &shared));
            }
        })?;
        Ok(Self { url: format!("http://{address}/MAAS"), shared })
    }

    /// The application, to look into or prepare.
    pub fn app(&self) -> MutexGuard<'_, App> {
        lock(&self.shared.app)
    }

    /// From here on, other things go wrong.
    pub fn set_plan(&self, plan: Box<dyn Plan>) {
        *lock(&self.shared.plan) = plan;
    }

    /// Connections so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.traffic.connections.load(Ordering::Relaxed)
    }

    /// Bytes of pieces so far, those of broken requests included.
    #[must_use]
    pub fn piece_bytes(&self) -> u64 {
        self.shared.traffic.pieces.load(Ordering::Relaxed)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// The key of its user, as MAAS writes keys.
    #[must_use]
    pub fn key() -> String {
        KEY.join(":")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the listener; it may be gone already.
        drop(TcpStream::connect_timeout(&self.shared.address, Duration::from_secs(1)));
    }
}

/// One connection, request after request; any trouble ends it.
fn serve(stream: &TcpStream, shared: &Shared) {
    let _unused = stream.set_nodelay(true);
    let mut reader = BufReader::with_capacity(256 << 10, stream);
    let mut body = Vec::new();
    while !shared.stop.load(Ordering::SeqCst) {
        match exchange(&mut reader, stream, shared, &mut body) {
            Ok(true) => {}
            Ok(false) | Err(_) => break,
        }
    }
    let _unused = stream.shutdown(std::net::Shutdown::Both);
}

/// Reads one request and answers it. False ends the connection.
fn exchange(
    reader: &mut BufReader<&TcpStream>,
    mut stream: &TcpStream,
    shared: &Shared,
    buffer: &mut Vec<u8>,
) -> io::Result<bool> {
    let Some((mut request, length, head)) = read_head(reader)? else { return Ok(false) };
    let fate = lock(&shared.plan).fate(&request.method, &request.path, head + length);
    if let Some(Fault::CutRequest(after)) = fate {
        let rest = after.saturating_sub(head).min(length) as u64;
        shared.count(&request, io::copy(&mut reader.take(rest), &mut io::sink())?);
        return Ok(false);
    }
    if length > MAX_BODY {
        stream.write_all(&Response::text(413, "Request Entity Too Large").wire(false))?;
        return Ok(false);
    }
    let pause = if let Some(Fault::Trickle(pause)) = fate { pause } else { 0 };
    let count = read_body(reader, length, pause, buffer)?;
    shared.count(&request, count as u64);
    if count < length {
        return Ok(false);
    }
    request.body = std::mem::take(buffer);
    obey_late(shared);
    if let Some(Fault::Late(after)) = fate {
        lock(&shared.late).push((after, request));
        return Ok(false);
    }
    let going_on = answer(&request, fate, stream, shared)?;
    *buffer = request.body;
    Ok(going_on)
}

impl Shared {
    fn count(&self, request: &Request, bytes: u64) {
        if request.method == "PUT" {
            self.traffic.pieces.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

/// Reads a body, in quarters with so many milliseconds between if it is to be slow.
/// A buffer of that length is used again as it is.
fn read_body(
    reader: &mut BufReader<&TcpStream>,
    length: usize,
    pause: u64,
    buffer: &mut Vec<u8>,
) -> io::Result<usize> {
    buffer.resize(length, 0);
    let step = if pause == 0 { length } else { length.div_ceil(4) };
    let mut count = 0;
    for part in buffer.chunks_mut(step.max(1)) {
        let mut done = 0;
        while let Some(rest) = part.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match reader.read(rest)? {
                0 => return Ok(count),
                got => (done, count) = (done + got, count + got),
            }
        }
        std::thread::sleep(Duration::from_millis(pause));
    }
    Ok(count)
}

/// Obeys what was put off until now.
fn obey_late(shared: &Shared) {
    let mut late = lock(&shared.late);
    late.iter_mut().for_each(|(left, _)| *left = left.saturating_sub(1));
    for (_, request) in late.extract_if(.., |(left, _)| *left == 0) {
        lock(&shared.app).handle(&request);
    }
}

/// Answers as the fate of the request has it.
fn answer(
    request: &Request,
    fate: Option<Fault>,
    mut stream: &TcpStream,
    shared: &Shared,
) -> io::Result<bool> {
    let obey = || lock(&shared.app).handle(request);
    let response = match fate {
        Some(Fault::Instead(status, wait)) => {
            let headers = wait.map_or_else(String::new, |s| format!("Retry-After: {s}\r\n"));
            Response {
                headers,
                ..Response::text(status, format!("<html><h1>{status}</h1></html>"))
            }
        }
        Some(Fault::After(status)) => {
            obey();
            Response::text(status, format!("<html><h1>{status}</h1></html>"))
        }
        Some(Fault::CutAnswer(after)) => {
            let wire = obey().wire(false);
            stream.write_all(
                wire.get(..after.min(wire.len().saturating_sub(1))).unwrap_or_default(),
            )?;
            return Ok(false);
        }
        Some(Fault::Twice) => {
            obey();
            obey()
        }
        Some(Fault::Clock(seconds)) => {
            lock(&shared.app).clock = seconds;
            obey()
        }
        Some(Fault::Slow(milliseconds)) => {
            std::thread::sleep(Duration::from_millis(milliseconds));
            obey()
        }
        Some(Fault::Trickle(milliseconds)) => {
            let wire = obey().wire(true);
            for part in wire.chunks(wire.len().div_ceil(8).max(1)) {
                stream.write_all(part)?;
                std::thread::sleep(Duration::from_millis(milliseconds));
            }
            return Ok(true);
        }
        Some(Fault::CutRequest(_) | Fault::Late(_)) | None => obey(),
    };
    stream.write_all(&response.wire(true))?;
    Ok(true)
}

/// Head of a request, length of its body, length of the head; `None` at the end.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<(Request, usize, usize)>> {
    let mut request = Request::default();
    let (mut length, mut head) = (0, 0);
    let mut line = String::new();
    loop {
        line.clear();
        let count = reader.read_line(&mut line)?;
        if count == 0 {
            return Ok(None);
        }
        head += count;
        let text = line.trim_end();
        if request.method.is_empty() {
            let mut words = text.split(' ');
            request.method = words.next().unwrap_or_default().into();
            let target = words.next().unwrap_or_default();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            (request.path, request.query) = (path.into(), query.into());
            continue;
        }
        if text.is_empty() {
            return Ok(Some((request, length, head)));
        }
        let Some((name, value)) = text.split_once(':') else { continue };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "authorization" => request.authorization = Some(value.into()),
            "content-type" => request.content_type = value.into(),
            "content-length" => {
                request.has_length = true;
                length = value.parse().unwrap_or(0);
            }
            _ => {}
        }
    }
}
