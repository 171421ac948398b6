//! Real Packer accepts every image that an installer makes, offline: a server
//! of synthetic checksum lists stands in for the vendors' (`media_base`).
//!
//! `cargo test -p xtask --test packer -- --ignored`, with `packer` 1.11 or newer
//! on `PATH` and its qemu plugin in `PACKER_PLUGIN_PATH`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::catalog::{Catalog, Image, MediaKind};
use xtask::plan::{Options, Resolver};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// File names of all media, as a checksum list: synthetic, the hashes are zeros.
fn checksums(catalog: &Catalog) -> String {
    let root = root();
    let mut list = String::new();
    for target in catalog.targets() {
        let mut resolver = Resolver::new(&root, &root.join("out"));
        resolver.load(target).unwrap();
        let Ok(resolved) = resolver.resolve(target, &Options::default(), None) else { continue };
        let name = resolved.plan.media.url.rsplit('/').next().unwrap_or_default().to_owned();
        list.push_str(&format!("{}  {name}\n", "0".repeat(64)));
    }
    list
}

/// Answers every request with `body`, for as long as the test runs.
fn serve(body: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head = lines.next().and_then(Result::ok).unwrap_or_default();
            for line in lines.map_while(Result::ok) {
                if line.is_empty() {
                    break;
                }
            }
            let content = if head.starts_with("HEAD") { "" } else { body.as_str() };
            let length = body.len();
            let _sent = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{content}"
            );
        }
    });
    port
}

#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn packer(image: &Image, args: &[&str]) -> String {
    let mut command = Command::new("packer");
    command.current_dir(&image.dir).args(args).arg(".").env("CHECKPOINT_DISABLE", "1");
    let out = command.output().unwrap();
    let said =
        String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}: packer {args:?}: {said}", image.name);
    said
}

#[test]
#[ignore = "needs Packer 1.11 or newer with the qemu plugin"]
fn packer_accepts_every_installed_image() {
    let catalog = Catalog::load(&root()).unwrap();
    let images: Vec<&Image> =
        catalog.images.iter().filter(|i| i.dir.join("installer.pkr.hcl").exists()).collect();
    assert!(images.len() >= 20, "{} images", images.len());
    let base = format!("media_base=http://127.0.0.1:{}", serve(checksums(&catalog)));
    for image in images {
        let media = &image.targets[0].facts.media;
        let own = format!("{}=/dev/null", media.variable.as_deref().unwrap_or_default());
        let var = if media.kind == MediaKind::User { &own } else { &base };
        packer(image, &["validate", "-var", var]);
        packer(image, &["fmt", "-check"]);
    }
}
