//! What changed from one artifact to another.

use std::collections::BTreeMap;

use disk_image::artifact::{Artifact, Index, Node, NodeKind};
use disk_image::pack::Manifest;
use serde::Serialize;

use super::versions;

/// What one artifact has and the other has not.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Packages only in the second: version.
    pub packages_added: BTreeMap<String, String>,
    /// Packages only in the first: version.
    pub packages_removed: BTreeMap<String, String>,
    /// Packages in both: version in the first and in the second.
    pub packages_changed: BTreeMap<String, (String, String)>,
    /// Absolute paths only in the second.
    pub added: Vec<String>,
    /// Absolute paths only in the first.
    pub removed: Vec<String>,
    /// Absolute paths in both, and what differs: `mode 0644 -> 0600`.
    /// Times are not compared.
    pub changed: BTreeMap<String, Vec<String>>,
}

/// Compares packages and files.
#[must_use]
pub fn compare(a: &Artifact, b: &Artifact) -> Difference {
    let mut difference = Difference::default();
    difference.packages(&Manifest::of(&a.index), &Manifest::of(&b.index));
    difference.files(&a.index, &b.index);
    difference
}

impl Difference {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn packages(&mut self, a: &Manifest, b: &Manifest) {
        let list = |manifest: &Manifest| -> BTreeMap<String, String> {
            let versions = versions(manifest.packages.list().unwrap_or_default());
            versions.into_iter().map(|(name, version)| (name, version.to_string())).collect()
        };
        let (a, mut b) = (list(a), list(b));
        for (name, old) in a {
            match b.remove(&name) {
                None => drop(self.packages_removed.insert(name, old)),
                Some(new) if new != old => drop(self.packages_changed.insert(name, (old, new))),
                Some(_) => {}
            }
        }
        self.packages_added = b;
    }

    fn files(&mut self, a: &Index, b: &Index) {
        let shown = |path: &[u8]| format!("/{}", String::from_utf8_lossy(path));
        for (path, old) in a.iter() {
            let Some(new) = b.node(path) else {
                self.removed.push(shown(path));
                continue;
            };
            let changes = changes(real(a, old), real(b, new));
            if !changes.is_empty() {
                self.changed.insert(shown(path), changes);
            }
        }
        let added = b.iter().filter(|(path, _)| a.node(path).is_none());
        self.added = added.map(|(path, _)| shown(path)).collect();
    }

    /// For people; at most `limit` lines per section.
    pub(super) fn text(&self, limit: usize) -> String {
        let mut text = String::new();
        let pairs = |list: &BTreeMap<String, String>| {
            list.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>()
        };
        let changed = self.packages_changed.iter();
        let changed = changed.map(|(name, (old, new))| format!("{name} {old} -> {new}")).collect();
        let files = self.changed.iter().map(|(path, what)| format!("{path}: {}", what.join(", ")));
        for (title, lines) in [
            ("packages added", pairs(&self.packages_added)),
            ("packages removed", pairs(&self.packages_removed)),
            ("packages changed", changed),
            ("files added", self.added.clone()),
            ("files removed", self.removed.clone()),
            ("files changed", files.collect()),
        ] {
            section(&mut text, title, &lines, limit);
        }
        if text.is_empty() { "no difference\n".into() } else { text }
    }
}

fn section(text: &mut String, title: &str, lines: &[String], limit: usize) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("{title}: {}\n", lines.len()));
    for line in lines.iter().take(limit) {
        text.push_str(&format!("  {line}\n"));
    }
    if lines.len() > limit {
        text.push_str(&format!("  and {} more (--full)\n", lines.len() - limit));
    }
}

/// The node behind a hard link: which name comes first is the packer's choice.
fn real<'a>(index: &'a Index, node: &'a Node) -> &'a Node {
    match &node.kind {
        NodeKind::HardLink(first) => index.node(first).unwrap_or(node),
        _ => node,
    }
}

fn changes(old: &Node, new: &Node) -> Vec<String> {
    let mut changes = Vec::new();
    let mut note = |same: bool, text: String| {
        if !same {
            changes.push(text);
        }
    };
    note(old.kind == new.kind, format!("{} -> {}", kind(&old.kind), kind(&new.kind)));
    note(old.mode == new.mode, format!("mode {:04o} -> {:04o}", old.mode, new.mode));
    let owner = |node: &Node| format!("{}:{}", node.uid, node.gid);
    note(owner(old) == owner(new), format!("owner {} -> {}", owner(old), owner(new)));
    note(old.size == new.size, format!("size {} -> {}", old.size, new.size));
    let same_content = old.size != new.size || old.fingerprint == new.fingerprint;
    note(same_content, "content".into());
    if old.xattrs != new.xattrs {
        changes.push(format!("attributes {}", attributes(old, new)));
    }
    changes
}

fn kind(kind: &NodeKind) -> String {
    match kind {
        NodeKind::File => "file".into(),
        NodeKind::Directory => "directory".into(),
        NodeKind::Symlink(target) => format!("link to {}", String::from_utf8_lossy(target)),
        NodeKind::HardLink(first) => format!("second name of /{}", String::from_utf8_lossy(first)),
        NodeKind::CharDevice(major, minor) => format!("character device {major}:{minor}"),
        NodeKind::BlockDevice(major, minor) => format!("block device {major}:{minor}"),
        NodeKind::Fifo => "pipe".into(),
        NodeKind::Other => "something else".into(),
    }
}

/// Names of the extended attributes that differ.
fn attributes(old: &Node, new: &Node) -> String {
    let mut names: Vec<String> = old
        .xattrs
        .iter()
        .filter(|pair| !new.xattrs.contains(pair))
        .chain(new.xattrs.iter().filter(|pair| !old.xattrs.contains(pair)))
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort();
    names.dedup();
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use disk_image::fs::Timestamp;
    use disk_image::policy::Kind;

    use super::*;

    fn artifact(files: &[(&str, NodeKind, u16, u64, Option<u8>)]) -> Artifact {
        let mut index = Index::default();
        for (path, kind, mode, size, print) in files {
            let node = Node {
                kind: kind.clone(),
                mode: *mode,
                uid: 0,
                gid: 0,
                size: *size,
                mtime: Timestamp::default(),
                xattrs: Vec::new(),
                fingerprint: print.map(|byte| [byte; 32]),
            };
            index.insert(path.as_bytes().to_vec(), node);
        }
        Artifact {
            kind: Kind::Tgz,
            bytes: 1,
            sha256: [0; 32],
            index,
            root: Ok("archive".into()),
            unpacked: 0,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn every_kind_of_change_is_named() {
        use NodeKind::{File, HardLink, Symlink};
        let a = artifact(&[
            ("content", File, 0o644, 5, Some(1)),
            ("gone", File, 0o644, 5, Some(1)),
            ("kind", File, 0o777, 0, None),
            ("mode", File, 0o644, 5, Some(1)),
            ("same", File, 0o644, 5, Some(1)),
            ("size", File, 0o644, 5, Some(1)),
            ("x1", File, 0o644, 5, Some(2)),
            ("x2", HardLink(b"x1".to_vec()), 0o644, 0, None),
        ]);
        let b = artifact(&[
            ("content", File, 0o644, 5, Some(2)),
            ("kind", Symlink(b"/x".to_vec()), 0o777, 0, None),
            ("mode", File, 0o600, 5, Some(1)),
            ("new", File, 0o644, 5, Some(1)),
            ("same", File, 0o644, 5, Some(1)),
            ("size", File, 0o644, 6, Some(2)),
            ("x1", HardLink(b"x2".to_vec()), 0o644, 0, None),
            ("x2", File, 0o644, 5, Some(2)),
        ]);
        let difference = compare(&a, &b);
        assert_eq!(difference.added, ["/new"]);
        assert_eq!(difference.removed, ["/gone"]);
        let changed: Vec<_> = difference
            .changed
            .iter()
            .map(|(path, what)| format!("{path}: {}", what.join(", ")))
            .collect();
        let expected = [
            "/content: content",
            "/kind: file -> link to /x",
            "/mode: mode 0644 -> 0600",
            "/size: size 5 -> 6",
        ];
        assert_eq!(changed, expected);
        assert!(compare(&a, &a).is_empty());
        assert_eq!(compare(&a, &a).text(5), "no difference\n");
        assert!(difference.text(1).contains("files changed: 4\n  /content: content\n  and 3 more"));
    }
}
