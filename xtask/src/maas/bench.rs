//! How fast an upload is: against what the model of MAAS takes at most, and
//! against a client that reads, hashes and sends one piece after the other, each
//! over a connection of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use sha2::{Digest as _, Sha256};

use super::api::{Api, Pace};
use super::filetype::Filetype;
use super::http::Client;
use super::model::dialect;
use super::model::fault::{Calm, Dice};
use super::model::front::Server;
use super::oauth;
use super::offer::Offer;
use super::secret::ApiKey;
use super::upload::{self, Upload};
use super::url::Base;
use super::version::Version;
use crate::media;
use crate::signal::CancelToken;
use crate::table;

/// Bytes of a piece, as in uploads.
#[expect(clippy::cast_possible_truncation, reason = "4 MiB")]
const PIECE: usize = upload::PIECE as usize;

/// Measures uploads of a file of `mib` MiB that is made below `out`.
///
/// # Errors
/// The file cannot be written, or the model not started.
pub fn upload(out: &Path, mib: u64, rounds: u32) -> Result<String> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let dir = tempfile::tempdir_in(out)?;
    let path = dir.path().join("bench.tar.gz");
    write_random(&path, mib).with_context(|| format!("cannot write {}", path.display()))?;
    let offer = offer(&path)?;
    let mut all = vec![];
    for _ in 0..rounds {
        all.push([hash(&offer)?, ceiling(&offer)?, ours(&offer)?, serial(&offer)?]);
    }
    Ok(report(mib, &all))
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(mib: u64, all: &[[Duration; 4]]) -> String {
    let mut best = [Duration::MAX; 4];
    for times in all {
        best.iter_mut().zip(times).for_each(|(best, time)| *best = (*time).min(*best));
    }
    let [hash, ceiling, ours, serial] = best;
    // Each round by itself: what else the host does changes from one to the next.
    let ratio = |of: fn([f64; 4]) -> f64| {
        median(all.iter().map(|times| of(times.map(|t| t.as_secs_f64()))).collect())
    };
    let bytes = mib << 20;
    let rate = |time: Duration| bytes as f64 / time.as_secs_f64().max(1e-9);
    let row = |what: &str, time: Duration| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown only")]
        let per_second = rate(time) as u64;
        vec![
            what.to_owned(),
            format!("{:.2} s", time.as_secs_f64()),
            format!("{}/s", table::size(per_second)),
        ]
    };
    let rows = [
        row("most the model takes: raw socket, bytes in memory", ceiling),
        row("xtask, from create to read-back", ours),
        row("serial: read, hash, PUT 4 MiB, new connection each", serial),
        row("hash the file, which xtask does before create", hash),
        row("xtask with that hash", hash.saturating_add(ours)),
    ];
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    table::render(&["WHAT", "TIME", "RATE"], &rows)
        + &format!(
            "{mib} MiB, {} rounds, {profile} build. Median of the rounds: {:.0} % of the ceiling, {:.1} \
             times the serial client, {:.1} times with the hash before. Of the best times: {:.0} %, \
             {:.1} times.\n\
             The model counts bytes and believes the hash; a MAAS hashes once more at the end, the \
             same for every client.\n",
            all.len(),
            100.0 * ratio(|[_, ceiling, ours, _]| ceiling / ours),
            ratio(|[_, _, ours, serial]| serial / ours),
            ratio(|[hash, _, ours, serial]| serial / (hash + ours)),
            100.0 * rate(ours) / rate(ceiling),
            rate(ours) / rate(serial),
        )
}

/// Bytes that do not compress, the same on every host.
fn write_random(path: &Path, mib: u64) -> std::io::Result<()> {
    let mut dice = Dice::new(7);
    let block: Vec<u8> = (0..1 << 17).flat_map(|_| dice.below(u64::MAX).to_le_bytes()).collect();
    let mut file = File::create(path)?;
    for _ in 0..mib {
        file.write_all(&block)?;
    }
    file.sync_all()
}

fn offer(path: &Path) -> Result<Offer> {
    let digests = media::hash_file(path, None, &media::Context::silent())?;
    Ok(Offer {
        path: path.into(),
        name: "custom/bench".into(),
        title: "bench".into(),
        base_image: String::new(),
        architecture: "amd64/generic".into(),
        filetype: Filetype::named("tgz").ok_or_else(|| anyhow!("no tgz"))?,
        sha256: digests.sha256,
        size: std::fs::metadata(path)?.len(),
        stamp: None,
        min_version: None,
    })
}

fn hash(offer: &Offer) -> Result<Duration> {
    let started = Instant::now();
    media::hash_file(&offer.path, None, &media::Context::silent())?;
    Ok(started.elapsed())
}

/// A model, a client for it, and where the file goes.
fn begin(offer: &Offer) -> Result<(Server, Api, String)> {
    let server = model()?;
    let base = Base::parse(&server.url).map_err(|e| anyhow!(e))?;
    let client = Client::new(base, key()?, None, CancelToken::global()).map_err(|e| anyhow!(e))?;
    let api = Api::new(client, Pace::default());
    let resource = api.create(offer.fields())?;
    let files = resource.sets.values().flat_map(|s| s.files.values());
    let uri = files.filter_map(|f| f.upload_uri.clone()).next();
    Ok((server, api, uri.ok_or_else(|| anyhow!("the model names no upload_uri"))?))
}

/// A model that only counts.
fn model() -> Result<Server> {
    let server = Server::start(&dialect::V3_7, Box::new(Calm))?;
    server.app().store.believes = true;
    Ok(server)
}

fn key() -> Result<ApiKey> {
    ApiKey::parse(&Server::key()).map_err(|e| anyhow!(e))
}

fn ours(offer: &Offer) -> Result<Duration> {
    let server = model()?;
    let base = Base::parse(&server.url).map_err(|e| anyhow!(e))?;
    let client = Client::new(base, key()?, None, CancelToken::global()).map_err(|e| anyhow!(e))?;
    let api = Api::new(client, Pace::default());
    let version = Version::parse(dialect::V3_7.version);
    let started = Instant::now();
    Upload::new(&api, &version, offer, &mut |_| {}).run(false)?;
    Ok(started.elapsed())
}

/// As fast as the model can be fed: the same bytes in memory, one connection.
fn ceiling(offer: &Offer) -> Result<Duration> {
    let (server, _api, uri) = begin(offer)?;
    let bytes = std::fs::read(&offer.path)?;
    let mut stream = connect(server.address())?;
    let started = Instant::now();
    for piece in bytes.chunks(PIECE) {
        put(&mut stream, &uri, piece)?;
    }
    Ok(started.elapsed())
}

/// What a simple client does.
fn serial(offer: &Offer) -> Result<Duration> {
    let (server, _api, uri) = begin(offer)?;
    let mut file = File::open(&offer.path)?;
    let mut piece = vec![0; PIECE];
    let mut hash = Sha256::new();
    let mut left = offer.size;
    let started = Instant::now();
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let bytes = piece.get_mut(..count).unwrap_or_default();
        file.read_exact(bytes)?;
        hash.update(&*bytes);
        put(&mut connect(server.address())?, &uri, bytes)?;
        left -= count as u64;
    }
    hash.finalize();
    Ok(started.elapsed())
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One PUT over a raw socket; the answer is read but not judged, because the
/// ceiling sends the same piece again and again.
fn put(stream: &mut TcpStream, uri: &str, bytes: &[u8]) -> Result<()> {
    let head = format!(
        "PUT {uri} HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Type: \
         application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        oauth::header(&key()?, 0)?,
        bytes.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(bytes)?;
    let mut answer = vec![];
    let mut buffer = [0; 4096];
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(anyhow!("the model hung up"));
        }
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
    Ok(())
}
