//! Fetching against a server that misbehaves in every way we know.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::hash::{hex, sha256_hex};
use super::test_server::{Reply, Server, ranged};
use super::*;

const BODY: &[u8] = b"the content of a disk image, long enough to be cut in two";

fn sha512(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha512::digest(bytes))
}

fn ctx() -> Context<'static> {
    Context { cancel: CancelToken::new(), ..Context::silent() }
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path().join("media"));
    (dir, store)
}

fn known(bytes: &[u8]) -> Checksum {
    format!("sha256:{}", sha256_hex(bytes)).parse().unwrap()
}

fn request(url: String, checksum: Checksum) -> Request {
    Request { url, checksum, signed: None }
}

/// Names of all files below `dir`, without the notes of the store.
fn files(dir: &Path) -> Vec<String> {
    let all = walkdir::WalkDir::new(dir).into_iter().filter_map(Result::ok);
    let mut names: Vec<String> = all
        .filter(|e| e.file_type().is_file())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|name| name != ".lock" && !name.ends_with(".json"))
        .collect();
    names.sort();
    names
}

use std::path::Path;

#[test]
fn a_file_is_downloaded_once() {
    let server = Server::file("/d/disk.qcow2", BODY, "\"1\"");
    let (_dir, store) = store();
    let wanted = request(format!("{}/d/disk.qcow2", server.url), known(BODY));
    let first = store.fetch(&wanted, &ctx()).unwrap();
    assert_eq!((first.origin, first.size), (Origin::Downloaded, BODY.len() as u64));
    assert_eq!(std::fs::read(&first.path).unwrap(), BODY);
    let second = store.fetch(&wanted, &Context { offline: true, ..ctx() }).unwrap();
    assert_eq!((second.origin, &second.path), (Origin::Cached, &first.path));
    assert_eq!(server.seen().len(), 1);
    assert_eq!(files(store.dir()), ["disk.qcow2"]);
}

#[test]
fn a_sha512_list_beside_the_file_is_used_and_kept_for_offline_runs() {
    let list = format!("{}  other\n{} *disk.qcow2\n", sha512(b"x"), sha512(BODY));
    let server = Server::start(move |_, seen| match seen.path.as_str() {
        "/SHA512SUMS" => Reply::ok(list.clone()),
        _ => ranged(BODY, "\"1\"", seen),
    });
    let (_dir, store) = store();
    let checksum = Checksum::File(format!("{}/SHA512SUMS", server.url));
    let wanted = request(format!("{}/disk.qcow2", server.url), checksum);
    let media = store.fetch(&wanted, &ctx()).unwrap();
    assert_eq!(media.verified.unwrap().hex, sha512(BODY));
    assert_eq!(media.sha256, sha256_hex(BODY));
    let offline = store.fetch(&wanted, &Context { offline: true, ..ctx() }).unwrap();
    assert_eq!(offline.origin, Origin::Cached);
}

#[test]
fn wrong_content_is_not_kept_and_both_values_are_shown() {
    let server = Server::file("/disk.iso", BODY, "\"1\"");
    let (_dir, store) = store();
    let error = store
        .fetch(&request(format!("{}/disk.iso", server.url), known(b"other")), &ctx())
        .unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, MediaError::Mismatch { .. }), "{text}");
    assert!(text.contains(&sha256_hex(BODY)) && text.contains(&sha256_hex(b"other")), "{text}");
    assert_eq!(files(store.dir()), Vec::<String>::new());
}

#[test]
fn a_cut_connection_is_resumed() {
    let server = Server::start(|number, seen| {
        let reply = ranged(BODY, "\"1\"", seen);
        if number == 0 { reply.cut(20) } else { reply }
    });
    let (_dir, store) = store();
    let media = store.fetch(&request(format!("{}/x", server.url), known(BODY)), &ctx()).unwrap();
    assert_eq!(std::fs::read(media.path).unwrap(), BODY);
    let seen = server.seen();
    assert_eq!((seen[1].range, seen[1].if_range.as_deref()), (Some(20), Some("\"1\"")));
}

/// Leaves a half-done download as an interrupted run does.
fn interrupted(store: &Store, url: &str, body: &'static [u8], at: usize) {
    let cancel = CancelToken::new();
    let seen = AtomicUsize::new(0);
    let stop = cancel.clone();
    let progress = move |p: Progress| {
        seen.store(p.done as usize, Ordering::Relaxed);
        stop.set();
    };
    let context = Context { cancel, progress: &progress, ..ctx() };
    let error = store.fetch(&request(url.into(), known(body)), &context).unwrap_err();
    assert!(matches!(error, MediaError::Interrupted), "{error}");
    assert!(at < body.len());
}

#[test]
fn the_next_run_resumes_an_interrupted_one() {
    let server = Server::start(|number, seen| {
        let reply = ranged(BODY, "\"1\"", seen);
        if number == 0 { reply.cut(20) } else { reply }
    });
    let (_dir, store) = store();
    let url = format!("{}/x", server.url);
    interrupted(&store, &url, BODY, 20);
    let media = store.fetch(&request(url, known(BODY)), &ctx()).unwrap();
    assert_eq!(std::fs::read(media.path).unwrap(), BODY);
    assert_eq!(server.seen().last().unwrap().range, Some(20));
    assert_eq!(files(store.dir()), ["x"]);
}

#[test]
fn a_part_of_another_version_is_not_glued_to_the_new_one() {
    let server = Server::start(|number, seen| match number {
        0 => Reply::ok(vec![b'o'; 40]).header("ETag", "\"old\"").cut(20),
        _ => ranged(BODY, "\"new\"", seen),
    });
    let (_dir, store) = store();
    let url = format!("{}/x", server.url);
    interrupted(&store, &url, BODY, 20);
    let media = store.fetch(&request(url, known(BODY)), &ctx()).unwrap();
    assert_eq!(std::fs::read(media.path).unwrap(), BODY);
}

#[test]
fn a_server_without_validators_that_changed_its_file_costs_one_more_download() {
    let server = Server::start(|number, seen| match number {
        0 => Reply::ok(vec![b'o'; BODY.len()]).cut(20),
        _ => {
            let mut reply = ranged(BODY, "\"1\"", seen);
            reply.headers.retain(|(name, _)| *name != "ETag");
            reply
        }
    });
    let (_dir, store) = store();
    let url = format!("{}/x", server.url);
    interrupted(&store, &url, BODY, 20);
    let media = store.fetch(&request(url, known(BODY)), &ctx()).unwrap();
    assert_eq!(std::fs::read(media.path).unwrap(), BODY);
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_server_that_ignores_ranges_starts_over() {
    let server = Server::start(|number, _| {
        let reply = Reply::ok(BODY).header("ETag", "\"1\"");
        if number == 0 { reply.cut(20) } else { reply }
    });
    let (_dir, store) = store();
    let media = store.fetch(&request(format!("{}/x", server.url), known(BODY)), &ctx()).unwrap();
    assert_eq!(std::fs::read(media.path).unwrap(), BODY);
}

#[test]
fn refusals_are_final_and_name_the_code() {
    for (code, words) in
        [(404, "not found (HTTP 404)"), (403, "access refused"), (407, "proxy wants")]
    {
        let server = Server::start(move |_, _| Reply::code(code));
        let (_dir, store) = store();
        let url = format!("{}/x", server.url).replace("http://", "http://me:secret@");
        let text = store.fetch(&request(url, Checksum::None), &ctx()).unwrap_err().to_string();
        assert!(text.contains(words) && !text.contains("secret"), "{text}");
        assert_eq!(server.seen().len(), 1, "{code} is not worth a retry");
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let server =
        Server::start(
            |number, seen| {
                if number == 0 { Reply::code(503) } else { ranged(BODY, "\"1\"", seen) }
            },
        );
    let notices = Mutex::new(Vec::new());
    let notice = |text: &str| notices.lock().unwrap().push(text.to_owned());
    let (_dir, store) = store();
    let wanted = request(format!("{}/x", server.url), known(BODY));
    store.fetch(&wanted, &Context { notice: &notice, ..ctx() }).unwrap();
    assert!(notices.lock().unwrap()[0].contains("HTTP 503"));
}

#[test]
fn a_damaged_cache_entry_is_replaced() {
    let server = Server::file("/x", BODY, "\"1\"");
    let (_dir, store) = store();
    let wanted = request(format!("{}/x", server.url), known(BODY));
    let path = store.fetch(&wanted, &ctx()).unwrap().path;
    std::fs::write(&path, "damaged").unwrap();
    let again = store.fetch(&wanted, &ctx()).unwrap();
    assert_eq!((again.origin, std::fs::read(path).unwrap().as_slice()), (Origin::Downloaded, BODY));
}

#[test]
fn offline_says_what_is_missing() {
    let (_dir, store) = store();
    let wanted = request("https://h.invalid/x".into(), known(BODY));
    let error = store.fetch(&wanted, &Context { offline: true, ..ctx() }).unwrap_err();
    assert!(matches!(error, MediaError::Offline { .. }), "{error}");
}

#[test]
fn local_files_are_verified_in_place() {
    let (dir, store) = store();
    let path = dir.path().join("a b.iso");
    std::fs::write(&path, BODY).unwrap();
    let sums = dir.path().join("SHA256SUMS");
    std::fs::write(&sums, format!("{}  a b.iso\n", sha256_hex(BODY))).unwrap();
    let path_text = path.display().to_string();
    let url = format!("file://{}", path_text.replace(' ', "%20"));
    let list = Checksum::File(sums.display().to_string());
    let media = store.fetch(&request(path_text.clone(), list), &ctx()).unwrap();
    assert_eq!((media.origin, &media.path), (Origin::Local, &path.canonicalize().unwrap()));
    store.fetch(&request(url, Checksum::None), &ctx()).unwrap();
    let error = store.fetch(&request(path_text, known(b"other")), &ctx()).unwrap_err();
    assert!(matches!(error, MediaError::Mismatch { .. }), "{error}");
    let missing = store.fetch(&request("/nonexistent/x".into(), Checksum::None), &ctx());
    assert!(matches!(missing, Err(MediaError::Missing(_))));
}

#[test]
fn a_changed_local_file_is_hashed_again() {
    let (dir, store) = store();
    let path = dir.path().join("x.iso");
    let wanted = request(path.display().to_string(), Checksum::None);
    std::fs::write(&path, "one").unwrap();
    let one = store.fetch(&wanted, &ctx()).unwrap().sha256;
    std::fs::write(&path, "two").unwrap();
    let two = store.fetch(&wanted, &ctx()).unwrap().sha256;
    assert_eq!((one, two), (sha256_hex(b"one"), sha256_hex(b"two")));
}

#[test]
fn two_at_once_download_once() {
    let server = Server::file("/x", BODY, "\"1\"");
    let (_dir, store) = store();
    let wanted = request(format!("{}/x", server.url), known(BODY));
    let paths: Vec<PathBuf> = std::thread::scope(|scope| {
        let run = || store.fetch(&wanted, &ctx()).unwrap().path;
        let threads = [scope.spawn(run), scope.spawn(run), scope.spawn(run)];
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(paths.iter().all(|p| p == &paths[0]));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn progress_reaches_the_total() {
    let server = Server::file("/x", BODY, "\"1\"");
    let (_dir, store) = store();
    let last = Mutex::new(None);
    let progress = |p: Progress| *last.lock().unwrap() = Some(p);
    let wanted = request(format!("{}/x", server.url), known(BODY));
    store.fetch(&wanted, &Context { progress: &progress, ..ctx() }).unwrap();
    let size = BODY.len() as u64;
    assert_eq!(*last.lock().unwrap(), Some(Progress { done: size, total: Some(size) }));
}
