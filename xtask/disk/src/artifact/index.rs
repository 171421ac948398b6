//! What is in a root file system, without its bulk.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::fingerprint::Fingerprint;
use super::initrd::Initrd;
use super::interest;
use crate::fs::Timestamp;
use crate::policy::matches;

/// Type of an entry, with what only that type has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link to this target.
    Symlink(Vec<u8>),
    /// Second or later name of the entry at this path below the root.
    HardLink(Vec<u8>),
    /// Character device: major, minor.
    CharDevice(u64, u64),
    /// Block device: major, minor.
    BlockDevice(u64, u64),
    /// Named pipe.
    Fifo,
    /// Socket, or a tar member type that has no place in a root file system.
    Other,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Type.
    pub kind: NodeKind,
    /// Permission, set-id and sticky bits.
    pub mode: u16,
    /// Numeric owner.
    pub uid: u64,
    /// Numeric group.
    pub gid: u64,
    /// Bytes of content; 0 for all but files.
    pub size: u64,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// Extended attributes, sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Identity of the content, if it was asked for.
    pub fingerprint: Option<Fingerprint>,
}

/// The entries of a root file system, and the content of small files that the
/// contract looks into. Paths are below the root, without leading slash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    entries: BTreeMap<Vec<u8>, Node>,
    contents: BTreeMap<Vec<u8>, Vec<u8>>,
    initrds: BTreeMap<Vec<u8>, Initrd>,
}

/// As many links as the kernel follows in one path.
const MAX_LINKS: usize = 40;

impl Index {
    /// Adds an entry; a later one of the same path replaces it, as extraction
    /// would. Says whether there was one.
    pub fn insert(&mut self, path: Vec<u8>, node: Node) -> bool {
        self.contents.remove(&path);
        self.initrds.remove(&path);
        self.entries.insert(path, node).is_some()
    }

    /// Adds the content of an entry; of an initrd only the names in it stay.
    pub fn insert_content(&mut self, path: Vec<u8>, bytes: Vec<u8>) {
        if interest::is_initrd(&path) {
            if let Some(initrd) = Initrd::read(&bytes) {
                self.insert_initrd(path, initrd);
            }
            return;
        }
        self.contents.insert(path, bytes);
    }

    /// The same for an initrd that was listed already.
    pub(super) fn insert_initrd(&mut self, path: Vec<u8>, initrd: Initrd) {
        self.initrds.insert(path, initrd);
    }

    /// Sets the identity of an entry's content.
    pub fn set_fingerprint(&mut self, path: &[u8], fingerprint: Fingerprint) {
        if let Some(node) = self.entries.get_mut(path) {
            node.fingerprint = Some(fingerprint);
        }
    }

    /// How many bytes of the content of `path` are worth keeping.
    pub fn wants(path: &[u8]) -> Option<u64> {
        interest::limit(path)
    }

    /// All entries in order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.entries.iter().map(|(path, node)| (path.as_slice(), node))
    }

    /// The entry of exactly this path below the root.
    pub fn node(&self, path: &[u8]) -> Option<&Node> {
        self.entries.get(path)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of content of all files, holes included.
    pub fn total_bytes(&self) -> u64 {
        self.entries.values().fold(0, |sum, node| sum.saturating_add(node.size))
    }

    /// The entry of exactly this absolute path, links not followed.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.entries.get(path.trim_matches('/').as_bytes())
    }

    /// The entry that opening this absolute path would reach: symbolic links
    /// followed inside the root, hard links resolved.
    pub fn find(&self, path: &str) -> Option<(&[u8], &Node)> {
        let real = self.resolve(path.as_bytes())?;
        self.entries.get_key_value(&real).map(|(path, node)| (path.as_slice(), node))
    }

    /// Whether opening this absolute path would succeed.
    pub fn exists(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// The content of the file that this absolute path reaches, if it was kept.
    pub fn content(&self, path: &str) -> Option<&[u8]> {
        self.contents.get(&self.resolve(path.as_bytes())?).map(Vec::as_slice)
    }

    /// The same as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, path: &str) -> Option<String> {
        self.content(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// What is in the initrd that this absolute path reaches, if it is one.
    pub fn initrd(&self, path: &str) -> Option<&Initrd> {
        self.initrds.get(&self.resolve(path.as_bytes())?)
    }

    /// Absolute paths that match `pattern` (see [`matches`]) as text, links in
    /// directories not followed.
    pub fn glob(&self, pattern: &str) -> impl Iterator<Item = (String, &Node)> {
        let absolute = |path: &[u8]| [b"/", path].concat();
        self.entries
            .iter()
            .filter(move |(path, _)| matches(pattern.as_bytes(), &absolute(path)))
            .map(move |(path, node)| (String::from_utf8_lossy(&absolute(path)).into_owned(), node))
    }

    /// Names in the directory that this absolute path reaches.
    pub fn names(&self, dir: &str) -> Vec<String> {
        let Some(mut prefix) = self.resolve(dir.as_bytes()) else { return Vec::new() };
        if !prefix.is_empty() {
            prefix.push(b'/');
        }
        let below = self.entries.range::<[u8], _>((Bound::Excluded(&prefix[..]), Bound::Unbounded));
        let first = |name: &'_ [u8]| {
            let end = name.iter().position(|&byte| byte == b'/').unwrap_or(name.len());
            String::from_utf8_lossy(&name[..end]).into_owned()
        };
        let mut names: Vec<String> =
            below.map_while(|(path, _)| path.strip_prefix(&prefix[..])).map(first).collect();
        // `a-b` sorts between `a` and `a/c`.
        names.sort();
        names.dedup();
        names
    }

    fn resolve(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut todo: Vec<Vec<u8>> = names_backwards(path);
        let mut real: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                let slash = real.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
                real.truncate(slash);
                continue;
            }
            let parent = real.len();
            if parent > 0 {
                real.push(b'/');
            }
            real.extend_from_slice(&name);
            // An archive need not list the directories above an entry.
            match self.entries.get(&real).map(|node| &node.kind) {
                Some(NodeKind::Symlink(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    todo.extend(names_backwards(target));
                    real.truncate(if target.starts_with(b"/") { 0 } else { parent });
                }
                Some(NodeKind::HardLink(first)) => real.clone_from(first),
                _ => {}
            }
        }
        Some(real)
    }
}

/// The names of a path, last one first; empty ones and `.` left out.
fn names_backwards(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|&byte| byte == b'/').rev();
    names.filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(kind: NodeKind) -> Node {
        let mtime = Timestamp::default();
        let (xattrs, fingerprint) = (Vec::new(), None);
        Node { kind, mode: 0o644, uid: 0, gid: 0, size: 0, mtime, xattrs, fingerprint }
    }

    fn sample() -> Index {
        let mut index = Index::default();
        for (path, kind) in [
            ("", NodeKind::Directory),
            ("etc", NodeKind::Directory),
            ("etc/os-release", NodeKind::Symlink(b"../usr/lib/os-release".to_vec())),
            ("etc-x", NodeKind::File),
            ("lib", NodeKind::Symlink(b"usr/lib".to_vec())),
            ("loop", NodeKind::Symlink(b"/loop".to_vec())),
            ("usr", NodeKind::Directory),
            ("usr/lib", NodeKind::Directory),
            ("usr/lib/hard", NodeKind::HardLink(b"usr/lib/os-release".to_vec())),
            ("usr/lib/os-release", NodeKind::File),
            ("opt/no/parents", NodeKind::File),
        ] {
            index.insert(path.into(), node(kind));
        }
        index.insert_content(b"usr/lib/os-release".to_vec(), b"ID=x\n".to_vec());
        index
    }

    #[test]
    fn paths_resolve_as_in_a_chroot() {
        let index = sample();
        for (path, expected) in [
            ("/etc/os-release", Some("usr/lib/os-release")),
            ("/lib/os-release", Some("usr/lib/os-release")),
            ("/lib/hard", Some("usr/lib/os-release")),
            ("/../../etc/../lib/./hard", Some("usr/lib/os-release")),
            ("/loop", None),
            ("/etc/none", None),
            ("/opt/no/parents", Some("opt/no/parents")),
            ("/opt/no", None),
            ("/", Some("")),
        ] {
            let found =
                index.find(path).map(|(path, _)| String::from_utf8_lossy(path).into_owned());
            assert_eq!(found.as_deref(), expected, "{path}");
        }
        assert_eq!(index.content("/etc/os-release"), Some(&b"ID=x\n"[..]));
    }

    #[test]
    fn names_and_globs() {
        let index = sample();
        assert_eq!(index.names("/"), ["etc", "etc-x", "lib", "loop", "opt", "usr"]);
        assert_eq!(index.names("/lib"), ["hard", "os-release"]);
        assert!(index.names("/nowhere").is_empty());
        let found: Vec<_> = index.glob("/usr/lib/*").map(|(path, _)| path).collect();
        assert_eq!(found, ["/usr/lib/hard", "/usr/lib/os-release"]);
    }

    #[test]
    fn a_later_entry_replaces_content_too() {
        let mut index = sample();
        assert!(index.insert(b"usr/lib/os-release".to_vec(), node(NodeKind::File)));
        assert_eq!(index.content("/etc/os-release"), None);
    }
}
