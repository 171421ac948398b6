//! The package lists of rpm databases. Where they come from: `rpmdb/README.md`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Read as _;

use disk_image::ErrorKind;
use disk_image::rpmdb::{RpmPackage, read};

fn unpack(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut bytes).unwrap();
    bytes
}

fn database() -> Vec<u8> {
    unpack(include_bytes!("rpmdb/rpmdb.sqlite.gz"))
}

fn log() -> Vec<u8> {
    unpack(include_bytes!("rpmdb/rpmdb.sqlite-wal.gz"))
}

fn names(packages: &[RpmPackage]) -> Vec<&str> {
    packages.iter().map(|package| package.name.as_str()).collect()
}

#[test]
fn sqlite_as_rpm_wrote_it() {
    let packages = read(&database(), &[]).unwrap();
    // `rpm -qa --qf '%{NAME} %{EVR} %{ARCH} %{LICENSE}\n' | sort`
    let shown: Vec<_> =
        packages.iter().map(|p| format!("{} {} {} {}", p.name, p.evr, p.arch, p.license)).collect();
    let mut expected = vec!["sample 1:1.2-3.el9 noarch MIT".to_owned()];
    expected.extend((10..22).map(|n| format!("sample-n{n} 1:1.2-3.el9 noarch MIT")));
    expected.push("sample-plain 0:4.5-3.el9 noarch GPL-2.0-or-later AND MIT".into());
    assert_eq!(shown, expected);
    assert!(packages.iter().all(|p| p.vendor == "Example"));
}

#[test]
fn the_log_counts_as_far_as_it_is_whole() {
    let (database, log) = (database(), log());
    let with_log = read(&database, &log).unwrap();
    assert_eq!(with_log.len(), 15);
    assert!(names(&with_log).contains(&"sample-later"));
    // A transaction without its end, a frame that is not what was written.
    let mut changed = log.clone();
    changed[100] ^= 1;
    for log in [&log[..log.len() - 1], &log[..20], &changed] {
        assert_eq!(read(&database, log).unwrap().len(), 14);
    }
}

/// The framing of `rpmpkg.c` around the headers that SQLite's file has.
fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0; 4096];
    file[..4].copy_from_slice(b"RpmP");
    file[12..16].copy_from_slice(&1_u32.to_le_bytes());
    for slot in file[32..].chunks_exact_mut(16) {
        slot[..4].copy_from_slice(b"Slot");
    }
    for (number, header) in (1_u32..).zip(headers) {
        let at = file.len();
        let len = u32::try_from(header.len()).unwrap();
        let mut blob = [&b"BlbS"[..], &number.to_le_bytes(), &7_u32.to_le_bytes()].concat();
        blob.extend(len.to_le_bytes());
        blob.extend(header);
        blob.resize((blob.len() + 12).next_multiple_of(16) - 12, 0);
        let (a, b) = blob.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
            let a = (a + u32::from(byte)) % 65521;
            (a, (b + a) % 65521)
        });
        blob.extend((b << 16 | a).to_le_bytes());
        blob.extend(len.to_le_bytes());
        blob.extend(b"BlbE");
        let slot = 32 + 16 * usize::try_from(number).unwrap();
        let units = |len: usize| u32::try_from(len / 16).unwrap().to_le_bytes();
        file[slot + 4..slot + 8].copy_from_slice(&number.to_le_bytes());
        file[slot + 8..slot + 12].copy_from_slice(&units(at));
        file[slot + 12..slot + 16].copy_from_slice(&units(blob.len()));
        file.extend(blob);
    }
    file
}

/// A header with a name, a version, a release and an epoch (`lib/header.c`).
fn header(name: &str) -> Vec<u8> {
    let data = [name.as_bytes(), b"\x002.0\x001\0\0\0\0\0\0\0\x07"].concat();
    let start = u32::try_from(name.len()).unwrap();
    let epoch = u32::try_from(data.len() - 4).unwrap();
    let index =
        [(1000, 6, 0), (1001, 6, start + 1), (1002, 6, start + 5), (1003_u32, 4_u32, epoch)];
    let counts = [4, u32::try_from(data.len()).unwrap()];
    let entries = index.iter().flat_map(|&(tag, kind, at)| [tag, kind, at, 1]);
    counts.into_iter().chain(entries).flat_map(u32::to_be_bytes).chain(data).collect()
}

#[test]
fn ndb_in_the_frame_of_rpmpkg() {
    let headers = [header("zsh"), header("gpg-pubkey"), header("bash")];
    let packages = read(&ndb(&headers), &[]).unwrap();
    assert_eq!(names(&packages), ["bash", "zsh"]);
    assert_eq!(packages[0].evr, "7:2.0-1");
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let headers = [header("zsh"), header("bash")];
    for whole in [database(), ndb(&headers)] {
        for len in (0..whole.len()).step_by(whole.len() / 400) {
            let error = read(&whole[..len], &[]).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotThisFormat));
        }
        let mut state = 1_u64;
        for _ in 0..2000 {
            let mut damaged = whole.clone();
            for _ in 0..4 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(state >> 33).unwrap() % damaged.len().min(20_000);
                damaged[at] ^= u8::try_from(state >> 56).unwrap();
            }
            // Whatever it says, it says it soon.
            let _: disk_image::Result<_> = read(&damaged, &log());
        }
    }
    assert_eq!(read(b"\0\0\0\0", &[]).unwrap_err().kind(), ErrorKind::NotThisFormat);
}

/// What fuzzing starts from must be read to the end; its first byte says how
/// much of the rest is a log (`xtask/fuzz/README.md`).
#[test]
fn the_seeds_of_fuzzing_are_good() {
    for (bytes, count) in [
        (&include_bytes!("../../fuzz/seeds/rpmdb/sqlite")[..], 3),
        (&include_bytes!("../../fuzz/seeds/rpmdb/ndb")[..], 3),
    ] {
        let packages = read(bytes.get(1..).unwrap(), &[]).unwrap();
        assert_eq!(packages.len(), count);
    }
}
