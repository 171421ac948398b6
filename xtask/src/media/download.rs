//! Downloading into a `.partial` file, with resume and retries.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::hash::{Digests, Hasher, feed_file};
use super::http::{self, Answer, BodyError, masked};
use super::store::free_bytes;
use super::{Algorithm, Context, MediaError, Progress};

/// Attempts that bring nothing new before giving up.
const ATTEMPTS: u32 = 5;
/// Wait before the second attempt; doubled for each further one.
const BACKOFF: Duration = Duration::from_secs(1);
/// Room left for whatever else runs.
const SLACK: u64 = 64 << 20;

/// A download that may have been begun by an earlier run.
pub(super) struct Download<'a> {
    pub url: &'a str,
    /// Where the bytes gather; renamed by the caller once they are verified.
    pub partial: PathBuf,
    /// Compute SHA-512 as well.
    pub also: Option<Algorithm>,
    /// The caller checks the content, so a resume without a validator is safe.
    pub verifiable: bool,
}

/// How one attempt ended.
enum Ended {
    Done(Digests),
    /// Worth another attempt: the reason, and whether bytes arrived.
    Again {
        reason: String,
        progress: bool,
    },
    /// What was there does not fit: start over.
    Restart(String),
}

impl Download<'_> {
    /// Downloads the file and returns its digests; it is synced to disk.
    pub(super) fn run(&self, ctx: &Context<'_>) -> Result<Digests, MediaError> {
        let mut failures = 0;
        let mut backoff = BACKOFF;
        loop {
            let reason = match self.attempt(ctx)? {
                Ended::Done(digests) => return Ok(digests),
                Ended::Again { reason, progress } => {
                    if progress {
                        (failures, backoff) = (0, BACKOFF);
                    }
                    reason
                }
                Ended::Restart(reason) => {
                    self.discard();
                    reason
                }
            };
            failures += 1;
            if failures >= attempts(&reason) {
                return Err(MediaError::Network { url: masked(self.url), reason });
            }
            (ctx.notice)(&format!("{}: {reason}; trying again", masked(self.url)));
            pause(backoff, ctx)?;
            backoff *= 2;
        }
    }

    /// Forgets what an earlier attempt left.
    pub(super) fn discard(&self) {
        for path in [&self.partial, &self.note_path()] {
            // Nothing to do if it is not there; an unwritable one is reported on open.
            let _gone: Result<(), _> = fs::remove_file(path);
        }
    }

    fn attempt(&self, ctx: &Context<'_>) -> Result<Ended, MediaError> {
        if ctx.cancel.is_set() {
            return Err(MediaError::Interrupted);
        }
        let (have, validator) = self.resumable();
        let answer = match http::get(self.url, have, validator.as_deref(), ctx)? {
            Ok(answer) => answer,
            Err(http::NoAnswer(reason)) => return Ok(Ended::Again { reason, progress: false }),
        };
        match answer.code {
            206 if answer.start == have => self.receive(answer, have, ctx),
            206 => Ok(Ended::Restart(format!(
                "the server sent byte {} on instead of {have}",
                answer.start
            ))),
            200 => self.receive(answer, 0, ctx),
            416 if have > 0 => {
                Ok(Ended::Restart("the file on the server is shorter than the part here".into()))
            }
            408 | 425 | 429 | 500..=599 => Ok(Ended::Again {
                reason: format!("the server answered HTTP {}", answer.code),
                progress: false,
            }),
            code => Err(MediaError::Status { url: masked(self.url), code }),
        }
    }

    /// Bytes that can be kept, and what proves that they belong to the file.
    fn resumable(&self) -> (u64, Option<String>) {
        let have = fs::metadata(&self.partial).map_or(0, |m| m.len());
        let note = fs::read_to_string(self.note_path()).unwrap_or_default();
        let (url, validator) = note.split_once('\n').unwrap_or((&note, ""));
        if have == 0 || url != self.url || (validator.is_empty() && !self.verifiable) {
            return (0, None);
        }
        (have, Some(validator.to_owned()).filter(|v| !v.is_empty()))
    }

    /// URL and validator of what gathers in the partial file.
    fn note_path(&self) -> PathBuf {
        let mut name = self.partial.clone().into_os_string();
        name.push(".from");
        name.into()
    }

    fn receive(&self, answer: Answer, keep: u64, ctx: &Context<'_>) -> Result<Ended, MediaError> {
        self.check_room(answer.total.map(|total| total.saturating_sub(keep)))?;
        let failed = |e| MediaError::io("cannot write", &self.partial, e);
        let mut hasher = Hasher::new(self.also);
        let mut file = self.open(keep).map_err(failed)?;
        if keep > 0 {
            feed_file(&self.partial, &mut hasher, &Context { progress: &|_| {}, ..copy(ctx) })?;
        } else {
            let note = format!("{}\n{}", self.url, answer.validator.as_deref().unwrap_or_default());
            fs::write(self.note_path(), note).map_err(failed)?;
        }
        let mut done = keep;
        loop {
            match answer.body.next(ctx) {
                Ok(Some(bytes)) => {
                    file.write_all(&bytes).map_err(failed)?;
                    hasher.update(&bytes);
                    done += bytes.len() as u64;
                    (ctx.progress)(Progress { done, total: answer.total });
                }
                Ok(None) => break,
                Err(BodyError::Broken(reason)) => {
                    return Ok(Ended::Again { reason, progress: done > keep });
                }
                Err(BodyError::Fatal(error)) => return Err(error),
            }
        }
        if let Some(total) = answer.total.filter(|total| *total != done) {
            let reason = format!("the connection ended after {done} of {total} bytes");
            return Ok(Ended::Again { reason, progress: done > keep });
        }
        file.sync_all().map_err(failed)?;
        Ok(Ended::Done(hasher.finish()))
    }

    fn open(&self, keep: u64) -> std::io::Result<File> {
        if keep > 0 {
            return OpenOptions::new().append(true).open(&self.partial);
        }
        File::create(&self.partial)
    }

    fn check_room(&self, need: Option<u64>) -> Result<(), MediaError> {
        let dir = self.partial.parent().unwrap_or(Path::new("/"));
        let (Some(need), Some(free)) = (need, free_bytes(dir)) else { return Ok(()) };
        if need.saturating_add(SLACK) <= free {
            return Ok(());
        }
        Err(MediaError::DiskFull {
            dir: dir.to_path_buf(),
            need: Some(need.saturating_add(SLACK)),
            free,
        })
    }
}

fn copy<'a>(ctx: &Context<'a>) -> Context<'a> {
    Context {
        offline: ctx.offline,
        cancel: ctx.cancel.clone(),
        progress: ctx.progress,
        notice: ctx.notice,
    }
}

fn pause(time: Duration, ctx: &Context<'_>) -> Result<(), MediaError> {
    let since = Instant::now();
    while since.elapsed() < time {
        if ctx.cancel.is_set() {
            return Err(MediaError::Interrupted);
        }
        std::thread::sleep(Duration::from_millis(50).min(time));
    }
    Ok(())
}

/// Reads a page, whatever its encoding.
pub(super) fn text(url: &str, ctx: &Context<'_>) -> Result<String, MediaError> {
    bytes(url, ctx).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a short file such as a checksum list or its signature.
pub(super) fn bytes(url: &str, ctx: &Context<'_>) -> Result<Vec<u8>, MediaError> {
    /// The largest list in use (Ubuntu's and Fedora's) has a few hundred lines.
    const LIMIT: usize = 4 << 20;
    let mut backoff = BACKOFF;
    let mut failures = 0;
    loop {
        let reason = match text_once(url, LIMIT, ctx)? {
            Ok(bytes) => return Ok(bytes),
            Err(reason) => reason,
        };
        failures += 1;
        if failures >= attempts(&reason) {
            return Err(MediaError::Network { url: masked(url), reason });
        }
        (ctx.notice)(&format!("{}: {reason}; trying again", masked(url)));
        pause(backoff, ctx)?;
        backoff *= 2;
    }
}

/// How often to try. A name that does not resolve is a typo or a site without
/// that network far more often than a passing fault.
fn attempts(reason: &str) -> u32 {
    if reason.contains("failed to lookup address") { 2 } else { ATTEMPTS }
}

/// The inner error is worth another attempt.
fn text_once(
    url: &str,
    limit: usize,
    ctx: &Context<'_>,
) -> Result<Result<Vec<u8>, String>, MediaError> {
    let answer = match http::get(url, 0, None, ctx)? {
        Ok(answer) => answer,
        Err(http::NoAnswer(reason)) => return Ok(Err(reason)),
    };
    match answer.code {
        200 => {}
        408 | 425 | 429 | 500..=599 => {
            return Ok(Err(format!("the server answered HTTP {}", answer.code)));
        }
        code => return Err(MediaError::Status { url: masked(url), code }),
    }
    let mut bytes = Vec::new();
    loop {
        match answer.body.next(ctx) {
            Ok(Some(more)) => bytes.extend_from_slice(&more),
            Ok(None) => return Ok(Ok(bytes)),
            Err(BodyError::Broken(reason)) => return Ok(Err(reason)),
            Err(BodyError::Fatal(error)) => return Err(error),
        }
        if bytes.len() > limit {
            return Err(MediaError::Form(format!(
                "{} is no checksum list: it is too long",
                masked(url)
            )));
        }
    }
}
