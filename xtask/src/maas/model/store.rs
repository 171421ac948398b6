//! What a MAAS keeps: resources, their sets, and the bytes behind the files.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::dialect::{BadHash, Dialect, SameBytes};

/// One name and architecture.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Number.
    pub id: u64,
    /// `Uploaded` or `Synced`.
    pub kind: &'static str,
    /// As stored.
    pub name: String,
    /// `amd64/generic`.
    pub architecture: String,
    /// Title.
    pub title: String,
    /// `ubuntu/noble`, or empty.
    pub base_image: String,
    /// Oldest first.
    pub sets: Vec<Set>,
}

/// What one create made.
#[derive(Clone, Debug)]
pub struct Set {
    /// `20261123.1`.
    pub version: String,
    /// Gone once a later create replaced it.
    pub file: Option<File>,
}

/// A file's record.
#[derive(Clone, Debug)]
pub struct File {
    /// Number in `upload_uri`.
    pub id: u64,
    /// Name in the set.
    pub filename: &'static str,
    /// Stored type.
    pub filetype: &'static str,
    /// Claimed.
    pub sha256: String,
    /// Claimed.
    pub size: u64,
    /// Bytes that the record says are there (3.5 on).
    pub recorded: u64,
    /// Reads until every region has it.
    pub lag: u32,
}

/// Bytes somewhere: their number and their hash so far.
#[derive(Clone, Default)]
struct Blob {
    hash: Sha256,
    length: u64,
}

/// Everything.
pub struct Store {
    /// The release.
    pub dialect: &'static Dialect,
    /// By number.
    pub resources: BTreeMap<u64, Resource>,
    /// Region controllers.
    pub regions: u32,
    /// Reads until an upload is in every region.
    pub sync_lag: u32,
    /// Believes every hash and only counts bytes, for the benchmark: MAAS hashes
    /// once at the end, which takes all clients the same time.
    pub believes: bool,
    /// Today, as in versions of sets.
    pub day: String,
    blobs: BTreeMap<String, Blob>,
    last_id: u64,
}

impl Store {
    /// An empty one.
    #[must_use]
    pub fn new(dialect: &'static Dialect) -> Self {
        Self {
            dialect,
            resources: BTreeMap::new(),
            regions: 1,
            sync_lag: 0,
            believes: false,
            day: "20261123".into(),
            blobs: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// A number that was not used.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Where the bytes of a file are: the older and the newest releases look only
    /// at the claimed hash.
    fn place(&self, file: &File) -> String {
        match self.dialect.same_bytes {
            SameBytes::Shared | SameBytes::Behind => file.sha256.clone(),
            SameBytes::Rewritten => file.id.to_string(),
        }
    }

    fn length(&self, file: &File) -> u64 {
        self.blobs.get(&self.place(file)).map_or(0, |blob| blob.length)
    }

    /// Bytes that MAAS says it has.
    fn received(&self, file: &File) -> u64 {
        if self.dialect.bad_hash == BadHash::Complete { self.length(file) } else { file.recorded }
    }

    /// MAAS says it has everything, in every region.
    #[must_use]
    pub fn is_complete(&self, file: &File) -> bool {
        self.received(file) >= file.size && file.lag == 0
    }

    /// The bytes really are those that were announced.
    #[must_use]
    pub fn is_true(&self, file: &File) -> bool {
        self.blobs
            .get(&self.place(file))
            .is_some_and(|b| b.length == file.size && hex(b.hash.clone()) == file.sha256)
    }

    /// What is there of a file is how these bytes begin.
    #[must_use]
    pub fn is_beginning(&self, file: &File, bytes: &[u8]) -> bool {
        let Some(blob) = self.blobs.get(&self.place(file)) else { return true };
        let length = usize::try_from(blob.length).unwrap_or(usize::MAX);
        let begin = bytes.get(..length).map(Sha256::digest);
        begin.is_some_and(|digest| digest == blob.hash.clone().finalize())
    }

    /// A file of these bytes exists with another size.
    #[must_use]
    pub fn contradicts(&self, sha256: &str, size: u64) -> bool {
        self.files().any(|f| f.sha256 == sha256 && f.size != size)
    }

    /// Every file of every set.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.resources.values().flat_map(|r| &r.sets).filter_map(|s| s.file.as_ref())
    }

    /// A new set with one file; `keep_old` spares the sets before it.
    pub fn add_set(&mut self, id: u64, mut file: File, keep_old: bool) {
        file.lag = self.sync_lag;
        let day = self.day.clone();
        let Some(resource) = self.resources.get_mut(&id) else { return };
        let mut gone = vec![];
        if !keep_old {
            gone.extend(resource.sets.iter_mut().filter_map(|set| set.file.take()));
        }
        let today = resource.sets.iter().filter(|s| s.version.starts_with(&day)).count();
        let version = if today == 0 { day } else { format!("{day}.{today}") };
        resource.sets.push(Set { version, file: Some(file) });
        gone.iter().for_each(|file| self.forget(file));
    }

    /// Deletes a resource with its bytes.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(resource) = self.resources.remove(&id) else { return false };
        let files: Vec<File> = resource.sets.into_iter().filter_map(|s| s.file).collect();
        files.iter().for_each(|file| self.forget(file));
        true
    }

    /// Drops bytes that no file refers to any more.
    fn forget(&mut self, file: &File) {
        let place = self.place(file);
        if !self.files().any(|f| self.place(f) == place) {
            self.blobs.remove(&place);
        }
    }

    fn file_mut(&mut self, id: u64) -> Option<&mut File> {
        let sets = self.resources.values_mut().flat_map(|r| &mut r.sets);
        sets.filter_map(|s| s.file.as_mut()).find(|f| f.id == id)
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// Status and text, as MAAS gives them.
    pub fn append(&mut self, id: u64, bytes: &[u8]) -> Result<(), (u16, String)> {
        let no = |text: &str| Err((400, text.to_owned()));
        let Some(file) = self.file_mut(id).cloned() else {
            return Err((404, "Not Found".into()));
        };
        if bytes.is_empty() {
            return no("Missing data.");
        }
        if self.is_complete(&file) {
            return no("Cannot upload to a complete file.");
        }
        let place = self.place(&file);
        let before = self.blobs.get(&place).cloned().unwrap_or_default();
        let count = bytes.len() as u64;
        if before.length.max(file.recorded).saturating_add(count) > file.size {
            if self.dialect.oversize_unlinks {
                self.blobs.remove(&place);
            }
            return no("Too much data received.");
        }
        let mut after = before.clone();
        if !self.believes {
            after.hash.update(bytes);
        }
        after.length += count;
        let is_wrong =
            !self.believes && after.length == file.size && hex(after.hash.clone()) != file.sha256;
        let takes_back = is_wrong && self.dialect.bad_hash == BadHash::LastPieceAgain;
        self.blobs.insert(place, if takes_back { before } else { after });
        if is_wrong {
            return no("Saved content does not match given SHA256 value.");
        }
        if let Some(file) = self.file_mut(id) {
            file.recorded += count;
        }
        Ok(())
    }

    /// One resource as JSON; reading it is what time is measured in.
    pub fn read(&mut self, id: u64) -> Option<Value> {
        let sets = self.resources.get_mut(&id)?.sets.iter_mut();
        for file in sets.filter_map(|s| s.file.as_mut()).filter(|f| f.recorded >= f.size) {
            file.lag = file.lag.saturating_sub(1);
        }
        self.json(id)
    }

    /// One resource as JSON with its sets.
    #[must_use]
    pub fn json(&self, id: u64) -> Option<Value> {
        let resource = self.resources.get(&id)?;
        let sets = resource.sets.iter().map(|s| (s.version.clone(), self.set_json(id, s)));
        let mut value = self.summary(resource);
        value["sets"] = Value::Object(sets.collect());
        Some(value)
    }

    /// One resource as listings show it.
    #[must_use]
    pub fn summary(&self, resource: &Resource) -> Value {
        let mut value = json!({
            "id": resource.id,
            "type": resource.kind,
            "name": resource.name,
            "architecture": resource.architecture,
            "resource_uri": format!("/MAAS/api/2.0/boot-resources/{}/", resource.id),
            "last_deployed": null,
            "title": resource.title,
            "subarches": "generic",
        });
        if self.dialect.says_more && !resource.base_image.is_empty() {
            value["base_image"] = json!(resource.base_image);
        }
        value
    }

    fn set_json(&self, id: u64, set: &Set) -> Value {
        let mut value = json!({
            "version": set.version,
            "label": "uploaded",
            "size": set.file.as_ref().map_or(0, |f| f.size),
            "complete": set.file.as_ref().is_some_and(|f| self.is_complete(f)),
            "files": {},
        });
        if let Some(file) = &set.file {
            value["files"][file.filename] = self.file_json(id, file);
        }
        value
    }

    fn file_json(&self, id: u64, file: &File) -> Value {
        let complete = self.is_complete(file);
        let mut value = json!({
            "filename": file.filename,
            "filetype": file.filetype,
            "sha256": file.sha256,
            "size": file.size,
            "complete": complete,
        });
        if self.dialect.says_more {
            value["filename_on_disk"] = json!(file.sha256.get(..7));
        }
        if !complete {
            value["progress"] = json!(self.progress(file));
            value["upload_uri"] =
                json!(format!("/MAAS/api/2.0/boot-resources/{id}/upload/{}/", file.id));
        }
        value
    }

    /// In the form of the release: a percentage over all regions, or total by
    /// received.
    fn progress(&self, file: &File) -> f64 {
        let (received, size) = (self.received(file) as f64, file.size as f64);
        match (self.dialect.inverted_progress, received > 0.0) {
            (_, false) => 0.0,
            (true, true) => size / received,
            (false, true) => received * 100.0 / (size * f64::from(self.regions)),
        }
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
