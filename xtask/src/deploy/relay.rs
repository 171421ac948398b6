//! One connection of a machine that is cut off from everything but MAAS.
//!
//! QEMU starts this program for each connection to the one address that it
//! forwards, with the connection as standard input and output.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread;

/// First argument of a relay; no verb of the command line.
pub const WORD: &str = "deploy-test-relay";

/// Call first in `main`. If we were started as a relay, carries the connection
/// to its end and returns the exit code.
#[must_use]
pub fn intercept() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    words.next().filter(|word| word == WORD)?;
    let port = words.next()?.to_str()?.parse().ok()?;
    let carried = carry(port, io::stdin(), &mut io::stdout());
    Some(if carried.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Carries bytes both ways until the server has said all.
fn carry(
    port: u16,
    mut input: impl Read + Send + 'static,
    output: &mut impl Write,
) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut to_server = server.try_clone()?;
    thread::Builder::new().name("relay".into()).spawn(move || {
        // The guest's end of sending is the server's; errors show in its answer.
        drop(io::copy(&mut input, &mut to_server));
        drop(to_server.shutdown(Shutdown::Write));
    })?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match server.read(&mut buffer)? {
            0 => return Ok(()),
            length => {
                output.write_all(buffer.get(..length).unwrap_or_default())?;
                // Standard output waits for a line's end otherwise.
                output.flush()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn both_ways_and_to_the_end() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = String::new();
            stream.read_to_string(&mut asked).unwrap();
            stream.write_all(asked.to_uppercase().as_bytes()).unwrap();
        });
        let mut answer = Vec::new();
        carry(port, &b"get it"[..], &mut answer).unwrap();
        assert_eq!(answer, b"GET IT");
        server.join().unwrap();
    }

    #[test]
    fn nobody_there_is_an_error() {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        assert!(carry(port, &b""[..], &mut Vec::new()).is_err());
    }
}
