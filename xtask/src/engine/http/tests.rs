use std::io::{Read, Write};
use std::time::Instant;

use super::*;

fn get(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn map() -> Content {
    Content::Map(IndexMap::from([("/user-data".to_owned(), "#cloud-config\n".to_owned())]))
}

#[test]
fn content_is_served_and_requests_are_remembered() {
    let server = Server::start(map(), (18000, 18999)).unwrap();
    let ok = get(&server, "GET /user-data HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(ok.starts_with("HTTP/1.1 200 OK\r\n") && ok.ends_with("\r\n\r\n#cloud-config\n"));
    let head = get(&server, "HEAD /user-data HTTP/1.1\r\n\r\n");
    assert!(head.contains("Content-Length: 14\r\n") && head.ends_with("\r\n\r\n"));
    assert!(get(&server, "GET /no HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(get(&server, "GET /../x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert!(get(&server, "PUT /x HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    let start = Instant::now();
    while server.requests().len() < 5 && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let statuses: Vec<u16> = server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [200, 200, 404, 400, 405]);
    assert_eq!(server.requests()[0].bytes, 14);
    assert_eq!(server.bytes_sent(), 14);
}

#[test]
fn directories_are_served_through_links_but_not_beyond_the_root() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("http");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(dir.path().join("shared.cfg"), "shared").unwrap();
    std::fs::write(root.join("sub/a.txt"), "0123456789").unwrap();
    std::os::unix::fs::symlink("../shared.cfg", root.join("ks.cfg")).unwrap();
    let server = Server::start(Content::Directory(root), (18000, 18999)).unwrap();
    for (request, status, body) in [
        ("GET /ks.cfg", "200", "shared"),
        ("GET /sub/a.txt", "200", "0123456789"),
        ("GET /sub", "404", "/sub not found\n"),
        ("GET /../shared.cfg", "400", "the path leaves the root\n"),
        ("GET /%2e%2e/shared.cfg", "400", "the path leaves the root\n"),
    ] {
        let answer = get(&server, &format!("{request} HTTP/1.1\r\n\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
        assert_eq!(answer.split("\r\n\r\n").nth(1), Some(body), "{request}");
    }
    for (range, expected) in [("2-4", "234"), ("7-", "789"), ("7-99", "789"), ("99-", "0123456789")]
    {
        let request = format!("GET /sub/a.txt HTTP/1.1\r\nRange: bytes={range}\r\n\r\n");
        assert_eq!(get(&server, &request).split("\r\n\r\n").nth(1), Some(expected), "{range}");
    }
}

#[test]
fn two_servers_take_two_ports_and_free_them() {
    let first = Server::start(map(), (19000, 19001)).unwrap();
    let second = Server::start(map(), (19000, 19001)).unwrap();
    assert_ne!(first.port(), second.port());
    let full = Server::start(map(), (19000, 19001)).unwrap_err();
    assert_eq!(full.to_string(), "no free port from 19000 to 19001");
    drop(first);
    assert!(Server::start(map(), (19000, 19001)).is_ok());
}

#[test]
fn it_listens_on_loopback_only() {
    let server = Server::start(map(), (18000, 18999)).unwrap();
    let port = format!(":{:04X} ", server.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = table.lines().filter(|line| line.contains(&port) && line.contains(" 0A "));
    let addresses: Vec<&str> =
        listening.filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(addresses, [format!("0100007F:{:04X}", server.port())]);
}
