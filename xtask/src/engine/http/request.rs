//! Reads the head of a request.

use std::io::{self, BufRead, Read};

/// Longest head we read, in bytes.
const MAX_HEAD: u64 = 16 << 10;

/// A request as far as we need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// `HEAD`: the body is left out.
    pub head_only: bool,
    /// Path, decoded, with a leading slash, without query; `None` if it leaves
    /// the root.
    pub path: Option<String>,
    /// Path as sent.
    pub raw: String,
    /// First and last byte asked for.
    pub range: Option<(u64, Option<u64>)>,
}

/// Reads one head. `Ok(None)`: a method that we do not serve, or no HTTP.
pub(super) fn read(stream: &mut impl BufRead) -> io::Result<Option<Head>> {
    let mut stream = stream.take(MAX_HEAD);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next(), words.next());
    let (Some(method @ ("GET" | "HEAD")), Some(target)) = (method, target) else {
        return Ok(None);
    };
    let head_only = method == "HEAD";
    let raw = target.to_owned();
    let path = clean(target);
    let mut range = None;
    loop {
        let mut header = String::new();
        if stream.read_line(&mut header)? == 0 || header.trim_end().is_empty() {
            return Ok(Some(Head { head_only, path, raw, range }));
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            range = parse_range(value.trim());
        }
    }
}

/// `bytes=FIRST-` or `bytes=FIRST-LAST`; other forms are ignored, which HTTP
/// allows: the whole file is sent.
fn parse_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse().ok()?;
    match last {
        "" => Some((first, None)),
        _ => last.parse().ok().filter(|last| *last >= first).map(|last| (first, Some(last))),
    }
}

/// Decodes a request target and refuses one that leaves the root.
fn clean(target: &str) -> Option<String> {
    let target = target.split(['?', '#']).next()?;
    // A proxy's form, `GET http://host/path`.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    let decoded = decode(path)?;
    let mut parts = Vec::new();
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ if part.contains(['\0', '\\']) => return None,
            _ => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let hex = [bytes.next()?, bytes.next()?];
        let hex = std::str::from_utf8(&hex).ok().filter(|hex| !hex.starts_with('+'))?;
        out.push(u8::from_str_radix(hex, 16).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        for (target, path) in [
            ("/ks.cfg", Some("/ks.cfg")),
            ("/a//b/./c?x=1#y", Some("/a/b/c")),
            ("/a/../b", Some("/b")),
            ("/%6bs.cfg", Some("/ks.cfg")),
            ("http://10.0.2.2:8000/ks", Some("/ks")),
            ("/", Some("/")),
            ("/../etc/passwd", None),
            ("/a/../../etc/passwd", None),
            ("/%2e%2e/etc/passwd", None),
            ("/%2e%2e%2fetc", None),
            ("/a%00b", None),
            ("/..\\x", None),
            ("/%zz", None),
            ("/%+1", None),
            ("/%ff", None),
        ] {
            assert_eq!(clean(target).as_deref(), path, "{target}");
        }
    }

    #[test]
    fn heads_are_read_or_refused() {
        let read = |text: &str| read(&mut text.as_bytes()).unwrap();
        let head = read("GET /ks HTTP/1.1\r\nHost: x\r\nRange: bytes=5-\r\n\r\n").unwrap();
        assert_eq!((head.head_only, head.range), (false, Some((5, None))));
        assert!(read("HEAD / HTTP/1.0\r\n\r\n").unwrap().head_only);
        for text in ["POST / HTTP/1.1\r\n\r\n", "", "\r\n", "GET\r\n"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
