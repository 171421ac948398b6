//! The texts that targets render or carry, for validators of other languages.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use packer_hcl::body::Body;
use packer_hcl::evaluated::ValueOrigin;

use crate::catalog::Target;
use crate::finding::Place;
use crate::plan::Resolved;

/// Attributes that hold rendered files, name to content.
const RENDERED: [&str; 2] = ["cd_content", "http_content"];

/// A text larger than this is no script or answer file.
const LIMIT: u64 = 4 << 20;

/// A text that a target renders or carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Document {
    /// File it comes from, relative to the repository.
    pub file: PathBuf,
    /// Name of the rendered file, for example `/ks.cfg`; empty for a file that
    /// is taken as it is.
    pub name: String,
    /// Content.
    pub text: String,
}

/// Who has a document.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// Ids of targets.
    pub targets: Vec<String>,
    /// Files it may have been rendered from, relative to the repository.
    pub sources: BTreeSet<PathBuf>,
}

/// Every document with the targets that have it.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// Texts and who has them.
    pub texts: BTreeMap<Document, Uses>,
    /// Values that the user gave: what is in them is the user's own affair.
    pub given: BTreeSet<String>,
    /// Files by path, each looked at once.
    seen: Seen,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    shown: HashMap<PathBuf, PathBuf>,
    carried: HashMap<PathBuf, Option<Document>>,
}

impl Seen {
    /// The file behind links, relative to the repository.
    fn shown(&mut self, root: &Path, path: &Path) -> PathBuf {
        if let Some(known) = self.shown.get(path) {
            return known.clone();
        }
        let shown = shown(root, path);
        self.shown.insert(path.into(), shown.clone());
        shown
    }

    /// A script or hook that goes into the guest as it is.
    fn carried(&mut self, root: &Path, path: &Path) -> Option<Document> {
        if let Some(known) = self.carried.get(path) {
            return known.clone();
        }
        let document = carried(root, path);
        self.carried.insert(path.into(), document.clone());
        document
    }
}

impl Document {
    /// Where line `line` of the text stands: in the file itself, or in the
    /// template that it was rendered from, if the line can be told from others.
    #[must_use]
    pub fn place(&self, root: &Path, sources: &BTreeSet<PathBuf>, line: usize) -> Place {
        let text = self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        if line == 0 {
            return Place::file(&self.file);
        }
        if self.name.is_empty() {
            return whole(&self.file, line, text);
        }
        let files = [&self.file].into_iter().chain(sources);
        let found = files.filter_map(|file| {
            let template = fs::read_to_string(root.join(file)).ok()?;
            let (quality, at) = origin(&template, text, line)?;
            let shown = template.lines().nth(at - 1).unwrap_or_default();
            Some((quality, whole(file, at, shown)))
        });
        let best = found.max_by_key(|(quality, _)| *quality);
        best.map_or_else(|| Place::file(&self.file), |(_, place)| place)
    }

    /// Names the rendered file, if it is one.
    #[must_use]
    pub fn message(&self, text: &str) -> String {
        match self.name.as_str() {
            "" => text.to_owned(),
            name => format!("rendered {name}: {text}"),
        }
    }
}

fn whole(file: &Path, line: usize, text: &str) -> Place {
    let start = text.len() - text.trim_start().len();
    Place::bytes_of_line(file, line, text, start..text.trim_end().len())
}

/// The line of a template that became `rendered`, and how sure that is: the
/// same text, or the same text around one `${...}`. The nearest counts.
fn origin(template: &str, rendered: &str, near: usize) -> Option<(usize, usize)> {
    let rendered = rendered.trim();
    if rendered.is_empty() {
        return None;
    }
    let lines = template.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let quality = |line: &str| -> Option<usize> {
        if line == rendered {
            return Some(usize::MAX);
        }
        let marks = [line.find("${"), line.find("%{")].into_iter().flatten();
        let (before, rest) = line.split_at_checked(marks.min()?)?;
        let after = rest.rsplit_once('}').map_or("", |(_, after)| after);
        let known = before.len() + after.len();
        let fits =
            rendered.len() >= known && rendered.starts_with(before) && rendered.ends_with(after);
        (fits && known >= 3).then_some(known)
    };
    let fitting = lines.filter_map(|(at, line)| Some((quality(line)?, at)));
    fitting.max_by_key(|(quality, at)| (*quality, std::cmp::Reverse(at.abs_diff(near))))
}

impl Documents {
    /// Takes over what another image has.
    pub fn merge(&mut self, other: Self) {
        for (document, uses) in other.texts {
            let own = self.texts.entry(document).or_default();
            own.targets.extend(uses.targets);
            own.sources.extend(uses.sources);
        }
        self.given.extend(other.given);
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
        let read = &resolved.evaluated.files_read;
        let seen = &mut self.seen;
        let texts = read.iter().filter(|path| !is_hcl(path));
        let sources: BTreeSet<PathBuf> = texts.map(|path| seen.shown(root, path)).collect();
        let template = read.iter().find(|path| path.to_string_lossy().ends_with(".pkrtpl.hcl"));
        let template =
            template.map_or_else(|| PathBuf::from(&target.image), |path| seen.shown(root, path));
        let mut all = rendered(&resolved.source.body, &template);
        all.extend(used.iter().filter_map(|path| seen.carried(root, path)));
        for document in all {
            let uses = self.texts.entry(document).or_default();
            uses.targets.push(target.id.clone());
            uses.sources.extend(sources.iter().cloned());
        }
        let variables = resolved.evaluated.variables.values();
        let given = variables.filter(|v| !matches!(v.origin, ValueOrigin::Default));
        self.given.extend(given.filter_map(|v| v.value.as_str().map(str::to_owned)));
    }
}

fn is_hcl(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".pkr.hcl") || name.ends_with(".pkrvars.hcl")
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
    if name.ends_with(".pkrtpl.hcl") || is_hcl(path) {
        return None;
    }
    let text = fs::read_to_string(path).ok()?;
    Some(Document { file: shown(root, path), name: String::new(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_line_is_found_in_its_template() {
        let template = "lang ${language}\n%{ if x ~}\nrepo --name=a\n%{ endif ~}\nrepo --name=a\nurl --url=\"${url}\" --proxy=x\n";
        for (rendered, near, line) in [
            ("lang en_US", 1, Some(1)),
            ("repo --name=a", 2, Some(3)),
            ("repo --name=a", 5, Some(5)),
            ("url --url=\"http://x\" --proxy=x", 4, Some(6)),
            ("url --url=\"http://x\" --proxy=y", 4, None),
            ("", 1, None),
        ] {
            assert_eq!(origin(template, rendered, near).map(|(_, at)| at), line, "{rendered}");
        }
    }
}
