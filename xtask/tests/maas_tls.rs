//! A MAAS behind TLS with an authority of its own, and one behind a proxy.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest as _, Sha256};
use xtask::maas::api::{Api, Pace};
use xtask::maas::filetype::Filetype;
use xtask::maas::http::Client;
use xtask::maas::model::dialect;
use xtask::maas::model::fault::{Calm, Dice, Happened, Random};
use xtask::maas::model::front::Server;
use xtask::maas::offer::Offer;
use xtask::maas::secret::ApiKey;
use xtask::maas::upload::Upload;
use xtask::maas::url::Base;
use xtask::signal::CancelToken;

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
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
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

/// Random faults behind TLS, where another part of the client is at work.
#[test]
fn uploads_over_tls_survive_faults() {
    let ca = std::fs::read(format!("{FIXTURES}ca.pem")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar.gz");
    let (mut faults, mut identical) = (0, 0);
    for (seed, dialect) in (0..).zip(dialect::ALL.iter().cycle().take(25)) {
        let server = Server::start(dialect, Box::new(Calm)).unwrap();
        let url = format!("https://localhost:{}/MAAS", tls_front(server.address()).port());
        let key = ApiKey::parse(&Server::key()).unwrap();
        let base = Base::parse(&url).unwrap();
        let client = Client::new(base, key, Some(&ca), CancelToken::new()).unwrap();
        let api = Api::new(client, Pace { second: Duration::from_millis(1), attempts: 10 });
        let version = api.version().unwrap();
        let mut dice = Dice::new(seed);
        let bytes: Vec<u8> = (0..20_000).flat_map(|_| dice.below(u64::MAX).to_le_bytes()).collect();
        std::fs::write(&path, &bytes).unwrap();
        let offer = Offer {
            path: path.clone(),
            name: "custom/tls".into(),
            title: String::new(),
            base_image: String::new(),
            architecture: "amd64/generic".into(),
            filetype: Filetype::named("tgz").unwrap(),
            sha256: Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect(),
            size: bytes.len() as u64,
            stamp: None,
            min_version: None,
        };
        let happened: Happened = Arc::default();
        server.set_plan(Box::new(Random::new(seed, 150, happened.clone())));
        let result = Upload::new(&api, &version, &offer, &mut |_| {}).piece(30_000).run(false);
        let what = format!("seed {seed} on {}: {happened:?} {result:?}", dialect.version);
        result.expect(&what);
        let app = server.app();
        assert!(app.store.files().all(|f| app.store.is_true(f)), "{what}");
        faults += happened.lock().unwrap().len();
        identical += app.store.files().count();
    }
    println!("{identical} of 25 identical, {faults} faults");
    assert!(faults > 10 && identical == 25, "{faults} faults, {identical} identical");
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
    let asked_again = asked.clone();
    let asked = asked.lock().unwrap();
    let expected = format!("CONNECT {} HTTP/1.1", server.address());
    assert!(!asked.is_empty() && asked.iter().all(|line| *line == expected), "{asked:?}");
    let count = asked.len();
    drop(asked);
    // The scheme decides, and hosts can be left out, as with curl.
    for env in [
        [("https_proxy", through.as_str()), ("x", "")],
        [("http_proxy", &through), ("no_proxy", "127.0.0.1")],
    ] {
        let (code, text) = list(&[&[("MAAS_URL", server.url.as_str())][..], &env].concat());
        assert_eq!(code, Some(0), "{text}");
    }
    let (code, text) = list(&[("MAAS_URL", &server.url), ("all_proxy", "no://u:hunter2@x")]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("all_proxy is no URL") && !text.contains("hunter2"), "{text}");
    assert_eq!(asked_again.lock().unwrap().len(), count);
}
