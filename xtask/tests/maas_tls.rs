//! A MAAS behind TLS with an authority of its own, and one behind a proxy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use xtask::maas::model::dialect;
use xtask::maas::model::fault::Calm;
use xtask::maas::model::front::Server;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/maas/");

#[expect(clippy::disallowed_methods, reason = "the test looks at our process from outside")]
fn list(env: &[(&str, &str)]) -> (Option<i32>, String) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/catalog");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    for name in [
        "MAAS_API_CACERT",
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "NO_PROXY",
    ] {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } = command
        .args(["remote", "list"])
        .env("XTASK_ROOT", root)
        .env("XTASK_TEST_SECOND_MS", "1")
        .env("MAAS_API_KEY", Server::key())
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    (status.code(), text.into_owned())
}

/// Reads a head and the body its `Content-Length` announces.
fn message(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut reader = BufReader::with_capacity(1, stream);
    let (mut all, mut length) = (String::new(), 0);
    loop {
        let start = all.len();
        if reader.read_line(&mut all).ok()? == 0 {
            return None;
        }
        let line = all[start..].trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut bytes = all.into_bytes();
    bytes.extend(body);
    Some(bytes)
}

/// Takes TLS off and asks the model.
fn tls_front(model: SocketAddr) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(format!("{FIXTURES}server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{FIXTURES}server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut tls = StreamOwned::new(connection, stream);
            std::thread::spawn(move || {
                let mut plain = TcpStream::connect(model).unwrap();
                while let Some(request) = message(&mut tls) {
                    plain.write_all(&request).unwrap();
                    let Some(answer) = message(&mut plain) else { return };
                    if tls.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn an_authority_of_its_own_is_needed_and_enough() {
    let server = Server::start(&dialect::V3_7, Box::new(Calm)).unwrap();
    let url = format!("https://localhost:{}/MAAS", tls_front(server.address()).port());
    let ca = format!("{FIXTURES}ca.pem");
    let (code, text) = list(&[("MAAS_URL", &url), ("MAAS_API_CACERT", &ca)]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("0 images"), "{text}");
    let pem = std::fs::read_to_string(&ca).unwrap();
    assert_eq!(list(&[("MAAS_URL", &url), ("MAAS_API_CACERT", &pem)]).0, Some(0));
    let asked = server.app().log.len();
    let (code, text) = list(&[("MAAS_URL", &url)]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("TLS") && text.contains("MAAS_API_CACERT"), "{text}");
    let dead = list(&[("MAAS_URL", "http://127.0.0.1:9")]).1;
    assert!(dead.contains("nothing listens there"), "{dead}");
    let other = list(&[("MAAS_URL", &format!("{}/x", server.url))]).1;
    assert!(other.contains("is no MAAS"), "{other}");
    let asked = asked + 1;
    assert_eq!(server.app().log.len(), asked, "a request went to a server that is not trusted");
}

/// A proxy that tunnels, and remembers what it was asked for.
fn proxy(asked: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = String::from_utf8(message(&mut stream).unwrap()).unwrap();
            let line = head.lines().next().unwrap().to_owned();
            asked.lock().unwrap().push(line.clone());
            let target = line.split(' ').nth(1).unwrap();
            let mut there = TcpStream::connect(target).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut back, mut from) = (stream.try_clone().unwrap(), there.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut back));
            std::thread::spawn(move || std::io::copy(&mut stream, &mut there));
        }
    });
    address
}

#[test]
fn proxy_variables_are_honoured() {
    let server = Server::start(&dialect::V3_7, Box::new(Calm)).unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let through = format!("http://{}", proxy(asked.clone()));
    let (code, text) =
        list(&[("MAAS_URL", &server.url), ("http_proxy", &through), ("HTTP_PROXY", &through)]);
    assert_eq!(code, Some(0), "{text}");
    let asked = asked.lock().unwrap();
    let expected = format!("CONNECT {} HTTP/1.1", server.address());
    assert!(!asked.is_empty() && asked.iter().all(|line| *line == expected), "{asked:?}");
}
