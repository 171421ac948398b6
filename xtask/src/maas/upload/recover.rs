//! After a failure: where the upload stands, and what is left behind.

use super::decide::{is_ours, only_these};
use super::{Event, Failure, Goal, SMALLEST_PIECE, Upload, wrong};
use crate::maas::error::{Kind, MaasError};
use crate::maas::filetype::Filetype;
use crate::maas::offer::Offer;
use crate::maas::resource::{Resource, Set};

/// Reads, a second apart, before a piece whose answer is lost counts as lost too:
/// MAAS may still be at it.
const SETTLE: u32 = 3;
/// Bytes MAAS hashes in a second at least; it does so before it answers the last
/// piece.
const HASH_RATE: u64 = 100_000_000;

impl Upload<'_> {
    /// How many bytes MAAS has after a piece failed; `expected` is without and
    /// with it.
    pub(super) fn recover(
        &mut self,
        goal: &Goal,
        error: MaasError,
        expected: [u64; 2],
        failures: &mut u32,
    ) -> Result<u64, MaasError> {
        let fate_unknown = matches!(error.kind, Kind::NoAnswer(_))
            || matches!(error.status(), Some(500 | 502 | 504));
        // A proxy that takes less than 4 MiB says 413, or just hangs up.
        if error.status() == Some(413) || *failures >= 2 {
            self.piece = (self.piece / 2).max(SMALLEST_PIECE.min(self.piece));
        }
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        self.note(format!("{first}; asking how far MAAS is"));
        self.api.wait_or_fail(failures, error)?;
        let done = self.settle(goal, expected, fate_unknown)?;
        if !expected.contains(&done) {
            let [least, most] = expected;
            return Err(wrong(
                "send a piece",
                format!(
                    "MAAS has {done} bytes, where {least} or {most} were sent\n  hint: another \
                     client uploads the same file, or a load balancer spreads requests over \
                     several regions: give the URL of one"
                ),
            ));
        }
        Ok(done)
    }

    /// Reads the progress, several times while the piece may still be on its way.
    fn settle(
        &mut self,
        goal: &Goal,
        expected: [u64; 2],
        fate_unknown: bool,
    ) -> Result<u64, MaasError> {
        let is_last = expected[1] >= self.offer.size;
        let hashing = if is_last { self.offer.size / HASH_RATE } else { 0 };
        let mut left = match (fate_unknown, u32::try_from(hashing)) {
            (false, _) => 0,
            (true, seconds) => SETTLE + seconds.unwrap_or(u32::MAX).min(900),
        };
        loop {
            let done = self.received(goal.id, &goal.uri)?;
            if done != expected[0] || left == 0 {
                return Ok(done);
            }
            left -= 1;
            self.api.rest(self.api.pace().second, "send a piece")?;
        }
    }

    /// Cleans up what cannot go on, and says what is there.
    pub(super) fn give_up(&mut self, goal: &Goal, error: &MaasError) -> Failure {
        let interrupted = error.kind == Kind::Interrupted;
        let why = error.to_string();
        let state = if interrupted || error.is_passing() {
            "MAAS keeps what it has; the same command goes on from there. What was deployable \
             still is"
                .into()
        } else {
            self.clean(goal).unwrap_or_else(|e| {
                format!(
                    "cleaning up failed too ({e}); `cargo xtask remote show {}`",
                    self.offer.name
                )
            })
        };
        Failure { why, state, interrupted }
    }

    /// Removes our half, if that takes nothing else along.
    fn clean(&mut self, goal: &Goal) -> Result<String, MaasError> {
        let Some(resource) = self.api.resource(goal.id)? else {
            return Ok("nothing of this image is on the server".into());
        };
        if only_these(&resource, self.offer) {
            self.api.delete(goal.id)?;
            return Ok("the unfinished image was deleted; nothing of it is on the server".into());
        }
        let Some(before) = deployable_before(&resource, self.offer) else {
            return Ok(
                "other uploads of this name are unfinished too, so nothing was deleted".into()
            );
        };
        let date = before.date().unwrap_or_else(|| before.version.clone());
        let ours_counts =
            resource.deployable().and_then(Set::only_file).is_some_and(|f| is_ours(f, self.offer));
        if self.version.believes_length() && ours_counts {
            self.restore(&resource, before)?;
        }
        Ok(format!(
            "the image of {date} is what MAAS deploys; the damaged upload beside it cannot be \
             taken away alone, --replace deletes both and starts anew"
        ))
    }

    /// MAAS up to 3.4 calls a file complete that is only long enough. Announcing
    /// the one before again makes that the newest, without sending a byte.
    fn restore(&mut self, resource: &Resource, before: &Set) -> Result<(), MaasError> {
        let doing = "make the image before the newest again";
        let file = before.only_file().ok_or_else(|| wrong(doing, "its set has no file"))?;
        let filetype = Filetype::stored_as(&file.filetype)
            .ok_or_else(|| wrong(doing, format!("its type is {}", file.filetype)))?;
        let offer = Offer {
            sha256: file.sha256.clone(),
            size: file.size,
            filetype,
            title: resource.title.clone().unwrap_or_default(),
            base_image: resource.base_image.clone().unwrap_or_default(),
            ..self.offer.clone()
        };
        let restored = self.api.create(offer.fields())?;
        let newest = restored.deployable().and_then(Set::only_file);
        if newest.is_none_or(|f| f.sha256 != file.sha256) {
            return Err(wrong(doing, "MAAS does not have its bytes any more"));
        }
        (self.on)(Event::Note("the image before is the newest again".into()));
        Ok(())
    }
}

/// The newest complete set that is not ours.
fn deployable_before<'r>(resource: &'r Resource, offer: &Offer) -> Option<&'r Set> {
    let whole = resource.newest_first().into_iter().filter(|s| s.is_whole());
    whole.into_iter().find(|s| !s.files.values().any(|f| f.sha256 == offer.sha256))
}
