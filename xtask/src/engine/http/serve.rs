//! Answers one connection.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::request::{self, Head};
use super::{Content, Request};

/// How long a guest may take to send its request or to take a piece of the answer.
const PATIENCE: Duration = Duration::from_secs(60);

trait Body: Read + Seek + Send {}
impl<T: Read + Seek + Send> Body for T {}

/// Reads a request, answers it and closes.
pub(super) fn connection(
    mut stream: &TcpStream,
    content: &Content,
    sent: &AtomicU64,
) -> io::Result<Request> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(head) = request::read(&mut BufReader::new(stream))? else {
        head_of(&mut stream, 405, 0, None)?;
        return Ok(Request { path: "?".into(), status: 405, bytes: 0 });
    };
    let path = head.path.clone().unwrap_or_else(|| head.raw.clone());
    let (status, bytes) = match head.path.as_deref().map(|path| find(content, path)) {
        None => (400, message(&mut stream, &head, 400, "the path leaves the root\n")?),
        Some(Err(why)) => (404, message(&mut stream, &head, 404, &why)?),
        Some(Ok((body, size))) => answer(&mut stream, &head, body, size, sent)?,
    };
    Ok(Request { path, status, bytes })
}

/// The body and its size in bytes, or why there is none.
fn find(content: &Content, path: &str) -> Result<(Box<dyn Body>, u64), String> {
    let absent = || format!("{path} not found\n");
    match content {
        Content::Map(map) => {
            let text = map.get(path).ok_or_else(absent)?.clone().into_bytes();
            let size = u64::try_from(text.len()).map_err(|_| absent())?;
            Ok((Box::new(Cursor::new(text)), size))
        }
        Content::Directory(root) => open(root, path).map_err(|_| absent()),
    }
}

fn open(root: &Path, path: &str) -> io::Result<(Box<dyn Body>, u64)> {
    let mut file = root.join(path.trim_start_matches('/'));
    if file.is_dir() {
        file.push("index.html");
    }
    let file = File::open(file)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::other("not a file"));
    }
    Ok((Box::new(file), data.len()))
}

fn answer(
    stream: &mut &TcpStream,
    head: &Head,
    mut body: Box<dyn Body>,
    size: u64,
    sent: &AtomicU64,
) -> io::Result<(u16, u64)> {
    let range = head.range.filter(|(first, _)| *first < size);
    let (status, first, length) = match range {
        Some((first, last)) => {
            let end = last.map_or(size, |last| last.saturating_add(1).min(size));
            (206, first, end.saturating_sub(first))
        }
        None => (200, 0, size),
    };
    let content_range = range.map(|_| {
        let last = first.saturating_add(length).saturating_sub(1);
        format!("bytes {first}-{last}/{size}")
    });
    head_of(stream, status, length, content_range.as_deref())?;
    if head.head_only {
        return Ok((status, 0));
    }
    body.seek(SeekFrom::Start(first))?;
    let mut body = body.take(length);
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0_u64;
    loop {
        let n = body.read(&mut buffer)?;
        if n == 0 {
            return Ok((status, total));
        }
        stream.write_all(buffer.get(..n).unwrap_or_default())?;
        let n = u64::try_from(n).unwrap_or(0);
        total = total.saturating_add(n);
        sent.fetch_add(n, Ordering::Relaxed);
    }
}

fn message(stream: &mut &TcpStream, head: &Head, status: u16, text: &str) -> io::Result<u64> {
    head_of(stream, status, u64::try_from(text.len()).unwrap_or(0), None)?;
    if !head.head_only {
        stream.write_all(text.as_bytes())?;
    }
    Ok(0)
}

fn head_of(
    stream: &mut &TcpStream,
    status: u16,
    length: u64,
    range: Option<&str>,
) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        206 => "Partial Content",
        400 => "Bad Request",
        404 => "Not Found",
        _ => "Method Not Allowed",
    };
    let range = range.map(|range| format!("Content-Range: {range}\r\n")).unwrap_or_default();
    // One type for all: no installer looks at it, and a wrong guess could hurt.
    write!(
        stream,
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\nAccept-Ranges: bytes\r\n{range}Connection: close\r\n\r\n"
    )
}
