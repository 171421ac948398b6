//! Targets that read artifacts.

use super::used;
use std::io::Write as _;

use disk_image::artifact::{self, Options};
use flate2::Compression;
use flate2::write::GzEncoder;
use xtask::contract;

fn read(artifact: &[u8]) {
    let options = Options { fingerprints: true, cancel: None, temp: Some("/dev/shm".as_ref()) };
    let Ok(artifact) = artifact::read_stream(artifact, options) else { return };
    let expect = contract::Expectations::unknown(artifact.kind);
    used(contract::check(&artifact, &expect));
}

/// Any bytes as an artifact.
pub(super) fn gzip(input: &[u8]) {
    read(input);
}

/// A tar archive, compressed here so that the mutations reach it.
pub(super) fn tar(input: &[u8]) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    if encoder.write_all(input).is_ok()
        && let Ok(artifact) = encoder.finish()
    {
        read(&artifact);
    }
}
