//! Reads the answer to a request from a plain connection.

use std::io::{self, BufRead, Read};

use super::{MAX_ANSWER, Reply, seconds};

/// Longest line of a head.
const MAX_LINE: u64 = 16 << 10;
/// Most lines of a head.
const MAX_LINES: usize = 200;

/// An answer, and whether the connection can be used again.
pub(super) struct Answer {
    pub reply: Reply,
    pub keep: bool,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunks,
    UntilClosed,
}

/// The head of an answer, as far as it matters.
struct Head {
    status: u16,
    keep: bool,
    length: Length,
    location: Option<String>,
    retry_after: Option<String>,
}

/// Reads one answer; interim ones (100 and so on) are passed over.
///
/// # Errors
/// The connection ends or is slow, or what comes is no HTTP.
pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Answer> {
    let mut head = read_head(reader)?;
    while (100..200).contains(&head.status) {
        head = read_head(reader)?;
    }
    let mut body = vec![];
    match head.length {
        Length::Bytes(count) => {
            read_exactly(reader, count, &mut body)?;
        }
        Length::Chunks => read_chunks(reader, &mut body)?,
        Length::UntilClosed => {
            reader.take(MAX_ANSWER + 1).read_to_end(&mut body)?;
        }
    }
    if body.len() as u64 > MAX_ANSWER {
        return Err(wrong("the answer is too long"));
    }
    let keep = head.keep && head.length != Length::UntilClosed;
    let retry_after = head.retry_after.as_deref().and_then(seconds);
    let reply = Reply { status: head.status, retry_after, location: head.location, body };
    Ok(Answer { reply, keep })
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// One line without its end.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = vec![];
    reader.take(MAX_LINE).read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        return Err(match bytes.len() as u64 + 1 >= MAX_LINE {
            true => wrong("the answer is no HTTP: a line has no end"),
            false => io::ErrorKind::UnexpectedEof.into(),
        });
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn read_head(reader: &mut impl BufRead) -> io::Result<Head> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let protocol = words.next().unwrap_or_default();
    let status = words.next().and_then(|s| s.parse().ok());
    let (true, Some(status)) = (protocol.starts_with("HTTP/1."), status) else {
        return Err(wrong("the answer is no HTTP/1"));
    };
    let mut head = Head {
        status,
        keep: protocol != "HTTP/1.0",
        length: Length::UntilClosed,
        location: None,
        retry_after: None,
    };
    for _ in 0..MAX_LINES {
        let text = line(reader)?;
        if text.is_empty() {
            if matches!(status, 100..200 | 204 | 304) {
                head.length = Length::Bytes(0);
            }
            return Ok(head);
        }
        let Some((name, value)) = text.split_once(':') else {
            return Err(wrong("the answer is no HTTP: a header has no `:`"));
        };
        take_header(&mut head, &name.to_ascii_lowercase(), value.trim())?;
    }
    Err(wrong("the answer has too many headers"))
}

fn take_header(head: &mut Head, name: &str, value: &str) -> io::Result<()> {
    let says = |word: &str| value.to_ascii_lowercase().contains(word);
    match name {
        // Chunks count even beside a length (RFC 9112, 6.3).
        "content-length" if head.length != Length::Chunks => {
            let count = value.parse().map_err(|_| wrong("Content-Length is no number"))?;
            head.length = Length::Bytes(count);
        }
        "transfer-encoding" if says("chunked") => head.length = Length::Chunks,
        "connection" if says("close") => head.keep = false,
        "connection" if says("keep-alive") => head.keep = true,
        "location" => head.location = Some(value.to_owned()),
        "retry-after" => head.retry_after = Some(value.to_owned()),
        _ => {}
    }
    Ok(())
}

fn read_exactly(reader: &mut impl BufRead, count: u64, body: &mut Vec<u8>) -> io::Result<()> {
    if (body.len() as u64).saturating_add(count) > MAX_ANSWER {
        return Err(wrong("the answer is too long"));
    }
    let got = reader.take(count).read_to_end(body)?;
    if (got as u64) < count {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let text = line(reader)?;
        let digits = text.split(';').next().unwrap_or_default().trim();
        let count =
            u64::from_str_radix(digits, 16).map_err(|_| wrong("the length of a chunk is wrong"))?;
        if count == 0 {
            break;
        }
        read_exactly(reader, count, body)?;
        if !line(reader)?.is_empty() {
            return Err(wrong("a chunk is longer than it says"));
        }
    }
    for _ in 0..MAX_LINES {
        if line(reader)?.is_empty() {
            return Ok(());
        }
    }
    Err(wrong("the answer has too many trailers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Synthetic answers: status, body, further use of the connection.
    #[test]
    fn every_form_of_answer() {
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOKx", Ok((200, "OK", true))),
            ("HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", Ok((200, "", true))),
            ("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "", true))),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 1\n\na",
                Ok((200, "a", true)),
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\na",
                Ok((200, "a", false)),
            ),
            ("HTTP/1.0 502 Bad\r\n\r\nno end", Ok((502, "no end", false))),
            ("HTTP/1.1 200 OK\r\n\r\nno length", Ok((200, "no length", false))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n\
                 3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
                Ok((200, "abc0123456789", true)),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", Err("longer")),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n", Err("chunk")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", Err("end of file")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nab", Err("too long")),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Err("no number")),
            ("HTTP/1.1 200 OK\r\nodd\r\n\r\n", Err("no `:`")),
            ("HTTP/1.1 200 OK\r\nContent-Le", Err("end of file")),
            ("HTTP/2 200\r\n\r\n", Err("no HTTP/1")),
            ("SSH-2.0-OpenSSH\r\n", Err("no HTTP/1")),
            ("", Err("end of file")),
        ] {
            match (read(&mut text.as_bytes()), expected) {
                (Ok(answer), Ok((status, body, keep))) => {
                    let got = String::from_utf8_lossy(&answer.reply.body).into_owned();
                    assert_eq!(
                        (answer.reply.status, got.as_str(), answer.keep),
                        (status, body, keep)
                    );
                }
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{text:?}: {error}");
                }
                (got, _) => panic!("{text:?}: {:?}", got.map(|a| a.reply.status)),
            }
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000));
        assert!(read(&mut endless.as_bytes()).is_err_and(|e| e.to_string().contains("no end")));
        let many = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(300));
        assert!(read(&mut many.as_bytes()).is_err_and(|e| e.to_string().contains("too many")));
    }

    #[test]
    fn what_a_proxy_wishes_is_kept() {
        let text = "HTTP/1.1 503 x\r\nRetry-After: 7\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
        let reply = read(&mut text.as_bytes()).unwrap().reply;
        assert_eq!(reply.retry_after, Some(std::time::Duration::from_secs(7)));
        assert_eq!(reply.location.as_deref(), Some("/x"));
    }

    /// Mutations of a valid answer: an error or an answer, never a panic.
    #[test]
    fn no_bytes_make_it_panic() {
        use crate::maas::model::fault::Dice;
        let valid = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let mut dice = Dice::new(1);
        for _ in 0..20_000 {
            let mut bytes = valid.to_vec();
            for _ in 0..=dice.index(4) {
                let at = dice.index(bytes.len());
                bytes[at] = u8::try_from(dice.below(256)).unwrap();
            }
            bytes.truncate(dice.index(valid.len()) + 1);
            drop(read(&mut bytes.as_slice()));
        }
    }
}
