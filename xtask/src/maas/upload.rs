//! One upload: decide, create, send, read back; or leave the server as good as it
//! was.
//!
//! MAAS appends what it gets and has no offset, so nothing is ever sent again
//! blindly: after a lost answer the file's progress is read first. A new set is
//! made beside the old ones (`keep_old`), which stay deployable until the new one
//! is complete, because the newest complete set is what a deployment gets.

pub mod decide;
mod recover;

use std::time::{Duration, Instant};

use self::decide::{Step, decide, is_ours, twice};
use super::api::Api;
use super::error::{Kind, MaasError};
use super::offer::Offer;
use super::resource::{File, Resource, Set};
use super::source::Source;
use super::version::Version;

/// What nginx in front of MAAS lets pass is 10 MB; the official client sends 4 MiB.
pub const PIECE: u64 = 4 << 20;
/// Below this, a 413 is no matter of size.
const SMALLEST_PIECE: u64 = 64 << 10;
/// Seconds without a change until the read-back gives up: MAAS copies the file to
/// every region.
const SYNC_PATIENCE: u32 = 900;

/// What happens, for people.
#[derive(Clone, Debug)]
pub enum Event {
    /// Something worth a line.
    Note(String),
    /// Bytes that MAAS has.
    Sent {
        /// So far.
        done: u64,
        /// In the end.
        total: u64,
    },
    /// Everything is sent; MAAS checks and copies.
    Checking,
}

/// How an upload ended well.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The image as MAAS reads it back.
    pub resource: Resource,
    /// Bytes sent, those sent twice included.
    pub sent: u64,
    /// Time for it.
    pub time: Duration,
    /// The image was there before.
    pub was_there: bool,
}

/// How it ended otherwise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why.
    pub why: String,
    /// What is on the server now.
    pub state: String,
    /// By Ctrl-C.
    pub interrupted: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)?;
        if self.state.is_empty() { Ok(()) } else { write!(f, "\n  now: {}", self.state) }
    }
}

impl std::error::Error for Failure {}

/// An upload that runs.
pub struct Upload<'a> {
    api: &'a Api,
    version: &'a Version,
    offer: &'a Offer,
    on: &'a mut dyn FnMut(Event),
    piece: u64,
    regions: Option<u32>,
    sent: u64,
}

/// Where a file goes.
#[derive(Clone, Debug)]
struct Goal {
    id: u64,
    uri: String,
    from: u64,
}

impl<'a> Upload<'a> {
    /// Prepares one; nothing is sent yet.
    pub fn new(
        api: &'a Api,
        version: &'a Version,
        offer: &'a Offer,
        on: &'a mut dyn FnMut(Event),
    ) -> Self {
        Self { api, version, offer, on, piece: PIECE, regions: None, sent: 0 }
    }

    /// Other pieces than [`PIECE`]; for tests.
    #[must_use]
    pub fn piece(mut self, bytes: u64) -> Self {
        self.piece = bytes.max(1);
        self
    }

    /// Uploads. `replace` deletes the image of that name first.
    ///
    /// # Errors
    /// Why, and what is on the server then.
    pub fn run(mut self, replace: bool) -> Result<Outcome, Failure> {
        let started = Instant::now();
        let done = |upload: &Self, resource, was_there| Outcome {
            resource,
            sent: upload.sent,
            time: started.elapsed(),
            was_there,
        };
        let goal = match self.begin(replace).map_err(unchanged)? {
            Begun::There(resource) => return Ok(done(&self, *resource, true)),
            Begun::Goal(goal) => goal,
        };
        match self.finish(&goal) {
            Ok(resource) => Ok(done(&self, resource, false)),
            Err(error) => Err(self.give_up(&goal, &error)),
        }
    }

    /// Everything up to the first byte.
    fn begin(&mut self, replace: bool) -> Result<Begun, MaasError> {
        let existing = self.find()?;
        match decide(existing.as_ref(), self.offer, self.version, replace) {
            Step::Nothing => match existing {
                Some(resource) => Ok(Begun::There(Box::new(resource))),
                None => Err(wrong("read the image", "it vanished")),
            },
            Step::Refuse(why) => Err(wrong("upload", why)),
            Step::Resume(id, uri) => self.resume(id, uri).map(Begun::Goal),
            Step::Create => self.create(existing.as_ref()).map(Begun::Goal),
            Step::Replace(id) => {
                self.check_elsewhere(Some(id))?;
                let bytes = existing.as_ref().map_or(0, Resource::stored);
                self.note(format!(
                    "deleting the image that is there, which frees {}; until this upload ends, \
                     MAAS has none of that name",
                    crate::table::size(bytes)
                ));
                self.api.delete(id)?;
                self.create(None).map(Begun::Goal)
            }
        }
    }

    fn note(&mut self, text: impl Into<String>) {
        (self.on)(Event::Note(text.into()));
    }

    /// The resource an upload of this name and architecture ends in.
    fn find(&self) -> Result<Option<Resource>, MaasError> {
        let all = self.api.resources("uploaded")?;
        let ours = all.into_iter().find(|r| {
            r.name == self.offer.bare_name() && r.architecture == self.offer.architecture
        });
        ours.map_or(Ok(None), |r| self.api.resource(r.id))
    }

    /// On versions that lose shared bytes, no other image may hold them.
    fn check_elsewhere(&self, except: Option<u64>) -> Result<(), MaasError> {
        if !self.version.loses_shared_bytes() {
            return Ok(());
        }
        for listed in self.api.resources("uploaded")? {
            if Some(listed.id) == except {
                continue;
            }
            let Some(resource) = self.api.resource(listed.id)? else { continue };
            let mut files = resource.sets.values().flat_map(|s| s.files.values());
            if files.any(|f| f.sha256.eq_ignore_ascii_case(&self.offer.sha256)) {
                let holder = format!("{} ({})", resource.full_name(), resource.architecture);
                return Err(wrong("upload", twice(&holder, self.version)));
            }
        }
        Ok(())
    }

    /// Goes on with an upload that broke off; not while somebody else does.
    fn resume(&mut self, id: u64, uri: String) -> Result<Goal, MaasError> {
        let first = self.received(id, &uri)?;
        self.api.rest(self.api.pace().second.saturating_mul(2), "resume the upload")?;
        let from = self.received(id, &uri)?;
        if first != from {
            let why = "another client is uploading this very file now\n  hint: wait for it";
            return Err(wrong("resume the upload", why));
        }
        self.note(format!(
            "an earlier upload of this file broke off; going on at {}",
            crate::table::size(from)
        ));
        Ok(Goal { id, uri, from })
    }

    /// Announces the file. If the answer is lost, looks whether it worked before
    /// doing it again.
    fn create(&mut self, existing: Option<&Resource>) -> Result<Goal, MaasError> {
        self.check_elsewhere(existing.map(|r| r.id))?;
        let known: Vec<String> = existing.map_or(vec![], |r| r.sets.keys().cloned().collect());
        let mut number = 0;
        loop {
            let resource = match self.api.create(self.offer.fields()) {
                Ok(resource) => Some(resource),
                Err(error) => {
                    self.api.wait_or_fail(&mut number, error)?;
                    self.find()?
                }
            };
            let Some(resource) = resource else { continue };
            let new = |set: &&Set| !known.contains(&set.version);
            let file = resource
                .newest_first()
                .into_iter()
                .filter(new)
                .find_map(|set| set.files.values().find(|f| is_ours(f, self.offer)));
            if let Some(file) = file {
                let (uri, from) = (file.upload_uri.clone(), self.bytes_of(file)?);
                return Ok(Goal { id: resource.id, uri: uri.unwrap_or_default(), from });
            }
            if number == 0 {
                return Err(wrong("create the image", "the answer does not name the new file"));
            }
        }
    }

    /// Bytes of a file by its progress; asks for the number of regions once.
    fn bytes_of(&mut self, file: &File) -> Result<u64, MaasError> {
        let regions = match self.regions {
            Some(regions) => regions,
            None if file.progress.unwrap_or(0.0) == 0.0 => 1,
            None => self.api.regions()?,
        };
        if file.progress.is_some_and(|p| p > 0.0) {
            self.regions = Some(regions);
        }
        let received = file.received(self.version, regions);
        received.map_err(|why| wrong("read how far the upload is", why))
    }

    /// Bytes MAAS has of the file that `uri` uploads; all, if it is complete.
    fn received(&mut self, id: u64, uri: &str) -> Result<u64, MaasError> {
        let doing = "read how far the upload is";
        let resource = self
            .api
            .resource(id)?
            .ok_or_else(|| wrong(doing, "somebody deleted the image meanwhile"))?;
        let files = || resource.sets.values().flat_map(|s| s.files.values());
        if let Some(file) = files().find(|f| f.upload_uri.as_deref() == Some(uri)) {
            return self.bytes_of(file);
        }
        if files().any(|f| f.complete && is_ours(f, self.offer)) {
            return Ok(self.offer.size);
        }
        Err(wrong(doing, "somebody replaced the image meanwhile"))
    }

    /// Sends what is missing and reads back.
    fn finish(&mut self, goal: &Goal) -> Result<Resource, MaasError> {
        self.send(goal)?;
        (self.on)(Event::Checking);
        self.read_back(goal.id)
    }

    fn send(&mut self, goal: &Goal) -> Result<(), MaasError> {
        let total = self.offer.size;
        let broken = |e: std::io::Error| wrong("read the file", e.to_string());
        let source = Source::open(&self.offer.path, total, self.offer.stamp).map_err(broken)?;
        let (mut done, mut failures) = (goal.from, 0);
        (self.on)(Event::Sent { done, total });
        while done < total {
            let piece = source.piece(done, self.piece);
            let count = piece.len();
            let is_last = done.saturating_add(count) >= total;
            if is_last && source.has_changed().map_err(broken)? {
                // Without its last piece the file never counts as complete.
                return Err(wrong("send the file", "it changed while it was sent"));
            }
            self.sent = self.sent.saturating_add(count);
            match self.api.put(&goal.uri, piece, is_last) {
                Ok(()) => (done, failures) = (done.saturating_add(count), 0),
                Err(error) => {
                    let expected = [done, done.saturating_add(count)];
                    done = self.recover(goal, error, expected, &mut failures)?;
                }
            }
            (self.on)(Event::Sent { done, total });
        }
        Ok(())
    }

    /// Waits until MAAS calls the file complete, in every region.
    fn read_back(&mut self, id: u64) -> Result<Resource, MaasError> {
        let doing = "read the image back";
        let (mut waited, mut last) = (0, None);
        loop {
            let resource =
                self.api.resource(id)?.ok_or_else(|| wrong(doing, "somebody deleted it"))?;
            let newest = resource.deployable().and_then(Set::only_file);
            if newest.is_some_and(|f| is_ours(f, self.offer)) {
                return Ok(resource);
            }
            let progress = |f: &File| (is_ours(f, self.offer) && !f.complete).then_some(f.progress);
            let files = || resource.sets.values().flat_map(|s| s.files.values());
            let Some(progress) = files().find_map(progress) else {
                return Err(wrong(doing, "MAAS deploys another upload of this name by now"));
            };
            waited = if last == Some(progress) { waited + 2 } else { 0 };
            last = Some(progress);
            if waited >= SYNC_PATIENCE {
                let why = format!("it is not complete after {SYNC_PATIENCE} s without progress");
                return Err(wrong(doing, why));
            }
            self.api.rest(self.api.pace().second.saturating_mul(2), doing)?;
        }
    }
}

enum Begun {
    There(Box<Resource>),
    Goal(Goal),
}

fn wrong(doing: &str, why: impl Into<String>) -> MaasError {
    MaasError { doing: doing.into(), kind: Kind::Unexpected(why.into()) }
}

/// A failure before the first byte: nothing that was there is gone.
fn unchanged(error: MaasError) -> Failure {
    Failure {
        interrupted: error.kind == Kind::Interrupted,
        why: error.to_string(),
        state: String::new(),
    }
}

#[cfg(test)]
mod tests;
