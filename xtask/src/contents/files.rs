//! The list of files: one line each, in order of their paths, as `ls -ln`
//! would show them.

use disk_image::artifact::{Index, Node, NodeKind};

/// Type and mode, owner and group, size (or device), time of change in seconds,
/// path, and where links lead. Bytes that are no printable text are escaped as
/// in C, so that a line is an entry.
pub(super) fn list(index: &Index) -> Vec<u8> {
    let mut text = Vec::new();
    for (path, node) in index.iter() {
        text.extend(line(path, node).into_bytes());
    }
    text
}

fn line(path: &[u8], node: &Node) -> String {
    let link = |arrow: &str, to: &[u8]| format!(" {arrow} {}", shown(to));
    let (kind, size, target) = match &node.kind {
        NodeKind::File => ('-', node.size.to_string(), String::new()),
        NodeKind::Directory => ('d', "0".into(), String::new()),
        NodeKind::Symlink(to) => ('l', "0".into(), link("->", to)),
        NodeKind::HardLink(first) => ('h', "0".into(), link("==", &[b"/", &first[..]].concat())),
        NodeKind::CharDevice(major, minor) => ('c', format!("{major},{minor}"), String::new()),
        NodeKind::BlockDevice(major, minor) => ('b', format!("{major},{minor}"), String::new()),
        NodeKind::Fifo => ('p', "0".into(), String::new()),
        NodeKind::Other => ('?', "0".into(), String::new()),
    };
    let Node { mode, uid, gid, mtime, .. } = node;
    let path = shown(&[b"/", path].concat());
    format!("{kind}{mode:04o} {uid}:{gid} {size} {} {path}{target}\n", mtime.seconds)
}

fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\\' => text.push_str("\\\\"),
                char if char.is_control() => text.extend(char.escape_default()),
                char => text.push(char),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use disk_image::fs::Timestamp;

    use super::*;

    #[test]
    fn every_entry_is_one_line() {
        let mut index = Index::default();
        let mut add = |path: &[u8], kind, size| {
            let mtime = Timestamp { seconds: 1_700_000_000, nanoseconds: 5 };
            let (xattrs, fingerprint) = (Vec::new(), None);
            let node = Node { kind, mode: 0o644, uid: 1, gid: 2, size, mtime, xattrs, fingerprint };
            index.insert(path.to_vec(), node);
        };
        add(b"", NodeKind::Directory, 0);
        add(b"a", NodeKind::File, 7);
        add(b"b", NodeKind::HardLink(b"a".to_vec()), 0);
        add(b"c\n\xff\\", NodeKind::Symlink(b"x\ty".to_vec()), 0);
        add(b"d", NodeKind::CharDevice(1, 3), 0);
        add("e ü".as_bytes(), NodeKind::Fifo, 0);
        let expected = "\
d0644 1:2 0 1700000000 /
-0644 1:2 7 1700000000 /a
h0644 1:2 0 1700000000 /b == /a
l0644 1:2 0 1700000000 /c\\n\\xff\\\\ -> x\\ty
c0644 1:2 1,3 1700000000 /d
p0644 1:2 0 1700000000 /e ü
";
        assert_eq!(String::from_utf8(list(&index)).unwrap(), expected);
    }
}
