//! Volume groups: which parts of which physical volumes make a logical one.

use std::sync::Arc;

use super::text::{self, Section, Value};
use super::{Physical, SECTOR};
use crate::block::{BlockRead, Concat, Window};
use crate::bytes::wide;
use crate::{Error, Result};

/// Most segments of one logical volume.
const MAX_SEGMENTS: u64 = 1 << 16;

/// A logical volume.
pub struct Logical {
    /// Name of its volume group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Its bytes, or why it cannot be read: striped over several places, a
    /// thin or cached volume, or a physical volume that is not there.
    pub device: Result<Arc<dyn BlockRead>>,
}

impl Logical {
    /// Whether `path` is one of its names in `/dev`.
    pub fn is_named(&self, path: &str) -> bool {
        let mapped = |name: &str| name.replace('-', "--");
        path == format!("/dev/{}/{}", self.group, self.name)
            || path == format!("/dev/mapper/{}-{}", mapped(&self.group), mapped(&self.name))
    }
}

/// The logical volumes that are visible, of all groups on `physical`.
///
/// # Errors
/// The text of a group contradicts itself. A single volume that cannot be read
/// is listed.
pub fn logical_volumes(physical: &[Physical]) -> Result<Vec<Logical>> {
    let mut found: Vec<Logical> = Vec::new();
    let mut groups: Vec<String> = Vec::new();
    for text in physical.iter().filter_map(|it| it.text.as_ref()) {
        let top = text::parse(text)?;
        for (name, group) in top.sections() {
            // Each physical volume of a group has the same text.
            let id = group.text("id")?.to_owned();
            if !groups.contains(&id) {
                groups.push(id);
                let group = Group { name, section: group, physical };
                found.extend(group.volumes()?);
            }
        }
    }
    Ok(found)
}

struct Group<'a> {
    name: &'a str,
    section: &'a Section,
    physical: &'a [Physical],
}

impl Group<'_> {
    fn volumes(&self) -> Result<Vec<Logical>> {
        // A group without volumes has no such section.
        let Ok(all) = self.section.section("logical_volumes") else { return Ok(Vec::new()) };
        let visible =
            |volume: &Section| volume.list("status").contains(&Value::Text("VISIBLE".into()));
        let of = |(name, volume): (&str, &Section)| Logical {
            group: self.name.to_owned(),
            name: name.to_owned(),
            device: self.device(volume),
        };
        Ok(all.sections().filter(|(_, volume)| visible(volume)).map(of).collect())
    }

    fn device(&self, volume: &Section) -> Result<Arc<dyn BlockRead>> {
        let count = volume.number("segment_count")?;
        if count > MAX_SEGMENTS {
            return Err(Error::unsupported("LVM metadata", format!("{count} segments")));
        }
        let mut pieces: Vec<Arc<dyn BlockRead>> = Vec::new();
        let mut next = 0;
        for index in 1..=count {
            let segment = volume.section(&format!("segment{index}"))?;
            if segment.number("start_extent")? != next {
                return Err(Error::damaged("LVM metadata", "segments with gaps between them"));
            }
            let extents = segment.number("extent_count")?;
            next = next.saturating_add(extents);
            pieces.push(self.segment(segment, extents)?);
        }
        Ok(Arc::new(Concat::new(pieces)?))
    }

    fn segment(&self, segment: &Section, extents: u64) -> Result<Arc<dyn BlockRead>> {
        let kind = segment.text("type")?;
        let linear = kind == "linear" || kind == "striped" && segment.number("stripe_count")? == 1;
        if !linear {
            let kind = if kind == "striped" { "striped over several places" } else { kind };
            let reason = format!("a logical volume of type `{kind}` is not read, only linear ones");
            return Err(Error::unsupported("LVM", reason));
        }
        let [Value::Text(name), Value::Number(first)] = segment.list("stripes") else {
            return Err(Error::damaged("LVM metadata", "a segment says nothing about its place"));
        };
        let volume = self.section.section("physical_volumes")?.section(name)?;
        let id = volume.text("id")?.replace('-', "");
        let found = self.physical.iter().find(|it| it.id == id).ok_or_else(|| {
            let reason = format!("physical volume {id} of group {} is not on this disk", self.name);
            Error::unsupported("LVM", reason)
        })?;
        let sectors = |count: u64| count.checked_mul(wide(SECTOR));
        let extent = sectors(self.section.number("extent_size")?);
        let range = extent.and_then(|extent| {
            let start = sectors(volume.number("pe_start").ok()?)?;
            Some((start.checked_add(extent.checked_mul(*first)?)?, extent.checked_mul(extents)?))
        });
        let (start, len) = range
            .ok_or_else(|| Error::damaged("LVM metadata", "a segment of an impossible size"))?;
        let window = Window::new(Arc::clone(&found.device), start, len);
        Ok(Arc::new(window.map_err(|error| error.within("LVM segment"))?))
    }
}
