//! The fingerprint: a hash of everything that decides what a build makes, and
//! of nothing that depends on where it runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

/// Version of the recipe; raised when packing or the engine changes what the
/// same template makes.
const RECIPE: u32 = 1;

/// Hashes the evaluated template (with placeholders, without conventions), its
/// files, and what the caller adds (engine, media).
///
/// # Errors
/// A file of the template cannot be read.
pub fn fingerprint(root: &Path, dir: &Path, evaluated: &Value, extra: &[&str]) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(RECIPE.to_le_bytes());
    // The same tree in another place makes the same image.
    let text = evaluated.to_string().replace(&*root.to_string_lossy(), "{root}");
    add(&mut hash, text.as_bytes());
    for (name, path) in files(dir, evaluated) {
        add(&mut hash, name.as_bytes());
        add(&mut hash, &digest(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    for word in extra {
        add(&mut hash, word.as_bytes());
    }
    Ok(hex(&hash.finalize()))
}

/// Length first, so that two parts cannot be cut differently.
fn add(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn digest(path: &Path) -> io::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    io::copy(&mut fs::File::open(path)?, &mut HashWriter(&mut hash))?;
    Ok(hash.finalize().to_vec())
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Files that take part: those of the template directory (links followed,
/// documentation and outputs left out) and existing absolute paths outside it
/// that the evaluated template names, such as a customize script.
fn files(dir: &Path, evaluated: &Value) -> Vec<(String, PathBuf)> {
    let mut all: Vec<(String, PathBuf)> = walk(dir)
        .filter(|p| p.file_name().is_none_or(|n| n != "README.md"))
        .map(|p| (p.strip_prefix(dir).unwrap_or(&p).to_string_lossy().into_owned(), p))
        .collect();
    let mut named = vec![];
    strings(evaluated, &mut named);
    named.sort();
    named.dedup();
    for path in named.iter().map(Path::new).filter(|p| p.is_absolute() && !p.starts_with(dir)) {
        if scripts_or_packages(path) {
            all.extend(walk(path).map(|p| (p.to_string_lossy().into_owned(), p)));
        }
    }
    all
}

/// A file or directory the user named, not `/` or a disk image: media are
/// hashed on their own, and provisioners name directories of the guest.
fn scripts_or_packages(path: &Path) -> bool {
    let small = |m: &fs::Metadata| m.is_file() && m.len() < 64 << 20;
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            walk(path).take(2000).count() < 2000 && path.components().count() > 2
        }
        Ok(meta) => small(&meta),
        Err(_) => false,
    }
}

fn walk(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    WalkDir::new(path)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|e| {
            let name = e.file_name().to_string_lossy();
            e.depth() == 0 || !(name.starts_with("output-") || name == "__pycache__")
        })
        .flatten()
        .filter(|e| e.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
}

/// Attributes that name files of the host; everything else that looks like a
/// path is one of the guest.
const HOST_PATHS: [&str; 6] =
    ["cd_files", "http_directory", "script", "scripts", "source", "sources"];

fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| strings(v, out)),
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if HOST_PATHS.contains(&&**key) => out.push(text.clone()),
                    Value::Array(items) if HOST_PATHS.contains(&&**key) => {
                        out.extend(items.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    other => strings(other, out),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn place_does_not_count_content_does() {
        let make = |script: &str| {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("debian");
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("a.sh"), script).unwrap();
            fs::write(dir.join("README.md"), root.path().to_string_lossy().as_bytes()).unwrap();
            let value = json!({ "script": dir.join("a.sh").to_string_lossy() });
            fingerprint(root.path(), &dir, &value, &["builtin"]).unwrap()
        };
        assert_eq!(make("echo 1"), make("echo 1"));
        assert_ne!(make("echo 1"), make("echo 2"));
    }

    #[test]
    fn files_named_outside_count() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        let value = json!({ "scripts": [outside.path().to_string_lossy()] });
        let print = || fingerprint(root.path(), root.path(), &value, &[]).unwrap();
        let before = print();
        fs::write(outside.path(), "x").unwrap();
        assert_ne!(before, print());
    }
}
