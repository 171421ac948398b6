//! Against signatures that GnuPG made: the keys are made by the tests.

use std::process::Command;

use super::*;
use crate::media::test_server::{Reply, Server};
use crate::media::{Checksum, Context, Request, Store};

const LIST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08  x.iso\n";

/// A GnuPG home with one key.
struct Signer(tempfile::TempDir);

impl Signer {
    fn new(who: &str) -> Self {
        let signer = Self(tempfile::tempdir().unwrap());
        signer.gpg(&["--passphrase", "", "--quick-gen-key", who, "ed25519", "sign", "never"], b"");
        signer
    }

    #[expect(clippy::disallowed_methods, reason = "a test that signs as a distribution does")]
    fn gpg(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let from = self.0.path().join("input");
        fs::write(&from, input).unwrap();
        let output = Command::new("gpg")
            .args(["--batch", "--yes", "--quiet", "--no-tty", "--pinentry-mode", "loopback"])
            .arg("--homedir")
            .arg(self.0.path())
            .args(args)
            .stdin(fs::File::open(from).unwrap())
            .output()
            .expect("gpg is in package gnupg");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn keys(&self) -> PathBuf {
        let path = self.0.path().join("keys.asc");
        fs::write(&path, self.gpg(&["--armor", "--export"], b"")).unwrap();
        path
    }

    fn clear(&self, text: &str) -> Vec<u8> {
        self.gpg(&["--clear-sign"], text.as_bytes())
    }

    fn detached(&self, text: &str) -> Vec<u8> {
        self.gpg(&["--armor", "--detach-sign"], text.as_bytes())
    }
}

fn check(list: &[u8], beside: Option<&[u8]>, keys: &Path) -> Result<Verified, String> {
    verify(list, beside, keys, "https://x/SUMS", &CancelToken::new()).map_err(|e| e.to_string())
}

#[test]
fn signatures_of_the_three_forms() {
    let alma = Signer::new("Alma <a@example.org>");
    let (keys, clear) = (alma.keys(), alma.clear(LIST));
    let fingerprint = check(&clear, None, &keys).unwrap().fingerprint;
    assert_eq!(fingerprint.len(), 40);
    for (list, beside) in [
        (clear.clone(), None),
        (LIST.as_bytes().to_vec(), Some(alma.detached(LIST))),
        // Without armor, as files named .sig often are.
        (LIST.as_bytes().to_vec(), Some(alma.gpg(&["--detach-sign"], LIST.as_bytes()))),
        (b"what an attacker put beside it".to_vec(), Some(clear.clone())),
    ] {
        let good = check(&list, beside.as_deref(), &keys).unwrap();
        assert_eq!((good.text.as_str(), &good.fingerprint), (LIST, &fingerprint));
        assert!(!good.expired);
    }
    // Only what was signed counts, not what stands around it.
    let around = [b"aaaa  x.iso\n".as_slice(), &clear, b"\nbbbb  x.iso\n"].concat();
    assert!(check(&around, None, &keys).is_err(), "text before the message");
    let after = [clear.as_slice(), b"\nbbbb  x.iso\n"].concat();
    assert!(check(&after, None, &keys).is_ok_and(|good| good.text == LIST), "text after it");
}

#[test]
fn bad_signatures() {
    let (alma, other) = (Signer::new("Alma <a@example.org>"), Signer::new("B <b@example.org>"));
    let keys = alma.keys();
    let altered = String::from_utf8(alma.clear(LIST)).unwrap().replace("9f86", "0000");
    let detached = alma.detached(LIST);
    for (list, beside, reason) in [
        (altered.into_bytes(), None, "the signature is wrong"),
        (other.clear(LIST), None, "by a key that we know"),
        (LIST.as_bytes().to_vec(), None, "is not signed"),
        (LIST.replace("9f86", "0000").into_bytes(), Some(detached), "the signature is wrong"),
        (LIST.as_bytes().to_vec(), Some(b"<html>404</html>".to_vec()), "is not signed"),
        (LIST.as_bytes().to_vec(), Some(b"\x88rubbish".to_vec()), "by a key that we know"),
        (b"-----BEGIN PGP SIGNED MESSAGE-----\nrubbish".to_vec(), None, "by a key that we know"),
    ] {
        let error = check(&list, beside.as_deref(), &keys).unwrap_err();
        assert!(error.contains(reason) && error.contains("--unsigned-media"), "{error}");
    }
    let error = check(&alma.clear(LIST), None, Path::new("/nonexistent.asc")).unwrap_err();
    assert!(error.contains("/nonexistent.asc"), "{error}");
}

#[test]
fn status_lines() {
    // Shape from GnuPG's doc/DETAILS; values synthetic.
    let valid = "[GNUPG:] VALIDSIG AAAA 2026-01-01 1 0 4 0 22 8 01 FFFF";
    for (lines, expected) in [
        (valid.to_owned(), (Some("FFFF"), false, false)),
        (format!("[GNUPG:] EXPKEYSIG A b\n{valid}"), (Some("FFFF"), false, true)),
        (format!("[GNUPG:] REVKEYSIG A b\n{valid}"), (Some("FFFF"), true, false)),
        (format!("{valid}\n[GNUPG:] BADSIG A b"), (Some("FFFF"), true, false)),
        (format!("[GNUPG:] NO_PUBKEY 1\n{valid}"), (Some("FFFF"), false, false)),
        ("[GNUPG:] NO_PUBKEY 1".into(), (None, false, false)),
    ] {
        let status = Status::read(&lines);
        let got = (status.valid.as_deref(), status.refused.is_some(), status.expired);
        assert_eq!(got, expected, "{lines}");
    }
}

#[test]
fn a_medium_whose_list_is_signed() {
    let alma = Signer::new("Alma <a@example.org>");
    let (keys, signature) = (alma.keys(), alma.detached(LIST));
    let server = Server::start(move |_, seen| match seen.path.as_str() {
        "/SUMS" => Reply::ok(LIST),
        "/SUMS.gpg" => Reply::ok(signature.clone()),
        "/x.iso" => Reply::ok("test"),
        _ => Reply::code(404),
    });
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path().to_path_buf());
    let request = |suffix: Option<&str>| Request {
        url: format!("{}/x.iso", server.url),
        checksum: Checksum::File(format!("{}/SUMS", server.url)),
        signed: Some(SignedBy { keys: keys.clone(), suffix: suffix.map(str::to_owned) }),
    };
    let media = store.fetch(&request(Some(".gpg")), &Context::silent()).unwrap();
    assert!(media.signed_by.is_some_and(|key| key.len() == 40));
    let offline = Context { offline: true, ..Context::silent() };
    assert!(store.fetch(&request(Some(".gpg")), &offline).unwrap().signed_by.is_some());
    for (suffix, reason) in [(None, "is not signed"), (Some(".asc"), "HTTP 404")] {
        let error = store.fetch(&request(suffix), &Context::silent()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// Every key of the tree can be read, and its README names its fingerprint.
#[test]
fn keys_of_the_tree() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../common/keys");
    let readme = fs::read_to_string(dir.join("README.md")).unwrap();
    let mut count = 0;
    for entry in fs::read_dir(&dir).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".asc") else { continue };
        let packets = dearmored(&entry.path()).unwrap();
        for fingerprint in fingerprints(&packets) {
            let row = |l: &str| l.contains(&format!("`{stem}`")) && l.contains(&fingerprint);
            assert!(readme.lines().any(row), "{stem}: {fingerprint} is not in the README");
            count += 1;
        }
    }
    assert!(count >= 15, "{count}");
}

/// What the images say exists; a download without a key is one of those that
/// the README lists as not signed.
#[test]
fn images_name_keys_of_the_tree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let repo = crate::repo::Repo::find(Some(&root), None, None).unwrap();
    let mut unsigned = std::collections::BTreeSet::new();
    for target in repo.catalog().unwrap().targets() {
        match crate::build::media::signed_by(&repo, target) {
            Some(signed) => assert!(signed.keys.is_file(), "{}: {:?}", target.id, signed.keys),
            None if target.facts.media.kind == crate::catalog::MediaKind::Download => {
                unsigned.insert(target.image.clone());
            }
            None => {}
        }
    }
    let unsigned: Vec<_> = unsigned.iter().map(String::as_str).collect();
    let known = "centos10-stream centos8-stream centos9-stream debian openeuler";
    assert_eq!(unsigned.join(" "), known);
}

/// Fingerprints of the primary keys of version 4 (RFC 9580, 5.5.4.2).
fn fingerprints(mut packets: &[u8]) -> Vec<String> {
    use sha1::Digest as _;
    let mut found = Vec::new();
    while let [tag, rest @ ..] = packets {
        let (len, rest) = match (tag & 0x40 != 0, tag & 3, rest) {
            (true, _, [n @ 0..192, r @ ..]) => (usize::from(*n), r),
            (true, _, [n @ 192..224, m, r @ ..]) => {
                ((usize::from(*n) - 192) * 256 + usize::from(*m) + 192, r)
            }
            (false, 0, [n, r @ ..]) => (usize::from(*n), r),
            (false, 1, [n, m, r @ ..]) => (usize::from(*n) * 256 + usize::from(*m), r),
            _ => panic!("length {tag:x}"),
        };
        let kind = if tag & 0x40 != 0 { tag & 0x3f } else { (tag & 0x3c) >> 2 };
        if kind == 6 {
            let head = [0x99, (len >> 8) as u8, len as u8];
            let hash = sha1::Sha1::digest([head.as_slice(), &rest[..len]].concat());
            found.push(hash.iter().map(|b| format!("{b:02X}")).collect());
        }
        packets = &rest[len..];
    }
    found
}
