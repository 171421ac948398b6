//! The HTTP server that hands answer files to the guest.
//!
//! Listens on 127.0.0.1 only; the guest reaches it as 10.0.2.2. Requests are
//! remembered: whether the answer file was fetched is evidence.

mod request;
mod serve;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indexmap::IndexMap;

/// Connections served at once; a guest needs a handful.
const MAX_CONNECTIONS: usize = 64;

/// What is served.
#[derive(Clone, Debug)]
pub enum Content {
    /// Files below a directory. Symbolic links are followed: templates share
    /// files by them.
    Directory(PathBuf),
    /// Path with a leading slash, and content.
    Map(IndexMap<String, String>),
}

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path as it was asked for, decoded.
    pub path: String,
    /// Status code of the answer.
    pub status: u16,
    /// Bytes of the answer's body that were sent.
    pub bytes: u64,
}

#[derive(Debug)]
struct Shared {
    content: Content,
    requests: Mutex<Vec<Request>>,
    bytes: AtomicU64,
    stop: AtomicBool,
    connections: AtomicUsize,
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub struct Server {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on the first free port of the inclusive range.
    ///
    /// # Errors
    /// No port is free, or no thread can be had.
    pub fn start(content: Content, ports: (u16, u16)) -> io::Result<Self> {
        let listener = (ports.0..=ports.1)
            .find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
            .ok_or_else(|| {
                io::Error::other(format!("no free port from {} to {}", ports.0, ports.1))
            })?;
        // Not blocking, so that dropping the server needs no connection to wake it.
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            content,
            requests: Mutex::default(),
            bytes: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        let work = move || accept(&listener, &accepting);
        let thread = std::thread::Builder::new().name("http".into()).spawn(work)?;
        Ok(Self { port, shared, thread: Some(thread) })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Requests that were answered, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes sent so far: a number that grows while the guest fetches.
    pub fn bytes_sent(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) if shared.connections.load(Ordering::Relaxed) < MAX_CONNECTIONS => {
                start_connection(stream, shared);
            }
            // Too many: closed at once. Nothing there, or a failed handshake: on.
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(25)),
        }
    }
}

fn start_connection(stream: TcpStream, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let counted = Arc::clone(&shared);
    let work = move || {
        if let Ok(request) = serve::connection(&stream, &counted.content, &counted.bytes) {
            counted.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        }
        counted.connections.fetch_sub(1, Ordering::Relaxed);
    };
    if std::thread::Builder::new().name("http connection".into()).spawn(work).is_err() {
        shared.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
