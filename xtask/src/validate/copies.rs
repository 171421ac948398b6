//! DUP001: the same file in two image directories instead of in `common/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::catalog::Image;
use crate::finding::{Finding, Place};

/// Shorter files are alike by chance: an empty list, a one-line README.
const FEWEST_LINES: usize = 8;

/// Files that stand in several images with the same content.
#[must_use]
pub fn check(root: &Path, images: &[&Image]) -> Vec<Finding> {
    let mut by_content: BTreeMap<Vec<u8>, Vec<PathBuf>> = BTreeMap::new();
    for image in images {
        for path in own_files(&image.dir) {
            if let Some(content) = content(&path) {
                by_content.entry(content).or_default().push(path);
            }
        }
    }
    let show = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).to_path_buf();
    by_content
        .into_values()
        .filter_map(|paths| {
            let (first, rest) = paths.split_first()?;
            let others: Vec<String> = rest.iter().map(|p| show(p).display().to_string()).collect();
            (!others.is_empty()).then(|| {
                let message = format!("the same text stands in {}", others.join(", "));
                Finding::error("DUP001", Place::file(&show(first)), message)
                    .help("move it into common/ and link it from both")
            })
        })
        .collect()
}

fn own_files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let files = WalkDir::new(dir).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        !name.starts_with("output-") && name != "__pycache__"
    });
    files.flatten().filter(|e| e.file_type().is_file()).map(walkdir::DirEntry::into_path)
}

/// The content of a text that is long enough to be a copy.
fn content(path: &Path) -> Option<Vec<u8>> {
    let length = fs::metadata(path).ok()?.len();
    if length > 1 << 20 {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let lines = bytes.iter().filter(|b| **b == b'\n').count();
    (lines >= FEWEST_LINES).then_some(bytes)
}
