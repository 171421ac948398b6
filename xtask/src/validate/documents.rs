//! The texts that targets render or carry, for validators of other languages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use packer_hcl::body::Body;

use super::external::Document;
use crate::catalog::Target;
use crate::plan::Resolved;

/// Attributes that hold rendered files, name to content.
const RENDERED: [&str; 2] = ["cd_content", "http_content"];

/// A text larger than this is no script or answer file.
const LIMIT: u64 = 4 << 20;

/// Every document with the targets that have it.
#[derive(Clone, Debug, Default)]
pub struct Documents(pub BTreeMap<Document, Vec<String>>);

impl Documents {
    /// Takes over what another image has.
    pub fn merge(&mut self, other: Self) {
        for (document, targets) in other.0 {
            self.0.entry(document).or_default().extend(targets);
        }
    }

    /// Adds what `target` renders, and the files it uses.
    pub fn add(
        &mut self,
        root: &Path,
        target: &Target,
        resolved: Option<&Resolved>,
        used: &BTreeSet<PathBuf>,
    ) {
        let Some(resolved) = resolved else { return };
        let template = template(resolved).unwrap_or_else(|| root.join(&target.image));
        let mut all = rendered(&resolved.source.body, &shown(root, &template));
        all.extend(used.iter().filter_map(|path| carried(root, path)));
        for document in all {
            self.0.entry(document).or_default().push(target.id.clone());
        }
    }
}

/// Where a rendered file comes from: the one template file that was read.
fn template(resolved: &Resolved) -> Option<PathBuf> {
    let read = &resolved.evaluated.files_read;
    read.iter().find(|path| path.to_string_lossy().ends_with(".pkrtpl.hcl")).cloned()
}

/// The file behind links, relative to the repository.
fn shown(root: &Path, path: &Path) -> PathBuf {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    real.strip_prefix(root).unwrap_or(&real).into()
}

fn rendered(body: &Body, file: &Path) -> Vec<Document> {
    let maps = RENDERED.iter().filter_map(|name| body.attribute(name)?.value.as_mapping());
    let document = |(name, value): (&_, &packer_hcl::value::Value)| {
        let text = value.as_str()?.to_owned();
        Some(Document { file: file.into(), name: ToString::to_string(name), text })
    };
    maps.flatten().filter_map(document).collect()
}

/// A script or hook that goes into the guest as it is.
fn carried(root: &Path, path: &Path) -> Option<Document> {
    if !path.is_file() || fs::metadata(path).ok()?.len() > LIMIT {
        return None;
    }
    let name = path.to_string_lossy();
    if name.ends_with(".pkrtpl.hcl") || name.ends_with(".pkr.hcl") {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    Some(Document { file: shown(root, path), name: String::new(), text })
}
