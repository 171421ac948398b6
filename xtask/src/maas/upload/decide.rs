//! What an upload does, given what is on the server: a pure function.

use crate::maas::filetype::Filetype;
use crate::maas::offer::Offer;
use crate::maas::resource::{File, Resource, Set};
use crate::maas::version::Version;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The newest complete set is this file.
    Nothing,
    /// An unfinished upload of this file goes on: resource, `upload_uri`.
    Resume(u64, String),
    /// A new set beside what is there.
    Create,
    /// Delete the resource first, then create.
    Replace(u64),
    /// It would do harm; says what helps.
    Refuse(String),
}

/// Decides. `existing` is the resource of the same name and architecture.
#[must_use]
pub fn decide(
    existing: Option<&Resource>,
    offer: &Offer,
    version: &Version,
    replace: bool,
) -> Step {
    let Some(resource) = existing else { return Step::Create };
    let deployable = resource.deployable();
    if deployable.and_then(Set::only_file).is_some_and(|f| is_ours(f, offer)) {
        return Step::Nothing;
    }
    if replace {
        return Step::Replace(resource.id);
    }
    if let Some(refusal) = other_base(resource, offer) {
        return Step::Refuse(refusal);
    }
    if let Some(uri) = unfinished(resource, offer) {
        return Step::Resume(resource.id, uri);
    }
    let same =
        resource.sets.values().flat_map(|s| s.files.values()).any(|f| f.sha256 == offer.sha256);
    match (same, deployable) {
        (false, _) => Step::Create,
        // Only an unfinished upload of these bytes, in a form that cannot go on.
        (true, None) if only_these(resource, offer) => Step::Replace(resource.id),
        (true, _) if version.loses_shared_bytes() => Step::Refuse(twice(&offer.name, version)),
        (true, _) => Step::Create,
    }
}

/// This file, as far as MAAS's record says.
#[must_use]
pub fn is_ours(file: &File, offer: &Offer) -> bool {
    file.sha256.eq_ignore_ascii_case(&offer.sha256)
        && file.size == offer.size
        && Filetype::stored_as(&file.filetype).is_none_or(|t| t == offer.filetype)
}

/// Every file there is has the offer's bytes, so that deleting harms nobody.
#[must_use]
pub fn only_these(resource: &Resource, offer: &Offer) -> bool {
    let mut files = resource.sets.values().flat_map(|s| s.files.values());
    files.all(|f| f.sha256.eq_ignore_ascii_case(&offer.sha256))
}

/// Where an unfinished upload of this file goes on: in a set newer than what is
/// deployed, because an older one would be finished in vain.
fn unfinished(resource: &Resource, offer: &Offer) -> Option<String> {
    let newer = resource.newest_first().into_iter().take_while(|s| !s.is_whole());
    newer.flat_map(|s| s.files.values()).find(|f| is_ours(f, offer))?.upload_uri.clone()
}

/// MAAS keeps the base image of an existing image whatever a create says.
fn other_base(resource: &Resource, offer: &Offer) -> Option<String> {
    let is = resource.base_image.as_deref().filter(|b| !b.is_empty())?;
    let wanted = offer.base_image.to_lowercase();
    if wanted.is_empty() || wanted == is || !offer.is_custom() {
        return None;
    }
    Some(format!(
        "{} stands on {is} there, and MAAS never changes that to {wanted}\n  hint: --replace \
         deletes the image first, or --base-image {is}",
        offer.name
    ))
}

/// The same bytes must not be uploaded twice to this version.
#[must_use]
pub fn twice(holder: &str, version: &Version) -> String {
    format!(
        "{holder} holds the same bytes already, and MAAS {version} destroys them when they are \
         uploaded again\n  hint: --replace (same name) or `remote delete` (other name) takes them \
         away first; until the upload ends, that image is missing"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn offer() -> Offer {
        Offer {
            path: "x".into(),
            name: "custom/debian-12".into(),
            title: String::new(),
            base_image: "ubuntu/noble".into(),
            architecture: "amd64/generic".into(),
            filetype: Filetype::named("tgz").unwrap(),
            sha256: "ab".repeat(32),
            size: 10,
            stamp: None,
            min_version: None,
        }
    }

    /// `o` our file, `x` another; upper case is complete, `-` an empty shell.
    fn resource(sets: &str) -> Resource {
        let set = |(index, kind): (usize, char)| {
            let complete = kind.is_uppercase();
            let ours = kind.eq_ignore_ascii_case(&'o');
            let file = File {
                filename: "root.tgz".into(),
                filetype: if kind == 'w' || kind == 'W' { "root-dd.gz" } else { "root-tgz" }.into(),
                sha256: if ours || kind.eq_ignore_ascii_case(&'w') { "ab" } else { "cd" }
                    .repeat(32),
                size: 10,
                complete,
                upload_uri: (!complete).then(|| format!("/u{index}/")),
                ..File::default()
            };
            let files =
                if kind == '-' { BTreeMap::new() } else { [("root.tgz".to_owned(), file)].into() };
            let version = format!("20261123.{index}");
            (version.clone(), Set { version, size: 10, complete, files })
        };
        Resource {
            id: 7,
            name: "debian-12".into(),
            base_image: Some("ubuntu/noble".into()),
            sets: sets.chars().enumerate().map(set).collect(),
            ..Resource::default()
        }
    }

    /// Sets oldest first; `w` is our bytes under a wrong file type.
    #[test]
    fn every_state_has_its_step() {
        use Step::*;
        let resume = |n: u32| Resume(7, format!("/u{n}/"));
        let refuse = || Refuse(String::new());
        for (sets, on_3_4, on_3_7, on_3_8) in [
            ("O", Nothing, Nothing, Nothing),
            ("XO", Nothing, Nothing, Nothing),
            ("Ox", Nothing, Nothing, Nothing),
            ("X", Create, Create, Create),
            ("x", Create, Create, Create),
            ("-", Create, Create, Create),
            ("o", resume(0), resume(0), resume(0)),
            ("Xo", resume(1), resume(1), resume(1)),
            ("Xox", resume(1), resume(1), resume(1)),
            ("oX", Create, Create, refuse()),
            ("OX", Create, Create, refuse()),
            ("W", Create, Create, refuse()),
            ("w", Replace(7), Replace(7), Replace(7)),
            ("xw", Create, Create, refuse()),
            ("XXXXXXXXXXo", resume(10), resume(10), resume(10)),
        ] {
            for (version, expected) in [("3.4.10", on_3_4), ("3.7.3", on_3_7), ("3.8.0", on_3_8)] {
                let step = decide(Some(&resource(sets)), &offer(), &Version::parse(version), false);
                let step = if let Refuse(_) = step { refuse() } else { step };
                assert_eq!(step, expected, "{sets} on {version}");
            }
        }
        let version = Version::parse("3.8.0");
        assert_eq!(decide(None, &offer(), &version, false), Create);
        assert_eq!(decide(Some(&resource("X")), &offer(), &version, true), Replace(7));
        assert_eq!(decide(Some(&resource("O")), &offer(), &version, true), Nothing);
    }

    #[test]
    fn another_base_image_needs_a_replacement() {
        let mut offer = offer();
        offer.base_image = "rhel/9".into();
        let version = Version::parse("3.7.3");
        let Step::Refuse(why) = decide(Some(&resource("X")), &offer, &version, false) else {
            panic!("not refused")
        };
        assert!(why.contains("stands on ubuntu/noble") && why.contains("--replace"), "{why}");
    }
}
