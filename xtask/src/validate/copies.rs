//! DUP001: the same text in two image directories instead of in `common/`:
//! whole files, and blocks of lines in files that differ otherwise.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::native::is_allowed;
use crate::catalog::{IMAGE_FILE, Image};
use crate::finding::{Finding, Place};

/// Shorter files are alike by chance: an empty list, a one-line README.
const FEWEST_LINES: usize = 8;

/// Lines of code, without comments and closing brackets, that nobody writes
/// twice by chance. Shorter ones in this tree are usage, not logic.
const BLOCK: usize = 10;

/// Larger files are no templates.
const LIMIT: u64 = 1 << 20;

/// Blocks that wire things together.
const WIRING: [&str; 3] = ["source ", "build ", "packer "];

/// Where shared text lives.
const COMMON: &str = "common";

/// Every text that stands in one of `images` and elsewhere in the tree.
#[must_use]
pub fn check(root: &Path, images: &[&Image]) -> Vec<Finding> {
    let files = files(root);
    let mut groups = whole(&files);
    groups.extend(blocks(&files));
    groups.iter().flat_map(|group| judge(images, &files, group)).collect()
}

/// A file of the tree.
struct File {
    /// Image, or `common`.
    owner: String,
    /// Relative to the tree.
    path: PathBuf,
    text: String,
    /// Number from 1 and hash of every line that counts.
    lines: Vec<(usize, u64)>,
}

/// The same text in several files: file and its first line that counts.
struct Group {
    places: Vec<(usize, usize)>,
    /// Lines that count; none for whole files.
    length: Option<usize>,
}

/// Files of every image and of `common/`, links left out.
fn files(root: &Path) -> Vec<File> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let dirs = entries.filter(|e| e.path().join(IMAGE_FILE).is_file() || e.file_name() == COMMON);
    let mut names: Vec<String> =
        dirs.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let of = |owner: &String| {
        let dir = root.join(owner);
        let own = own_files(&dir).filter_map(|path| {
            let text = text(&path)?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            let lines = significant(&path, &text);
            Some(File { owner: owner.clone(), path, text, lines })
        });
        own.collect::<Vec<File>>()
    };
    names.iter().flat_map(of).collect()
}

fn own_files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let files = WalkDir::new(dir).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        !name.starts_with("output-") && name != "__pycache__"
    });
    files.flatten().filter(|e| e.file_type().is_file()).map(walkdir::DirEntry::into_path)
}

fn text(path: &Path) -> Option<String> {
    let length = fs::metadata(path).ok()?.len();
    if length > LIMIT { None } else { fs::read_to_string(path).ok() }
}

/// Lines of logic. Catalogs, READMEs and tests say the same things about
/// different images; in HCL, `source`, `build` and `packer` blocks name what they
/// use, and no block can be shared in part. Commands in `inline` are logic again.
fn significant(path: &Path, text: &str) -> Vec<(usize, u64)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let inside_tests = path.iter().any(|part| part == "tests");
    if name == IMAGE_FILE || name.ends_with(".md") || inside_tests {
        return vec![];
    }
    let hcl = name.ends_with(".pkr.hcl");
    let (mut inside, mut inline) = (false, false);
    let mut lines = vec![];
    for (index, line) in text.lines().enumerate() {
        if hcl && WIRING.iter().any(|word| line.starts_with(word)) {
            inside = true;
        }
        let ends = line.starts_with('}');
        let line = line.trim();
        let counted = !inside || inline;
        inline = inside
            && !ends
            && (line.starts_with("inline") && line.ends_with('[') || (inline && line != "]"));
        inside = inside && !ends;
        if counted && line.len() > 2 && !line.starts_with('#') {
            lines.push((index + 1, hash(line)));
        }
    }
    lines
}

/// FNV-1a, 64 bits: quick, the same everywhere; texts are compared after it.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn whole(files: &[File]) -> Vec<Group> {
    let mut by_content: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        if file.text.matches('\n').count() >= FEWEST_LINES {
            by_content.entry(&file.text).or_default().push((index, 0));
        }
    }
    let groups = by_content.into_values().filter(|places| places.len() > 1);
    groups.map(|places| Group { places, length: None }).collect()
}

/// Blocks of lines that stand in files of several owners, each as long as it is.
fn blocks(files: &[File]) -> Vec<Group> {
    let mut windows: HashMap<Vec<u64>, Vec<(usize, usize)>> = HashMap::new();
    for (index, file) in files.iter().enumerate() {
        for (start, window) in file.lines.windows(BLOCK).enumerate() {
            let key = window.iter().map(|(_, hash)| *hash).collect();
            windows.entry(key).or_default().push((index, start));
        }
    }
    let mut starts: Vec<Vec<(usize, usize)>> = windows
        .into_values()
        .filter(|places| owners(files, places).len() > 1 && !same_file(files, places))
        .collect();
    starts.sort();
    // A window that continues one before it, in the same files, is part of it.
    let mut groups: Vec<Group> = vec![];
    for places in starts {
        let grown = groups.iter_mut().find(|group| {
            let length = group.length.unwrap_or(0);
            let follows = |(now, then): (&(usize, usize), &(usize, usize))| {
                now.0 == then.0 && now.1 + BLOCK == then.1 + length + 1
            };
            places.len() == group.places.len() && places.iter().zip(&group.places).all(follows)
        });
        match grown {
            Some(group) => group.length = group.length.map(|length| length + 1),
            None => groups.push(Group { places, length: Some(BLOCK) }),
        }
    }
    groups
}

fn owners<'a>(files: &'a [File], places: &[(usize, usize)]) -> BTreeSet<&'a str> {
    places.iter().filter_map(|(file, _)| Some(files.get(*file)?.owner.as_str())).collect()
}

/// Copies of whole files are told as such.
fn same_file(files: &[File], places: &[(usize, usize)]) -> bool {
    let mut texts = places.iter().filter_map(|(file, _)| Some(&files.get(*file)?.text));
    let first = texts.next();
    texts.all(|text| Some(text) == first)
}

/// The text belongs to `common/`, or to the image that is named first; every
/// other one needs a reason. A finding stands in an image that was asked for.
fn judge(images: &[&Image], files: &[File], group: &Group) -> Vec<Finding> {
    let owners = owners(files, &group.places);
    let home = owners.get(COMMON).or_else(|| owners.first()).copied().unwrap_or_default();
    let image = |name: &str| images.iter().find(|image| image.name == name).copied();
    let alone = owners.len() < 2;
    let allowed = |name: &str| {
        let dummy = Finding::error("DUP001", Place::file(Path::new(name)), "");
        image(name).is_some_and(|image| is_allowed(image, &dummy))
    };
    let wrong: Vec<&str> =
        owners.iter().copied().filter(|name| (alone || *name != home) && !allowed(name)).collect();
    if alone && group.length.is_some() {
        return vec![];
    }
    wrong
        .into_iter()
        .filter(|name| image(name).is_some())
        .filter_map(|name| finding(files, group, name))
        .collect()
}

fn finding(files: &[File], group: &Group, owner: &str) -> Option<Finding> {
    let of = |place: &(usize, usize)| Some((files.get(place.0)?, place.1));
    let all: Vec<(&File, usize)> = group.places.iter().filter_map(of).collect();
    let (file, start) = *all.iter().find(|(file, _)| file.owner == owner)?;
    let others: Vec<String> = all
        .iter()
        .filter(|(other, _)| other.path != file.path)
        .map(|(other, start)| match line(other, *start) {
            Some(line) if group.length.is_some() => format!("{}:{line}", other.path.display()),
            _ => other.path.display().to_string(),
        })
        .collect();
    let shown = others.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    let more = match others.len().saturating_sub(4) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what =
        group.length.map_or("the same text".into(), |l| format!("the same {l} lines of code"));
    let place = match group.length {
        Some(_) => Place::bytes(&file.path, &file.text, range(file, line(file, start)?)),
        None => Place::file(&file.path),
    };
    let finding = Finding::error("DUP001", place, format!("{what} stands in {shown}{more}"));
    Some(
        finding.help("move it into common/ and use it from both, or give the reason in image.toml"),
    )
}

fn line(file: &File, start: usize) -> Option<usize> {
    file.lines.get(start).map(|(line, _)| *line)
}

/// The bytes of a line.
fn range(file: &File, line: usize) -> Range<usize> {
    let mut lines = file.text.split_inclusive('\n');
    let start = lines.by_ref().take(line - 1).map(str::len).sum();
    start..start + lines.next().unwrap_or("").trim_end().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(owner: &str, name: &str, text: &str) -> File {
        let path = Path::new(owner).join(name);
        let lines = significant(&path, text);
        File { owner: owner.into(), path, text: text.into(), lines }
    }

    #[test]
    fn a_block_is_found_once_and_whole() {
        let block: String = (0..14).map(|n| format!("step {n}\n")).collect();
        let files = [
            file("a", "x.sh", &format!("first\n{block}")),
            file("b", "y.sh", &format!("# comment\n\nother\nmore\n{block}last\n")),
            file("b", "z.sh", &block.replace("step 7", "step seven")),
        ];
        let found = blocks(&files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].length, Some(14));
        assert_eq!(found[0].places, [(0, 1), (1, 2)]);
        assert!(blocks(&files[1..]).is_empty(), "within one image it may stand twice");
    }

    #[test]
    fn wiring_does_not_count() {
        let names: String = (0..20).map(|n| format!("  a{n} = var.a{n}\n")).collect();
        let source = format!("source \"qemu\" \"x\" {{\n{names}}}\nlocals {{\n  one = 1\n}}\n");
        assert_eq!(significant(Path::new("a/x.pkr.hcl"), &source).len(), 2);
        assert!(significant(Path::new("a/README.md"), &names).is_empty());
        assert_eq!(significant(Path::new("a/x.sh"), &names).len(), 20);
        let build = "build {\n  provisioner \"shell\" {\n    inline = [\n      \"one\",\n      \"two\",\n    ]\n    timeout = 1\n  }\n}\n";
        let inline: Vec<usize> = significant(Path::new("a/x.pkr.hcl"), build)
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        assert_eq!(inline, [4, 5]);
    }
}
